//! Whether anything that must stay on a machine leaves it: values are planted in the world of every test, and looked for in
//! everything that `foil` shows or keeps there.
//!
//! What may be shown where is said in one place, [`Surface::may_show`].

mod counted;
mod kept;
mod objects;
mod path;
mod quoted;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use memchr::memmem::Finder;

/// Where tests write down how much they looked at, one line a surface and world, if this variable names a file.
pub const COUNTED_IN: &str = "FOIL_TEST_HYGIENE";

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// The value of an environment variable whose name says that it is secret.
    Credential,
    /// The value of an environment variable of which nobody says that.
    Variable,
    /// What stands in a file of the home.
    HomeFile,
    /// A path of this machine that `foil` knows: of the repository, the home or the state folder, or of its own program.
    Path,
}

impl Plant {
    /// The values that are the same in every world. Letters and digits only, so that no way of quoting changes them; long enough
    /// to be no word, and short enough to be found where a line was cut.
    pub const fn value(self) -> Option<&'static str> {
        match self {
            Self::Credential => Some("Qz7CredentialX2Lm"),
            Self::Variable => Some("Vw4VariableK9Rt"),
            Self::HomeFile => Some("Hn5HomeFileS3Bd"),
            Self::Path => None,
        }
    }

    /// What a message says of it, as the value itself is never printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "[planted credential]",
            Self::Variable => "[planted variable]",
            Self::HomeFile => "[planted in a file of the home]",
            Self::Path => "[planted path]",
        }
    }
}

/// Gives a command of a world the planted environment.
pub fn plant(command: &mut Command) {
    for (name, plant) in [
        ("PLANTED_API_TOKEN", Plant::Credential),
        ("PLANTED_BESIDE_IT", Plant::Variable),
    ] {
        command.env(name, plant.value().unwrap_or_default());
    }
}

/// Plants a file in the home of a world. One that is not there stays so: that is what some tests are about.
pub fn plant_home(home: &Path) {
    if let Some(value) = Plant::HomeFile.value()
        && home.is_dir()
    {
        let text = format!("machine planted.invalid login ada password {value}\n");
        // A home that cannot be written to is what some tests are about, too.
        let _ = std::fs::write(home.join(".netrc"), text);
    }
}

/// Where something is seen by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// What a command says to the person at the machine: standard error, and answers that are about the machine.
    Terminal,
    /// What a command answers on standard output, which people give to others: packets, events, states.
    Told,
    /// What `foil logs` shows of what agents and checks printed.
    Log,
    /// A commit: its message, its author.
    Commit,
    /// A record that is delivered beside the change: `result.md`, `review.md`, `plan.md`, `handoff.md`.
    DeliveredRecord,
    /// A run as it is kept below `refs/counterfoil/runs`: its journal, receipt, statement, evidence and outputs of checks.
    StoredRun,
    /// A run as it is on the disk: its journal and what checks printed.
    RunFolder,
    /// What agents said, word by word, in the folder of a run. `foil logs` shows it without what must not leave.
    AgentLog,
    /// What `foil logs --bundle` wrote.
    Bundle,
    /// What somebody outside is told.
    Notification,
    /// What an agent is asked to do.
    Prompt,
    /// The user's state folder, which nobody else can read, and what a repository has of locks and of the daemon.
    State,
    /// Files of the work tree and of commits that are no records: the user's own, and the worker's.
    Content,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Terminal,
        Self::Told,
        Self::Log,
        Self::Commit,
        Self::DeliveredRecord,
        Self::StoredRun,
        Self::RunFolder,
        Self::AgentLog,
        Self::Bundle,
        Self::Notification,
        Self::Prompt,
        Self::State,
        Self::Content,
    ];

    /// The rule. A value of the environment or of a file in the home is shown nowhere, but for one of which nobody says that it
    /// is secret where a log shows what somebody printed. A path of the machine is shown to the
    /// person at the machine, who has to find a file, and stands in the private folder of the user and in files that are not
    /// ours; never in what is told of runs, kept in Git or sent. What an agent itself said is kept word by word, and goes nowhere
    /// like that.
    pub const fn may_show(self, plant: Plant) -> bool {
        match self {
            Self::AgentLog => true,
            Self::Terminal | Self::State | Self::Content => matches!(plant, Plant::Path),
            Self::Log => matches!(plant, Plant::Variable),
            Self::Told
            | Self::Commit
            | Self::DeliveredRecord
            | Self::StoredRun
            | Self::RunFolder
            | Self::Bundle
            | Self::Notification
            | Self::Prompt => false,
        }
    }

    /// As it is called in messages and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Told => "answer",
            Self::Log => "log",
            Self::Commit => "commit",
            Self::DeliveredRecord => "delivered record",
            Self::StoredRun => "stored run",
            Self::RunFolder => "run folder",
            Self::AgentLog => "agent log",
            Self::Bundle => "bundle",
            Self::Notification => "notification",
            Self::Prompt => "prompt",
            Self::State => "state",
            Self::Content => "content",
        }
    }
}

/// Something planted that was seen where it must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// Where.
    pub surface: Surface,
    /// Which part of it, such as a file.
    pub place: String,
    /// How many bytes are before it.
    pub at: usize,
    /// What.
    pub plant: Plant,
    /// What stands around it, without anything planted.
    pub around: String,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (surface, plant) = (self.surface.name(), self.plant.name());
        let Self { place, at, around, .. } = self;
        write!(f, "{surface}: {place}: {plant} at byte {at}: …{around}…")
    }
}

/// Looks for what is planted, and counts what it looked at.
#[derive(Debug, Clone)]
pub struct Scanner {
    needles: Vec<Needle>,
}

#[derive(Debug, Clone)]
struct Needle {
    plant: Plant,
    finder: Finder<'static>,
}

impl Scanner {
    /// For worlds in this place, the folder for temporary files of the target folder.
    pub fn new(place: &str) -> Self {
        let place = Path::new(place);
        let target = place.parent().unwrap_or(place);
        let values = [Plant::Credential, Plant::Variable, Plant::HomeFile].map(|plant| (plant, plant.value()));
        let known = values
            .into_iter()
            .filter_map(|(plant, value)| Some((plant, value?.to_owned())));
        let paths = [target.canonicalize().ok(), Some(target.to_path_buf())];
        let mut paths: Vec<_> = paths
            .into_iter()
            .flatten()
            .map(|path| path.display().to_string())
            .collect();
        paths.dedup();
        let needles = known
            .chain(paths.into_iter().map(|path| (Plant::Path, path)))
            .map(|(plant, text)| Needle {
                plant,
                finder: Finder::new(text.as_bytes()).into_owned(),
            })
            .collect();
        Self { needles }
    }

    /// What must not be in these bytes. At most the first place of each that is planted.
    pub fn leaks(&self, surface: Surface, place: &str, bytes: &[u8]) -> Vec<Leak> {
        self.leaks_but(surface, place, bytes, |_| false)
    }

    /// The same without the paths that are excused.
    fn leaks_but(&self, surface: Surface, place: &str, bytes: &[u8], is_excused: impl Fn(&[u8]) -> bool) -> Vec<Leak> {
        let begun = Instant::now();
        let leaks = self.found(surface, place, bytes, is_excused);
        counted::add(surface, bytes.len(), begun.elapsed());
        leaks
    }

    /// The same, which is not counted.
    fn found(&self, surface: Surface, place: &str, bytes: &[u8], is_excused: impl Fn(&[u8]) -> bool) -> Vec<Leak> {
        let mut leaks: Vec<Leak> = Vec::new();
        for needle in &self.needles {
            let plant = needle.plant;
            if surface.may_show(plant) || leaks.iter().any(|leak| leak.plant == plant) {
                continue;
            }
            let mut hits = needle.hits(bytes);
            if let Some((at, _)) = hits.find(|(_, found)| plant != Plant::Path || !is_excused(found)) {
                leaks.push(Leak {
                    surface,
                    place: self.without_plants(place),
                    at,
                    plant,
                    around: self.around(bytes, at),
                });
            }
        }
        leaks
    }

    /// Fails the test where something is in these bytes that must not be.
    #[track_caller]
    pub fn scan(&self, surface: Surface, place: &str, bytes: &[u8]) {
        fail(&self.leaks(surface, place, bytes));
    }

    /// Fails the test where `foil` with these arguments has printed what it must not.
    #[track_caller]
    pub fn scan_output(&self, arguments: &[&OsStr], stdout: &[u8], stderr: &[u8]) {
        let words = arguments.join(OsStr::new(" "));
        let words = words.to_string_lossy();
        for (stream, surface, bytes) in [
            ("stdout", surface_of_answer(arguments, stdout), stdout),
            ("stderr", Surface::Terminal, stderr),
        ] {
            if !bytes.is_empty() {
                self.scan(surface, &format!("{stream} of `foil {words}`"), bytes);
            }
        }
    }

    /// The paths of the machine in these bytes.
    fn paths<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let needles = self.needles.iter().filter(|needle| needle.plant == Plant::Path);
        needles.flat_map(move |needle| needle.hits(bytes).map(|(_, found)| found))
    }

    /// Fails the test where anything that is kept in this world holds what it must not: each repository in the folder, with all
    /// of its refs; each run; bundles; the state folder. Writes down how much was looked at.
    #[track_caller]
    pub fn scan_world(&self, folder: &Path) {
        let leaks = kept::leaks(self, folder);
        counted::write_down();
        fail(&leaks);
    }

    fn around(&self, bytes: &[u8], at: usize) -> String {
        let (begin, end) = (at.saturating_sub(80), bytes.len().min(at.saturating_add(240)));
        let text = String::from_utf8_lossy(bytes.get(begin..end).unwrap_or_default()).into_owned();
        self.without_plants(&text).escape_debug().to_string()
    }

    fn without_plants(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for Needle { plant, finder } in &self.needles {
            text = text.replace(&*String::from_utf8_lossy(finder.needle()), plant.name());
        }
        text
    }
}

/// Verbs whose answer is about the machine itself.
const OF_THE_MACHINE: [&str; 7] = ["clean", "daemon", "demo", "doctor", "init", "service", "trust"];

/// How an error begins that is told as JSON. Without `--json` it stands on standard error.
const ERROR: &str = "{\n  \"schema\": \"counterfoil.error/1\"";

/// What the answer of a command is.
fn surface_of_answer(arguments: &[&OsStr], stdout: &[u8]) -> Surface {
    let verb = verb(arguments);
    // The mark of an archive, at its place.
    if stdout.get(257..262) == Some(b"ustar") {
        Surface::Bundle
    } else if stdout.starts_with(ERROR.as_bytes()) {
        Surface::Terminal
    } else if verb.is_some_and(|verb| verb == "logs") {
        Surface::Log
    } else if verb.is_some_and(|verb| OF_THE_MACHINE.iter().any(|name| verb == *name)) {
        Surface::Terminal
    } else {
        Surface::Told
    }
}

/// The verb of `foil`, which another program may have been asked to run.
fn verb<'a>(arguments: &[&'a OsStr]) -> Option<&'a OsStr> {
    let is_foil = |word: &&OsStr| Path::new(word).ends_with("foil");
    let behind = arguments.iter().position(is_foil).map_or(0, |at| at.saturating_add(1));
    let mut words = arguments.iter().skip(behind);
    loop {
        let word = words.next()?;
        if *word == "-C" {
            words.next()?;
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return Some(word);
        }
    }
}

impl Needle {
    /// Where it is, and what it is there: of a path, the whole of it.
    fn hits<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        let length = self.finder.needle().len();
        self.finder.find_iter(bytes).filter_map(move |at| {
            let (found, rest) = bytes.get(at..)?.split_at_checked(length)?;
            match self.plant {
                Plant::Path if !path::leads_to_what_is_known(rest) => None,
                Plant::Path => Some((at, bytes.get(at..)?.get(..length + path::length_of_the_rest(rest))?)),
                _ => Some((at, found)),
            }
        })
    }
}

#[expect(clippy::panic, reason = "a leak is a failed test")]
#[track_caller]
fn fail(leaks: &[Leak]) {
    if !leaks.is_empty() {
        let lines: Vec<_> = leaks.iter().map(Leak::to_string).collect();
        panic!("what must not leave the machine was shown:\n{}", lines.join("\n"));
    }
}
