//! A worker that kills who watches over it, and leaves something running.

use std::time::Duration;

use super::{NARROW, assert_is_hello, assert_not_fired, world_of};
use crate::processes::assert_none_below;
use crate::unconfined::Codex;
use crate::world::{BackEnd, World, honest_script, through_both};

through_both!(
    kills_its_guard_and_leaves_a_daemon,
    kills_its_guard_once_and_leaves_a_daemon,
    kills_the_runner_and_leaves_a_daemon,
);

const TICKET: &str = "0001-say-hello";

/// A daemon that does not end by itself or for the asking, and then the end of a process above, by the words of its command line.
/// `condition` is done first, and may end it.
fn daemon_and_kill(words: &str, condition: &str) -> String {
    format!(
        r#"{condition} setsid sh -c 'trap "" TERM INT HUP; cd $WORLD; while :; do sleep 0.2; done' >/dev/null 2>&1 &
touch $WORLD/struck
above=$$
until tr '\0' ' ' </proc/$above/cmdline | grep -q {words}; do
    above=$(sed -n 's/^PPid:\t//p' /proc/$above/status)
done
kill -9 $above
sleep 30"#
    )
}

fn struck(back_end: BackEnd, words: &str, condition: &str) -> World {
    let command = daemon_and_kill(words, condition);
    world_of(back_end, Codex::Unconfined, NARROW, &command)
}

/// Each further turn does it again.
fn kills_its_guard_and_leaves_a_daemon(back_end: BackEnd) {
    let world = struck(back_end, "'[_]_guard '", "");

    let packet = world.foil(&["run", "--json"]).ends_with(10).packet();

    assert_none_below(world.root(), Duration::from_secs(10));
    assert!(world.root().join("struck").exists());
    assert_not_fired(&world);
    assert_eq!(packet["blocker"]["code"], "runner_failure_limit", "{packet:#}");
    assert_eq!(
        world.git(&["for-each-ref", "refs/heads/foil"]),
        "",
        "nothing is delivered"
    );
    world.foil(&["verify", TICKET]).succeeds();
}

fn kills_its_guard_once_and_leaves_a_daemon(back_end: BackEnd) {
    let world = struck(back_end, "'[_]_guard '", "! test -e $WORLD/struck || exit 0;");
    let base = world.git(&["rev-parse", "HEAD"]);

    let packet = world.foil(&["run", "--json"]).succeeds().packet();

    assert_none_below(world.root(), Duration::from_secs(10));
    assert_is_hello(&world, &packet, &base);
    world.foil(&["verify", TICKET]).succeeds();
}

fn kills_the_runner_and_leaves_a_daemon(back_end: BackEnd) {
    let world = struck(back_end, "'[f]oil run'", "");
    let base = world.git(&["rev-parse", "HEAD"]);

    let ran = world.foil(&["run", "--json"]);

    assert_eq!(ran.status.code(), None, "it was killed: {ran:?}");
    // Before anybody starts it again.
    assert_none_below(world.root(), Duration::from_secs(10));
    assert!(world.root().join("struck").exists());
    world.model.set_script(honest_script());
    let packet = world.foil(&["run", TICKET, "--json"]).succeeds().packet();
    assert_is_hello(&world, &packet, &base);
    world.foil(&["verify", TICKET]).succeeds();
}
