//! Where things are.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::error::TaskError;

/// The workspace that this tool belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// The crates that do no I/O: folder below `crates/` and package name.
pub(crate) const PURE_CRATES: [(&str, &str); 2] = [
    ("ledger-core", "counterfoil-ledger-core"),
    ("policy", "counterfoil-policy"),
];

impl Workspace {
    /// The workspace above this crate's folder.
    pub(crate) fn find() -> Result<Self, TaskError> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .nth(2)
            .filter(|root| root.join("Cargo.toml").is_file())
            .ok_or_else(|| TaskError::unreadable("workspace", "this tool was built in a folder that is gone"))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Its root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below its root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where Cargo builds.
    pub(crate) fn target_folder(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), PathBuf::from)
    }

    /// The text of a file below its root.
    pub(crate) fn read(&self, relative: &str) -> Result<String, TaskError> {
        let path = self.path(relative);
        std::fs::read_to_string(&path).map_err(TaskError::file(path))
    }

    /// What Cargo knows of its packages and of all that they depend on.
    pub(crate) fn metadata(&self) -> Result<Metadata, TaskError> {
        MetadataCommand::new()
            .manifest_path(self.path("Cargo.toml"))
            .other_options(vec!["--locked".to_owned()])
            .exec()
            .map_err(|error| TaskError::unreadable("cargo metadata", error))
    }
}

/// The packages of the workspace that go to the registry.
pub(crate) fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.publish.as_ref().is_none_or(|registries| !registries.is_empty()))
}
