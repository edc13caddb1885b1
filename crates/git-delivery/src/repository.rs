//! The user's repository: what it is, where it stands, and why some kinds are refused.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use ledger_core::{CommitId, InvalidRefName, RefName};

use crate::git_program::{GitProgram, GitProgramError};
use crate::objects::{ObjectError, ours};
use crate::way::KnownWays;

/// A kind of repository that is refused, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedKind {
    /// Without a work tree.
    Bare,
    /// Refs are stored in the reftable format.
    Reftable,
    /// Object ids are SHA-256.
    Sha256,
    /// Objects may be missing and are fetched on demand.
    PartialClone,
    /// An extension of the repository format that this version does not know.
    UnknownExtension,
}

impl std::fmt::Display for UnsupportedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bare => "a bare repository, which has no work tree",
            Self::Reftable => "a repository that stores its refs as reftable",
            Self::Sha256 => "a repository with SHA-256 object ids",
            Self::PartialClone => "a partial clone, in which objects may be missing",
            Self::UnknownExtension => "a repository with a format extension that is not known here",
        })
    }
}

/// Why a repository cannot be used, or a fact about it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is none at this place or above it.
    #[error("`{}` is not inside a git repository", from.display())]
    NotARepository {
        /// Where the search began.
        from: PathBuf,
    },
    /// It belongs to another user, and `safe.directory` does not name it.
    #[error("`{}` belongs to another user", path.display())]
    ForeignOwner {
        /// The work tree or Git directory.
        path: PathBuf,
    },
    /// It is of a kind that cannot be handled exactly.
    #[error("`{}` is {kind}", path.display())]
    Unsupported {
        /// The Git directory.
        path: PathBuf,
        /// The kind.
        kind: UnsupportedKind,
    },
    /// It is there but cannot be opened.
    #[error("the repository at `{}` cannot be opened: {reason}", from.display())]
    Unreadable {
        /// Where the search began.
        from: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its `HEAD` cannot be read.
    #[error("HEAD cannot be read: {reason}")]
    UnreadableHead {
        /// What is wrong.
        reason: String,
    },
    /// Its configuration is damaged where it is needed.
    #[error("the configuration of {what} cannot be read: {reason}")]
    Configuration {
        /// What was asked.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// Git knows no name and mail address for commits.
    #[error("git does not know who you are: set user.name and user.email")]
    IdentityUnknown,
    /// A ref has a name that no ref may have.
    #[error(transparent)]
    RefName(#[from] InvalidRefName),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitProgramError),
}

/// Where `HEAD` points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// At a branch with at least one commit.
    Branch {
        /// The branch.
        name: RefName,
        /// Its tip.
        commit: CommitId,
    },
    /// At a commit.
    Detached {
        /// The commit.
        commit: CommitId,
    },
    /// At a branch that has no commit yet.
    Unborn {
        /// The branch.
        name: RefName,
    },
}

impl Head {
    /// The commit, if there is one.
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Branch { commit, .. } | Self::Detached { commit } => Some(*commit),
            Self::Unborn { .. } => None,
        }
    }
}

/// Something that the user began in the work tree and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `git merge`
    Merge,
    /// `git rebase`
    Rebase,
    /// `git cherry-pick`
    CherryPick,
    /// `git revert`
    Revert,
    /// `git bisect`
    Bisect,
    /// `git am`
    ApplyMailbox,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Bisect => "bisect",
            Self::ApplyMailbox => "am",
        })
    }
}

/// A remote repository as the configuration names it. Addresses may hold credentials: never record them as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its short name, such as `origin`.
    pub name: String,
    /// Where `git fetch` reads, with `url.<base>.insteadOf` applied.
    pub fetch_url: Option<String>,
    /// Where `git push` writes: `pushurl` where there is one, else as for fetching.
    pub push_urls: Vec<String>,
}

/// What a branch is compared with and pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The remote's short name; `.` for this repository itself.
    pub remote: String,
    /// The branch's name there.
    pub remote_ref: RefName,
    /// The local ref that remembers where it was last seen.
    pub tracking: RefName,
    /// The commit that `tracking` names, if it exists.
    pub commit: Option<CommitId>,
}

/// Who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address, without the angle brackets.
    pub email: String,
}

/// The author and the committer that `git commit` would record now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who wrote it.
    pub author: Person,
    /// Who recorded it.
    pub committer: Person,
}

/// An open repository of the user's. May be shared between threads.
///
/// Nothing of its configuration is ever run: no hook, filter, monitor, pager or diff driver. `refs/replace` is not
/// honoured, so that an id always means the same bytes.
///
/// Shallow clones are allowed: a run needs its base's tree, not its history. Sparse checkouts and split, sparse or
/// unusual indexes are allowed too, because the user's index is touched by the `git` program alone.
pub struct Repository {
    shared: gix::ThreadSafeRepository,
    work_dir: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    git: GitProgram,
    ways: KnownWays,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("git_dir", &self.git_dir)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Finds the repository that holds `from`: from a subfolder, a linked work tree or a submodule too.
    pub fn discover(from: &Path) -> Result<Self, RepositoryError> {
        let shared = open(from)?;
        let local = shared.to_thread_local();
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let git_dir = absolute(local.git_dir());
        let common_dir = absolute(
            &local
                .common_dir()
                .canonicalize()
                .unwrap_or(local.common_dir().to_owned()),
        );
        if let Some(kind) = unsupported_kind(&local) {
            return Err(RepositoryError::Unsupported { path: git_dir, kind });
        }
        let Some(work_dir) = local.workdir().map(absolute) else {
            return Err(RepositoryError::Unsupported {
                path: git_dir,
                kind: UnsupportedKind::Bare,
            });
        };
        let git = GitProgram::new(&git_dir, &common_dir);
        Ok(Self {
            shared,
            work_dir,
            git_dir,
            common_dir,
            git,
            ways: KnownWays::default(),
        })
    }

    pub(crate) fn ways(&self) -> &KnownWays {
        &self.ways
    }

    /// A handle for this thread.
    pub(crate) fn local(&self) -> gix::Repository {
        self.shared.to_thread_local()
    }

    pub(crate) fn git(&self) -> &GitProgram {
        &self.git
    }

    /// The root of the work tree from which this was discovered.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// The Git directory of that work tree; a linked work tree has one of its own.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The Git directory that all work trees share, with objects, refs and configuration.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Whether the history ends early.
    pub fn is_shallow(&self) -> bool {
        self.common_dir
            .join("shallow")
            .metadata()
            .is_ok_and(|file| file.len() > 0)
    }

    /// Where `HEAD` points now.
    pub fn head(&self) -> Result<Head, RepositoryError> {
        let unreadable = |error: gix::Error| RepositoryError::UnreadableHead {
            reason: error.to_string(),
        };
        let local = self.local();
        let head = local.head().map_err(unreadable)?;
        let branch = match &head.kind {
            gix::head::Kind::Symbolic(reference) => Some(ref_name(reference.name.as_bstr())?),
            gix::head::Kind::Unborn(name) => {
                return Ok(Head::Unborn {
                    name: ref_name(name.as_bstr())?,
                });
            }
            gix::head::Kind::Detached { .. } => None,
        };
        let commit = CommitId(ours(head.into_peeled_id().map_err(unreadable)?.detach())?);
        Ok(match branch {
            Some(name) => Head::Branch { name, commit },
            None => Head::Detached { commit },
        })
    }

    /// What the user has begun in this work tree and not ended.
    pub fn operation_in_progress(&self) -> Option<Operation> {
        use gix::state::InProgress;
        let known = self.local().state().map(|state| match state {
            InProgress::Merge => Operation::Merge,
            InProgress::Rebase | InProgress::RebaseInteractive => Operation::Rebase,
            InProgress::CherryPick | InProgress::CherryPickSequence => Operation::CherryPick,
            InProgress::Revert | InProgress::RevertSequence => Operation::Revert,
            InProgress::Bisect => Operation::Bisect,
            InProgress::ApplyMailbox | InProgress::ApplyMailboxRebase => Operation::ApplyMailbox,
        });
        known.or_else(|| self.sequence_in_progress())
    }

    /// A sequence that stands between two commits: nothing but the list of those that follow tells of it.
    fn sequence_in_progress(&self) -> Option<Operation> {
        let todo = std::fs::read_to_string(self.git_dir.join("sequencer/todo")).ok()?;
        let mut words = todo.lines().filter_map(|line| line.split_whitespace().next());
        match words.find(|word| !word.starts_with('#'))? {
            "pick" | "p" => Some(Operation::CherryPick),
            "revert" => Some(Operation::Revert),
            _ => None,
        }
    }

    /// All remotes of the configuration, by name.
    pub fn remotes(&self) -> Result<Vec<Remote>, RepositoryError> {
        let local = self.local();
        let mut remotes = Vec::new();
        for name in local.remote_names() {
            let remote = local
                .find_remote(name.as_bstr())
                .map_err(|error| RepositoryError::Configuration {
                    what: format!("the remote `{name}`"),
                    reason: error.to_string(),
                })?;
            let text = |url: &gix::Url| url.to_bstring().to_string();
            remotes.push(Remote {
                name: name.to_string(),
                fetch_url: remote.url(gix::remote::Direction::Fetch).map(text),
                push_urls: remote.urls(gix::remote::Direction::Push).map(text).collect(),
            });
        }
        Ok(remotes)
    }

    /// The upstream of a branch, as `git status` compares with.
    pub fn upstream_of(&self, branch: &RefName) -> Result<Option<Upstream>, RepositoryError> {
        use gix::remote::Direction::Fetch;
        let local = self.local();
        let configuration = |error: gix::Error| RepositoryError::Configuration {
            what: format!("the upstream of `{branch}`"),
            reason: error.to_string(),
        };
        let Ok(full) = gix::refs::FullName::try_from(branch.as_str()) else {
            return Ok(None);
        };
        let (Some(remote_ref), Some(tracking)) = (
            local
                .branch_remote_ref_name(full.as_ref(), Fetch)
                .transpose()
                .map_err(configuration)?,
            local
                .branch_remote_tracking_ref_name(full.as_ref(), Fetch)
                .transpose()
                .map_err(configuration)?,
        ) else {
            return Ok(None);
        };
        let remote = local
            .branch_remote_name(branch.short().as_bytes().as_bstr(), Fetch)
            .map_or_else(|| ".".to_owned(), |name| name.as_bstr().to_string());
        let tracking = ref_name(tracking.as_bstr())?;
        let commit = self.resolve(&tracking).ok().flatten().map(CommitId);
        Ok(Some(Upstream {
            remote,
            remote_ref: ref_name(remote_ref.as_bstr())?,
            tracking,
            commit,
        }))
    }

    /// Who `git commit` would name, from configuration and environment.
    pub fn identity(&self) -> Result<Identity, RepositoryError> {
        Ok(Identity {
            author: self.identity_variable("GIT_AUTHOR_IDENT")?,
            committer: self.identity_variable("GIT_COMMITTER_IDENT")?,
        })
    }

    fn identity_variable(&self, variable: &str) -> Result<Person, RepositoryError> {
        let answer = self.git.reading("var").arg(variable).with_identity_variables().run()?;
        if answer.status != Some(0) {
            return Err(RepositoryError::IdentityUnknown);
        }
        let text = String::from_utf8_lossy(&answer.stdout);
        let person = text.split_once(" <").and_then(|(name, rest)| {
            let (email, _) = rest.split_once('>')?;
            Some(Person {
                name: name.to_owned(),
                email: email.to_owned(),
            })
        });
        person.ok_or(RepositoryError::IdentityUnknown)
    }
}

/// A ref's name in our type. Refuses names that are not UTF-8 or break Git's rules.
pub(crate) fn ref_name(name: &[u8]) -> Result<RefName, InvalidRefName> {
    match std::str::from_utf8(name) {
        Ok(name) => name.parse(),
        Err(_) => Err(InvalidRefName {
            name: String::from_utf8_lossy(name).into_owned(),
            reason: "it is not UTF-8",
        }),
    }
}

fn open(from: &Path) -> Result<gix::ThreadSafeRepository, RepositoryError> {
    let mut environment = gix::open::permissions::Environment::all();
    // Variables that redirect Git are not obeyed, by neither library nor program.
    environment.git_prefix = gix::sec::Permission::Deny;
    environment.objects = gix::sec::Permission::Deny;
    let permissions = gix::open::Permissions {
        env: environment,
        config: gix::open::permissions::Config {
            env: false,
            ..gix::open::permissions::Config::all()
        },
        attributes: gix::open::permissions::Attributes::all(),
    };
    let options = gix::open::Options::default()
        .permissions(permissions)
        .bail_if_untrusted(true)
        .config_overrides(["core.useReplaceRefs=false"]);
    let trust_map = gix::sec::trust::Mapping {
        full: options.clone(),
        reduced: options,
    };
    gix::ThreadSafeRepository::discover_opts(from, Default::default(), trust_map).map_err(|error| {
        use gix::discover::upwards::Error as Discovery;
        if let Some(discovery) = error.downcast_any_ref::<Discovery>() {
            return match discovery {
                Discovery::NoTrustedGitRepository { candidate, .. } => RepositoryError::ForeignOwner {
                    path: candidate.clone(),
                },
                _ => RepositoryError::NotARepository { from: from.to_owned() },
            };
        }
        explain_refusal(from).unwrap_or_else(|| match error.dominant_class() {
            Some(gix::error::Class::PermissionDenied) => RepositoryError::ForeignOwner { path: from.to_owned() },
            _ => RepositoryError::Unreadable {
                from: from.to_owned(),
                reason: error.to_string(),
            },
        })
    })
}

/// What is special about a repository that would not open: its configuration is read without opening it.
fn explain_refusal(from: &Path) -> Option<RepositoryError> {
    let (found, _) = gix::discover::upwards(from).ok()?;
    let (git_dir, _) = found.into_repository_and_work_tree_directories();
    let common_dir = gix::discover::path::from_plain_file(&git_dir.join("commondir"))
        .and_then(Result::ok)
        .map_or_else(|| git_dir.clone(), |common| git_dir.join(common));
    let config =
        gix::config::File::from_path_no_includes(common_dir.join("config"), gix::config::Source::Local).ok()?;
    let extension = |key: &str| {
        config
            .string(&format!("extensions.{key}"))
            .map(|value| value.to_string())
    };
    let kind = if extension("objectFormat").is_some_and(|format| !format.eq_ignore_ascii_case("sha1")) {
        UnsupportedKind::Sha256
    } else if extension("refStorage").is_some_and(|storage| !storage.eq_ignore_ascii_case("files")) {
        UnsupportedKind::Reftable
    } else {
        return None;
    };
    Some(RepositoryError::Unsupported { path: git_dir, kind })
}

/// The extensions of the repository format that are handled exactly.
const KNOWN_EXTENSIONS: [&str; 8] = [
    "noop",
    "preciousobjects",
    "worktreeconfig",
    "objectformat",
    "refstorage",
    "partialclone",
    "relativeworktrees",
    "noop-v1",
];

fn unsupported_kind(local: &gix::Repository) -> Option<UnsupportedKind> {
    let config = local.config_snapshot();
    let text = |key: &str| config.string(key).map(|value| value.to_string());
    if local.object_hash() != gix::hash::Kind::Sha1 {
        return Some(UnsupportedKind::Sha256);
    }
    if text("extensions.refStorage").is_some_and(|storage| !storage.eq_ignore_ascii_case("files")) {
        return Some(UnsupportedKind::Reftable);
    }
    let promises = config
        .plumbing()
        .sections_by_name("remote")
        .into_iter()
        .flatten()
        .any(|remote| {
            remote
                .value("promisor")
                .is_some_and(|value| value.as_slice() != b"false")
        });
    if text("extensions.partialClone").is_some() || promises {
        return Some(UnsupportedKind::PartialClone);
    }
    if config.integer("core.repositoryFormatVersion").unwrap_or(0) >= 1 {
        let unknown = config
            .plumbing()
            .sections_by_name("extensions")
            .into_iter()
            .flatten()
            .any(|section| {
                section
                    .body()
                    .value_names()
                    .any(|name| !KNOWN_EXTENSIONS.contains(&name.to_string().to_ascii_lowercase().as_str()))
            });
        if unknown {
            return Some(UnsupportedKind::UnknownExtension);
        }
    }
    None
}
