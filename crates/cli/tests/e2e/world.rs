//! A user's repository, a Codex, a scripted model, and `foil`.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use ledger_core::{Event, Journal, Observation};
use serde_json::Value;
use tempfile::TempDir;
use testkit::hygiene::{self, Scanner, Surface};
use testkit::model_server::{ModelScript, ModelServer, RecordedRequest, Reply, Rule};
use tokio::runtime::Runtime;

use crate::processes::{assert_none_below, await_some};
use crate::snapshot::Snapshot;
use crate::unconfined::Codex;

/// Longer than anything here should take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The model that the policy names. Codex knows it and gives it a tool for patches.
const MODEL: &str = "gpt-5.5";

/// Words of each kind of prompt.
pub(crate) const WRITE: &str = "# Ticket ";
pub(crate) const CHECKS_FAILED: &str = "## Checks failed";
pub(crate) const REPAIR: &str = "## Repair";
pub(crate) const REPORT_AGAIN: &str = "Your last answer could not be used";
pub(crate) const CURATION: &str = "# Curation of ticket";
pub(crate) const REVIEW: &str = "# Independent review of ticket";

/// Which way of driving Codex a test takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackEnd {
    AppServer,
    Exec,
}

/// What a world's policy says beside the agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The command of the only check.
    pub(crate) check: &'static str,
    /// Further tables of the policy.
    pub(crate) more: &'static str,
    /// How often Codex itself makes a failed request again.
    pub(crate) retries: u32,
    /// How long Codex lets a stream be silent.
    pub(crate) silence: Duration,
    /// Whether the check rests on the tree alone, without caches.
    pub(crate) clean: bool,
    /// Which Codex works there.
    pub(crate) codex: Codex,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            check: "test ! -e hello.txt || grep -qx hello hello.txt",
            more: "",
            retries: 0,
            silence: Duration::from_secs(60),
            clean: false,
            codex: Codex::AsItIs,
        }
    }
}

pub(crate) struct World {
    pub(crate) model: ModelServer,
    pub(crate) repository: PathBuf,
    root: TempDir,
    /// What is the user's, as it was before the first run.
    untouched: OnceCell<Snapshot>,
    /// The model lives in it.
    _runtime: Runtime,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    /// The program and what stands behind it.
    words: Vec<OsString>,
}

/// Looks for what is planted in every world.
fn scanner() -> Scanner {
    Scanner::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The program to test with.
pub(crate) fn codex_path() -> PathBuf {
    let path = match std::env::var_os("FOIL_TEST_CODEX") {
        Some(path) => PathBuf::from(path),
        None => {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .parent()
                .expect("a target folder");
            target.join("codex/0.169.0/vendor/x86_64-unknown-linux-musl/bin/codex")
        }
    };
    assert!(path.is_file(), "needs Codex: run `cargo xtask e2e`");
    path
}

impl World {
    /// A repository with an approved ticket `0001-say-hello`, whose worker may write `hello.txt`.
    pub(crate) fn new(back_end: BackEnd, terms: Terms, script: ModelScript) -> Self {
        let world = Self::without_tickets(back_end, terms, script);
        world.add_ticket("Say hello", "0001-say-hello", "allowed = [\"hello.txt\"]", "");
        world
    }

    /// A repository that `foil init` has set up, with a trusted policy.
    pub(crate) fn without_tickets(back_end: BackEnd, terms: Terms, script: ModelScript) -> Self {
        let world = Self::empty(script);
        world.write("README", "a project\n");
        world.git(&["add", "README"]);
        world.git(&["commit", "--quiet", "-m", "begin"]);
        world.foil(&["init", "--repository", "example/project"]).succeeds();
        world.write("counterfoil.toml", &world.policy(back_end, &terms));
        world.git(&["add", "--all"]);
        world.git(&["commit", "--quiet", "-m", "set up"]);
        world.foil(&["trust"]).succeeds();
        world
    }

    /// A repository without a commit, and a user who has a name.
    pub(crate) fn empty(script: ModelScript) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let model = runtime.block_on(ModelServer::start(script)).unwrap();
        // Outside of /tmp, where Codex' sandbox behaves as it does for users.
        let root = TempDir::with_prefix_in("e2e-", env!("CARGO_TARGET_TMPDIR")).unwrap();
        let repository = root.path().join("repository");
        std::fs::create_dir_all(&repository).unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        let world = Self {
            model,
            repository,
            root,
            untouched: OnceCell::new(),
            _runtime: runtime,
        };
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        world.git(&["config", "user.name", "A User"]);
        world.git(&["config", "user.email", "user@example.org"]);
        world
    }

    /// The policy's `[agent]`: Codex with the scripted model.
    pub(crate) fn agent(&self, back_end: BackEnd, terms: &Terms) -> toml::Table {
        let mut config = self.model.codex_config(MODEL, terms.retries);
        config.remove("model");
        let silence = i64::try_from(terms.silence.as_millis()).unwrap();
        config["model_providers"]["mock"]["stream_idle_timeout_ms"] = silence.into();
        let mut agent = toml::toml! {
            model = "gpt-5.5"
        };
        agent.insert("model".to_owned(), MODEL.into());
        let kind = match back_end {
            BackEnd::AppServer => "codex",
            BackEnd::Exec => "codex-exec",
        };
        agent.insert("kind".to_owned(), kind.into());
        let program = terms.codex.program(self.root());
        agent.insert("command".to_owned(), program.to_str().unwrap().into());
        agent.insert("config".to_owned(), config.into());
        agent
    }

    fn policy(&self, back_end: BackEnd, terms: &Terms) -> String {
        let mut check = toml::Table::new();
        check.insert("name".to_owned(), "greeting".into());
        check.insert("run".to_owned(), terms.check.into());
        if terms.clean {
            check.insert("strength".to_owned(), "runner_ran_clean".into());
        }
        let mut policy = toml::Table::new();
        policy.insert("agent".to_owned(), self.agent(back_end, terms).into());
        policy.insert("check".to_owned(), toml::Value::Array(vec![check.into()]));
        format!("{policy}\n{}", terms.more)
    }

    /// Makes a draft, writes its contract and prompt, and approves it.
    pub(crate) fn add_ticket(&self, title: &str, id: &str, scope: &str, before_tables: &str) {
        self.foil(&["new", title, "--id", id]).succeeds();
        let folder = format!("ledger/tickets/{id}");
        let contract = format!("schema = 1\ntitle = \"{title}\"\n{before_tables}\n[scope]\n{scope}\n");
        self.write(&format!("{folder}/ticket.toml"), &contract);
        self.write(
            &format!("{folder}/prompt.md"),
            &format!("{title}, in the file of that name.\n"),
        );
        self.foil(&["check"]).succeeds();
        self.foil(&["approve", id]).succeeds();
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repository.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs Git in the user's repository and answers what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.in_world(Command::new("git").args(arguments)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn in_world<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["GIT_", "CODEX_", "FOIL_", "XDG_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        hygiene::plant_home(&self.root.path().join("home"));
        hygiene::plant(command);
        command
            .current_dir(&self.repository)
            .env("HOME", self.root.path().join("home"))
            .env("XDG_STATE_HOME", self.root.path().join("state"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("MOCK_API_KEY", "mock-key-value")
            .stdin(Stdio::null())
    }

    /// Runs `foil` to its end. However a run ends, it has left everything of the user's as it was.
    pub(crate) fn foil(&self, arguments: &[&str]) -> Ran {
        let ran = self.start_foil(arguments).ends_within(PATIENCE);
        if arguments.first() == Some(&"run") {
            self.assert_untouched();
        }
        ran
    }

    /// Starts `foil`.
    pub(crate) fn start_foil(&self, arguments: &[&str]) -> Running {
        if arguments.first() == Some(&"run") {
            self.untouched.get_or_init(|| self.snapshot());
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_foil"));
        command.args(arguments);
        self.start(command)
    }

    /// Starts a command of the user's.
    pub(crate) fn start(&self, mut command: Command) -> Running {
        // Files, as nobody reads a pipe while the test does something else.
        let outputs = TempDir::new_in(self.root.path()).unwrap().keep();
        let (stdout, stderr) = (outputs.join("stdout"), outputs.join("stderr"));
        let child = self
            .in_world(&mut command)
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(OsStr::to_owned).collect();
        Running {
            child,
            stdout,
            stderr,
            words,
        }
    }

    /// The whole state of the user's that no run may touch.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.repository, &self.git(&["for-each-ref"]))
    }

    /// Fails unless all that is the user's is as it was before the first run.
    pub(crate) fn assert_untouched(&self) {
        let before = self.untouched.get().expect("a run was started");
        before.assert_same_as(&self.snapshot());
    }

    /// The user runs a command that changes what is theirs. Up to here nothing else has.
    pub(crate) fn user_runs(&mut self, arguments: &[&str]) -> Ran {
        self.assert_untouched();
        let ran = self.foil(arguments);
        self.untouched.take();
        ran
    }

    /// The requests of turns whose prompts have these words.
    pub(crate) fn requests_for(&self, words: &str) -> Vec<RecordedRequest> {
        let mut requests = self.model.requests();
        requests.retain(|request| request.prompt.contains(words));
        requests
    }

    /// The journals of a ticket's runs that this clone has, oldest first.
    pub(crate) fn journals(&self, ticket: &str) -> Vec<PathBuf> {
        let folder = self.repository.join(".git/counterfoil/runs").join(ticket);
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut journals: Vec<_> = entries
            .map(|entry| entry.unwrap().path().join("journal.jsonl"))
            .collect();
        journals.sort();
        journals
    }

    /// The events of a ticket's only run. A line that is being written does not count yet.
    pub(crate) fn events(&self, ticket: &str) -> Vec<Event> {
        let journals = self.journals(ticket);
        assert!(journals.len() <= 1, "one run: {journals:?}");
        let bytes = journals.first().map(std::fs::read);
        let bytes = bytes.and_then(Result::ok).unwrap_or_default();
        match Journal::parse(&bytes) {
            Ok(journal) => journal.records.into_iter().map(|record| record.event).collect(),
            // Not even its first line is there.
            Err(_) if !bytes.contains(&b'\n') => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until the ticket's journal holds such an event.
    pub(crate) fn wait_for_event(&self, ticket: &str, what: &str, fits: impl Fn(&Event) -> bool) {
        await_some(what, PATIENCE, || self.events(ticket).iter().any(&fits).then_some(()));
    }

    /// Whatever a finished ticket must be: delivered once on its branch as two commits with this content, stored once,
    /// true to its journal, shown as done, and without a process left or anything of the user's touched.
    pub(crate) fn assert_delivered(&self, ticket: &str, path: &str, content: &str) {
        let branch = format!("foil/{ticket}");
        let base = self.journal_base(ticket);
        let range = format!("{base}..{branch}");
        assert_eq!(
            self.git(&["rev-list", "--count", &range]),
            "2",
            "the change and its records"
        );
        let delivered = self.git(&["cat-file", "blob", &format!("{branch}:{path}")]);
        assert_eq!(delivered, content.trim_end());
        let changed = self.git(&["diff", "--name-only", &base, &format!("{branch}^")]);
        assert_eq!(
            changed, path,
            "the change holds what the worker was asked for and nothing else"
        );
        let branches = self.git(&["for-each-ref", "--format=%(refname)", &format!("refs/heads/{branch}*")]);
        assert_eq!(branches, format!("refs/heads/{branch}"));
        let stored = self.git(&["for-each-ref", &format!("refs/counterfoil/runs/{ticket}/")]);
        assert_eq!(stored.lines().count(), 1, "{stored}");
        self.foil(&["verify", ticket]).succeeds();
        let status = self.foil(&["status", ticket, "--json"]).succeeds().json();
        assert!(status.to_string().contains("\"done\""), "{status}");
        assert_none_below(self.root(), Duration::from_secs(5));
        self.assert_untouched();
    }

    fn journal_base(&self, ticket: &str) -> String {
        let mut base = self.events(ticket).into_iter().filter_map(|event| match event {
            Event::Entered(ledger_core::PhaseEvidence::RepositoryDiscovered(discovery)) => Some(discovery.base),
            Event::Observed {
                observation: Observation::Rebased { onto, .. },
                ..
            } => Some(onto),
            _ => None,
        });
        let base = base.next_back();
        base.expect("a base").to_string()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed test leaves is looked at; a run that hangs there is not left to it.
        if std::thread::panicking() {
            for journal in self.journals("0001-say-hello") {
                let text = std::fs::read_to_string(&journal).unwrap_or_default();
                let last: Vec<_> = text.lines().rev().take(12).collect();
                for line in last.into_iter().rev() {
                    eprintln!("journal: {:.600}", line);
                }
            }
            for request in self.model.requests() {
                eprintln!("request: step {} of {:?}", request.step, request.prompt.lines().next());
            }
            return;
        }
        let scanner = scanner();
        // What Codex adds itself, such as a skill, stands in tags.
        let prompts = self.model.requests().into_iter().map(|request| request.prompt);
        for prompt in prompts.filter(|prompt| !prompt.starts_with('<')) {
            scanner.scan(Surface::Prompt, "a request", prompt.as_bytes());
        }
        scanner.scan_world(self.root.path());
    }
}

impl Running {
    /// Waits for its end.
    pub(crate) fn ends_within(mut self, limit: Duration) -> Ran {
        let status = await_some("the end of the command", limit, || self.child.try_wait().unwrap());
        self.ran(status)
    }

    /// What it has printed, scanned.
    fn ran(&self, status: ExitStatus) -> Ran {
        let ran = Ran {
            status,
            stdout: std::fs::read_to_string(&self.stdout).unwrap(),
            stderr: std::fs::read_to_string(&self.stderr).unwrap(),
        };
        let words: Vec<_> = self.words.iter().map(OsString::as_os_str).collect();
        // What Codex itself says where nobody runs a ticket is none of ours.
        if let [program, arguments @ ..] = &words[..]
            && Path::new(program).file_name() != codex_path().file_name()
        {
            scanner().scan_output(arguments, ran.stdout.as_bytes(), ran.stderr.as_bytes());
        }
        ran
    }

    /// Ends it as a power cut would: without a word. Fails where it has ended by itself, since nothing would be killed then.
    pub(crate) fn kill(mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it has ended before it was killed: {ended:?}");
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.ran(status);
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only where a test ends before it; its guards then end what it started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// The answer of a command that was asked for JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The packet of the only run that `foil run --json` tells of.
    pub(crate) fn packet(&self) -> Value {
        let answer = self.json();
        let runs = answer["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1, "{answer}");
        runs[0]["packet"].clone()
    }
}

/// A script in which the worker writes `hello` to `hello.txt` and the reviewer passes it.
pub(crate) fn honest_script() -> ModelScript {
    ModelScript::default()
        .turn(WRITE, [shell("echo hello > hello.txt"), Reply::done("said hello")])
        .rule(Rule::new(REVIEW, Reply::pass("it says hello")))
}

pub(crate) fn shell(command: &str) -> Reply {
    Reply::Shell(command.to_owned())
}

/// Says that a test cannot be had here: to whoever reads its output, and to `cargo xtask e2e`, which lists it by name.
pub(crate) fn skip(test: &str, reason: &str) {
    use std::io::Write as _;
    eprintln!("skipped: {test}: {reason}");
    if let Some(list) = std::env::var_os("FOIL_TEST_SKIPPED") {
        let mut list = File::options().append(true).create(true).open(list).unwrap();
        writeln!(list, "{test}: {reason}").unwrap();
    }
}

/// Makes one test for each way of driving Codex out of `fn name(back_end: BackEnd)`.
macro_rules! through_both {
    ($($name:ident),+ $(,)?) => {
        mod through_app_server {
            $(
                #[test]
                #[ignore = "needs the real Codex; run by cargo xtask e2e"]
                fn $name() {
                    super::$name(crate::world::BackEnd::AppServer);
                }
            )+
        }
        mod through_exec {
            $(
                #[test]
                #[ignore = "needs the real Codex; run by cargo xtask e2e"]
                fn $name() {
                    super::$name(crate::world::BackEnd::Exec);
                }
            )+
        }
    };
}
pub(crate) use through_both;
