//! What a repository holds. One that a test has damaged is read as far as Git gets.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// An object that a commit or a ref leads to.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: String,
    /// The first path at which it is; empty for a commit and for its tree.
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

/// The names of all refs, one a line.
pub(super) fn refs(repository: &Path) -> String {
    printed(&mut git(repository, &["for-each-ref", "--format=%(refname)"]))
}

/// Hands over each object that `git rev-list --objects` lists with these arguments, but for those that are passed over, by
/// their path and size.
pub(super) fn each(
    repository: &Path,
    arguments: &[&str],
    passed_over: impl Fn(&str, u64) -> bool,
    mut take: impl FnMut(&Object),
) {
    let listed = printed(git(repository, &["rev-list", "--objects"]).args(arguments));
    let named: Vec<(&str, &str)> = listed
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let ids: String = named.iter().map(|(id, _)| format!("{id}\n")).collect();
    let mut reader = git(repository, &["cat-file", "--batch", "--buffer"]);
    let child = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return;
    };
    let writer = std::thread::spawn(move || input.write_all(ids.as_bytes()));
    let mut output = BufReader::new(output);
    for (_, path) in named {
        match next(&mut output, path, &passed_over) {
            Ok(Some(object)) => take(&object),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    drop(output);
    let _ = writer.join();
    let _ = child.wait();
}

/// The next object; none: it is missing, or passed over.
fn next(
    output: &mut impl BufRead,
    path: &str,
    passed_over: &impl Fn(&str, u64) -> bool,
) -> std::io::Result<Option<Object>> {
    let mut head = String::new();
    if output.read_line(&mut head)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut parts = head.split_whitespace().skip(1);
    let kind = parts.next().unwrap_or_default().to_owned();
    let Some(size) = parts.next().and_then(|size| size.parse::<u64>().ok()) else {
        return Ok(None);
    };
    let mut content = output.take(size.saturating_add(1));
    if kind == "blob" && passed_over(path, size) {
        std::io::copy(&mut content, &mut std::io::sink())?;
        return Ok(None);
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    bytes.pop();
    let path = path.to_owned();
    Ok(Some(Object { kind, path, bytes }))
}

fn printed(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}

fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("--git-dir")
        .arg(repository)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}
