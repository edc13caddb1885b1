//! Small simulated nights, as every build can afford them. `cargo xtask night` spends large ones.

use testkit::sim::night::{NightSeed, spend_night};

#[test]
fn every_ticket_of_a_simulated_night_ends_done_or_blocked_with_the_true_cause() {
    let mut faults = 0;
    for seed in 1..=3 {
        let night = NightSeed { seed, tickets: 30 };
        match spend_night(night) {
            Ok(report) => {
                assert_eq!(report.done + report.blocked + report.waiting, night.tickets);
                faults += report.tally.faults();
            }
            Err(broken) => panic!("{broken}\ncargo xtask night --seed {seed} --tickets {}", night.tickets),
        }
    }
    assert!(
        faults > 50,
        "nights in which nothing goes wrong prove little: {faults} faults"
    );
}

#[test]
fn the_same_seed_gives_the_same_night() {
    let spend = || spend_night(NightSeed { seed: 5, tickets: 20 }).map_err(|broken| broken.to_string());
    assert_eq!(spend(), spend());
}
