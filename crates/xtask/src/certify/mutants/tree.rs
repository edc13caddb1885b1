//! The copy of the checkout that is broken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::capture;
use crate::error::TaskError;
use crate::workspace::Workspace;

/// What is in the checkout and not ignored, committed or not, in a folder below the target folder.
pub(super) struct Tree {
    /// With the copy, and beside it what is built of it.
    folder: PathBuf,
    root: PathBuf,
}

impl Tree {
    /// Brings the copy to what is in the checkout now. Only what differs is written, so that the build of last time is of use.
    pub(super) fn copy(workspace: &Workspace) -> Result<Self, TaskError> {
        let folder = workspace.target_folder().join("mutants");
        let folder = std::path::absolute(&folder).map_err(TaskError::file(&folder))?;
        let root = folder.join("tree");
        std::fs::create_dir_all(&root).map_err(TaskError::file(&root))?;
        let files = files_of(workspace.root())?;
        for file in &files {
            copy_if_different(&workspace.root().join(file), &root.join(file))?;
        }
        remove_others(&root, &root, &files)?;
        Ok(Self { folder, root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A path beside the copy.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn apply(&self, patch: &Path) -> Result<(), TaskError> {
        let mut command = git_apply(&self.root);
        command.arg(patch);
        done(command, patch, "it does not apply any more")
    }

    pub(super) fn take_back(&self, patch: &Path) -> Result<(), TaskError> {
        let mut command = git_apply(&self.root);
        command.arg("--reverse").arg(patch);
        done(command, patch, "it cannot be taken back")
    }
}

/// `git apply` to a folder, as if that were in no repository: to one that is ignored in its own Git would apply nothing, and say that all is well.
pub(super) fn git_apply(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("apply").current_dir(root);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    if let Some(above) = root.parent() {
        command.env("GIT_CEILING_DIRECTORIES", above);
    }
    command
}

fn done(command: Command, patch: &Path, problem: &str) -> Result<(), TaskError> {
    let output = capture(command)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let name = patch.file_name().unwrap_or_default().to_string_lossy();
    Err(TaskError::unreadable(name, format!("{problem}: {}", said.trim())))
}

/// Every file of the checkout that Git tracks or would.
fn files_of(root: &Path) -> Result<BTreeSet<PathBuf>, TaskError> {
    let mut command = Command::new("git");
    command
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root);
    let output = capture(command)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(TaskError::unreadable("git ls-files", said.trim()));
    }
    let names = String::from_utf8(output.stdout).map_err(|error| TaskError::unreadable("git ls-files", error))?;
    let files = names.split_terminator('\0').map(PathBuf::from);
    // One that is deleted and not committed so is listed.
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

fn copy_if_different(from: &Path, to: &Path) -> Result<(), TaskError> {
    let bytes = std::fs::read(from).map_err(TaskError::file(from))?;
    if std::fs::read(to).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
    }
    // Not with the time of the original: Cargo has to see that it was written.
    std::fs::write(to, bytes).map_err(TaskError::file(to))?;
    let permissions = std::fs::metadata(from).map_err(TaskError::file(from))?.permissions();
    std::fs::set_permissions(to, permissions).map_err(TaskError::file(to))
}

/// Removes what the checkout does not have, or no longer.
fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Result<(), TaskError> {
    for entry in std::fs::read_dir(folder).map_err(TaskError::file(folder))? {
        let entry = entry.map_err(TaskError::file(folder))?;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_others(root, &path, files)?;
        } else if path.strip_prefix(root).is_ok_and(|path| !files.contains(path)) {
            std::fs::remove_file(&path).map_err(TaskError::file(&path))?;
        }
    }
    Ok(())
}
