//! `foil hook`: what Codex is answered when it asks.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Running, Said, World, said};
use crate::seen;

const TICKET: &str = "0001-hello";
const CONTRACT: &str = "title = \"Say hello\"\n[scope]\ngoal = \"hello\"\nallowed = [\"src/**\", \"docs/hello.md\"]\nforbidden = [\"src/old/**\"]\n\
    [grants]\ncommands = [\"cargo publish --dry-run\"]\n";

/// A repository with a ticket whose branch is checked out.
fn on_ticket() -> World {
    let world = World::initialized();
    world.ticket(TICKET, CONTRACT);
    world.write("src/lib.rs", "// code\n");
    world.write("README.md", "# Readme\n");
    world.commit_all("Write a ticket");
    world.git(&["switch", "--quiet", "-c", &format!("foil/{TICKET}")]);
    world
}

/// Asks as Codex does.
fn ask(world: &World, args: &[&str], input: &str) -> Said {
    let mut command = world.foil_command();
    command.arg("hook").args(args).stdin(Stdio::piped());
    let mut hook = Running::start(&mut command);
    // A hook that refuses its arguments reads nothing.
    let _ = hook.stdin().write_all(input.as_bytes());
    hook.said()
}

/// What Codex says before a tool is used.
fn tool_use(world: &World, tool: &str, command: impl Into<Value>) -> Value {
    json!({
        "session_id": "s", "turn_id": "t", "transcript_path": null, "cwd": world.root(), "hook_event_name": "PreToolUse",
        "model": "m", "permission_mode": "default", "tool_name": tool, "tool_input": { "command": command.into() },
        "tool_use_id": "c1",
    })
}

/// The reason why a tool may not be used; none: it may.
fn denied(said: &Said) -> Option<String> {
    assert_eq!(said.code, Some(0), "{said}");
    if said.stdout.is_empty() {
        return None;
    }
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    // Codex refuses an answer with any property that it does not know.
    let output = answer["hookSpecificOutput"].as_object().unwrap();
    let keys: Vec<_> = output.keys().map(String::as_str).collect();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    assert_eq!(
        keys,
        ["hookEventName", "permissionDecision", "permissionDecisionReason"]
    );
    assert_eq!(output["hookEventName"], "PreToolUse");
    assert_eq!(output["permissionDecision"], "deny");
    Some(output["permissionDecisionReason"].as_str().unwrap().to_owned())
}

fn tool(world: &World, tool: &str, command: impl Into<Value>) -> Option<String> {
    denied(&ask(
        world,
        &["pre-tool-use"],
        &tool_use(world, tool, command).to_string(),
    ))
}

fn patch(path: &str) -> String {
    format!("*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch")
}

#[test]
fn a_patch_stays_within_the_scope_of_the_ticket_whose_branch_is_checked_out() {
    let world = on_ticket();
    for good in ["src/a.rs", "./src/deep/../b.rs", "docs/hello.md"] {
        assert_eq!(tool(&world, "apply_patch", patch(good)), None, "{good}");
        let command = format!("apply_patch <<'EOF'\n{}\nEOF", patch(good));
        assert_eq!(tool(&world, "Bash", command), None, "{good}");
    }
    let mut all = String::new();
    let moved = "*** Begin Patch\n*** Update File: src/lib.rs\n*** Move to: lib.rs\n*** End Patch";
    for bad in [
        patch("README.md"),
        patch("src/old/a.rs"),
        patch("src/AGENTS.md"),
        patch(&format!("ledger/tickets/{TICKET}/ticket.toml")),
        patch("ledger/tickets/0002-x/approval.toml"),
        patch("../elsewhere.txt"),
        patch("/etc/hosts"),
        moved.to_owned(),
        "*** Begin Patch\n*** Steal File: src/a.rs\n*** End Patch".to_owned(),
    ] {
        let reason = tool(&world, "apply_patch", bad.as_str()).unwrap_or_else(|| panic!("{bad}"));
        all.push_str(&format!("{}\n  {reason}\n", bad.replace('\n', " | ")));
        let command = format!("cd . && apply_patch <<'EOF'\n{bad}\nEOF");
        assert!(tool(&world, "Bash", command).is_some(), "{bad}");
    }
    seen!("hook_patches", all);
}

#[test]
fn a_folder_of_the_repository_and_a_linked_work_tree_are_judged_alike() {
    let world = on_ticket();
    let linked = world.folder().join("linked");
    world.git(&["switch", "--quiet", "main"]);
    world.git(&[
        "worktree",
        "add",
        "-q",
        linked.to_str().unwrap(),
        &format!("foil/{TICKET}"),
    ]);
    let in_folder = |folder: &std::path::Path, path: &str| {
        let mut asked = tool_use(&world, "apply_patch", patch(path));
        asked["cwd"] = folder.to_str().unwrap().into();
        denied(&ask(&world, &["pre-tool-use"], &asked.to_string()))
    };
    assert_eq!(
        in_folder(&world.root(), "README.md"),
        None,
        "another branch is checked out"
    );
    let at_root = in_folder(&linked, "README.md").unwrap();
    assert!(at_root.contains("may not change for ticket 0001-hello:"), "{at_root}");
    assert_eq!(in_folder(&linked.join("src"), "../README.md").as_ref(), Some(&at_root));
    assert_eq!(in_folder(&linked.join("src"), "a.rs"), None);
    world.git(&["worktree", "remove", linked.to_str().unwrap()]);
    world.git(&["switch", "--quiet", &format!("foil/{TICKET}")]);
    let below = world.root().join("src");
    assert_eq!(in_folder(&world.root(), "README.md").as_ref(), Some(&at_root));
    assert_eq!(in_folder(&below, "../README.md").as_ref(), Some(&at_root));
    assert_eq!(in_folder(&below, "a.rs"), None);
    // What would be allowed at the root is another file here.
    assert!(
        in_folder(&below, "docs/hello.md").is_none(),
        "`src/docs/hello.md` is within `src/**`"
    );
    assert!(in_folder(&below, "old/a.rs").is_some());
}

#[test]
fn a_conversation_is_told_the_paths_of_its_ticket_word_for_word() {
    let world = on_ticket();
    let deep = format!("src/{}token.rs", "deep/".repeat(40));
    let contract = format!(
        "title = \"Rotate tokens\"\nmode = \"loop\"\n[scope]\nallowed = [\"src/token_store.rs\", \"{deep}\"]\nforbidden = [\".env\"]\n"
    );
    world.ticket(TICKET, &contract);
    world.commit_all("Narrow the ticket");
    for (event, name) in [("session-start", "SessionStart"), ("subagent-start", "SubagentStart")] {
        let start = json!({ "session_id": "s", "cwd": world.root(), "hook_event_name": name, "source": "startup" });
        let told = ask(&world, &[event], &start.to_string());
        let answer: Value = serde_json::from_str(&told.stdout).unwrap();
        let context = answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap();
        let expected = format!(
            "Only these paths may change:\n- `src/token_store.rs`\n- `{deep}`\nThese may not change:\n- `.env`\n"
        );
        assert!(context.contains(&expected), "{context}");
    }
}

#[test]
fn what_a_conversation_is_told_is_bounded_and_says_what_it_leaves_out() {
    let world = on_ticket();
    let patterns = |name: &str| -> String { (0..33).map(|number| format!("\"{name}/{number:02}\", ")).collect() };
    let title = "long ".repeat(36);
    let contract = format!(
        "title = \"{title}\"\nmode = \"loop\"\n[scope]\nallowed = [{}]\nforbidden = [{}]\n",
        patterns("src"),
        patterns("old")
    );
    world.ticket(TICKET, &contract);
    for number in 2..=25 {
        world.ticket(&format!("{number:04}-more"), CONTRACT);
    }
    world.commit_all("Much to do");
    let context = |event: &str, name: &str| {
        let start = json!({ "session_id": "s", "cwd": world.root(), "hook_event_name": name, "source": "startup" });
        let told = ask(&world, &[event], &start.to_string());
        let answer: Value = serde_json::from_str(&told.stdout).unwrap();
        answer["hookSpecificOutput"]["additionalContext"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (event, name) in [("session-start", "SessionStart"), ("subagent-start", "SubagentStart")] {
        let told = context(event, name);
        for folder in ["src", "old"] {
            let shown = told
                .lines()
                .filter(|line| line.starts_with(&format!("- `{folder}/")))
                .count();
            assert_eq!(shown, 30, "{told}");
            assert!(told.contains(&format!("- `{folder}/29`\n- and 3 more\n")), "{told}");
        }
        assert!(!told.contains(&title[..130]), "{told}");
        assert!(told.contains(&title[..110]), "{told}");
    }
    let told = context("session-start", "SessionStart");
    let listed = told.split("Open tickets:\n").nth(1).unwrap();
    assert_eq!(listed.lines().count(), 21, "{listed}");
    assert!(listed.ends_with("- and 5 more\n"), "{listed}");
    assert!(!context("subagent-start", "SubagentStart").contains("Open tickets"));
}

#[test]
fn a_link_is_no_way_out_of_the_scope() {
    let world = on_ticket();
    symlink("..", world.root().join("src/up")).unwrap();
    symlink("../README.md", world.root().join("src/readme")).unwrap();
    for bad in ["src/up/README.md", "src/readme", "src/up/src/up/x.md"] {
        let reason = tool(&world, "apply_patch", patch(bad)).unwrap_or_else(|| panic!("{bad}"));
        assert!(reason.contains("may not change for ticket"), "{reason}");
    }
    assert_eq!(tool(&world, "apply_patch", patch("src/up/src/a.rs")), None);
}

#[test]
fn an_agent_that_edits_its_ticket_or_the_policy_changes_nothing_for_itself() {
    let world = on_ticket();
    let ticket = format!("ledger/tickets/{TICKET}/ticket.toml");
    world.write(&ticket, CONTRACT.replace("\"src/**\"", "\"**\""));
    world.write("counterfoil.toml", "[delivery]\nbranch = \"other/{id}\"\n");
    assert!(tool(&world, "apply_patch", patch("README.md")).is_some());
    std::fs::remove_dir_all(world.root().join("ledger")).unwrap();
    std::fs::remove_file(world.root().join("counterfoil.toml")).unwrap();
    assert!(tool(&world, "apply_patch", patch("README.md")).is_some());
    world.write("counterfoil.toml", "no toml");
    assert!(tool(&world, "apply_patch", patch("README.md")).is_some());
}

#[test]
fn commands_are_judged_as_those_of_a_worker_are() {
    let world = on_ticket();
    for good in [
        json!("cargo test > target/log && git status"),
        json!("echo x > src/lib.rs"),
        json!(["bash", "-lc", "cargo publish --dry-run"]),
        json!("cat README.md > /dev/null 2>&1"),
        json!("cat > src/a.rs <<'EOF'\necho x > README.md\nEOF"),
        json!("cd src && echo x > README.md"),
    ] {
        assert_eq!(tool(&world, "Bash", good.clone()), None, "{good}");
    }
    let mut all = String::new();
    for bad in [
        json!("git push origin HEAD"),
        json!("git reset --hard HEAD~1"),
        json!(["git", "commit", "--amend", "--no-edit"]),
        json!(["bash", "-lc", "cargo publish"]),
        json!("echo x > README.md"),
        json!("cat > README.md <<EOF\nx\nEOF"),
        json!("cat <<< x > README.md"),
        json!("echo \"a<<b\" > README.md"),
        json!("cd src && cd .. && echo x > README.md"),
        json!("cat > ledger/tickets/0001-hello/approval.toml <<EOF\nx\nEOF"),
        json!("sh -c 'cat y >> ./docs/../README.md'"),
        json!("echo ok > ledger/tickets/0009-y/approval.toml"),
        json!("foil approve 0001-hello"),
        json!("cd src; apply_patch < ../x.patch"),
        json!("x".repeat(200_000)),
    ] {
        let reason = tool(&world, "Bash", bad.clone())
            .unwrap_or_else(|| panic!("{}", &bad.to_string()[..60.min(bad.to_string().len())]));
        let shown: String = bad.to_string().chars().take(60).collect();
        all.push_str(&format!("{shown}\n  {reason}\n"));
    }
    seen!("hook_commands", all);
}

#[test]
fn without_a_ticket_only_a_persons_word_is_refused() {
    let world = on_ticket();
    world.git(&["switch", "--quiet", "main"]);
    for good in ["README.md", "../elsewhere.txt", "ledger/tickets/0002-x/ticket.toml"] {
        assert_eq!(tool(&world, "apply_patch", patch(good)), None, "{good}");
    }
    assert_eq!(tool(&world, "Bash", "git push"), None);
    assert_eq!(tool(&world, "Bash", "git reset --hard"), None);
    for word in [
        "foil approve 0001-hello",
        "foil -C . trust",
        "foil answer 0001-hello --default",
        "foil accept 0001-hello",
        "foil reject 0001-hello --because no",
        "foil cancel 0001-hello",
        "foil deliver 0001-hello --tag v1",
        "foil deliver 0001-hello --here",
    ] {
        let reason = tool(&world, "Bash", word).unwrap();
        assert!(reason.contains("a person's word"), "{reason}");
    }
    assert!(tool(&world, "apply_patch", patch("ledger/tickets/0002-x/Approval.toml")).is_some());
    let other = World::new();
    assert_eq!(
        tool(&other, "apply_patch", patch("anything")),
        None,
        "no ledger, no opinion"
    );
    // Nor where the repository is of a kind that runs cannot work on.
    other.git(&["config", "core.repositoryFormatVersion", "1"]);
    other.git(&["config", "extensions.partialClone", "origin"]);
    assert_eq!(tool(&other, "apply_patch", patch("anything")), None);
    other.write("counterfoil.toml", "");
    assert!(tool(&other, "apply_patch", patch("anything")).is_some());
}

#[test]
fn a_model_is_told_why_without_a_path_of_the_machine() {
    let world = on_ticket();
    world.git(&["config", "core.repositoryFormatVersion", "1"]);
    world.git(&["config", "extensions.partialClone", "origin"]);
    let reason = tool(&world, "apply_patch", patch("src/a.rs")).unwrap();
    assert!(reason.contains("`$REPOSITORY/.git` is a partial clone"), "{reason}");
    let begins = json!({ "cwd": world.root().join("src"), "hook_event_name": "SessionStart" });
    let said = ask(&world, &["session-start"], &begins.to_string());
    assert!(said.stdout.contains("`$REPOSITORY/.git` is a partial clone"), "{said}");
}

#[test]
fn a_ticket_that_is_named_counts_and_one_that_is_not_there_stops_everything() {
    let world = on_ticket();
    world.git(&["switch", "--quiet", "main"]);
    let asked = tool_use(&world, "apply_patch", patch("README.md")).to_string();
    let with = |args: &[&str]| denied(&ask(&world, args, &asked));
    assert!(with(&["pre-tool-use", "--ticket", TICKET]).is_some());
    assert!(with(&["pre-tool-use"]).is_none());
    for wrong in ["0001-helo", "../x"] {
        let reason = with(&["pre-tool-use", "--ticket", wrong]).unwrap();
        assert!(reason.contains("cannot be told what may be changed"), "{reason}");
    }
    let mut named = world.foil_command();
    named.args(["hook", "pre-tool-use"]).env("FOIL_TICKET", TICKET);
    let file = world.folder().join("asked");
    std::fs::write(&file, &asked).unwrap();
    named.stdin(std::fs::File::open(&file).unwrap());
    assert!(denied(&said(&mut named)).is_some());
}

#[test]
fn the_next_free_name_of_a_branch_is_its_tickets_too_and_what_may_be_two_tickets_is_nobodys() {
    let world = on_ticket();
    for number in ["-2", "-99"] {
        world.git(&["switch", "--quiet", "-c", &format!("foil/{TICKET}{number}")]);
        assert_eq!(tool(&world, "apply_patch", patch("src/a.rs")), None);
        let reason = tool(&world, "apply_patch", patch("README.md")).unwrap();
        assert!(
            reason.contains(&format!("may not change for ticket {TICKET}:")),
            "{reason}"
        );
    }
    for other in ["-1", "-02", "-100", "-x", "-2-3", "2"] {
        world.git(&["switch", "--quiet", "-c", &format!("foil/{TICKET}{other}")]);
        assert_eq!(tool(&world, "apply_patch", patch("README.md")), None, "{other}");
    }
    // Written by an agent or committed: another ticket of that name takes no scope away and gives none.
    let more = format!("{TICKET}-2");
    world.git(&["switch", "--quiet", &format!("foil/{more}")]);
    world.ticket(&more, &CONTRACT.replace("\"src/**\"", "\"**\""));
    for committed in [false, true] {
        if committed {
            world.commit_all("Another ticket");
        }
        for path in ["src/a.rs", "README.md"] {
            let reason = tool(&world, "apply_patch", patch(path)).unwrap();
            assert!(
                reason.contains(&format!("may be that of `{TICKET}` or of `{more}`")) && reason.contains("FOIL_TICKET"),
                "{reason}"
            );
        }
        let asked = tool_use(&world, "apply_patch", patch("README.md")).to_string();
        let named = |id: &str| denied(&ask(&world, &["pre-tool-use", "--ticket", id], &asked));
        assert!(named(TICKET).is_some());
        assert_eq!(named(&more), None);
    }
}

#[test]
fn the_one_branch_of_a_package_is_no_tickets() {
    let world = World::initialized();
    world.write("counterfoil.toml", "[delivery]\nbranch = \"goals/{package}\"\n");
    world.ticket(TICKET, &format!("package = \"goal\"\n{CONTRACT}"));
    world.ticket("0002-more", "package = \"goal\"\ntitle = \"More\"\nmode = \"loop\"\n");
    world.ticket("0003-alone", CONTRACT);
    world.write("README.md", "# Readme\n");
    world.commit_all("Write tickets");
    for (branch, word) in [
        ("goals/goal", "may be that of `0001-hello` or of `0002-more`"),
        ("goals/0003-alone", "may not change for ticket 0003-alone:"),
    ] {
        world.git(&["switch", "--quiet", "-c", branch]);
        let reason = tool(&world, "apply_patch", patch("README.md")).unwrap();
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn roles_that_read_write_nothing() {
    let world = on_ticket();
    let as_role = |role: &str, tool: &str, command: &str| {
        let mut asked = tool_use(&world, tool, command);
        asked["agent_type"] = role.into();
        denied(&ask(&world, &["pre-tool-use"], &asked.to_string()))
    };
    let body = patch("src/a.rs");
    assert!(
        as_role("foil-reviewer", "apply_patch", &body)
            .unwrap()
            .contains("only reads")
    );
    assert!(as_role("foil-expert-test", "Bash", "echo x > src/lib.rs").is_some());
    assert_eq!(as_role("foil-reviewer", "Bash", "cargo test > target/log"), None);
    world.git(&["switch", "--quiet", "main"]);
    assert!(
        as_role("foil-planner", "apply_patch", &body).is_some(),
        "without a ticket too"
    );
    let heredoc = format!("apply_patch <<'EOF'\n{body}\nEOF");
    assert!(as_role("foil-planner", "Bash", &heredoc).is_some());
    for writer in ["foil-writer", "worker", "default"] {
        assert_eq!(as_role(writer, "apply_patch", &body), None, "{writer}");
    }
}

#[test]
fn what_cannot_be_understood_keeps_the_tool_from_being_used() {
    let world = on_ticket();
    let whole = tool_use(&world, "Bash", "true");
    let mut inputs = vec![String::new(), "[]".to_owned(), "{".to_owned(), "null".to_owned()];
    for key in ["cwd", "tool_name", "tool_input", "hook_event_name"] {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(key);
        inputs.push(without.to_string());
        let mut other = whole.clone();
        other[key] = json!(["x", 1]);
        inputs.push(other.to_string());
    }
    let mut gone = whole.clone();
    gone["cwd"] = "/no/such/folder".into();
    inputs.push(gone.to_string());
    let mut event = whole.clone();
    event["hook_event_name"] = "PostToolUse".into();
    inputs.push(event.to_string());
    for input in inputs {
        assert!(denied(&ask(&world, &["pre-tool-use"], &input)).is_some(), "{input}");
    }
    let mut more = whole;
    more["of_a_later_version"] = true.into();
    more["tool_name"] = "view_image".into();
    assert_eq!(denied(&ask(&world, &["pre-tool-use"], &more.to_string())), None);
    assert_eq!(ask(&world, &["no-such-event"], "").code, Some(2));
}

#[test]
fn a_conversation_is_told_of_the_ledger_and_its_ticket() {
    let world = on_ticket();
    world.ticket("0002-later", "title = \"Later \\u0007<b>\\u202e\"\nmode = \"loop\"\n");
    let start = |world: &World| {
        json!({
            "session_id": "s", "transcript_path": null, "cwd": world.root().join("."), "hook_event_name": "SessionStart",
            "model": "m", "permission_mode": "default", "source": "startup",
        })
        .to_string()
    };
    let told = ask(&world, &["session-start"], &start(&world));
    let answer: Value = serde_json::from_str(&told.stdout).unwrap();
    seen!(
        "hook_session_start",
        answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap()
    );
    assert_eq!(answer["hookSpecificOutput"]["hookEventName"], "SessionStart");
    let sub_agent = start(&world).replace("SessionStart", "SubagentStart");
    let told = ask(&world, &["subagent-start"], &sub_agent);
    let answer: Value = serde_json::from_str(&told.stdout).unwrap();
    seen!(
        "hook_subagent_start",
        answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap()
    );
    assert_eq!(answer["hookSpecificOutput"]["hookEventName"], "SubagentStart");
    let mixed_up = ask(&world, &["session-start"], &sub_agent);
    assert!(mixed_up.stdout.contains("another event"), "{mixed_up}");
    let other = World::new();
    assert_eq!(ask(&other, &["session-start"], &start(&other)).stdout, "");
    let broken = ask(&world, &["session-start"], "{");
    let answer: Value = serde_json::from_str(&broken.stdout).unwrap();
    assert!(
        answer["systemMessage"]
            .as_str()
            .unwrap()
            .starts_with("foil cannot tell"),
        "{broken}"
    );
}

#[test]
fn the_example_of_the_guide_is_answered_as_the_guide_says() {
    let guide = include_str!("../../../../docs/guide.md");
    let section = guide
        .split("\n## Your own Codex\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let blocks: Vec<_> = section
        .split("```text\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect();
    let world = on_ticket();
    assert_eq!(tool(&world, "apply_patch", blocks[0]).as_deref(), Some(blocks[1]));
}
