//! A worker that writes where checks run, whose results rest on caches too.

use std::time::Duration;

use super::{NARROW, assert_not_fired, said, world_with};
use crate::processes::assert_none_below;
use crate::unconfined::Codex;
use crate::world::{BackEnd, Terms, through_both};

through_both!(changes_a_file_of_what_is_checked);

/// What was changed is seen when a check has passed on it, and shows nothing then.
fn changes_a_file_of_what_is_checked(back_end: BackEnd) {
    let terms = Terms {
        check: "grep -q . README",
        more: "[limits]\nverification_failures = 1\n",
        codex: Codex::Unconfined,
        ..Terms::default()
    };
    let command = "echo evil >../check/README; touch $WORLD/struck";
    let world = world_with(back_end, terms, NARROW, command);

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert!(world.root().join("struck").exists(), "{}", said(&world));
    assert_eq!(packet["blocker"]["code"], "verification_failure_limit", "{packet:#}");
    let outcome = &packet["checks"][0]["outcome"];
    let reason = "`README` was changed while it ran, so that it shows nothing of the tree";
    assert_eq!(outcome["reason"], reason, "{packet:#}");
    assert_eq!(
        world.git(&["for-each-ref", "refs/heads/foil"]),
        "",
        "nothing is delivered"
    );
    assert_not_fired(&world);
    assert_none_below(world.root(), Duration::from_secs(10));
}
