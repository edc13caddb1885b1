//! `foil check`: bad input of any kind ends in a clear error, and nothing is changed.

mod common;

use common::{LOOP, World};

#[test]
fn each_kind_of_bad_ticket_has_an_error_a_place_and_a_code() {
    let world = World::initialized();
    let ticket = |id: &str, content: &[u8]| {
        world.write(&format!("ledger/tickets/{id}/ticket.toml"), content);
        world.write(&format!("ledger/tickets/{id}/prompt.md"), "Do it.\n");
    };
    ticket("binary", b"title = \"\x00\"\n");
    ticket(
        "bom-and-crlf-are-fine",
        "\u{feff}title = \"x\"\r\nmode = \"loop\"\r\n".as_bytes(),
    );
    ticket("contradiction", b"title = \"x\"\nmode = \"standard\"\n");
    ticket("doubled-id", b"title = \"x\"\nmode = \"loop\"\n[[acceptance]]\nid = \"A\"\nthen = \"y\"\n[[acceptance]]\nid = \"A\"\nthen = \"z\"\n");
    ticket("empty", b"");
    ticket("latin", b"title = \"caf\xe9\"\n");
    ticket("not-toml", b"title = \"x\nmode\n");
    ticket("unknown-key", b"title = \"x\"\nmod = \"loop\"\n");
    ticket(
        "wrong-type",
        b"title = \"x\"\r\nmode = \"loop\"\r\npriority = \"high\"\r\n",
    );
    ticket(
        "crlf-with-bom",
        "\u{feff}title = \"x\"\r\nmode = \"lop\"\r\n".as_bytes(),
    );
    std::fs::create_dir_all(world.root().join("ledger/tickets/nothing")).unwrap();
    let before = world.observed();
    snapshot!("check_bad_tickets", world.foil(&["check"]));
    snapshot!(
        "check_bad_tickets_json",
        world.foil(&["check", "--json", "unknown-key", "wrong-type"])
    );
    assert_eq!(world.observed(), before);
}

#[test]
fn a_file_that_is_too_large_or_no_file_is_named() {
    let world = World::initialized();
    world.ticket("huge", LOOP);
    world.ticket("large", LOOP);
    world.write("ledger/tickets/large/prompt.md", vec![b'x'; (1 << 20) + 1]);
    world.ticket("linked", LOOP);
    let prompt = world.root().join("ledger/tickets/linked/prompt.md");
    std::fs::remove_file(&prompt).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &prompt).unwrap();
    std::os::unix::fs::symlink("huge", world.root().join("ledger/tickets/link")).unwrap();
    std::fs::create_dir_all(world.root().join("ledger/tickets/a b")).unwrap();
    std::fs::create_dir_all(world.root().join("ledger/tickets/HUGE")).unwrap();
    std::fs::write(world.root().join("ledger/tickets/HUGE/ticket.toml"), LOOP).unwrap();
    std::fs::write(world.root().join("ledger/tickets/HUGE/prompt.md"), "x").unwrap();
    let before = world.observed();
    snapshot!(world.foil(&["check"]));
    assert_eq!(world.observed(), before);
}

/// What a file may be instead of what it should be.
fn spoiled() -> [(&'static str, Vec<u8>); 5] {
    [
        ("empty", Vec::new()),
        ("binary", b"title = \"\x00\"\n".to_vec()),
        ("latin", b"title = \"caf\xe9\"\n".to_vec()),
        ("huge", vec![b'#'; (1 << 20) + 1]),
        ("crlf-with-bom", "\u{feff}# x\r\nunknown_key = 1\r\n".into()),
    ]
}

#[test]
fn whatever_a_file_of_the_ledger_is_instead_it_is_told_and_nothing_changes() {
    let world = World::initialized();
    for id in ["0001-a", "0002-b"] {
        world.ticket(id, LOOP);
    }
    let mut all = String::new();
    for file in [
        "ledger/tickets/0001-a/ticket.toml",
        "ledger/tickets/0001-a/prompt.md",
        "ledger/tickets/0001-a/approval.toml",
        "ledger/tickets/0001-a/canceled.toml",
        "ledger/packages/p.toml",
        "counterfoil.toml",
    ] {
        let path = world.root().join(file);
        let right = std::fs::read(&path).ok();
        for (how, bytes) in spoiled() {
            world.write(file, bytes);
            let before = world.observed();
            let said = world.foil(&["check"]);
            let first = said
                .stderr
                .lines()
                .take_while(|line| !line.is_empty())
                .take(3)
                .collect::<Vec<_>>()
                .join("\n");
            all.push_str(&format!("$ {file}: {how}, exit {}\n{first}\n", said.code.unwrap()));
            // Whatever the file is, the other ticket is looked at; without a policy nothing is.
            if file != "counterfoil.toml" {
                assert_eq!(world.foil(&["check", "0002-b"]).code, Some(0), "{file} {how}");
            }
            for args in [
                &["status"][..],
                &["explain", "0001-a"],
                &["run", "0001-a"],
                &["review", "0001-a"],
            ] {
                let said = world.foil(args);
                assert!(
                    matches!(said.code, Some(0 | 2 | 3 | 11)),
                    "{file} {how} {args:?} {said}"
                );
                assert!(!said.stderr.contains("panicked"), "{said}");
            }
            assert_eq!(world.observed(), before, "{file} {how}");
        }
        match right {
            Some(right) => std::fs::write(&path, right).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    snapshot!(all);
}

#[test]
fn tickets_are_held_against_each_other_and_the_policy() {
    let world = World::initialized();
    world.ticket(
        "0001-a",
        &format!("{LOOP}depends_on = [\"0002-b\", \"0009-x\"]\nparent = \"0002-c\"\n"),
    );
    world.ticket("0002-b", &format!("{LOOP}depends_on = [\"0001-a\"]\n"));
    world.ticket(
        "0003-c",
        &format!("{LOOP}depends_on = [\"0001-a\"]\npackage = \"nowhere\"\n"),
    );
    world.ticket(
        "0004-d",
        &format!("{LOOP}[[check]]\nname = \"whitespace\"\nrun = \"true\"\n"),
    );
    world.ticket(
        "0005-e",
        &format!("{LOOP}[[decision]]\nid = \"D\"\nstatus = \"proposed\"\ndecision = \"?\"\nblocks = true\n"),
    );
    world.ticket(
        "0006-f",
        "title = \"x\"\nmode = \"standard\"\n[scope]\nallowed = [\"src/**\", \"a[\"]\n",
    );
    world.ticket(
        "0007-g",
        &format!("{LOOP}[grants]\nprotected = [\"counterfoil.toml\", \".git/config\"]\n"),
    );
    world.ticket(
        "0010-j",
        &format!("{LOOP}resources = [\"staging\"]\n[context]\nsteering = [\"s\"]\n[limits]\nmax_iterations = 99\n"),
    );
    world.ticket(
        "0011-k",
        &format!("{LOOP}package = \"p\"\ndepends_on = [\"0011-k\", \"0012-l\"]\n"),
    );
    world.ticket("0012-l", &format!("{LOOP}package = \"p\"\n"));
    world.ticket("0013-m", &format!("{LOOP}package = \"p\"\n"));
    // `q` waits for what is outside of it, which waits for what comes later in it.
    world.ticket(
        "0014-n",
        &format!("{LOOP}package = \"q\"\ndepends_on = [\"0016-outside\"]\n"),
    );
    world.ticket("0015-o", &format!("{LOOP}package = \"q\"\n"));
    world.ticket("0016-outside", &format!("{LOOP}depends_on = [\"0015-o\"]\n"));
    world.write(
        "ledger/packages/p.toml",
        "title = \"P\"\ntickets = [\"0001-a\", \"0008-y\", \"0011-k\", \"0012-l\", \"0015-o\"]\n",
    );
    world.write("ledger/packages/P.toml", "title = \"P\"\ntickets = [\"0004-d\"]\n");
    world.write(
        "ledger/packages/q.toml",
        "title = \"Q\"\ntickets = [\"0014-n\", \"0015-o\"]\n",
    );
    world.write("ledger/packages/broken.toml", "title = \"P\"\ntickets = []\n");
    world.write("ledger/packages/a b.toml", "");
    let before = world.observed();
    snapshot!(world.foil(&["check"]));
    assert_eq!(world.observed(), before);
}

#[test]
fn what_check_says_of_tickets_beside_each_other_keeps_them_from_being_approved() {
    type Tickets<'a> = &'a [(&'a str, &'a str)];
    type Case<'a> = (&'a str, Tickets<'a>, Vec<(String, String)>);
    let package = |name: &str, tickets: &[&str]| {
        let text = format!("title = \"{name}\"\ntickets = {tickets:?}\n");
        (format!("ledger/packages/{name}.toml"), text)
    };
    let cases: [Case<'_>; 7] = [
        ("itself", &[("0001-a", "depends_on = [\"0001-a\"]\n")], Vec::new()),
        (
            "a circle",
            &[
                ("0001-a", "depends_on = [\"0002-b\"]\n"),
                ("0002-b", "depends_on = [\"0001-a\"]\n"),
            ],
            Vec::new(),
        ),
        ("nowhere", &[("0001-a", "depends_on = [\"0009-x\"]\n")], Vec::new()),
        ("no parent", &[("0001-a", "parent = \"0009-x\"\n")], Vec::new()),
        (
            "a circle through a parent",
            &[
                ("0001-a", "parent = \"0002-b\"\ndepends_on = [\"0002-b\"]\n"),
                ("0002-b", "mode = \"parent\"\n"),
            ],
            Vec::new(),
        ),
        (
            "itself in a package",
            &[("0001-a", "package = \"p\"\ndepends_on = [\"0001-a\"]\n")],
            vec![package("p", &["0001-a"])],
        ),
        (
            "a circle across packages",
            &[
                ("0001-a", "package = \"p\"\ndepends_on = [\"0004-d\"]\n"),
                ("0002-b", "package = \"p\"\n"),
                ("0003-c", "package = \"q\"\ndepends_on = [\"0002-b\"]\n"),
                ("0004-d", "package = \"q\"\n"),
            ],
            vec![package("p", &["0001-a", "0002-b"]), package("q", &["0003-c", "0004-d"])],
        ),
    ];
    let mut all = String::new();
    for (what, tickets, packages) in cases {
        let world = World::initialized();
        for (id, lines) in tickets {
            let mode = if lines.contains("mode") {
                ""
            } else {
                "mode = \"loop\"\n"
            };
            world.ticket(id, &format!("title = \"{id}\"\n{mode}{lines}"));
        }
        for (path, text) in &packages {
            world.write(path, text);
            // A lock that holds is none of the reasons where the tickets have an order of their own.
            let name = if path.contains("/p.toml") { "p" } else { "q" };
            let locked = world.foil(&["package", "lock", name]);
            let is_refused = what == "itself in a package";
            assert_eq!(locked.code, Some(if is_refused { 3 } else { 0 }), "{what}: {locked}");
        }
        let before = world.observed();
        for args in [&["check"][..], &["check", "0001-a"]] {
            let checked = world.foil(args);
            assert_eq!(checked.code, Some(3), "{what}: {checked}");
        }
        let names: &[&str] = if packages.is_empty() {
            &["0001-a"]
        } else {
            &["0001-a", "p"]
        };
        for name in names {
            let said = world.foil(&["approve", name]);
            assert_eq!(said.code, Some(3), "{what}: {said}");
            all.push_str(&format!("{what}: {name}\n{}\n", said.stderr));
        }
        assert_eq!(world.observed(), before, "{what}");
    }
    snapshot!(all);
}

#[test]
fn a_policy_that_cannot_be_used_is_shown_by_every_verb() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    let mut all = String::new();
    for policy in [
        "[limits]\nmax_iteration = 3\n",
        "requires = \">=9\"\nnew_key = 1\n",
        "[delivery]\nmode = \"draft_pr\"\n",
    ] {
        world.write("counterfoil.toml", policy);
        let before = world.observed();
        for args in [
            &["check"][..],
            &["status"],
            &["status", "--json"],
            &["new", "x"],
            &["approve", "0001-a"],
            &["cancel", "0001-a"],
            &["trust"],
            &["init"],
        ] {
            let said = world.foil(args);
            assert_eq!(said.code, Some(3), "{args:?} {said}");
        }
        all.push_str(&world.foil(&["status"]).to_string());
        assert_eq!(world.observed(), before);
    }
    snapshot!(all);
}

#[test]
fn a_schema_finds_what_an_editor_would() {
    let world = World::initialized();
    world.ticket("0001-a", "title = \"x\"\nmode = \"lop\"\n");
    snapshot!(world.foil(&["check", "--schema", "--json"]));
}

#[test]
fn only_the_named_tickets_are_looked_at() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.ticket("0002-b", "titel = 1\n");
    assert_eq!(world.foil(&["check", "0001-a"]).code, Some(0));
    assert_eq!(world.foil(&["check", "0002-b"]).code, Some(3));
    assert_eq!(world.foil(&["check", "0001-b"]).code, Some(2));
}

#[test]
fn a_quick_ticket_that_would_escalate_is_not_finished() {
    let world = World::initialized();
    world.write("counterfoil.toml", "");
    world.write("crates/a/Cargo.toml", "");
    world.write("crates/b/Cargo.toml", "");
    world.commit_all("Two packages");
    let contract = "title = \"x\"\nmode = \"quick\"\n\n[scope]\nallowed = [\n    \"crates/a/src/session.rs\",\n    \"crates/b/src/x.rs\",\n    \
                    \"crates/b/Cargo.toml\",\n    \"docs/**\",\n]\n\n[grants]\nnetwork = true\n";
    world.ticket("0001-much", contract);
    world.ticket(
        "0002-small",
        "title = \"x\"\nmode = \"quick\"\n[scope]\ngoal = \"y\"\nallowed = [\"crates/a/src/x.rs\"]\n\
         [[check]]\nname = \"c\"\nrun = \"make test\"\n",
    );
    // What is delivered is not told what it should have been.
    world.ticket("0003-delivered", contract);
    world.write("ledger/tickets/0003-delivered/result.md", "# Result\n");
    let said = world.foil(&["check"]);
    snapshot!("check_quick", said);
    assert_eq!(said.code, Some(0));
    let approved = world.foil(&["approve", "0001-much"]);
    assert_ne!(approved.code, Some(0), "{approved}");
    assert!(approved.stderr.contains("broad_file_scope"), "{approved}");
}
