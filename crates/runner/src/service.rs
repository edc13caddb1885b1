//! Having the daemon of a clone started by the user's service manager: systemd on Linux, launchd on macOS.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use ledger_core::Digest;

/// What the files say by which they are recognised as ours.
const MARK: &str = "Written by `foil service install`; `foil service uninstall` removes it.";

/// What a daemon may need of the environment in which the service was installed, besides what the manager gives it.
const ENVIRONMENT: [&str; 6] = ["PATH", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "CODEX_HOME", "LANG", "TZ"];

/// How many letters of the clone's folder are in the name.
const MAX_NAME: usize = 40;

/// Who starts services for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceManager {
    /// `systemctl --user`.
    Systemd,
    /// `launchctl`, for the user's graphical session.
    Launchd,
}

impl ServiceManager {
    /// The one of this system.
    pub fn of_this_system() -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else {
            Self::Systemd
        }
    }
}

/// A service could not be installed, asked or removed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is a file of that name that `foil` did not write. It was left alone.
    #[error("`{}` is there already and was not written by foil", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A path or value cannot be written into such a file.
    #[error(
        "{what} cannot be named in the file of a service: it is no text, has a line break, or ends in a backslash or a blank"
    )]
    Name {
        /// What it is.
        what: String,
    },
    /// The program that speaks to the service manager is not there.
    #[error("`{program}` cannot be started: {source}")]
    NoManager {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The service manager did not do what it was asked.
    #[error("`{command}` did not work: {said}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The service of one clone.
#[derive(Debug, Clone)]
pub struct Service {
    manager: ServiceManager,
    name: String,
    file: PathBuf,
}

/// What the service starts.
#[derive(Debug, Clone)]
pub struct ServiceCommand {
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The folder that it is started in: the work tree.
    pub directory: PathBuf,
}

/// Where the files of a user lie.
#[derive(Debug, Clone)]
pub struct ServiceFolders {
    /// The home.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`, where it is an absolute path.
    pub config: Option<PathBuf>,
}

impl ServiceFolders {
    /// Those of the user of this process, where `HOME` says which.
    pub fn from_environment() -> Option<Self> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        Some(Self {
            home: absolute("HOME")?,
            config: absolute("XDG_CONFIG_HOME"),
        })
    }
}

impl Service {
    /// The service of the clone with this common Git directory and this work tree.
    pub fn new(manager: ServiceManager, common_dir: &Path, work_dir: &Path, folders: &ServiceFolders) -> Self {
        let folder = work_dir.file_name().unwrap_or_default().to_string_lossy();
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        let words: String = folder.chars().take(MAX_NAME).map(plain).collect();
        // Two clones in folders of one name are two services.
        let mark = Digest::of(common_dir.as_os_str().as_encoded_bytes()).to_string();
        let mark = mark.rsplit(':').next().and_then(|hex| hex.get(..8)).unwrap_or_default();
        let (name, file) = match manager {
            ServiceManager::Systemd => {
                let name = format!("foil-{}-{mark}.service", words.trim_matches('-'));
                let config = folders.config.clone().unwrap_or_else(|| folders.home.join(".config"));
                let file = config.join("systemd/user").join(&name);
                (name, file)
            }
            ServiceManager::Launchd => {
                let name = format!("counterfoil.{}-{mark}", words.trim_matches('-'));
                let file = folders.home.join(format!("Library/LaunchAgents/{name}.plist"));
                (name, file)
            }
        };
        Self { manager, name, file }
    }

    /// The name by which the service manager knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that makes it a service.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether that file is there.
    pub fn is_installed(&self) -> bool {
        self.file.symlink_metadata().is_ok()
    }

    /// What is in the file, for a daemon that is started like that, in this environment.
    pub fn text(
        &self,
        command: &ServiceCommand,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<String, ServiceError> {
        let mut variables = Vec::new();
        for name in ENVIRONMENT {
            if let Some(value) = environment(name).filter(|value| !value.is_empty()) {
                variables.push((name, line(&value, name)?));
            }
        }
        let mut words = vec![line(command.program.as_os_str(), "the program")?];
        for argument in &command.arguments {
            words.push(line(argument, "an argument")?);
        }
        let directory = line(command.directory.as_os_str(), "the work tree")?;
        // A line of systemd's that ends in a backslash goes on in the next one, and blanks at its end are cut off.
        if directory.ends_with(['\\', ' ']) {
            let what = "the work tree".to_owned();
            return Err(ServiceError::Name { what });
        }
        Ok(match self.manager {
            ServiceManager::Systemd => systemd_unit(&directory, &words, &variables),
            ServiceManager::Launchd => launchd_list(&self.name, &directory, &words, &variables),
        })
    }

    /// Writes the file and has the service manager start it, now and whenever the user logs in. A file of ours is replaced; where the service manager
    /// refuses a new one, it is taken away again.
    pub fn install(&self, text: &str) -> Result<(), ServiceError> {
        self.refuse_foreign()?;
        let was_there = self.is_installed();
        let write = || -> io::Result<()> {
            let folder = self.file.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(&self.file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(self.io())?;
        let started = match self.manager {
            ServiceManager::Systemd => systemctl(&["daemon-reload"])
                .and_then(|()| systemctl(&["enable", &self.name]))
                .and_then(|()| systemctl(&["restart", &self.name])),
            ServiceManager::Launchd => {
                // One that is loaded has to go before another of its name is.
                let _ = launchctl(&["bootout", &self.launchd_target()]);
                launchctl(&["bootstrap", &launchd_domain(), &self.file.to_string_lossy()])
            }
        };
        if started.is_err() && !was_there {
            let _ = self.remove();
        }
        started
    }

    /// Stops it and takes the file away. Whether there was one.
    pub fn uninstall(&self) -> Result<bool, ServiceError> {
        if !self.is_installed() {
            return Ok(false);
        }
        self.refuse_foreign()?;
        match self.manager {
            ServiceManager::Systemd => systemctl(&["disable", "--now", &self.name])?,
            // One that is not loaded is as good as stopped.
            ServiceManager::Launchd => drop(launchctl(&["bootout", &self.launchd_target()])),
        }
        self.remove()?;
        Ok(true)
    }

    fn remove(&self) -> Result<(), ServiceError> {
        fs::remove_file(&self.file).map_err(self.io())?;
        match self.manager {
            ServiceManager::Systemd => systemctl(&["daemon-reload"]),
            ServiceManager::Launchd => Ok(()),
        }
    }

    /// What the service manager says of it in one word or line.
    pub fn state(&self) -> Result<String, ServiceError> {
        let (program, arguments) = match self.manager {
            ServiceManager::Systemd => ("systemctl", vec!["--user", "is-active", &self.name]),
            ServiceManager::Launchd => ("launchctl", vec!["list", &self.name]),
        };
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|source| ServiceError::NoManager { program, source })?;
        Ok(match self.manager {
            ServiceManager::Systemd => match said(&output.stdout) {
                word if word.is_empty() => said(&output.stderr),
                word => word,
            },
            ServiceManager::Launchd if output.status.success() => "loaded".to_owned(),
            ServiceManager::Launchd => "not loaded".to_owned(),
        })
    }

    fn refuse_foreign(&self) -> Result<(), ServiceError> {
        match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.io()(error)),
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(MARK) => Ok(()),
            Ok(_) => Err(ServiceError::NotOurs {
                path: self.file.clone(),
            }),
        }
    }

    fn io(&self) -> impl Fn(io::Error) -> ServiceError {
        let path = self.file.clone();
        move |source| ServiceError::Io {
            path: path.clone(),
            source,
        }
    }

    fn launchd_target(&self) -> String {
        format!("{}/{}", launchd_domain(), self.name)
    }
}

fn launchd_domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn line(text: &OsStr, what: &str) -> Result<String, ServiceError> {
    let text = text.to_str().filter(|text| !text.chars().any(char::is_control));
    text.map(ToOwned::to_owned)
        .ok_or_else(|| ServiceError::Name { what: what.to_owned() })
}

/// See `systemd.service(5)` and `systemd.exec(5)`. The daemon's own worker gets the signal from the daemon, and what is left after the time gets KILL.
fn systemd_unit(directory: &str, words: &[String], variables: &[(&str, String)]) -> String {
    let start: Vec<_> = words
        .iter()
        .map(|word| systemd_quoted(word).replace('$', "$$"))
        .collect();
    let variables: String = variables
        .iter()
        .map(|(name, value)| format!("Environment={}\n", systemd_quoted(&format!("{name}={value}"))))
        .collect();
    format!(
        "# {MARK}\n\
         [Unit]\n\
         Description=Counterfoil in {shown}\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=exec\n\
         WorkingDirectory={shown}\n\
         {variables}\
         ExecStart={start}\n\
         Restart=on-failure\n\
         RestartSec=10\n\
         KillMode=mixed\n\
         TimeoutStopSec=120\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        shown = directory.replace('%', "%%"),
        start = start.join(" "),
    )
}

/// In double quotes, in which a backslash and a quote are escaped, and `%` would begin a specifier.
fn systemd_quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

/// See `launchd.plist(5)`. A daemon that ended well is not started again.
fn launchd_list(name: &str, directory: &str, words: &[String], variables: &[(&str, String)]) -> String {
    let string = |text: &str| format!("<string>{}</string>", quick_xml::escape::escape(text));
    let arguments: String = words.iter().map(|word| format!("    {}\n", string(word))).collect();
    let variables: String = variables
        .iter()
        .map(|(name, value)| format!("    <key>{name}</key>{}\n", string(value)))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {MARK} -->\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>{label}\n\
         \x20 <key>WorkingDirectory</key>{directory}\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{arguments}  </array>\n\
         \x20 <key>EnvironmentVariables</key>\n  <dict>\n{variables}  </dict>\n\
         \x20 <key>RunAtLoad</key><true/>\n\
         \x20 <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n\
         \x20 <key>ProcessType</key><string>Background</string>\n\
         \x20 <key>ExitTimeOut</key><integer>120</integer>\n\
         </dict>\n</plist>\n",
        label = string(name),
        directory = string(directory),
    )
}

fn systemctl(arguments: &[&str]) -> Result<(), ServiceError> {
    let all: Vec<_> = std::iter::once("--user").chain(arguments.iter().copied()).collect();
    ask("systemctl", &all)
}

fn launchctl(arguments: &[&str]) -> Result<(), ServiceError> {
    ask("launchctl", arguments)
}

fn ask(program: &'static str, arguments: &[&str]) -> Result<(), ServiceError> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|source| ServiceError::NoManager { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    Err(ServiceError::Refused {
        command: format!("{program} {}", arguments.join(" ")),
        said: if err.is_empty() { out } else { err },
    })
}

fn said(bytes: &[u8]) -> String {
    const MOST: usize = 500;
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(manager: ServiceManager, home: &Path) -> (Service, ServiceCommand) {
        let folders = ServiceFolders {
            home: home.to_owned(),
            config: None,
        };
        let work_dir = Path::new("/srv/My Work 100%/\"quoted\" $HOME");
        let service = Service::new(manager, &work_dir.join(".git"), work_dir, &folders);
        let command = ServiceCommand {
            program: "/opt/foil & co/foil".into(),
            arguments: ["-C", "/srv/My Work 100%/\"quoted\" $HOME", "daemon", "run"]
                .map(OsString::from)
                .into(),
            directory: work_dir.into(),
        };
        (service, command)
    }

    fn environment(name: &str) -> Option<OsString> {
        let value = match name {
            "PATH" => "/usr/bin:/home/a \"b\"/bin",
            "CODEX_HOME" => "",
            "LANG" => "C.UTF-8",
            _ => return None,
        };
        Some(value.into())
    }

    #[test]
    fn a_unit_says_what_is_started_whatever_the_path_holds() {
        let (service, command) = service(ServiceManager::Systemd, Path::new("/home/me"));
        insta::assert_snapshot!(service.text(&command, environment).unwrap());
        assert_eq!(
            service.file(),
            Path::new("/home/me/.config/systemd/user").join(service.name())
        );
    }

    #[test]
    fn a_property_list_says_the_same() {
        let (service, command) = service(ServiceManager::Launchd, Path::new("/home/me"));
        insta::assert_snapshot!(service.text(&command, environment).unwrap());
        let list = format!("/home/me/Library/LaunchAgents/{}.plist", service.name());
        assert_eq!(service.file(), Path::new(&list));
    }

    #[test]
    fn what_cannot_be_written_into_a_line_is_refused() {
        let (service, mut command) = service(ServiceManager::Systemd, Path::new("/home/me"));
        command.directory = "/a\nExecStart=/bin/evil".into();
        let error = service.text(&command, environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the work tree cannot be named in the file of a service: it is no text, has a line break, or ends in a backslash or a blank"
        );
    }

    #[test]
    fn two_clones_in_folders_of_one_name_are_two_services() {
        let folders = ServiceFolders {
            home: "/home/me".into(),
            config: Some("/config".into()),
        };
        let name = |clone: &str| {
            let service = Service::new(
                ServiceManager::Systemd,
                &Path::new(clone).join(".git"),
                Path::new(clone),
                &folders,
            );
            assert!(service.file().starts_with("/config/systemd/user"));
            service.name().to_owned()
        };
        assert_ne!(name("/a/same"), name("/b/same"));
        assert!(name("/a/same").starts_with("foil-same-"));
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let (service, _) = service(ServiceManager::Systemd, home.path());
        fs::create_dir_all(service.file().parent().unwrap()).unwrap();
        fs::write(service.file(), "[Service]\n").unwrap();
        assert!(matches!(service.install("x"), Err(ServiceError::NotOurs { .. })));
        assert!(matches!(service.uninstall(), Err(ServiceError::NotOurs { .. })));
        assert_eq!(fs::read_to_string(service.file()).unwrap(), "[Service]\n");
    }
}
