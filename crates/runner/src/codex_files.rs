//! Files by which the user's own Codex knows the roles of a ticket and how to work with `foil`, and asks it before it acts. Whatever is the user's is left as it is.

mod profiles;

use std::path::{Path, PathBuf};

use ledger_core::RepoPath;
use serde::Serialize;

use crate::agents::user_codex_home;
use crate::beneath::{Created, WriteError, create_beneath, read_beneath, replace_beneath};
use crate::ledger::FileProblem;
use crate::seal::{PLACE, is_sealed, sealed};
use profiles::PROFILES;

/// Where Codex looks for its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodexFolder {
    /// The folder `.codex` of this work tree. Codex reads it where the user trusts the project.
    Repository(PathBuf),
    /// The user's own Codex home.
    User(PathBuf),
}

/// What is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodexFilesOptions {
    /// Whether Codex shall ask `foil` before it acts.
    pub hooks: bool,
    /// Only look.
    pub dry_run: bool,
}

/// A file of Codex', and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodexFile {
    /// Its path below the folder that was written to.
    pub path: RepoPath,
    /// What was done, or would be.
    pub done: CodexFileDone,
    /// Why it was left, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<KeptBecause>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

/// What was done about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodexFileDone {
    /// It is new.
    Created,
    /// It was ours and of an older form, and is as it should be now.
    Renewed,
    /// It was as it should be.
    Unchanged,
    /// It is the user's, and was left as it is.
    Kept,
}

/// Why a file is the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptBecause {
    /// It was written by `foil` and has changed since.
    Edited,
    /// It is not by `foil`.
    Foreign,
    /// It, or a folder above it, is a link or no plain file.
    NotAFile,
    /// It cannot be read.
    Unreadable,
}

/// Files of Codex' cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CodexFilesError {
    /// The Codex home is not known.
    #[error("neither CODEX_HOME nor HOME names a folder, so it is not known where your Codex looks")]
    NoHome,
    /// The Codex home is not there.
    #[error("your Codex home is not there")]
    HomeMissing,
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A path cannot be made.
    #[error("`{name}` makes no path")]
    Path {
        /// The name.
        name: String,
    },
}

/// When and how a Codex works with `foil`, without the first line and the header. Codex finds it in a repository whether the project is trusted or not.
const SKILL: &str = include_str!("codex_files/skill.md");

/// What all roles share: a few at once, and none that starts others.
const LIMITS: &str = "[agents]\nmax_threads = 4\nmax_depth = 1\n";

/// A hook of Codex' asks through a shell. Where it cannot ask, because `foil` is not there or breaks down, status 2 keeps the tool from being used:
/// Codex goes on after any other one.
const HOOKS: &str = r#"{
  "description": "Written by `foil codex install --hooks` ({digest}). Change it and it is yours: it is left alone then.",
  "hooks": {
    "PreToolUse": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "foil hook pre-tool-use || exit 2",
            "timeout": 60,
            "statusMessage": "foil looks at the scope"
          }
        ]
      }
    ],
    "SessionStart": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "foil hook session-start",
            "timeout": 60
          }
        ]
      }
    ],
    "SubagentStart": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "foil hook subagent-start",
            "timeout": 60
          }
        ]
      }
    ]
  }
}
"#;

impl CodexFolder {
    /// The user's own Codex home: `CODEX_HOME`, else `~/.codex`. Refuses one that is not there: Codex itself makes it.
    pub fn of_user() -> Result<Self, CodexFilesError> {
        let home = user_codex_home().ok_or(CodexFilesError::NoHome)?;
        match home.is_dir() {
            true => Ok(Self::User(home)),
            false => Err(CodexFilesError::HomeMissing),
        }
    }

    fn root(&self) -> &Path {
        match self {
            Self::Repository(root) | Self::User(root) => root,
        }
    }

    fn path(&self, name: &str) -> Result<RepoPath, CodexFilesError> {
        let path = match self {
            Self::Repository(_) => format!(".codex/{name}"),
            Self::User(_) => name.to_owned(),
        };
        path.parse()
            .map_err(|_| CodexFilesError::Path { name: name.to_owned() })
    }
}

/// Writes what is missing, renews what is ours and unchanged, and leaves everything else. Doing it again does nothing. No link is followed below the
/// folder.
pub fn install_codex_files(
    folder: &CodexFolder,
    options: CodexFilesOptions,
) -> Result<Vec<CodexFile>, CodexFilesError> {
    let mut files = Vec::new();
    for (name, text) in texts(options.hooks) {
        let path = folder.path(&name)?;
        let wanted = sealed(&text);
        let (done, because) = state(folder.root(), &path, &wanted);
        if !options.dry_run {
            match done {
                CodexFileDone::Created => {
                    if create_beneath(folder.root(), &path, wanted.as_bytes())? == Created::Exists {
                        // Somebody was faster, and what they wrote is theirs.
                        files.push(CodexFile::new(path, CodexFileDone::Kept, Some(KeptBecause::Foreign)));
                        continue;
                    }
                }
                CodexFileDone::Renewed => replace_beneath(folder.root(), &path, wanted.as_bytes())?,
                CodexFileDone::Unchanged | CodexFileDone::Kept => {}
            }
        }
        files.push(CodexFile::new(path, done, because));
    }
    Ok(files)
}

/// Whether a sub-agent of this type is one of ours that only reads.
pub(crate) fn only_reads(agent_type: &str) -> bool {
    PROFILES
        .iter()
        .any(|profile| profile.name == agent_type && !profile.writes())
}

impl CodexFile {
    fn new(path: RepoPath, done: CodexFileDone, because: Option<KeptBecause>) -> Self {
        let hint = because.map(|because| match (because, path.file_name()) {
            (KeptBecause::Foreign | KeptBecause::Edited, b"config.toml") => {
                "for the limits that the roles are meant for, write `max_threads = 4` and `max_depth = 1` below `[agents]`"
            }
            (KeptBecause::Foreign, b"hooks.json") => {
                "add hooks that run `foil hook pre-tool-use || exit 2` (PreToolUse), `foil hook session-start` (SessionStart) and `foil hook subagent-start` (SubagentStart) to it"
            }
            (KeptBecause::Foreign | KeptBecause::Edited, _) => "move it away to get the one that foil writes",
            (KeptBecause::NotAFile, _) => "foil writes through no link: put the file or folder itself in its place",
            (KeptBecause::Unreadable, _) => "look at who may read it",
        });
        Self {
            path,
            done,
            because,
            hint,
        }
    }
}

/// Each file by its name in Codex' folder, with a place for its own digest.
fn texts(hooks: bool) -> Vec<(String, String)> {
    let header =
        format!("# Written by `foil codex install` ({PLACE}). Change it and it is yours: it is left alone then.\n");
    let mut all: Vec<_> = PROFILES
        .iter()
        .map(|profile| {
            (
                format!("agents/{}.toml", profile.name),
                format!("{header}{}", profile.toml()),
            )
        })
        .collect();
    // Its front matter is YAML, where the header is a comment as in the others.
    all.push(("skills/foil/SKILL.md".to_owned(), format!("---\n{header}{SKILL}")));
    all.push(("config.toml".to_owned(), format!("{header}{LIMITS}")));
    if hooks {
        all.push(("hooks.json".to_owned(), HOOKS.to_owned()));
    }
    all
}

/// How a file stands to what it should be.
fn state(root: &Path, path: &RepoPath, wanted: &str) -> (CodexFileDone, Option<KeptBecause>) {
    let kept = |because| (CodexFileDone::Kept, Some(because));
    let bytes = match read_beneath(root, path) {
        Ok(bytes) => bytes,
        Err(FileProblem::Missing) => return (CodexFileDone::Created, None),
        Err(FileProblem::NotAFile) => return kept(KeptBecause::NotAFile),
        Err(FileProblem::TooLarge { .. }) => return kept(KeptBecause::Foreign),
        Err(_) => return kept(KeptBecause::Unreadable),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return kept(KeptBecause::Foreign);
    };
    // Git may have checked it out with other line ends.
    let text = text.replace("\r\n", "\n");
    if text == wanted {
        (CodexFileDone::Unchanged, None)
    } else if is_sealed(&text) {
        (CodexFileDone::Renewed, None)
    } else if text.contains("`foil codex install") {
        kept(KeptBecause::Edited)
    } else {
        kept(KeptBecause::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const HOOKED: CodexFilesOptions = CodexFilesOptions {
        hooks: true,
        dry_run: false,
    };

    fn done(files: &[CodexFile], name: &str) -> (CodexFileDone, Option<KeptBecause>) {
        let path: RepoPath = name.parse().unwrap();
        let file = files.iter().find(|file| file.path == path).unwrap();
        (file.done, file.because)
    }

    #[test]
    fn installing_again_does_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = CodexFolder::Repository(root.path().to_owned());
        let looked = CodexFilesOptions {
            dry_run: true,
            ..HOOKED
        };
        let would = install_codex_files(&folder, looked).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "looking writes nothing");
        let first = install_codex_files(&folder, HOOKED).unwrap();
        assert_eq!(would, first);
        assert_eq!(first.len(), PROFILES.len() + 3);
        assert!(first.iter().all(|file| file.done == CodexFileDone::Created));
        let second = install_codex_files(&folder, HOOKED).unwrap();
        assert!(second.iter().all(|file| file.done == CodexFileDone::Unchanged));
        let hooks = fs::read_to_string(root.path().join(".codex/hooks.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&hooks).unwrap();
    }

    #[test]
    fn what_is_ours_and_unchanged_is_renewed_and_what_was_changed_is_left() {
        let root = tempfile::tempdir().unwrap();
        let folder = CodexFolder::User(root.path().to_owned());
        install_codex_files(&folder, CodexFilesOptions::default()).unwrap();
        let older = sealed("# Written by `foil codex install` ({digest}). Older words.\nname = \"foil-planner\"\n");
        let planner = root.path().join("agents/foil-planner.toml");
        fs::write(&planner, older.replace('\n', "\r\n")).unwrap();
        let writer = root.path().join("agents/foil-writer.toml");
        let mine = fs::read_to_string(&writer).unwrap().replace("You are", "Thou art");
        fs::write(&writer, &mine).unwrap();
        fs::write(root.path().join("config.toml"), "model = \"mine\"\n").unwrap();
        let reviewer = root.path().join("agents/foil-reviewer.toml");
        fs::write(&reviewer, b"\xff").unwrap();

        let files = install_codex_files(&folder, CodexFilesOptions::default()).unwrap();

        assert_eq!(done(&files, "agents/foil-planner.toml"), (CodexFileDone::Renewed, None));
        assert!(is_sealed(&fs::read_to_string(&planner).unwrap()));
        let kept = |because| (CodexFileDone::Kept, Some(because));
        assert_eq!(done(&files, "agents/foil-writer.toml"), kept(KeptBecause::Edited));
        assert_eq!(fs::read_to_string(&writer).unwrap(), mine);
        assert_eq!(done(&files, "config.toml"), kept(KeptBecause::Foreign));
        assert_eq!(
            fs::read_to_string(root.path().join("config.toml")).unwrap(),
            "model = \"mine\"\n"
        );
        assert_eq!(done(&files, "agents/foil-reviewer.toml"), kept(KeptBecause::Foreign));
        assert_eq!(fs::read(&reviewer).unwrap(), b"\xff");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(".codex/agents")).unwrap();
        let target = outside.path().join("target");
        let ours = sealed("# Written by `foil codex install` ({digest}). Older words.\n");
        fs::write(&target, &ours).unwrap();
        symlink(&target, root.path().join(".codex/agents/foil-writer.toml")).unwrap();
        symlink(outside.path().join("gone"), root.path().join(".codex/hooks.json")).unwrap();
        let folder = CodexFolder::Repository(root.path().to_owned());
        let files = install_codex_files(&folder, HOOKED).unwrap();
        let kept = (CodexFileDone::Kept, Some(KeptBecause::NotAFile));
        assert_eq!(done(&files, ".codex/agents/foil-writer.toml"), kept);
        assert_eq!(done(&files, ".codex/hooks.json"), kept);
        assert_eq!(fs::read_to_string(&target).unwrap(), ours);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);

        let linked = tempfile::tempdir().unwrap();
        symlink(outside.path(), linked.path().join(".codex")).unwrap();
        let files = install_codex_files(&CodexFolder::Repository(linked.path().to_owned()), HOOKED).unwrap();
        assert!(files.iter().all(|file| (file.done, file.because) == kept));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
