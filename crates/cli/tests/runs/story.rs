//! What is told while a run is under way: plain lines into a pipe, and a live line in a terminal.

use std::process::Command;

use crate::common::{LOOP, Said, World};
use crate::seen;
use crate::terminal::Terminal;
use crate::world::approved_with;

/// A check that counts, and then fails where nobody said hello.
const CHECK: &str = "[[check]]\nname = \"greets\"\nrun = \"seq 1 15; printf 'and \\\\033[31mred\\\\n'; grep hello hello.txt\"\n\
    sandbox = \"off\"\nbaseline = \"off\"\n";

/// A world with a worker that says the wrong thing first.
fn world() -> World {
    let turn = |select: &str, text: &str| {
        format!(
            "role = \"writer\"\n{select}tokens = {{ input = 1200, output = 300 }}\n\
             [[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\\n\"\n[answer]\nreport = {{ summary = \"said {text}\" }}\n"
        )
    };
    approved_with(&turn("turn = 1\n", "hallo"), LOOP, |world| {
        std::fs::write(world.folder().join("scripts/writer_later.toml"), turn("", "hello")).unwrap();
        let policy = world.read("counterfoil.toml");
        let (agent, _) = policy.split_once("[[check]]").unwrap();
        world.write("counterfoil.toml", format!("{agent}{CHECK}"));
    })
}

/// The story with times in place of moments.
fn without_times(story: &str) -> String {
    let mut lines = Vec::new();
    for line in story.lines() {
        let is_time = |(index, c): (usize, char)| if index % 3 == 2 { c == ':' } else { c.is_ascii_digit() };
        match line.split_at_checked(8) {
            Some((time, rest)) if time.chars().enumerate().all(is_time) => lines.push(format!("[moment]{rest}")),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

#[test]
fn a_run_is_told_line_by_line_where_nobody_watches_it() {
    let world = world();
    let told = world.foil(&["run"]);
    assert_eq!(told.code, Some(0), "{told}");
    let agent = concat!("scripted ", env!("CARGO_PKG_VERSION"));
    let story = without_times(&told.stderr).replace(agent, "scripted [version]");
    seen!("story", Said { stderr: story, ..told });
}

#[test]
fn a_terminal_shows_where_a_run_stands_and_how_many_tickets_are_to_come() {
    let world = world();
    // The check waits until somebody writes into the pipe, and so does the run.
    let pipe = world.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let policy = world.read("counterfoil.toml");
    let (agent, greets) = policy.split_at(policy.find("[[check]]").unwrap());
    let held = format!(
        "{agent}[[check]]\nname = \"held\"\nrun = \"cat {}\"\nsandbox = \"off\"\nbaseline = \"off\"\n{greets}",
        pipe.display()
    );
    world.write("counterfoil.toml", held);
    world.ticket("0002-later", LOOP);
    world.commit_all("A check that waits, and another ticket");
    for args in [&["trust"][..], &["approve", "0002-later"]] {
        assert_eq!(world.foil(args).code, Some(0));
    }

    let mut terminal = Terminal::of(&world, 80, "run --all", &[]);
    for (place, iteration, tokens) in [
        ("[1/2] 0001-hello", 1, "1.5k"),
        ("[1/2] 0001-hello", 2, "3.0k"),
        ("[2/2] 0002-later", 1, "1.5k"),
        ("[2/2] 0002-later", 2, "3.0k"),
    ] {
        terminal.shows(&[
            &format!("s {place} · implementation_complete · iteration {iteration} "),
            &format!("  1 file changed · {tokens} tokens · running checks"),
        ]);
        std::fs::write(&pipe, "go\n").unwrap();
        if iteration == 1 {
            terminal.shows(&[place, "`greets`: exit status 1", "and red"]);
        }
    }
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    for ticket in ["0001-hello", "0002-later"] {
        assert!(seen.contains(&format!(" {ticket} on branch `foil/{ticket}`")), "{seen}");
    }
}
