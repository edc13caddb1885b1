//! What goes wrong with a runner, and when: after so many operations, counted wherever it could matter.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// How a runner dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process is killed: all that was written is there.
    Killed,
    /// The machine loses power: of what was not synced so much is left.
    PowerCut(Part),
}

/// How much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing of it.
    Nothing,
    /// About half of it, to the byte.
    Half,
    /// All of it.
    All,
    /// What chance says.
    Drawn,
}

/// What goes wrong at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The runner is killed when so much of the operation is done.
    Kill(Part),
    /// The power is cut when so much of the operation is done, and of what was not synced so much is left: of each journal so many bytes, and of the
    /// objects none, or where something is left whichever chance says.
    PowerCut(Part, Part),
    /// The disk is full when so much of the operation is done.
    Full(Part),
    /// The remote does it, and its answer is lost.
    Lost,
    /// The remote does nothing, and does not answer.
    Mute,
    /// What is seen is told twice.
    Twice,
}

/// A fault, and at which operation since the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The number of the operation, from 1.
    pub at: u64,
    /// What goes wrong.
    pub fault: Fault,
}

/// An operation at which something may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// An event is appended to the journal.
    Append,
    /// The journal is brought to the disk.
    Sync,
    /// An object is written, or a ref of the repository moves.
    Write,
    /// An object that was written is brought to the disk.
    Flush,
    /// An effect is carried out.
    Effect,
    /// The remote is asked, or pushed to.
    Remote,
    /// What a dead runner left is looked at.
    Look,
}

impl Operation {
    /// All that may go wrong there.
    pub fn faults(self) -> Vec<Fault> {
        use Fault::{Full, Kill, Lost, Mute, PowerCut, Twice};
        use Part::{All, Half, Nothing};
        match self {
            Self::Append => vec![
                Kill(Nothing),
                Kill(Half),
                Kill(All),
                PowerCut(All, Nothing),
                PowerCut(All, Half),
                PowerCut(All, All),
                Full(Nothing),
                Full(Half),
            ],
            Self::Sync => vec![
                Kill(Nothing),
                PowerCut(Nothing, Nothing),
                PowerCut(Nothing, Half),
                PowerCut(All, Nothing),
                Full(Nothing),
            ],
            Self::Write => vec![Kill(Nothing), PowerCut(Nothing, Nothing), Full(Nothing)],
            Self::Flush => vec![
                Kill(Nothing),
                PowerCut(Nothing, Nothing),
                PowerCut(Nothing, Half),
                Full(Nothing),
            ],
            Self::Effect => vec![
                Kill(Nothing),
                Kill(All),
                PowerCut(All, Nothing),
                PowerCut(All, All),
                Full(Nothing),
                Twice,
            ],
            Self::Remote => vec![
                Kill(Nothing),
                Kill(All),
                PowerCut(All, Nothing),
                PowerCut(All, All),
                Lost,
                Mute,
                Twice,
            ],
            Self::Look => vec![Kill(Nothing), PowerCut(Nothing, Nothing), Mute],
        }
    }

    /// Those after which another runner begins, and the lost answer: one for each different state that they leave.
    pub fn deaths(self) -> Vec<Fault> {
        use Fault::{Kill, Lost, PowerCut};
        use Part::{All, Half, Nothing};
        match self {
            Self::Append => vec![Kill(Half), Kill(All), PowerCut(All, Nothing)],
            Self::Sync => vec![PowerCut(Nothing, Half)],
            Self::Write | Self::Look => vec![Kill(Nothing)],
            Self::Flush => vec![Kill(Nothing), PowerCut(Nothing, Nothing)],
            Self::Effect => vec![Kill(All), PowerCut(All, Nothing)],
            Self::Remote => vec![Kill(All), PowerCut(All, Nothing), Lost],
        }
    }
}

impl Fault {
    /// Those that are easier to understand.
    pub(super) fn plainer(self) -> Vec<Self> {
        match self {
            Self::Kill(Part::Nothing) => Vec::new(),
            Self::Kill(_) => vec![Self::Kill(Part::Nothing)],
            Self::PowerCut(done, _) => vec![Self::Kill(Part::Nothing), Self::Kill(done)],
            _ => vec![Self::Kill(Part::Nothing), Self::Kill(Part::All)],
        }
    }
}

/// Counts operations, and says at which of them something goes wrong.
#[derive(Debug)]
pub(super) struct Fuse {
    /// The faults that are left, the last one first. Each is counted to from the one before it.
    left: Vec<Strike>,
    /// The operations since the last fault, where they are wanted.
    passed: Option<Vec<Operation>>,
    /// How the runner has died.
    death: Option<Death>,
}

impl Fuse {
    /// These faults, one after the other.
    pub(super) fn of(strikes: &[Strike]) -> Self {
        Self {
            left: strikes.iter().rev().copied().collect(),
            passed: Some(Vec::new()),
            death: None,
        }
    }

    /// Faults all over a night of about so many operations. Some come right after another, while what that left is taken up.
    pub(super) fn draw(chance: &mut Rng, operations: u64) -> Self {
        let count = chance.usize(0..=12);
        let left = (0..count).map(|_| {
            let at = match chance.bool() {
                true => chance.u64(1..=60),
                false => chance.u64(1..=operations.max(2) / 4),
            };
            let fault = match chance.u8(0..10) {
                0 => Fault::Lost,
                1 => Fault::Twice,
                2..6 => Fault::Kill(Part::Drawn),
                _ => Fault::PowerCut(Part::Drawn, Part::Drawn),
            };
            Strike { at, fault }
        });
        Self {
            left: left.collect(),
            passed: None,
            death: None,
        }
    }

    /// Counts an operation. What goes wrong at it.
    pub(super) fn burn(&mut self, operation: Operation) -> Option<Fault> {
        if let Some(passed) = &mut self.passed {
            passed.push(operation);
        }
        let strike = self.left.last_mut()?;
        strike.at = strike.at.saturating_sub(1);
        if strike.at > 0 {
            return None;
        }
        let fault = strike.fault;
        self.left.pop();
        if let Some(passed) = &mut self.passed {
            passed.clear();
        }
        self.death = match fault {
            Fault::Kill(_) => Some(Death::Killed),
            Fault::PowerCut(_, left) => Some(Death::PowerCut(left)),
            _ => None,
        };
        Some(fault)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.death.is_some()
    }

    /// How the runner died, where it did; another one begins.
    pub(super) fn take_death(&mut self) -> Option<Death> {
        self.death.take()
    }

    /// The operations since the last fault.
    pub(super) fn take_passed(&mut self) -> Vec<Operation> {
        self.passed.take().unwrap_or_default()
    }
}

impl Part {
    /// How many of so many.
    pub(super) fn of(self, whole: usize, chance: &mut Rng) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Half => whole / 2,
            Self::All => whole,
            Self::Drawn => chance.usize(0..=whole),
        }
    }

    /// Whether what cannot be done by halves is done.
    pub(super) fn is_done(self, chance: &mut Rng) -> bool {
        self.of(1, chance) == 1
    }
}

const PARTS: [(Part, &str); 4] = [
    (Part::Nothing, "nothing"),
    (Part::Half, "half"),
    (Part::All, "all"),
    (Part::Drawn, "drawn"),
];

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = PARTS.iter().find(|(part, _)| part == self);
        f.write_str(named.map_or("", |(_, name)| name))
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = PARTS.iter().find(|(_, name)| *name == text);
        named
            .map(|(part, _)| *part)
            .ok_or_else(|| format!("`{text}` is none of nothing, half, all and drawn"))
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Kill(done) => write!(f, "kill:{done}"),
            Fault::PowerCut(done, left) => write!(f, "power:{done}:{left}"),
            Fault::Full(done) => write!(f, "full:{done}"),
            Fault::Lost => f.write_str("lost"),
            Fault::Mute => f.write_str("mute"),
            Fault::Twice => f.write_str("twice"),
        }?;
        write!(f, "@{}", self.at)
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (fault, at) = text.split_once('@').ok_or_else(|| format!("`{text}` has no `@`"))?;
        let at = at.parse().map_err(|error| format!("`{text}`: {error}"))?;
        let fault = match fault.split(':').collect::<Vec<_>>()[..] {
            ["kill", done] => Fault::Kill(done.parse()?),
            ["power", done, left] => Fault::PowerCut(done.parse()?, left.parse()?),
            ["full", done] => Fault::Full(done.parse()?),
            ["lost"] => Fault::Lost,
            ["mute"] => Fault::Mute,
            ["twice"] => Fault::Twice,
            _ => return Err(format!("`{text}` is no fault")),
        };
        Ok(Self { at, fault })
    }
}
