//! The files that the demo's story is made of.

/// The ticket's id.
pub(super) const TICKET_ID: &str = "0001-greet-by-name";

/// A project so small that it needs nothing but a shell.
pub(super) const PROJECT: [(&str, &str); 2] = [
    ("greet.sh", "#!/bin/sh\n# Greets whoever is named.\necho \"Hello\"\n"),
    (
        "test.sh",
        "#!/bin/sh\n# Without a name the greeting stays as it is; with one it holds the name.\n\
         expect() { [ \"$1\" = \"$2\" ] || { echo \"expected '$2', got '$1'\"; exit 1; }; }\n\
         expect \"$(sh greet.sh)\" \"Hello\"\n\
         if grep -q '\\$1' greet.sh; then\n  expect \"$(sh greet.sh Ada)\" \"Hello, Ada\"\nfi\necho ok\n",
    ),
];

/// The policy, with a script in the worker's place.
pub(super) const POLICY: &str = r#"requires = ">=0.1"

[agent]
kind = "scripted"               # a real policy says "codex", which is the default
command = "{scripts}"

[[check]]
name = "tests"
run = "sh test.sh"
sandbox = "{sandbox}"
"#;

/// The contract.
pub(super) const TICKET: &str = r#"#:schema ../../schemas/ticket.schema.json
schema = 1
title = "Greet by name"
kind = "feature"
mode = "standard"

[scope]
goal = "greet.sh greets whoever is named"
allowed = ["greet.sh"]

[[acceptance]]
id = "AC-1"
given = "a name as first argument"
when = "greet.sh runs"
then = "it prints the greeting with that name"

[[check]]
name = "greets Ada"
run = "test \"$(sh greet.sh Ada)\" = \"Hello, Ada\""
proves = ["AC-1"]
"#;

/// What the worker is asked.
pub(super) const PROMPT: &str = "Let `greet.sh` greet whoever is named as its first argument: `sh greet.sh Ada` prints `Hello, Ada`.\n\
     Without a name it prints what it prints today.\n";

/// What the worker and the reviewer do, turn by turn.
pub(super) const SCRIPTS: [(&str, &str); 3] = [
    (
        "1-writer.toml",
        r##"role = "writer"
turn = 1
tokens = { input = 2400, cached_input = 0, output = 310 }

[[step]]
do = "write"
path = "greet.sh"
text = "#!/bin/sh\n# Greets whoever is named.\necho \"Hello $1\"\n"

[answer]
report = { status = "done", summary = "greet.sh prints the name that it is given" }
"##,
    ),
    (
        "2-writer.toml",
        r##"role = "writer"
turn = 2
prompt_contains = "Checks failed"
tokens = { input = 3100, cached_input = 2400, output = 280 }

[[step]]
do = "write"
path = "greet.sh"
text = "#!/bin/sh\n# Greets whoever is named.\necho \"Hello${1:+, $1}\"\n"

[answer]
report = { status = "done", summary = "greet.sh puts a comma before the name, and nothing where there is none" }
"##,
    ),
    (
        "3-reviewer.toml",
        r##"role = "reviewer"
tokens = { input = 1800, cached_input = 0, output = 120 }

[answer]
review = { verdict = "pass", summary = "The greeting holds the name, and stays as it was without one.", inspected = ["greet.sh"], next_action = "merge it" }
"##,
    ),
];
