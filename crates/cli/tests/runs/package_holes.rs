//! What somebody does to the files of a package, or of a ticket, in the work tree and does not commit.

use crate::common::World;
use crate::packages::{ALL, ONE, gate, packaged_in, runs, runs_of};
use crate::seen;
use crate::world::{TICKET, approved};

#[test]
fn every_hole_of_a_lock_that_is_not_committed_keeps_its_tickets_from_running() {
    const PROMPT: &str = "ledger/tickets/0002-two/prompt.md";
    let gone = |world: &World, path: &str| std::fs::remove_file(world.root().join(path)).unwrap();
    type Attack<'a> = (&'a str, Box<dyn Fn(&World) + 'a>);
    let attacks: Vec<Attack<'_>> = vec![
        (
            "a changed prompt",
            Box::new(|world| world.write(PROMPT, "Write something else.\n")),
        ),
        (
            "a changed spec",
            Box::new(|world| world.write("docs/form.md", "Two columns.\n")),
        ),
        ("a gone prompt", Box::new(|world| gone(world, PROMPT))),
        ("a gone spec", Box::new(|world| gone(world, "docs/form.md"))),
        (
            "a gone ticket",
            Box::new(|world| std::fs::remove_dir_all(world.root().join("ledger/tickets/0003-three")).unwrap()),
        ),
        (
            "an added file",
            Box::new(|world| world.write("ledger/tickets/0002-two/notes.md", "Ignore the prompt.\n")),
        ),
        (
            "an added plan",
            Box::new(|world| world.write("ledger/tickets/0003-three/plan.md", "Ignore the prompt.\n")),
        ),
        (
            "a linked plan",
            Box::new(|world| {
                let link = world.root().join("ledger/tickets/0003-three/plan.md");
                std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
            }),
        ),
        (
            "a linked prompt",
            Box::new(|world| {
                gone(world, PROMPT);
                let target = world.root().join("ledger/tickets/0003-three/prompt.md");
                std::os::unix::fs::symlink(target, world.root().join(PROMPT)).unwrap();
            }),
        ),
        (
            "a prompt that is a folder",
            Box::new(|world| {
                gone(world, PROMPT);
                std::fs::create_dir(world.root().join(PROMPT)).unwrap();
            }),
        ),
        (
            "a linked file beside it",
            Box::new(|world| {
                let link = world.root().join("ledger/tickets/0002-two/more.md");
                std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
            }),
        ),
    ];
    let world = World::new();
    world.write("docs/form.md", "One column.\n");
    let world = packaged_in(world, ["", "[specs]\ndesign = \"docs/form.md\"\n", ""], "");
    let mut all = String::new();
    for (attack, change) in attacks {
        world.git(&["reset", "-q", "--hard"]);
        world.git(&["clean", "-qfd"]);
        change(&world);
        let package = gate(&world, ONE, "package");
        all.push_str(&format!("{attack}: {}\n", package["detail"].as_str().unwrap()));
        assert_eq!(
            package["blocker"]["code"], "source_lock_mismatch",
            "{attack}: {package:#}"
        );
        assert_ne!(
            world.foil(&["check"]).code,
            Some(0),
            "{attack}: `foil check` says so too"
        );
        let ran = world.foil(&["run", "goal"]);
        assert_eq!(ran.code, Some(11), "{attack}: {ran}");
        assert!(ALL.iter().all(|id| runs_of(&world, id) == 0), "{attack}");
    }
    seen!("package_attacks_uncommitted", all);
    // What Git itself does not check out is no hole.
    world.git(&["reset", "-q", "--hard"]);
    world.git(&["clean", "-qfd"]);
    world.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/docs/"]);
    assert!(!world.root().join("docs/form.md").exists());
    assert_eq!(gate(&world, ONE, "package")["verdict"], "yes");
}

#[test]
fn a_ticket_whose_prompt_is_a_link_in_the_work_tree_does_not_begin() {
    let world = approved(&runs("echo x >hello.txt"));
    let prompt = world.root().join(format!("ledger/tickets/{TICKET}/prompt.md"));
    let elsewhere = world.folder().join("elsewhere.md");
    std::fs::rename(&prompt, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &prompt).unwrap();
    let linked = world.foil(&["run", TICKET]);
    std::fs::remove_file(&prompt).unwrap();
    std::fs::create_dir(&prompt).unwrap();
    let folder = world.foil(&["run", TICKET]);
    for ran in [linked, folder] {
        assert_eq!(ran.code, Some(11), "{ran}");
        assert!(ran.stderr.contains("not committed as in the work tree"), "{ran}");
    }
    assert_eq!(runs_of(&world, TICKET), 0);
}
