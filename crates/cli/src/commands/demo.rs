//! `foil demo`

mod story;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runner::guard::GuardProgram;
use runner::sandbox::{Confinement, Sandbox, SandboxSearch};

use self::story::{POLICY, PROMPT, SCRIPTS, TICKET, TICKET_ID};
use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, styled};

/// See the whole story in a throw-away repository
///
/// Makes a small repository in a folder of its own and runs the real commands in it: a ticket, its approval, a run whose
/// first turn fails the checks and whose second passes them, the review packet, the delivery, the proof, and what becomes
/// of the proof when somebody edits the journal. The worker is a script, so no Codex and no login are needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil demo\n  foil demo --keep      leave the repository there to look around in")]
pub(crate) struct DemoArgs {
    /// Leave the repository there
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: &DemoArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    // In the user's state folder, not in a temporary one: there a worker's sandbox could write, and a run is refused.
    let root = runner::user_state_folder()?.join(format!("demo-{}", std::process::id()));
    fs::create_dir_all(&root)?;
    let stage = Stage {
        repository: root.join("repository"),
        state: root.join("state"),
        root,
        context,
    };
    let told = stage.tell();
    if args.keep {
        context
            .output
            .answer(&format!("\nThe repository is in {}\n", stage.repository.display()))?;
    } else {
        fs::remove_dir_all(&stage.root)?;
    }
    told
}

/// Where the story is played.
struct Stage<'a> {
    root: PathBuf,
    repository: PathBuf,
    state: PathBuf,
    context: &'a Context<'a>,
}

impl Stage<'_> {
    fn tell(&self) -> Result<Exit, Failure> {
        self.say("A small repository: a greeting, and the check that says what it must do.")?;
        fs::create_dir_all(&self.repository)?;
        for (path, text) in story::PROJECT {
            self.write(&self.repository.join(path), text)?;
        }
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        self.git(&["config", "user.name", "Demo"])?;
        self.git(&["config", "user.email", "demo@example.org"])?;
        for (path, text) in SCRIPTS {
            self.write(&self.root.join("worker").join(path), text)?;
        }
        let sandbox = self.sandbox()?;
        let policy = POLICY
            .replace("{scripts}", &self.root.join("worker").to_string_lossy())
            .replace("{sandbox}", if sandbox { "required" } else { "off" });
        self.write(&self.repository.join("counterfoil.toml"), &policy)?;
        if !sandbox {
            let text = "bubblewrap cannot be used here, so the demo's check runs without a sandbox, and every packet says so. \
                        A ticket's own checks always need one: this ticket goes without.\n";
            self.context.output.answer(&styled(NOTICE, text))?;
        }

        self.say("Set up, and agree to what the policy may run. Here a script plays the worker instead of Codex.")?;
        self.foil(&["--quiet", "init"], Exit::Done)?;
        self.foil(&["--quiet", "trust"], Exit::Done)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", "A greeting, and Counterfoil"])?;

        self.say(
            "A ticket says what is asked, what may change, and what proves it. A person approves exactly these bytes.",
        )?;
        self.foil(&["--quiet", "new", "Greet by name", "--id", TICKET_ID], Exit::Done)?;
        let folder = self.repository.join("ledger/tickets").join(TICKET_ID);
        let ticket = match TICKET.split_once("\n[[check]]") {
            Some((without_checks, _)) if !sandbox => without_checks,
            _ => TICKET,
        };
        self.write(&folder.join("ticket.toml"), ticket)?;
        self.write(&folder.join("prompt.md"), PROMPT)?;
        self.foil(&["approve", TICKET_ID], Exit::Done)?;

        self.say("The run. The worker's first turn is wrong: the check fails, and the end of its output goes into the next turn.")?;
        self.foil(&["run"], Exit::Done)?;

        self.say("What a person gets to see.")?;
        self.foil(&["review", TICKET_ID], Exit::Done)?;
        self.git(&["log", "--oneline", "--graph", "--all", "--decorate=short", "--", "."])?;

        self.say("Anyone can compute the proof again.")?;
        self.foil(&["verify", TICKET_ID], Exit::Done)?;

        self.say("Somebody edits the journal: one word, after the fact.")?;
        self.tamper()?;
        self.foil(&["verify", TICKET_ID], Exit::Unverified)?;
        self.say("The damage is found at its line. That is the whole story.")?;
        Ok(Exit::Done)
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.context.output.answer(&format!("\n{}\n", styled(HEADING, text)))
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    }

    /// Whether checks can be confined here, tried as a run would.
    fn sandbox(&self) -> Result<bool, Failure> {
        let confinement = Confinement {
            place: self.repository.clone(),
            home: std::env::home_dir().unwrap_or_else(|| self.root.clone()),
            scratch: None,
            writable: Vec::new(),
            readable: Vec::new(),
            hidden: Vec::new(),
            environment: Vec::new(),
            network: false,
        };
        let guard = GuardProgram::current()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let probed = runtime.block_on(Sandbox::probe(&SandboxSearch::new(None), &guard, &confinement));
        Ok(probed.is_ok())
    }

    /// Runs this very program in the repository, as a person would, and insists on how it ends.
    fn foil(&self, arguments: &[&str], expected: Exit) -> Result<(), Failure> {
        let shown: Vec<_> = arguments
            .iter()
            .filter(|argument| **argument != "--quiet")
            .copied()
            .collect();
        let ended = self.command(std::env::current_exe()?.as_os_str(), "foil", arguments, &shown)?;
        if ended != Some(i32::from(expected.code())) {
            let reason = format!(
                "`foil {}` ended with {ended:?}, not with {}",
                shown.join(" "),
                expected.code()
            );
            return Err(Failure::Demo(reason));
        }
        if expected != Exit::Done {
            let text = format!("exit status {}, as it should be\n", expected.code());
            self.context.output.answer(&styled(GOOD, text))?;
        }
        Ok(())
    }

    fn git(&self, arguments: &[&str]) -> Result<(), Failure> {
        match self.command(OsStr::new("git"), "git", arguments, arguments)? {
            Some(0) => Ok(()),
            ended => Err(Failure::Demo(format!(
                "`git {}` ended with {ended:?}",
                arguments.join(" ")
            ))),
        }
    }

    fn command(&self, program: &OsStr, name: &str, arguments: &[&str], shown: &[&str]) -> Result<Option<i32>, Failure> {
        let quoted: Vec<_> = shown
            .iter()
            .map(|word| {
                if word.contains(' ') {
                    format!("\"{word}\"")
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        self.context
            .output
            .answer(&format!("{} {name} {}\n", styled(DIM, "$"), quoted.join(" ")))?;
        let status = Command::new(program)
            .args(arguments)
            .current_dir(&self.repository)
            .env("XDG_STATE_HOME", &self.state)
            // Git starts one by itself in a terminal.
            .env("GIT_PAGER", "cat")
            .stdin(Stdio::null())
            .status()?;
        Ok(status.code())
    }

    /// Changes one word of the journal, as somebody would who wants the run to have gone otherwise.
    fn tamper(&self) -> Result<(), Failure> {
        let runs = self.repository.join(".git/counterfoil/runs").join(TICKET_ID);
        let run = fs::read_dir(&runs)?.next().transpose()?.map(|entry| entry.path());
        let path = run.unwrap_or(runs).join("journal.jsonl");
        let text = fs::read_to_string(&path)?;
        let (from, to) = ("exited\",\"code\":1", "exited\",\"code\":0");
        if !text.contains(from) {
            return Err(Failure::Demo("the journal does not hold the failed check".to_owned()));
        }
        let text_shown = format!("sed -i 's/{from}/{to}/' .git/counterfoil/runs/{TICKET_ID}/*/journal.jsonl");
        self.context
            .output
            .answer(&format!("{} {}\n", styled(DIM, "$"), styled(BAD, text_shown)))?;
        fs::write(&path, text.replacen(from, to, 1))?;
        Ok(())
    }
}
