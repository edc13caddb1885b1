//! Where a file that is about to be written really lands, links and all.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use ledger_core::RepoPath;

/// The most links that a path may lead through.
const MAX_LINKS: usize = 40;

/// A path that does not land in the work tree, or nobody knows where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere;

/// The paths of the repository that a path, seen from a folder, names and leads to: one, or two where a link is on the way. `root` and `folder` are
/// without links.
pub(super) fn landing(root: &Path, folder: &Path, text: &str) -> Result<BTreeSet<RepoPath>, Elsewhere> {
    let written = folder.join(text);
    let real = real_path(&written, 0).ok_or(Elsewhere)?;
    let mut paths = BTreeSet::from([below(root, &real).ok_or(Elsewhere)?]);
    // What is written is judged as well: a link in scope is no way out, and one out of scope no way in.
    paths.extend(without_dots(&written).and_then(|path| below(root, &path)));
    Ok(paths)
}

/// The path that the system would open, as far as it exists already; none where a link leads nowhere or in a circle.
fn real_path(path: &Path, links: usize) -> Option<PathBuf> {
    if links > MAX_LINKS {
        return None;
    }
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::Prefix(_) => real.push(component),
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => {
                let next = real.join(name);
                real = match next.symlink_metadata() {
                    Ok(found) if found.is_symlink() => {
                        let target = std::fs::read_link(&next).ok()?;
                        real_path(&real.join(target), links + 1).filter(|target| target.exists())?
                    }
                    // What is not there is made where it is named; what cannot be looked at is not judged here, but by the system.
                    _ => next,
                };
            }
        }
    }
    Some(real)
}

/// The path with `..` taken as words.
fn without_dots(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            other => plain.push(other),
        }
    }
    Some(plain)
}

fn below(root: &Path, path: &Path) -> Option<RepoPath> {
    let path = path.strip_prefix(root).ok()?;
    RepoPath::new(path.as_os_str().as_bytes().to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_lands_where_its_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let root = base.join("repository");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::create_dir(base.join("outside")).unwrap();
        symlink("../docs", root.join("src/link")).unwrap();
        fs::create_dir(root.join("docs")).unwrap();
        symlink(base.join("outside"), root.join("src/out")).unwrap();
        symlink("nowhere", root.join("src/dangling")).unwrap();
        symlink("circle", root.join("src/circle")).unwrap();
        symlink("repository", base.join("other-name")).unwrap();
        let lands = |from: &Path, text: &str| {
            let paths = landing(&root, from, text).map_err(|Elsewhere| "elsewhere")?;
            Ok(paths.into_iter().map(|path| path.to_string()).collect::<Vec<_>>())
        };
        let src = root.join("src");
        let one = |path: &str| Ok::<_, &str>(vec![path.to_owned()]);
        assert_eq!(lands(&root, "src/new/a.rs"), one("src/new/a.rs"));
        assert_eq!(lands(&src, "./deep/../b"), one("src/b"));
        assert_eq!(lands(&src, "../README"), one("README"));
        assert_eq!(lands(&src, root.join("a").to_str().unwrap()), one("a"));
        assert_eq!(lands(&src, base.join("other-name/a").to_str().unwrap()), one("a"));
        assert_eq!(
            lands(&src, "link/x"),
            Ok(vec!["docs/x".to_owned(), "src/link/x".to_owned()])
        );
        assert_eq!(lands(&src, "link/../x"), Ok(vec!["src/x".to_owned(), "x".to_owned()]));
        for away in [
            "../../outside/x",
            "out/x",
            "/etc/passwd",
            "dangling",
            "circle",
            "dangling/x",
            "..",
            "",
        ] {
            assert_eq!(
                lands(&src, away),
                if away.is_empty() { one("src") } else { Err("elsewhere") },
                "{away}"
            );
        }
    }
}
