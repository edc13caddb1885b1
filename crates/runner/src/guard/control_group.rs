//! A control group of one guard's own, where this user may make one: a second net under the walk over the descent.

use std::fs;
use std::path::{Path, PathBuf};

const NAME_PREFIX: &str = "counterfoil-";

/// A group below the one that this process is in.
#[derive(Debug)]
pub(crate) struct ControlGroup(PathBuf);

impl ControlGroup {
    /// Makes the group of the guard with this id. `None` where there is no version 2 hierarchy, no right to, or no `cgroup.kill`.
    pub(crate) fn create(id: &str) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = own_folder(&groups, &mounts)?;
        let group = Self(own.join(format!("{NAME_PREFIX}{id}")));
        fs::create_dir(&group.0).ok()?;
        if group.0.join("cgroup.kill").exists() {
            return Some(group);
        }
        group.remove();
        None
    }

    /// The group that is remembered as this folder, if it still exists and is one.
    pub(crate) fn remembered(folder: &Path) -> Option<Self> {
        let ours = folder.file_name()?.to_str()?.starts_with(NAME_PREFIX);
        (ours && folder.join("cgroup.kill").exists()).then(|| Self(folder.to_owned()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Kills everything in the group at once, also what forks at this moment.
    pub(crate) fn kill(&self) {
        // Where this is refused the walk over the descent remains.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Removes the group; one that is not empty stays.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Where this process's own group of the version 2 hierarchy is mounted.
fn own_folder(groups: &str, mounts: &str) -> Option<PathBuf> {
    let own = Path::new(groups.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        if !system.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = own.strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_below_where_the_hierarchy_is_mounted() {
        let mounts = "24 22 0:20 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      35 22 0:31 /user.slice /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        assert_eq!(
            own_folder("1:cpu:/x\n0::/user.slice/app.scope\n", mounts),
            Some(PathBuf::from("/sys/fs/cgroup/app.scope"))
        );
        assert_eq!(own_folder("0::/system.slice\n", mounts), None);
        assert_eq!(own_folder("1:cpu:/x\n", mounts), None);
    }
}
