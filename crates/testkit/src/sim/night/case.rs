//! One ticket, and faults at chosen operations: all of them, one after the other, and every two.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;
use ledger_core::DeliveryMode;
use policy::Sought;

use super::behaviour::Behaviour;
use super::fuse::{Fuse, Operation, Strike};
use super::repository::Defect;
use super::tickets::Ticket;
use super::weather::Weather;
use super::world::{Tally, lock};
use super::{Night, NightBroken};

/// How the ticket is delivered, and what others do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Nowhere.
    None,
    /// To a branch.
    Branch,
    /// To a branch of the remote.
    Push,
    /// To one that moved while the worker was at work.
    PushMoved,
    /// To one that moves right before the push.
    PushOvertaken,
}

impl Delivery {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Branch,
        Self::Push,
        Self::PushMoved,
        Self::PushOvertaken,
    ];

    /// Its name in a case.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Branch => "branch",
            Self::Push => "push",
            Self::PushMoved => "push-moved",
            Self::PushOvertaken => "push-overtaken",
        }
    }
}

const DEFECTS: [(Defect, &str); 5] = [
    (Defect::MovesAgain, "moves-again"),
    (Defect::StoresAgain, "stores-again"),
    (Defect::KeepsNothing, "keeps-nothing"),
    (Defect::BelievesPushes, "believes-pushes"),
    (Defect::FlushesNothing, "flushes-nothing"),
];

/// A whole world in a line: as it is printed, so it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// How it is delivered.
    pub delivery: Delivery,
    /// What the ticket, its worker and all delays are drawn from.
    pub seed: u64,
    /// What is wrong with the executor; nothing but for those who look whether it is seen.
    pub defect: Option<Defect>,
    /// What goes wrong, in order.
    pub strikes: Vec<Strike>,
}

/// A case that went as it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survived {
    /// What was counted.
    pub tally: Tally,
    /// The operations after the last fault.
    pub after: Vec<Operation>,
}

/// A case in which something was seen that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {broken}")]
pub struct Failing {
    /// The case.
    pub case: Case,
    /// What was seen.
    pub broken: NightBroken,
}

/// What a search has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Search {
    /// Cases with one fault.
    pub single: u64,
    /// Cases with two.
    pub pairs: u64,
    /// What was counted in all.
    pub tally: Tally,
}

impl Search {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            single: self.single + other.single,
            pairs: self.pairs + other.pairs,
            tally: self.tally.plus(other.tally),
        }
    }
}

/// How much is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breadth {
    /// Every so manieth single fault.
    pub single: usize,
    /// Every so manieth first death, with every so manieth second one; none: no pairs.
    pub pairs: Option<usize>,
}

impl Case {
    /// One in which nothing goes wrong.
    pub fn quiet(delivery: Delivery, seed: u64) -> Self {
        Self {
            delivery,
            seed,
            defect: None,
            strikes: Vec::new(),
        }
    }

    /// Runs it to its end.
    pub fn run(&self) -> Result<Survived, Failing> {
        self.told().0
    }

    /// Runs it to its end, with the run's journal.
    pub fn told(&self) -> (Result<Survived, Failing>, Vec<u8>) {
        let mut chance = Rng::with_seed(self.seed);
        let (is_planned, is_reviewed) = (chance.bool(), chance.bool());
        let behaviour = match chance.u8(0..4) {
            0 => Behaviour::ChecksFail { times: 1 },
            1 => Behaviour::Refused { times: 1 },
            turns => Behaviour::Honest {
                turns: u64::from(turns) - 1,
            },
        };
        let (behaviour, mode) = match self.delivery {
            Delivery::None => (behaviour, DeliveryMode::None),
            Delivery::Branch => (behaviour, DeliveryMode::Branch),
            Delivery::Push => (behaviour, DeliveryMode::Push),
            Delivery::PushMoved => (Behaviour::TargetMoves { late: false }, DeliveryMode::Push),
            Delivery::PushOvertaken => (Behaviour::TargetMoves { late: true }, DeliveryMode::Push),
        };
        let is_reviewed = is_reviewed || behaviour.is_reviewed();
        let ticket = Ticket::alone(behaviour, mode, is_planned, is_reviewed);
        let sought = Sought::AllReady {
            poll: None,
            max_cycles: None,
        };
        let fuse = Fuse::of(&self.strikes);
        let mut night = Night::of(vec![ticket], Weather::default(), fuse, self.defect, chance, 1, sought);
        let end = night.outcome();
        let mut world = lock(&night.world);
        let end = match end {
            Ok(report) => Ok(Survived {
                tally: report.tally,
                after: world.fuse.take_passed(),
            }),
            Err(broken) => Err(Failing {
                case: self.clone(),
                broken,
            }),
        };
        let journals = world.tickets.iter_mut().map(|of| std::mem::take(&mut of.journal.bytes));
        (end, journals.flatten().collect())
    }

    fn with(&self, strike: Strike) -> Self {
        let mut case = self.clone();
        case.strikes.push(strike);
        case
    }

    /// Each that has one more fault.
    fn struck<'a>(
        &'a self,
        after: &'a [Operation],
        faults: impl Fn(Operation) -> Vec<super::Fault> + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        (1..).zip(after).flat_map(move |(at, operation)| {
            let cases = faults(*operation).into_iter();
            cases
                .map(move |fault| self.with(Strike { at, fault }))
                .collect::<Vec<_>>()
        })
    }

    /// The case with every single fault, and every two of which the first ends the runner or loses an answer.
    pub fn search(&self, breadth: Breadth) -> Result<Search, Failing> {
        let mut search = Search::default();
        let quiet = self.run()?;
        search.tally = quiet.tally;
        for case in self.struck(&quiet.after, Operation::faults).step_by(breadth.single) {
            let survived = case.run()?;
            search.single += 1;
            search.tally = search.tally.plus(survived.tally);
        }
        let Some(every) = breadth.pairs else {
            return Ok(search);
        };
        let firsts = self.struck(&quiet.after, Operation::deaths).step_by(every);
        for (number, first) in firsts.enumerate() {
            let survived = first.run()?;
            // Not the same for each of the first.
            let seconds = first.struck(&survived.after, Operation::deaths).skip(number % every);
            for second in seconds.step_by(every) {
                let survived = second.run()?;
                search.pairs += 1;
                search.tally = search.tally.plus(survived.tally);
            }
        }
        Ok(search)
    }
}

impl Failing {
    /// The same breakage with as few faults as it still comes with, each as early and as plain as may be.
    pub fn shrunk(self) -> Self {
        let mut smallest = self;
        loop {
            let smaller = smallest.case.smaller().into_iter().find_map(|case| case.run().err());
            match smaller {
                Some(smaller) => smallest = smaller,
                None => return smallest,
            }
        }
    }
}

impl Case {
    /// Cases that are smaller, the smallest first.
    fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for number in 0..self.strikes.len() {
            let mut case = self.clone();
            let gone = case.strikes.remove(number);
            smaller.push(case.clone());
            // The next one was counted from it.
            let Some(next) = self.strikes.get(number + 1) else {
                continue;
            };
            for at in next.at + 1..=next.at + gone.at {
                case.strikes[number].at = at;
                smaller.push(case.clone());
            }
        }
        for (number, strike) in self.strikes.iter().enumerate() {
            let mut with = |strike| {
                let mut case = self.clone();
                case.strikes[number] = strike;
                smaller.push(case);
            };
            for at in 1..strike.at {
                with(Strike { at, ..*strike });
            }
            for fault in strike.fault.plainer() {
                with(Strike { fault, ..*strike });
            }
        }
        smaller
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.delivery.name(), self.seed)?;
        if let Some((_, name)) = DEFECTS.iter().find(|(defect, _)| Some(*defect) == self.defect) {
            write!(f, " {name}")?;
        }
        self.strikes.iter().try_for_each(|strike| write!(f, " {strike}"))
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace().peekable();
        let (Some(delivery), Some(seed)) = (words.next(), words.next()) else {
            return Err("a case begins with a way of delivery and a seed".to_owned());
        };
        let named = Delivery::ALL.into_iter().find(|known| known.name() == delivery);
        let Some(delivery) = named else {
            let names = Delivery::ALL.map(Delivery::name).join(", ");
            return Err(format!("`{delivery}` is none of {names}"));
        };
        let seed = seed.parse().map_err(|error| format!("`{seed}`: {error}"))?;
        let defect = words
            .peek()
            .and_then(|word| DEFECTS.iter().find(|(_, name)| name == word));
        if defect.is_some() {
            words.next();
        }
        Ok(Self {
            delivery,
            seed,
            defect: defect.map(|(defect, _)| *defect),
            strikes: words.map(str::parse).collect::<Result<_, _>>()?,
        })
    }
}
