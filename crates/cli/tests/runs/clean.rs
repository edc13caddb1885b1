//! `foil clean`

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use runner::lock::LockHolder;
use runner::{CleanKind, CleanOptions, CleanOwner, CleanPlan, CleanReport, apply_clean, plan_clean};

use crate::common::World;
use crate::seen;
use crate::world::{CONTRACT, TICKET, WRITER, approved_with, blocked, done, run_folder, run_id, under_way, workspace};

fn later(days: i64) -> CleanOptions {
    CleanOptions {
        keep: 0,
        older_than: None,
        now: Timestamp::now() + SignedDuration::from_hours(24 * days),
    }
}

fn plan(world: &World, options: &CleanOptions) -> CleanPlan {
    plan_clean(&workspace(world), options).unwrap()
}

fn apply(world: &World, options: &CleanOptions) -> CleanReport {
    let holder = LockHolder::current(Timestamp::now()).unwrap();
    apply_clean(&workspace(world), plan(world, options), options, &holder)
}

fn kinds(plan: &CleanPlan) -> Vec<CleanKind> {
    plan.items.iter().map(|item| item.kind).collect()
}

fn anchors(world: &World) -> String {
    world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep/"])
}

fn places(world: &World) -> PathBuf {
    let folder = world.state_home().join("counterfoil/places");
    folder.join(format!("{TICKET}-{}", run_id(world)))
}

#[test]
fn what_could_go_is_shown_and_goes_only_when_that_is_asked() {
    let world = done();
    std::fs::create_dir_all(places(&world).join("work")).unwrap();
    std::fs::write(places(&world).join("work/cache"), vec![0; 100_000]).unwrap();
    let before = anchors(&world);
    seen!("clean_dry", world.foil(&["clean"]));
    seen!("clean_dry_json", world.foil(&["clean", "--json"]));
    assert!(places(&world).exists());
    assert_eq!(anchors(&world), before);
    seen!("clean_apply", world.foil(&["clean", "--apply"]));
    assert!(!places(&world).exists());
    assert_eq!(anchors(&world), "");
    assert_eq!(world.foil(&["clean"]).stdout, "Nothing to remove.\n");
    assert_eq!(world.foil(&["verify"]).code, Some(0));
    assert!(run_folder(&world).exists(), "its logs are not old");
}

#[test]
fn anchors_stay_when_no_branch_holds_what_they_keep() {
    let world = done();
    world.git(&["branch", "-D", "foil/0001-hello"]);
    let before = anchors(&world);
    let done = apply(&world, &later(400));
    // The base alone is on a branch of the user's.
    let removed: Vec<_> = done.removed.iter().flat_map(|item| &item.anchors).collect();
    assert!(removed.iter().all(|name| name.starts_with("base-")), "{removed:?}");
    let without_base = |names: &str| -> Vec<String> {
        let lines = names.lines().filter(|name| !name.contains("/base-"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(without_base(&anchors(&world)), without_base(&before));
    world.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(world.foil(&["verify"]).code, Some(0));
}

#[test]
fn logs_of_a_finished_run_go_when_they_are_old_and_the_run_is_still_known() {
    let world = done();
    let folder = run_folder(&world);
    assert!(!kinds(&plan(&world, &later(6))).contains(&CleanKind::RunFolder));
    let keep = CleanOptions { keep: 1, ..later(8) };
    assert_eq!(kinds(&plan(&world, &keep)), []);
    let report = apply(&world, &later(8));
    assert_eq!(report.failed, []);
    assert!(report.removed.iter().any(|item| item.kind == CleanKind::RunFolder));
    assert!(!folder.exists());
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    assert_eq!(world.foil(&["review", TICKET]).code, Some(0));
    assert!(world.foil(&["status"]).stdout.contains("1 done"));
}

#[test]
fn logs_that_git_does_not_keep_stay() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let name = format!("refs/counterfoil/runs/{TICKET}/{}", run_id(&world));
    world.git(&["update-ref", "-d", &name]);
    assert!(!kinds(&plan(&world, &later(400))).contains(&CleanKind::RunFolder));
    assert!(path.exists());
}

#[test]
fn what_a_blocked_run_left_is_kept_as_a_tree_before_its_place_goes() {
    let world = blocked();
    let work = places(&world).join("work");
    std::fs::write(work.join("later.txt"), "written after the last look\n").unwrap();
    let report = apply(&world, &later(0));
    assert_eq!(report.failed, []);
    assert!(!places(&world).exists());
    let kept = anchors(&world);
    let cleaned = kept.lines().find(|name| name.contains("/cleaned-")).unwrap();
    let files = world.git(&["ls-tree", "-r", "--name-only", cleaned]);
    assert!(
        files.contains("elsewhere.txt") && files.contains("later.txt"),
        "{files}"
    );
    assert!(
        run_folder(&world).exists(),
        "the ticket is not done, so its history counts"
    );
    assert!(world.foil(&["status"]).stdout.contains("1 blocked"));
}

#[test]
fn a_place_with_what_no_tree_can_hold_stays() {
    let world = blocked();
    let work = places(&world).join("work");
    std::fs::create_dir_all(work.join("nested/.git")).unwrap();
    std::fs::write(work.join("nested/.git/HEAD"), "ref: refs/heads/x\n").unwrap();
    std::fs::write(work.join("nested/file"), "x").unwrap();
    let report = apply(&world, &later(0));
    let failure = report
        .failed
        .iter()
        .find(|failure| failure.item.kind == CleanKind::Places)
        .unwrap();
    assert!(failure.reason.contains("no tree can hold"), "{}", failure.reason);
    assert!(work.join("nested/file").exists());
}

#[test]
fn nothing_of_a_run_that_is_under_way_or_can_go_on_is_touched() {
    let (world, mut runner) = under_way();
    let while_it_runs = plan(&world, &later(400));
    assert_eq!(kinds(&while_it_runs), []);
    assert_eq!(while_it_runs.kept[0].why, "a run is under way");
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    let after_a_crash = plan(&world, &later(400));
    assert_eq!(kinds(&after_a_crash), []);
    assert!(
        after_a_crash.kept[0].why.contains("goes on"),
        "{:?}",
        after_a_crash.kept
    );
    assert!(places(&world).join("work").exists());
}

#[test]
fn a_run_that_begins_between_looking_and_removing_is_safe() {
    let world = blocked();
    let options = later(0);
    let planned = plan(&world, &options);
    let holder = LockHolder::current(Timestamp::now()).unwrap();
    let locks = workspace(&world).roots().locks();
    let lock = runner::lock::TicketLock::acquire(&locks, &TICKET.parse().unwrap(), &holder).unwrap();
    let report = apply_clean(&workspace(&world), planned, &options, &holder);
    assert_eq!(report.removed, []);
    assert!(report.failed[0].reason.contains("under way"));
    assert!(places(&world).join("work").exists());
    drop(lock);
}

#[test]
fn places_without_a_run_go_only_if_they_are_of_this_repository_and_old() {
    let world = blocked();
    let known = places(&world);
    let orphan = known.with_file_name("0009-gone-01900000-0000-7000-8000-000000000000");
    std::fs::create_dir_all(orphan.join("work/.git/objects/info")).unwrap();
    let alternates = orphan.join("work/.git/objects/info/alternates");
    std::fs::write(&alternates, "/somewhere/else/objects\n").unwrap();
    assert!(!kinds(&plan(&world, &later(0))).contains(&CleanKind::PlacesWithoutRun));
    std::fs::write(
        &alternates,
        format!("{}\n", world.root().join(".git/objects").display()),
    )
    .unwrap();
    let begun_long_ago = plan(&world, &later(0));
    assert!(kinds(&begun_long_ago).contains(&CleanKind::PlacesWithoutRun));
    let fresh = CleanOptions {
        now: "2024-06-10T12:00:00Z".parse().unwrap(),
        ..later(0)
    };
    assert!(!kinds(&plan(&world, &fresh)).contains(&CleanKind::PlacesWithoutRun));
    let stranger = known.with_file_name("not-ours");
    std::fs::create_dir(&stranger).unwrap();
    let link = known.with_file_name("0010-link-01900000-0000-7000-8000-000000000001");
    symlink(world.root(), &link).unwrap();
    let report = apply(&world, &later(0));
    assert_eq!(report.failed, []);
    assert!(!orphan.exists() && stranger.exists() && link.is_symlink());
    assert!(world.root().join("counterfoil.toml").exists());
}

/// A world in which the ticket ran with this script, its places are kept, and a second one is ready.
#[test]
fn old_conversations_of_codex_go_and_nothing_else_of_its_home() {
    let world = done();
    let home = world.state_home().join("counterfoil/codex-home");
    let day = home.join("sessions/2026/01/02");
    std::fs::create_dir_all(&day).unwrap();
    let old = day.join("rollout-2026-01-02T03-04-05-aaaa.jsonl");
    let others = [
        day.join("notes.jsonl"),
        day.join("rollout-x.txt"),
        home.join("sessions/rollout-elsewhere.jsonl"),
        home.join("auth.json"),
    ];
    for path in others.iter().chain([&old]) {
        std::fs::write(path, vec![b' '; 10_000]).unwrap();
    }
    let outside = world.folder().join("outside");
    std::fs::create_dir_all(outside.join("03")).unwrap();
    std::fs::write(outside.join("03/rollout-z.jsonl"), "mine").unwrap();
    std::os::unix::fs::symlink(&outside, home.join("sessions/2026/02")).unwrap();
    let conversations = |options: &CleanOptions| {
        let items = plan(&world, options).items.into_iter();
        let mut found = items.filter(|item| item.kind == CleanKind::Conversations);
        found.next()
    };
    assert_eq!(conversations(&later(29)), None);
    let item = conversations(&later(31)).unwrap();
    assert_eq!(item.of, CleanOwner::Codex { conversations: 1 });
    assert!(item.bytes >= 10_000, "{item:?}");
    // However young they may be: a turn may be under way, of any clone.
    let at_once = CleanOptions {
        older_than: Some(SignedDuration::ZERO),
        ..later(0)
    };
    assert_eq!(conversations(&at_once), None);
    let report = apply(&world, &later(31));
    assert!(report.failed.is_empty(), "{report:?}");
    assert!(!old.exists());
    assert!(others.iter().all(|path| path.exists()));
    assert!(outside.join("03/rollout-z.jsonl").exists());
    assert_eq!(conversations(&later(31)), None);
    let [notes, text, ..] = &others;
    std::fs::write(&old, "").unwrap();
    std::fs::remove_file(notes).unwrap();
    std::fs::remove_file(text).unwrap();
    apply(&world, &later(31));
    assert!(!day.exists() && home.join("sessions/2026").exists());
}

fn with_places_kept(writer: &str) -> World {
    let world = approved_with(writer, CONTRACT, |world| {
        let agent = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{agent}[workspace]\nkeep = \"always\"\n"));
        world.ticket("0002-second", CONTRACT);
    });
    world.foil(&["run", TICKET]);
    assert!(places(&world).exists());
    assert_eq!(world.foil(&["approve", "0002-second"]).code, Some(0));
    world
}

fn with_budget(world: &World, budget: &str) {
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[disk]\nbudget = \"{budget}\"\n"));
    world.commit_all("Set a budget");
}

#[test]
fn before_a_run_begins_what_finished_runs_left_goes_until_the_budget_is_kept_to() {
    let world = with_places_kept(WRITER);
    let (old_places, old_logs) = (places(&world), run_folder(&world));
    std::fs::write(old_places.join("work/cache.bin"), vec![1; 3 << 20]).unwrap();
    with_budget(&world, "3 MiB");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "0002-second"]);
    assert_eq!(said.code, Some(0), "{said}");
    let told: Vec<_> = said.stderr.lines().filter(|line| line.contains("made room")).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(
        told[0].starts_with(&format!("made room: places of {TICKET}, run ")),
        "{said}"
    );
    assert!(!said.stderr.contains("mind: places and logs"), "{said}");
    assert!(!old_places.exists());
    assert!(old_logs.exists(), "places were enough");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn logs_go_too_where_places_are_not_enough_and_what_is_over_the_budget_still_is_told() {
    let world = with_places_kept(WRITER);
    let (old_places, old_logs) = (places(&world), run_folder(&world));
    with_budget(&world, "1 B");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let before = world.foil(&["doctor", "--json"]);
    assert!(before.stdout.contains("`[disk] budget` is 0 MiB"), "{before}");
    assert_eq!(world.foil(&["run", "0002-second"]).code, Some(0));
    assert!(!old_places.exists() && !old_logs.exists());
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0), "the run is kept in Git");
    assert_eq!(world.foil(&["review", TICKET]).code, Some(0));
}

#[test]
fn what_planners_said_counts_and_goes_too() {
    let world = with_places_kept(WRITER);
    let log = world.root().join(".git/counterfoil/plans/greet/agent.jsonl");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, vec![b' '; 3 << 20]).unwrap();
    with_budget(&world, "2 MiB");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "0002-second"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr.contains("made room: logs of greet, its plan gone, 3 MiB\n"),
        "{said}"
    );
    assert!(!said.stderr.contains("mind: places and logs"), "{said}");
    assert!(!log.exists());
}

#[test]
fn no_budget_takes_what_can_go_on_or_is_kept_nowhere_else() {
    let blocks = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n\
                  [end]\nfail = { class = \"auth\", message = \"no login\" }\n";
    let world = with_places_kept(blocks);
    assert!(world.foil(&["status", TICKET]).stdout.contains("agent_auth"));
    let (old_places, old_logs) = (places(&world), run_folder(&world));
    with_budget(&world, "1 B");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "0002-second"]);
    assert!(said.stderr.contains("mind: places and logs take"), "{said}");
    assert!(old_places.exists() && old_logs.exists(), "it goes on");
}

#[test]
fn a_budget_that_nobody_trusts_removes_nothing() {
    let world = with_places_kept(WRITER);
    with_budget(&world, "1 B");
    let said = world.foil(&["run", "0002-second"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(places(&world).exists() && run_folder(&world).exists());
}
