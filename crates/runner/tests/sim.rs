//! One simulated ticket and faults at chosen operations, as every build can afford them. `cargo xtask sim` tries all.

use testkit::sim::night::case::{Case, Delivery};
use testkit::sim::night::{Fault, Operation, Part, Strike};

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
