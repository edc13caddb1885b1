//! Telling somebody outside how a run ended.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ledger_core::{Effect, Event, Observation};
use serde_json::Value;
use testkit::hygiene::Surface;

use crate::common::{Said, World, said};
use crate::processes::assert_none_below;
use crate::seen;
use crate::world::{CONTRACT, Runner, TICKET, WRITER, approved_with, eventually, journaled, json, run_folder};

const SECRET: &str = "T0SECRET0B0SECRET";

/// Somebody on loopback who gets requests and answers each in the same way.
struct Receiving {
    address: String,
    requests: Receiver<String>,
}

impl Receiving {
    fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/{SECRET}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        let answer = answer.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = request(&mut stream);
                if sender.send(request).is_err() {
                    return;
                }
                if answer.is_empty() {
                    // It never answers, and keeps the connection.
                    std::mem::forget(stream);
                    continue;
                }
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, requests }
    }

    /// All requests that came.
    fn received(&self) -> Vec<String> {
        let requests: Vec<_> = self.requests.try_iter().collect();
        for request in &requests {
            crate::common::scanner().scan(Surface::Notification, "a request", request.as_bytes());
        }
        requests
    }
}

/// One request with its whole body.
fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse::<usize>()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn notifying(writer: &str, contract: &str, notify: &str) -> World {
    approved_with(writer, contract, |world| {
        let policy = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{policy}[notify]\n{notify}"));
        std::fs::create_dir_all(world.folder().join("home")).unwrap();
    })
}

const TO_WEBHOOK: &str = "webhook = \"env:FOIL_WEBHOOK\"\n";

fn run_told(world: &World, address: &str, args: &[&str]) -> Said {
    let mut command = world.foil_command();
    said(command.args(args).env("FOIL_WEBHOOK", address))
}

/// What became of the notifications of the only run.
fn ends(world: &World) -> Vec<Option<String>> {
    let ends = journaled(world).into_iter().filter_map(|event| match event {
        Event::Observed {
            observation: Observation::Notified { problem },
            ..
        } => Some(problem),
        _ => None,
    });
    ends.collect()
}

fn intents(world: &World) -> usize {
    let is_it = |event: &Event| matches!(event, Event::Intended(Effect::Notify { .. }));
    journaled(world).iter().filter(|event| is_it(event)).count()
}

/// That nothing of the world or of what was said holds the address.
fn assert_unseen(world: &World, said: &Said) {
    assert!(!format!("{said}").contains(SECRET), "{said}");
    for words in [
        &["events", TICKET][..],
        &["review", TICKET],
        &["logs", TICKET],
        &["status"],
        &["trust"],
    ] {
        let said = world.foil(words);
        assert!(!format!("{said}").contains(SECRET), "{said}");
    }
    let mut folders = vec![run_folder(world)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(SECRET), "{}", path.display());
            }
        }
    }
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_webhook_is_told_of_a_run_that_is_done_in_the_form_of_slack() {
    let receiver = Receiving::answering(OK);
    let title = "<!channel> say <https://evil.example|here> & \\\"there\\\"";
    let world = notifying(WRITER, &CONTRACT.replace("Say hello", title), TO_WEBHOOK);
    let said = run_told(&world, &receiver.address, &["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(ends(&world), [None]);
    let [request] = &receiver.received()[..] else {
        panic!("one request")
    };
    let head = request.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
    assert!(
        head.starts_with("post /") && head.contains("content-type: application/json"),
        "{head}"
    );
    seen!(
        "notification_of_a_run_that_is_done",
        serde_json::to_string_pretty(&body(request)).unwrap()
    );
    assert_unseen(&world, &said);
}

#[test]
fn a_webhook_is_told_why_a_run_stopped_without_paths_and_secrets() {
    let receiver = Receiving::answering(OK);
    let writer = "role = \"writer\"\n[answer]\nreport = { status = \"blocked\", summary = \"x\", blocked_because = \"[root]/x <!here> hunter2-hunter2 \\\"\\\\\" }\n";
    let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
    let writer = writer.replace("[root]", world.root().to_str().unwrap());
    std::fs::write(world.folder().join("scripts/writer.toml"), writer).unwrap();
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .env("FOIL_WEBHOOK", &receiver.address)
        .env("MY_TOKEN", "hunter2-hunter2");
    let said = said(&mut command);
    assert_eq!(said.code, Some(10), "{said}");
    let [request] = &receiver.received()[..] else {
        panic!("one request")
    };
    assert!(
        !request.contains("hunter2") && !request.contains(world.root().to_str().unwrap()),
        "{request}"
    );
    seen!(
        "notification_of_a_run_that_is_blocked",
        serde_json::to_string_pretty(&body(request)).unwrap()
    );
    assert_unseen(&world, &said);
}

#[test]
fn a_webhook_that_does_not_take_it_is_told_of_and_changes_nothing() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/{SECRET}", listener.local_addr().unwrap())
    };
    let elsewhere = Receiving::answering(OK);
    let moved = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.address
    );
    let redirecting = Receiving::answering(&moved);
    let refusing = Receiving::answering(&format!(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{SECRET}"
    ));
    let hanging = Receiving::answering("");
    let silent = Receiving::answering("\r\n");
    for (address, problem) in [
        (&gone[..], "the webhook was not reached: nobody accepts the connection"),
        (
            &redirecting.address,
            "the webhook answered 302, and is not followed elsewhere",
        ),
        (&refusing.address, "the webhook answered 404"),
        (&hanging.address, "the webhook was not reached: no answer within 10 s"),
        (
            &silent.address,
            "the webhook was not reached: `curl` ended with status 1",
        ),
        (
            "",
            "the environment variable `FOIL_WEBHOOK`, which is to hold the address of the webhook, is not set",
        ),
        (
            "http://hooks.example.com/T0SECRET0B0SECRET",
            "the address of the webhook cannot be used: an address of another machine begins with `https://`",
        ),
        (
            "https://hooks.example.com/T0SECRET0B0SECRET\" \noutput = \"/tmp/x",
            "the address of the webhook cannot be used: an address has no blanks, quotes, braces, backslashes or letters beyond ASCII",
        ),
    ] {
        let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
        let said = run_told(&world, address, &["run", TICKET]);
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(ends(&world), [Some(problem.to_owned())]);
        let story = format!("the notification `done` by the webhook: not handed over: {problem}");
        assert!(said.stderr.contains(&story) || said.stdout.contains(&story), "{said}");
        assert_unseen(&world, &said);
    }
    assert_eq!(elsewhere.received(), Vec::<String>::new(), "a redirect is not followed");
}

#[test]
fn a_command_is_given_the_message_and_the_variables_far_from_the_repository() {
    let world = notifying(WRITER, CONTRACT, "");
    let out = world.folder().join("told");
    let notify = format!(
        "webhook = \"env:FOIL_WEBHOOK\"\non = [\"blocked\"]\ncommand = \"{{ cat; echo; env | grep ^FOIL_ | sort; ls -A; basename $(dirname $PWD) | cut -c 1-7; }} >>{} 2>/dev/null\"\n",
        out.display()
    );
    let policy = world.read("counterfoil.toml");
    let run = |notify: &str| {
        world.write("counterfoil.toml", format!("{policy}{notify}"));
        world.git(&["commit", "-qam", "Notify", "--allow-empty"]);
        assert_eq!(world.foil(&["trust"]).code, Some(0));
    };
    run(&notify
        .replace("[\"blocked\"]", "[\"done\"]")
        .replace("webhook = \"env:FOIL_WEBHOOK\"\n", ""));
    let said = run_told(&world, "https://example.com/T0SECRET0B0SECRET", &["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    seen!("notification_of_a_command", std::fs::read_to_string(&out).unwrap());
    assert_unseen(&world, &said);
}

#[test]
fn a_command_that_fails_or_hangs_changes_nothing_and_leaves_nothing() {
    for (command, problem) in [
        (
            "echo hunter2-hunter2 >&2; exit 7",
            "the command: exit status 7; it printed last: [secret]",
        ),
        ("exec 0<&-; true", ""),
        (
            "echo begun; sleep 1000",
            "the command: ended at its time limit; it printed last: begun",
        ),
        ("setsid sleep 1000 & true", ""),
    ] {
        let world = notifying(WRITER, CONTRACT, &format!("command = \"{command}\"\n"));
        let mut run = world.foil_command();
        run.args(["run", TICKET]).env("MY_TOKEN", "hunter2-hunter2");
        let said = said(&mut run);
        assert_eq!(said.code, Some(0), "{said}");
        let expected = (!problem.is_empty()).then(|| problem.to_owned());
        assert_eq!(ends(&world), [expected]);
        assert_none_below(world.folder(), Duration::from_secs(10));
    }
}

#[test]
fn whoever_ends_the_runner_does_not_wait_for_whom_it_tells() {
    let world = notifying(WRITER, CONTRACT, "command = \"sleep 1000\"\n");
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runner = Runner(command.spawn().unwrap());
    eventually("it is told", || {
        let running = crate::processes::below(world.folder());
        running.iter().any(|line| line.contains("sleep 1000"))
    });
    let pid = runner.0.id().to_string();
    assert!(world.command("kill").args(["-TERM", &pid]).status().unwrap().success());
    runner.0.wait().unwrap();
    assert_none_below(world.folder(), Duration::from_secs(10));
    assert_eq!(ends(&world), [Some("the command: stopped with the run".to_owned())]);
    assert_eq!((intents(&world), world.foil(&["verify", TICKET]).code), (1, Some(0)));
    let is_stored = |event: &Event| {
        matches!(
            event,
            Event::Observed {
                observation: Observation::RunStored { .. },
                ..
            }
        )
    };
    assert!(journaled(&world).iter().any(is_stored), "the run is over, and kept");
}

#[test]
fn only_what_is_wanted_is_told() {
    let receiver = Receiving::answering(OK);
    for (on, told) in [("[\"blocked\"]", 0), ("[]", 0), ("[\"night_over\", \"done\"]", 1)] {
        let world = notifying(WRITER, CONTRACT, &format!("{TO_WEBHOOK}on = {on}\n"));
        assert_eq!(run_told(&world, &receiver.address, &["run", TICKET]).code, Some(0));
        assert_eq!(receiver.received().len(), told, "{on}");
    }
}

#[test]
fn a_notification_whose_runner_is_killed_is_not_sent_again_and_its_end_is_unknown() {
    let receiver = Receiving::answering("");
    let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
    let mut command = world.foil_command();
    command.args(["run", TICKET]).env("FOIL_WEBHOOK", &receiver.address);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let runner = Runner(command.spawn().unwrap());
    let mut received = Vec::new();
    eventually("it is told", || {
        received.extend(receiver.received());
        !received.is_empty()
    });
    runner.killed();
    let said = run_told(&world, &receiver.address, &["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done");
    assert_eq!((intents(&world), receiver.received().len()), (1, 0));
    let status = world.foil(&["status", TICKET]).stdout;
    assert!(
        status.contains("the notification `done` by the webhook: how it ended is unknown"),
        "{status}"
    );
    assert!(
        world
            .foil(&["review", TICKET])
            .stdout
            .contains("nobody saw whether it was handed over")
    );
    assert_unseen(&world, &said);
}

#[test]
fn the_worker_is_not_handed_the_address() {
    let receiver = Receiving::answering(OK);
    let writer = WRITER.replace("[[step]]\ndo = \"write\"", "[[step]]\ndo = \"run\"\ncommand = \"env >env.txt; test -z $FOIL_WEBHOOK && rm env.txt\"\n[[step]]\ndo = \"write\"");
    let world = notifying(&writer, CONTRACT, TO_WEBHOOK);
    let said = run_told(&world, &receiver.address, &["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let branch = format!("foil/{TICKET}^");
    assert_eq!(world.git(&["diff", "--name-only", "HEAD", &branch]).trim(), "hello.txt");
}

#[test]
fn that_the_night_is_over_is_told_once() {
    let receiver = Receiving::answering(OK);
    let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[limits]\nnight_tokens = 1\n"));
    world.ticket("0002-later", crate::common::LOOP);
    world.git(&["commit", "-qam", "Limit nights"]);
    for args in [&["trust"][..], &["approve", "0002-later"]] {
        assert_eq!(world.foil(args).code, Some(0));
    }
    let said = run_told(&world, &receiver.address, &["run", "--all"]);
    assert_eq!(said.code, Some(10), "{said}");
    let told: Vec<_> = receiver.received().iter().map(|request| body(request)).collect();
    let events: Vec<_> = told.iter().map(|told| told["event"].as_str().unwrap()).collect();
    assert_eq!(
        events.iter().filter(|event| **event == "night_over").count(),
        1,
        "{events:?}"
    );
    let last = told.last().unwrap();
    seen!("notification_of_a_night", serde_json::to_string_pretty(last).unwrap());
    let said = run_told(&world, "", &["run", "--all"]);
    assert!(said.stderr.contains("nobody was told that the night is over"), "{said}");
}

#[test]
fn an_address_that_is_written_out_in_the_policy_is_refused_without_being_shown() {
    let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
    let policy = world.read("counterfoil.toml");
    world.write(
        "counterfoil.toml",
        policy.replace("env:FOIL_WEBHOOK", &format!("https://hooks.example.com/{SECRET}")),
    );
    for words in [&["check"][..], &["check", "--json"], &["run"], &["trust"]] {
        let said = world.foil(words);
        assert_ne!(said.code, Some(0), "{said}");
        let text = format!("{said}");
        assert!(text.contains("env:FOIL_WEBHOOK") && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn what_a_policy_would_run_lists_who_is_told() {
    let world = notifying(WRITER, CONTRACT, &format!("{TO_WEBHOOK}command = \"mail ann\"\n"));
    let said = world.foil(&["trust", "--show"]).stdout;
    assert!(
        said.contains("notification: mail ann with network without a sandbox\n"),
        "{said}"
    );
    assert!(
        said.contains("It sends how runs end to\n  the address in the variable FOIL_WEBHOOK\n"),
        "{said}"
    );
}

#[test]
fn the_example_of_the_guide_does_what_it_says() {
    let receiver = Receiving::answering(OK);
    let world = notifying(WRITER, CONTRACT, TO_WEBHOOK);
    let policy = world.read("counterfoil.toml");
    let example = crate::hooks::example();
    world.write(
        "counterfoil.toml",
        format!("{}{example}", policy.replace(&format!("[notify]\n{TO_WEBHOOK}"), "")),
    );
    world.write("src/lib.rs", "// Nothing yet.\n");
    world.commit_all("As the guide has it");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = run_told(&world, &receiver.address, &["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(ends(&world), [None, None]);
    let home = std::fs::read_to_string(world.folder().join("home/foil-told.jsonl")).unwrap();
    let by_command: Value = serde_json::from_str(&home).unwrap();
    let requests = receiver.received();
    assert_eq!(body(&requests[0]), by_command);
    let logs = world.foil(&["logs", TICKET]).stdout;
    assert!(
        logs.contains("hello.txt | ") && logs.contains(&format!("foil/{TICKET} is there")),
        "{logs}"
    );
}
