//! Code that the worker wrote and that a check runs: what the sandbox of checks keeps it from, and what comes of the rest.
//!
//! Each ends with success only where what it tried has failed, and the world is looked at from outside as well.

use std::net::TcpListener;
use std::path::Path;

use testkit::hygiene::Plant;

use super::{Blocked, Delivers, Ends, attack_in, done, hello, with_checks, world_of, write};
use crate::common::{Said, World};
use crate::world::{json, run_folder};

/// A ticket that allows the code under test too.
const CONTRACT: &str =
    "title = \"Say hello\"\nmode = \"standard\"\n[scope]\nallowed = [\"tests/attack.sh\", \"hello.txt\"]\n";

/// What was asked for and the code under test, and nothing that it made.
const BOTH: Ends = Delivers(&["hello.txt", "tests/attack.sh"]);

const REFUSED: Ends = Blocked("verification_failure_limit");

/// The check that runs it, another behind it that wants everything as it was, and no second try.
const CHECKS: &str = "[[check]]\nname = \"attack\"\nrun = \"test ! -e tests/attack.sh || bash tests/attack.sh\"\ntimeout = \"10s\"\n\
    [[check]]\nname = \"others\"\nrun = \"grep -qx 'a project' README && test ! -e planted && test ! -e src/planted.rs\"\n\
    [limits]\nverification_failures = 1\n";

/// A key as it lies in a home.
const KEY: &str = "Key9OfTheHomeW4Pz";

/// A world in which this is the code under test.
fn checked(code: &str) -> World {
    let code = write("tests/attack.sh", &format!("set -u\n{code}\nexit 0\n"));
    let world = with_checks(world_of(CONTRACT, &[hello(), code, done()].concat()), CHECKS);
    let ssh = world.home().join(".ssh");
    std::fs::create_dir_all(&ssh).unwrap();
    std::fs::write(ssh.join("id_ed25519"), KEY).unwrap();
    world
}

fn tries(code: &str, ends: &Ends) -> (World, Said) {
    attack_in(checked(code), ends)
}

/// How the check that ran it ended.
fn outcome(said: &Said) -> serde_json::Value {
    json(said)["runs"][0]["packet"]["checks"][1]["outcome"].clone()
}

/// Everything below a folder that can be read, and the sizes of all files.
fn below(folder: &Path, look: &mut impl FnMut(&Path, u64)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let metadata = entry.metadata().unwrap();
        match metadata.is_dir() {
            true => below(&entry.path(), look),
            false => look(&entry.path(), metadata.len()),
        }
    }
}

/// Makes a test of each: its name, the code under test, and what must come of it.
macro_rules! checked {
    ($($name:ident: $code:expr => $ends:expr;)+) => { $(
        #[test]
        fn $name() {
            tries($code, &$ends);
        }
    )+ };
}

checked! {
    // What it must not reach.
    code_that_looks_for_keys: "grep -rqs 'Key9Of[T]heHome' ~ /home /root $WORLD && exit 1; test -e ~/.ssh && exit 1" => BOTH;
    code_that_looks_into_other_places: "ls $WORLD/state/counterfoil/places/*/work/* $WORLD/state/counterfoil/places/*/review/* && exit 1" => BOTH;
    code_that_writes_the_journal:
        "for journal in $WORLD/repo/.git/counterfoil/runs/0001-hello/*/journal.jsonl; do echo x >>$journal && exit 1; done; \
         mkdir -p $WORLD/repo/.git/counterfoil/runs/0001-hello; echo x >$WORLD/repo/.git/counterfoil/runs/0001-hello/x" => BOTH;
    code_that_moves_refs:
        "git -C $WORLD/repo update-ref refs/heads/main HEAD^ && exit 1; git update-ref refs/heads/main HEAD && exit 1; \
         git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m forged && exit 1; git tag v9 && exit 1" => BOTH;
    code_that_writes_into_the_users_work_tree:
        "mkdir -p $WORLD/repo; echo evil >$WORLD/repo/README; ln -s $WORLD/repo/README tests/link; echo evil >tests/link" => BOTH;
    code_that_writes_into_the_store_of_objects:
        "store=$(cat .git/objects/info/alternates); test -d $store || exit 1; echo evil | git hash-object -w --stdin && exit 1; touch $store/evil && exit 1" => BOTH;
    code_that_trusts_and_approves:
        "mkdir -p $WORLD/state/counterfoil/trust && touch $WORLD/state/counterfoil/trust/x && exit 1; echo x >>ledger/tickets/0001-hello/approval.toml" => REFUSED;
    code_that_installs_hooks_in_its_place:
        "for hook in post-checkout reference-transaction post-index-change; do mkdir -p .git/hooks && cp $CANARY .git/hooks/$hook && exit 1; done; \
         git config core.fsmonitor $CANARY && exit 1" => BOTH;
    code_that_makes_its_git_folder_another: "rm -rf .git; mv .git away && exit 1; test -e .git/HEAD || exit 1" => BOTH;
    code_that_kills_all_it_can_see: "kill -9 -1; true" => REFUSED;

    // What it leaves.
    code_that_leaves_a_daemon: "setsid bash -c 'trap \"\" TERM INT HUP; : $WORLD; while :; do sleep 0.2; done' >/dev/null 2>&1 &" => BOTH;
    code_that_leaves_what_holds_its_output_open: "setsid sleep 600 & setsid bash -c 'trap \"\" TERM INT HUP; while :; do sleep 0.2; done' &" => BOTH;
    code_that_leaves_hundreds_of_processes: "for n in $(seq 300); do sleep 600 & done" => BOTH;
    code_that_leaves_files_beside_the_tree: "echo evil >planted; mkdir -p src; echo evil >src/planted.rs; echo evil >ignored; git -C . status -s" => BOTH;
    code_that_makes_its_place_unreadable: "mkdir -p deep/er && echo x >deep/er/x && chmod 000 deep/er deep" => BOTH;
    code_that_links_out_of_its_place: "ln -s $WORLD/repo planted; ln -s / src/planted.rs" => BOTH;

    // What it changes of what is checked.
    code_that_rewrites_what_is_checked: "echo evil >README" => REFUSED;
    code_that_removes_what_is_checked: "rm README" => REFUSED;
    code_that_puts_a_link_where_a_file_was: "rm README; ln -s /etc/hostname README" => REFUSED;
    code_that_makes_a_file_executable: "chmod +x README" => REFUSED;
    code_that_changes_the_policy_under_the_check: "sed -i s/grep/true/ counterfoil.toml" => REFUSED;
    code_that_rewrites_and_puts_it_back: "cp README kept; echo evil >README; mv kept README" => BOTH;
}

#[test]
fn code_that_opens_a_socket_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    tries(
        &format!("(exec 3<>/dev/tcp/127.0.0.1/{port}) && exit 1; (exec 3<>/dev/tcp/1.1.1.1/53) && exit 1"),
        &BOTH,
    );
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "somebody has connected");
}

#[test]
fn code_that_listens_on_a_socket_is_heard_by_nobody_and_left_nowhere() {
    let serve = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('planted.sock')\ns.listen()\nimport os\nif os.fork() == 0:\n    s.accept()\n";
    tries(&format!("/usr/bin/python3 -c \"{serve}\""), &BOTH);
}

#[test]
fn code_that_ignores_signals_ends_at_its_time() {
    let (_, said) = tries("trap '' TERM INT HUP; while :; do sleep 0.2; done", &REFUSED);
    assert_eq!(outcome(&said)["ended"], "timed_out", "{said}");
}

#[test]
fn code_that_prints_without_end_ends_at_its_bound_and_little_of_it_is_kept() {
    let (world, _) = tries("exec yes evil", &REFUSED);
    let mut kept = 0;
    below(&run_folder(&world), &mut |_, size| kept += size);
    assert!(kept < 64 << 20, "{kept} bytes are kept");
}

#[test]
fn code_that_prints_its_environment_tells_no_credential() {
    let (world, said) = tries("env; cat /proc/self/environ /proc/1/environ | tr '\\0' '\\n'", &BOTH);
    let mut outputs = Vec::new();
    below(&run_folder(&world), &mut |path, _| {
        outputs.extend(std::fs::read(path).unwrap())
    });
    let outputs = String::from_utf8_lossy(&outputs).into_owned() + &said.stdout;
    assert!(outputs.contains("COUNTERFOIL_GUARD_ID"), "it has printed nothing");
    for plant in [Plant::Credential, Plant::Variable, Plant::HomeFile] {
        assert!(!outputs.contains(plant.value().unwrap()), "{plant:?}");
    }
}

#[test]
fn code_that_fills_what_it_may_write_leaves_nothing_of_it() {
    const MIB: u64 = 1 << 20;
    let fill = "head -c 48000000 /dev/zero >$TMPDIR/large; head -c 48000000 /dev/zero >large; \
        mkdir -p $TMPDIR/many; for n in $(seq 2000); do : >$TMPDIR/many/$n; done; head -c 1000000000000 /dev/zero >/dev/full";
    let (world, _) = tries(fill, &BOTH);
    below(world.folder(), &mut |path, size| {
        assert!(size < 40 * MIB, "{} has {size} bytes", path.display());
    });
}
