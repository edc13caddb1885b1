//! Codex' home: where it keeps its configuration, login and conversations. Ours is apart from the user's own, so that
//! the user's hooks, MCP servers, rules, profiles and instructions never act in a run.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::codex_settings::HIDDEN_VARIABLES;

/// A folder that Codex uses as its home.
#[derive(Debug, Clone)]
pub struct CodexHome {
    path: PathBuf,
    ownership: Ownership,
}

#[derive(Debug, Clone)]
enum Ownership {
    /// We write its configuration, these settings.
    Ours(Table),
    /// We write nothing; our settings are given on the command line.
    TheUsers,
}

/// What a home of ours is prepared with.
#[derive(Debug, Clone, Default)]
pub struct HomeSettings {
    /// The user's own Codex home, whose login is used through a symbolic link. Without it, or where it has no
    /// `auth.json`, the home has a login of its own or none.
    pub login_from: Option<PathBuf>,
    /// Further configuration, such as `model_provider` and `model_providers`. Keys that say what a worker may do are
    /// overwritten by ours.
    pub config: Table,
}

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodexHomeError {
    /// The path is relative.
    #[error("the Codex home `{}` is not an absolute path", path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
    /// The path lies where the worker could write.
    #[error("the Codex home `{}` is in a temporary folder, where a sandboxed worker may write", path.display())]
    Temporary {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The settings cannot be written as TOML.
    #[error("the Codex configuration cannot be written: {0}")]
    Settings(#[from] toml::ser::Error),
}

const CONFIG: &str = "config.toml";
const LOCK: &str = "counterfoil.lock";
const LOGIN: &str = "auth.json";

/// What instructs every agent of a home, beside its configuration, gives Codex itself another environment, or lets commands go
/// without the sandbox. Codex makes none of it in a run, and we do not either.
const INSTRUCTIONS: [&str; 5] = [".env", "AGENTS.md", "AGENTS.override.md", "agents", "rules"];
const SKILLS: &str = "skills";
/// The skills that Codex itself unpacks.
const OWN_SKILLS: &str = ".system";
/// Where what nobody should have put into the home is kept.
const SET_ASIDE: &str = "set-aside";

impl CodexHome {
    /// Prepares a home of ours at this absolute path: creates it for this user alone, writes its configuration, links
    /// the login. May be done again and by several processes at once; what Codex keeps there stays.
    pub fn prepare(path: &Path, settings: &HomeSettings) -> Result<Self, CodexHomeError> {
        if !path.is_absolute() {
            return Err(CodexHomeError::Relative { path: path.to_owned() });
        }
        // Before anything is made: a folder that does not exist yet is judged by its nearest parent that does.
        refuse_temporary(path)?;
        let failed = at(path);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(&failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(&failed)?;
        let path = path.canonicalize().map_err(&failed)?;

        let mut config = settings.config.clone();
        // Which folders are trusted is said by each conversation alone.
        config.remove("projects");
        merge(&mut config, our_settings());
        let home = Self {
            path,
            ownership: Ownership::Ours(config),
        };
        home.restore_config()?;
        if let Some(user) = &settings.login_from {
            home.link_login(&user.join(LOGIN))?;
        }
        Ok(home)
    }

    /// The user's own home, as it is. What is configured there acts in runs too: hooks, MCP servers and rules, which
    /// run outside of any sandbox. Only for a user who asked for it.
    pub fn of_user(path: &Path) -> Result<Self, CodexHomeError> {
        let path = path.canonicalize().map_err(at(path))?;
        Ok(Self {
            path,
            ownership: Ownership::TheUsers,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the home as we want it before every turn: its configuration as we wrote it, and without instructions to agents, of
    /// which nobody could say who gave them. They are set aside in the home. Gives the names of those that were there. Does nothing
    /// to the user's own home.
    pub fn restore(&self) -> Result<Vec<&'static str>, CodexHomeError> {
        self.restore_config()?;
        match self.ownership {
            Ownership::Ours(_) => {
                let _lock = self.lock()?;
                self.set_instructions_aside()
            }
            Ownership::TheUsers => Ok(Vec::new()),
        }
    }

    /// One process at a time changes what is ours in a home.
    fn lock(&self) -> Result<File, CodexHomeError> {
        let path = self.path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at(&path))?;
        lock.lock().map_err(at(&path))?;
        Ok(lock)
    }

    fn set_instructions_aside(&self) -> Result<Vec<&'static str>, CodexHomeError> {
        let mut found = Vec::new();
        for name in INSTRUCTIONS {
            if self.set_aside(Path::new(name))? {
                found.push(name);
            }
        }
        let skills = self.path.join(SKILLS);
        let entries = match std::fs::read_dir(&skills) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            other => other.map_err(at(&skills))?,
        };
        for entry in entries {
            let name = entry.map_err(at(&skills))?.file_name();
            if name != OWN_SKILLS && self.set_aside(&Path::new(SKILLS).join(name))? {
                found.push(SKILLS);
            }
        }
        found.dedup();
        Ok(found)
    }

    /// Moves what has this name in the home to where Codex does not look, over what was set aside before. Says whether it was
    /// there. Follows no link.
    fn set_aside(&self, name: &Path) -> Result<bool, CodexHomeError> {
        let found = self.path.join(name);
        if std::fs::symlink_metadata(&found).is_err() {
            return Ok(false);
        }
        let aside = self.path.join(SET_ASIDE);
        let target = aside.join(name);
        let parent = target.parent().unwrap_or(&aside);
        std::fs::create_dir_all(parent).map_err(at(parent))?;
        match std::fs::symlink_metadata(&target) {
            Ok(before) if before.is_dir() => std::fs::remove_dir_all(&target),
            Ok(_) => std::fs::remove_file(&target),
            Err(_) => Ok(()),
        }
        .map_err(at(&target))?;
        std::fs::rename(&found, &target).map_err(at(&found))?;
        Ok(true)
    }

    /// Writes the configuration again where it is not as we wrote it: Codex itself notes there which folders it was trusted
    /// with, and in a trusted one it obeys configuration that the worker wrote.
    fn restore_config(&self) -> Result<(), CodexHomeError> {
        let Ownership::Ours(settings) = &self.ownership else {
            return Ok(());
        };
        let text = toml::to_string(settings)?;
        let _lock = self.lock()?;
        let path = self.path.join(CONFIG);
        let as_it_should = std::fs::read(&path).is_ok_and(|found| found == text.as_bytes());
        if !as_it_should {
            write_whole(&self.path, &path, text.as_bytes()).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Settings for the command line: ours, where the home is the user's.
    pub(super) fn arguments(&self) -> Vec<String> {
        let settings = match self.ownership {
            Ownership::Ours(_) => Table::new(),
            Ownership::TheUsers => our_settings(),
        };
        let mut arguments = Vec::new();
        for (key, value) in flat(settings) {
            arguments.push("-c".to_owned());
            arguments.push(format!("{key}={value}"));
        }
        arguments
    }

    /// Links the user's login, unless this home has one of its own.
    fn link_login(&self, login: &Path) -> Result<(), CodexHomeError> {
        let link = self.path.join(LOGIN);
        let failed = at(&link);
        let exists = login.is_file();
        match std::fs::symlink_metadata(&link) {
            Ok(found) if !found.is_symlink() => return Ok(()),
            Ok(_) if exists && std::fs::read_link(&link).is_ok_and(|target| target == login) => return Ok(()),
            Ok(_) => std::fs::remove_file(&link).or_else(gone).map_err(&failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        if !exists {
            return Ok(());
        }
        match std::os::unix::fs::symlink(login, &link) {
            // Another process was faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Ok(()),
        }
    }
}

/// What a person should know of instructions that were set aside.
pub(super) fn set_aside_warning(found: &[&str]) -> Option<String> {
    (!found.is_empty()).then(|| {
        format!(
            "instructions to agents lay in the Codex home of Counterfoil, where neither it nor Codex puts any, and were set aside: {}",
            found.join(", ")
        )
    })
}

/// Names where an error happened.
fn at(path: &Path) -> impl Fn(io::Error) -> CodexHomeError {
    let path = path.to_owned();
    move |source| CodexHomeError::Io {
        path: path.clone(),
        source,
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// Refuses what lies below `/tmp`, `/var/tmp` or the temporary folder of this process, also through links.
fn refuse_temporary(path: &Path) -> Result<(), CodexHomeError> {
    let existing = path.ancestors().find_map(|parent| parent.canonicalize().ok());
    let temporary = [PathBuf::from("/tmp"), PathBuf::from("/var/tmp"), std::env::temp_dir()];
    let inside = temporary.iter().any(|folder| {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        path.starts_with(folder) || existing.as_ref().is_some_and(|path| path.starts_with(&real))
    });
    if inside {
        return Err(CodexHomeError::Temporary { path: path.to_owned() });
    }
    Ok(())
}

/// Writes a file so that a reader sees the old or the new one.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Settings of every run, whoever owns the home.
fn our_settings() -> Table {
    fn settings(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Table {
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
    let table = |entries: &[(&'static str, Value)]| Value::Table(settings(entries.iter().cloned()));
    let no = || Value::Boolean(false);
    let yes = || Value::Boolean(true);
    let hidden = HIDDEN_VARIABLES.iter().map(|pattern| Value::from(*pattern)).collect();
    settings([
        ("approval_policy", "never".into()),
        // Every turn names its own sandbox; this is what a forgotten one falls back to.
        ("sandbox_mode", "read-only".into()),
        ("check_for_update_on_startup", no()),
        // A login shell would run the user's profile for every command.
        ("allow_login_shell", no()),
        ("analytics", table(&[("enabled", no())])),
        ("feedback", table(&[("enabled", no())])),
        ("history", table(&[("persistence", "none".into())])),
        (
            "features",
            table(&[
                ("plugins", no()),
                ("apps", no()),
                ("hooks", no()),
                ("shell_snapshot", no()),
                // On, a provider that refuses connections is waited for without end and without a word.
                ("unbounded_connection_retries", no()),
            ]),
        ),
        (
            "sandbox_workspace_write",
            table(&[
                ("network_access", no()),
                ("exclude_slash_tmp", yes()),
                ("exclude_tmpdir_env_var", yes()),
            ]),
        ),
        (
            "shell_environment_policy",
            table(&[("ignore_default_excludes", no()), ("exclude", Value::Array(hidden))]),
        ),
    ])
}

/// Lays `over` over `base`: tables are merged, anything else is replaced.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The settings as dotted keys.
fn flat(settings: Table) -> Vec<(String, Value)> {
    let mut flattened = Vec::new();
    for (key, value) in settings {
        match value {
            Value::Table(table) => {
                let inner = flat(table).into_iter();
                flattened.extend(inner.map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => flattened.push((key, value)),
        }
    }
    flattened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_and_relative_homes_are_refused() {
        let settings = HomeSettings::default();
        for path in ["/tmp/x/home", "/var/tmp/home"] {
            let refused = CodexHome::prepare(Path::new(path), &settings);
            assert!(matches!(refused, Err(CodexHomeError::Temporary { .. })), "{path}");
            assert!(!Path::new(path).exists());
        }
        let refused = CodexHome::prepare(Path::new("home"), &settings);
        assert!(matches!(refused, Err(CodexHomeError::Relative { .. })));
    }

    #[test]
    fn further_settings_cannot_loosen_ours() {
        let mut config: Table = "approval_policy = \"on-request\"\n[features]\nhooks = true\ngoals = false\n"
            .parse()
            .unwrap();
        merge(&mut config, our_settings());
        assert_eq!(config["approval_policy"].as_str(), Some("never"));
        assert_eq!(config["features"]["hooks"].as_bool(), Some(false));
        assert_eq!(config["features"]["goals"].as_bool(), Some(false));
    }

    #[test]
    fn settings_for_the_command_line_are_toml_values() {
        let home = CodexHome {
            path: PathBuf::from("/home/ann/.codex"),
            ownership: Ownership::TheUsers,
        };
        let arguments = home.arguments();
        assert!(arguments.contains(&"approval_policy=\"never\"".to_owned()));
        assert!(arguments.contains(&"features.hooks=false".to_owned()));
        for pair in arguments.chunks(2) {
            assert_eq!(pair[0], "-c");
            pair[1]
                .parse::<Table>()
                .unwrap_or_else(|error| panic!("{}: {error}", pair[1]));
        }
    }
}
