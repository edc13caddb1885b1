//! One simulated ticket and faults at chosen operations, as every build can afford them. `cargo xtask sim` tries all.

use testkit::sim::night::case::{Breadth, Case, Delivery};
use testkit::sim::night::{Defect, Fault, Operation, Part, Strike};

#[test]
fn a_ticket_survives_faults_at_its_operations_whatever_way_it_is_delivered() {
    let breadth = Breadth {
        single: 23,
        pairs: Some(41),
    };
    for delivery in Delivery::ALL {
        match Case::quiet(delivery, 1).search(breadth) {
            Ok(search) => {
                assert!(search.single >= 10 && search.pairs >= 5, "{search:?}");
                assert!(search.tally.faults() >= 20, "{search:?}");
            }
            Err(failing) => panic!("{failing}\ncargo xtask sim --replay '{}'", failing.case),
        }
    }
}

/// Searches a broken executor, and gives the smallest case that shows what is broken; none: nothing does.
fn found(delivery: Delivery, defect: Defect) -> Option<(Case, String)> {
    let case = Case {
        defect: Some(defect),
        ..Case::quiet(delivery, 1)
    };
    let breadth = Breadth {
        single: 1,
        pairs: Some(1),
    };
    let small = case.search(breadth).err()?.shrunk();
    // What is printed is what is read again.
    let again = small.case.to_string().parse::<Case>();
    assert_eq!(again.as_ref(), Ok(&small.case));
    assert_eq!(again.map(|again| again.run().err()), Ok(Some(small.clone())));
    Some((small.case, small.broken.what))
}

#[test]
fn an_executor_that_moves_the_branch_twice_is_found_and_shrunk_and_found_again() {
    let (case, what) = found(Delivery::Branch, Defect::MovesAgain).unwrap();
    assert!(what.contains("its branch was moved 2 times"), "{what}");
    assert_eq!(case.strikes.len(), 1, "{case}");
    // The same without what is broken is nothing.
    let sound = Case { defect: None, ..case };
    assert!(sound.run().is_ok(), "{sound}");
}

#[test]
fn a_failing_case_of_two_late_faults_is_shrunk_to_what_it_takes() {
    let (small, _) = found(Delivery::Branch, Defect::MovesAgain).unwrap();
    let needless = Strike {
        at: 4,
        fault: Fault::PowerCut(Part::All, Part::Half),
    };
    let strikes = vec![needless, small.strikes[0]];
    let large = Case {
        strikes,
        ..small.clone()
    };
    // Further on until it fails: the first death makes the run longer.
    let failing = (1..100).find_map(|at| {
        let mut case = large.clone();
        case.strikes[1].at = at;
        case.run().err()
    });
    let shrunk = failing.expect("one of them fails").shrunk();
    assert_eq!(shrunk.case.strikes.len(), 1, "{}", shrunk.case);
    assert_eq!(shrunk.case.strikes[0].at, small.strikes[0].at);
}

#[test]
fn every_kind_of_broken_executor_is_found() {
    for (delivery, defect, says) in [
        (Delivery::Branch, Defect::StoresAgain, "is stored 2 times"),
        (Delivery::Branch, Defect::KeepsNothing, "which nothing keeps"),
        (Delivery::PushOvertaken, Defect::BelievesPushes, ""),
        (Delivery::None, Defect::FlushesNothing, "which is not there"),
    ] {
        let (case, what) = found(delivery, defect).unwrap();
        assert!(what.contains(says), "{case}: {what}");
    }
}

/// The branch was made, its target moved, and the branch moved again: whoever took the run up had forgotten what was to be delivered, prepared
/// another delivery, and took the branch for holding that one.
#[test]
fn a_branch_that_had_moved_again_when_its_runner_died_holds_what_is_delivered() {
    let quiet = Case::quiet(Delivery::PushOvertaken, 1);
    let operations = quiet.run().unwrap().after;
    let effects = (1..)
        .zip(operations)
        .filter(|(_, operation)| *operation == Operation::Effect);
    for (at, _) in effects {
        let mut case = quiet.clone();
        let fault = Fault::Kill(Part::All);
        case.strikes.push(Strike { at, fault });
        case.run().unwrap_or_else(|failing| panic!("{failing}"));
    }
}

#[test]
fn what_is_no_case_is_refused() {
    for text in [
        "",
        "push",
        "pull 1",
        "push x",
        "push 1 kill@1",
        "push 1 kill:some@1",
        "push 1 lost",
        "push 1 lost@x",
    ] {
        assert!(text.parse::<Case>().is_err(), "{text}");
    }
    let text = "push-overtaken 7 moves-again kill:half@17 power:all:nothing@3 full:nothing@1 lost@2 mute@4 twice@5";
    assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
}
