//! What a confined command sees of the file system: one decision a path, and the deepest path decides.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::toolchains::Toolchains;

/// Folders of the system that are replaced by empty ones: sockets of services, other people's files, keys.
const EMPTIED: &[&str] = &[
    "/run",
    "/var/tmp",
    "/home",
    "/root",
    "/etc/docker",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/ssl/private",
    "/etc/wireguard",
    "/etc/letsencrypt",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/incus",
    "/var/lib/kubelet",
    "/var/lib/lxd",
    "/var/lib/private",
    "/var/lib/rancher",
    "/var/spool",
    "/var/snap/lxd",
];

/// Files of the system that are replaced by an empty one. Only a sandbox of the administrator could read them anyway.
const BLANKED: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/krb5.keytab",
    "/etc/ssh/ssh_host_dsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
];

/// Parts of emptied folders that programs need on some systems.
const SHOWN: &[&str] = &[
    "/run/current-system",
    "/run/opengl-driver",
    "/home/linuxbrew/.linuxbrew",
];

/// Parts of `/run` that are needed to look up names.
const SHOWN_WITH_NETWORK: &[&str] = &[
    "/run/NetworkManager/resolv.conf",
    "/run/resolvconf",
    "/run/systemd/resolve/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
];

/// What a command may see and change. Everything that is not named is readable, and nothing is writable.
///
/// All paths are absolute. A path that is named decides for all that lies below it, until a longer one decides otherwise: a place below
/// a hidden folder is there, the folder's other entries are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// The checkout that the command works in: writable but for its `.git`.
    pub place: PathBuf,
    /// The user's home: replaced by an empty, writable one that lasts as long as the command, with the toolchains in it read-only.
    pub home: PathBuf,
    /// A folder of the runner's that the command sees as `/tmp`. `None` is memory that lasts as long as the command.
    pub scratch: Option<PathBuf>,
    /// Further paths that may be changed.
    pub writable: Vec<PathBuf>,
    /// Paths that are to be readable although they lie in something hidden: the object stores that the place borrows from.
    pub readable: Vec<PathBuf>,
    /// Paths that are not to be seen: the runner's state, the other places, our Codex home, the user's own checkouts and their Git folder.
    pub hidden: Vec<PathBuf>,
    /// The variables by which toolchains outside their usual folders are found (`CARGO_HOME`, `PATH`, …), as the runner has them.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether the network of the machine is there. With it, so are services on its loopback and its abstract sockets.
    pub network: bool,
}

/// A confinement contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfinementError {
    /// A path is not absolute.
    #[error("`{}` is not an absolute path", .path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
    /// A path does not exist.
    #[error("`{}` does not exist", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A path that is to be writable or readable is, or holds, the home, or is one that is hidden, or the kernel's.
    #[error("`{}` cannot be opened to checks because of `{}`", .path.display(), .hidden.display())]
    TooWide {
        /// The path.
        path: PathBuf,
        /// What must stay closed.
        hidden: PathBuf,
    },
}

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    /// An empty folder in memory.
    Empty,
    /// An empty file that cannot be changed.
    Blank,
    /// The machine's own, or what lies at another path of the machine.
    ReadOnly(PathBuf),
    Writable(PathBuf),
    /// The few devices that every program needs.
    Devices,
    /// The processes of the sandbox alone.
    Processes,
}

impl Confinement {
    /// The home as the command finds it.
    pub(crate) fn home_inside(&self) -> PathBuf {
        self.home.canonicalize().unwrap_or_else(|_| self.home.clone())
    }

    /// The arguments for bubblewrap that make this view, without those about namespaces.
    pub(super) fn view_arguments(&self) -> Result<Vec<OsString>, ConfinementError> {
        let mut arguments = Vec::new();
        let mut add = |words: &[&OsStr]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        // Parents come before what lies in them.
        for (path, view) in self.views()? {
            let path = path.as_os_str();
            match view {
                View::Empty => add(&["--tmpfs".as_ref(), path]),
                View::Blank => add(&["--ro-bind".as_ref(), "/dev/null".as_ref(), path]),
                View::ReadOnly(source) => add(&["--ro-bind".as_ref(), source.as_ref(), path]),
                View::Writable(source) => add(&["--bind".as_ref(), source.as_ref(), path]),
                View::Devices => add(&["--dev".as_ref(), path]),
                View::Processes => add(&["--proc".as_ref(), path]),
            }
        }
        add(&["--chdir".as_ref(), existing(&self.place)?.as_ref()]);
        Ok(arguments)
    }

    fn views(&self) -> Result<BTreeMap<PathBuf, View>, ConfinementError> {
        let mut views = BTreeMap::new();
        let home = existing(&self.home)?;
        let place = existing(&self.place)?;

        views.insert(PathBuf::from("/"), View::ReadOnly(PathBuf::from("/")));
        views.insert(PathBuf::from("/dev"), View::Devices);
        views.insert(PathBuf::from("/proc"), View::Processes);
        for folder in EMPTIED {
            insert_if_there(&mut views, Path::new(folder), |_| View::Empty);
        }
        for file in BLANKED {
            insert_if_there(&mut views, Path::new(file), |_| View::Blank);
        }
        let with_network: &[&str] = if self.network { SHOWN_WITH_NETWORK } else { &[] };
        for shown in SHOWN.iter().chain(with_network) {
            insert_if_there(&mut views, Path::new(shown), |real| View::ReadOnly(real.to_owned()));
        }
        views.insert(home.clone(), View::Empty);
        let toolchains = Toolchains::find(&home, &self.environment);
        for folder in toolchains.emptied {
            insert_if_there(&mut views, &folder, |_| View::Empty);
        }
        for folder in toolchains.shown {
            // It stays where its programs expect it, also if it is a link to another disk.
            if let Ok(real) = folder.canonicalize() {
                views.insert(folder, View::ReadOnly(real));
            }
        }
        let scratch = match &self.scratch {
            Some(scratch) => View::Writable(existing(scratch)?),
            None => View::Empty,
        };
        views.insert(existing(Path::new("/tmp"))?, scratch);

        for hidden in &self.hidden {
            if !hidden.is_absolute() {
                return Err(ConfinementError::Relative { path: hidden.clone() });
            }
            // What does not exist is hidden well enough.
            if let Ok(real) = hidden.canonicalize() {
                let view = if real.is_dir() { View::Empty } else { View::Blank };
                views.insert(real, view);
            }
        }
        for path in &self.readable {
            let real = self.open(path, &home)?;
            views.insert(real.clone(), View::ReadOnly(real));
        }
        for path in &self.writable {
            let real = self.open(path, &home)?;
            views.insert(real.clone(), View::Writable(real));
        }
        let real = self.open(&place, &home)?;
        views.insert(real.clone(), View::Writable(real));
        let git = place.join(".git");
        if fs::symlink_metadata(&git).is_ok_and(|there| there.is_dir() || there.is_file()) {
            views.insert(git.clone(), View::ReadOnly(git));
        }
        for socket in listening_sockets() {
            for shown in shown_at(&views, &socket) {
                views.insert(shown, View::Blank);
            }
        }
        Ok(views)
    }

    /// The real path of what is to be opened, unless that would open what must stay closed. What is hidden further below stays hidden.
    fn open(&self, path: &Path, home: &Path) -> Result<PathBuf, ConfinementError> {
        let real = existing(path)?;
        let kernel = ["/proc", "/dev", "/sys"].map(PathBuf::from);
        let closed = kernel
            .iter()
            .find(|kernel| real.starts_with(kernel))
            .cloned()
            .or_else(|| home.starts_with(&real).then(|| home.to_owned()))
            .or_else(|| {
                let mut hidden = self.hidden.iter().filter_map(|hidden| hidden.canonicalize().ok());
                hidden.find(|hidden| *hidden == real)
            });
        match closed {
            Some(hidden) => Err(ConfinementError::TooWide { path: real, hidden }),
            None => Ok(real),
        }
    }
}

/// The real path of something that must exist.
fn existing(path: &Path) -> Result<PathBuf, ConfinementError> {
    if !path.is_absolute() {
        return Err(ConfinementError::Relative { path: path.to_owned() });
    }
    path.canonicalize()
        .map_err(|_| ConfinementError::Missing { path: path.to_owned() })
}

fn insert_if_there(views: &mut BTreeMap<PathBuf, View>, path: &Path, view: impl FnOnce(&Path) -> View) {
    if let Ok(real) = path.canonicalize() {
        let view = view(&real);
        views.insert(real, view);
    }
}

/// Where a file of the machine would be seen read-only. What is hidden is not there; what is writable is the command's own affair.
fn shown_at(views: &BTreeMap<PathBuf, View>, file: &Path) -> Vec<PathBuf> {
    let decides = |path: &Path| {
        let view = path.ancestors().find_map(|folder| views.get(folder));
        matches!(view, Some(View::ReadOnly(_)))
    };
    let elsewhere = views.iter().filter_map(|(path, view)| match view {
        View::ReadOnly(source) if source != path => Some(path.join(file.strip_prefix(source).ok()?)),
        _ => None,
    });
    std::iter::once(file.to_owned())
        .chain(elsewhere)
        .filter(|path| decides(path))
        .collect()
}

/// The sockets that something listens on. A read-only mount alone would not keep a command from connecting.
fn listening_sockets() -> Vec<PathBuf> {
    // The flags of a socket that listens, as the kernel prints them.
    const LISTENS: &str = "00010000";
    let Ok(table) = fs::read("/proc/net/unix") else {
        return Vec::new();
    };
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.splitn(8, |byte| *byte == b' ').filter(|field| !field.is_empty());
            let listens = fields.nth(3) == Some(LISTENS.as_bytes());
            let at = line.windows(2).position(|two| two == b" /")? + 1;
            let path = PathBuf::from(OsStr::from_bytes(&line[at..]));
            let there = || fs::symlink_metadata(&path).is_ok_and(|there| there.file_type().is_socket());
            if listens && there() {
                path.canonicalize().ok()
            } else {
                None
            }
        })
        .collect()
}
