//! Git commands that throw work away or rewrite history. In a worker's own place they cost nobody anything; in a repository that a person
//! works in they may take what is committed nowhere else.

use super::{Found, GIT_WITH_VALUE, is_help, unsafe_action};
use crate::commands::words::Command;

pub(super) fn loses_work(command: &Command) -> Found {
    if command.program() != "git" || is_help(command) {
        return None;
    }
    let (verb, arguments) = verb_of(command)?;
    let call = Call { arguments };
    let loses = match verb {
        "reset" => call.has(&["--hard", "--merge"]) || call.leaves_commits_behind(),
        "clean" => !call.is_dry(),
        "commit" => call.arguments.iter().any(|word| word.starts_with("--am")),
        "rebase" | "filter-branch" | "filter-repo" | "update-ref" => true,
        "pull" => call.has(&["--rebase", "-r"]) && !call.has(&["--rebase=false"]),
        "stash" => matches!(call.plain().next(), Some("drop" | "clear")),
        "branch" => call.has(&["--force", "-D", "-M", "-C", "-f"]),
        "tag" => call.has(&["--force", "--delete", "-f", "-d"]),
        "checkout" => call.has(&["--force", "-f", "-B"]) || call.checks_paths_out(),
        "restore" => !call.has(&["--staged", "-S"]) || call.has(&["--worktree", "-W"]),
        "switch" => call.has(&["--force", "--discard-changes", "--force-create", "-f", "-C"]),
        "rm" => call.has(&["--force", "-f"]) && !call.is_dry(),
        "worktree" => call.plain().next() == Some("remove") && call.has(&["--force", "-f"]),
        "gc" => call.has(&["--prune=now", "--prune=all"]),
        "prune" => !call.is_dry(),
        "reflog" => matches!(call.plain().next(), Some("expire" | "delete" | "drop")) && !call.is_dry(),
        "read-tree" => call.has(&["--reset"]),
        "checkout-index" => call.has(&["--force", "-f"]),
        _ => false,
    };
    match loses {
        true => unsafe_action("throws work away or rewrites history", command),
        false => None,
    }
}

/// The command of Git's, and what follows it.
fn verb_of(command: &Command) -> Option<(&str, &[String])> {
    let mut rest = command.arguments();
    loop {
        let (word, more) = rest.split_first()?;
        rest = match word.as_str() {
            option if GIT_WITH_VALUE.contains(&option) => more.get(1..)?,
            option if option.starts_with('-') => more,
            verb => return Some((verb, more)),
        };
    }
}

struct Call<'a> {
    arguments: &'a [String],
}

impl<'a> Call<'a> {
    /// The arguments that are no options.
    fn plain(&self) -> impl Iterator<Item = &'a str> {
        let words = self.arguments.iter().map(String::as_str);
        words.filter(|word| !word.starts_with('-'))
    }

    /// The arguments before `--`, after which there are only paths.
    fn before_paths(&self) -> impl Iterator<Item = &'a str> {
        self.arguments
            .iter()
            .map(String::as_str)
            .take_while(|word| *word != "--")
    }

    /// Whether one of these options is given; one letter also among others, as in `-fdx`.
    fn has(&self, options: &[&str]) -> bool {
        self.before_paths().any(|word| {
            let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            options.iter().any(|option| {
                let letter = option.strip_prefix('-').filter(|rest| rest.len() == 1);
                word == *option || letter.is_some_and(|letter| letters.is_some_and(|letters| letters.contains(letter)))
            })
        })
    }

    fn is_dry(&self) -> bool {
        self.has(&["--dry-run", "-n"])
    }

    /// Whether a `reset` takes the branch to another commit: one that is reckoned from somewhere, or any where it does not take paths.
    fn leaves_commits_behind(&self) -> bool {
        let is_elsewhere = |word: &str| !matches!(word, "HEAD" | "@");
        let takes_no_paths = self.has(&["--soft", "--mixed", "--keep"]);
        let mut commits = self.before_paths().filter(|word| !word.starts_with('-'));
        let has_paths = self.arguments.iter().any(|word| word == "--") || self.plain().count() > 1;
        !has_paths
            && commits
                .any(|word| is_elsewhere(word) && (takes_no_paths || word.contains(['~', '^']) || word.contains("@{")))
    }

    /// Whether a `checkout` writes files over: what follows `--`, the whole folder, or what is named after a commit.
    fn checks_paths_out(&self) -> bool {
        let makes_branch = self.has(&["-b", "--orphan", "--track", "-t", "--detach"]);
        let after = self.arguments.iter().skip_while(|word| *word != "--").nth(1);
        after.is_some() || self.plain().any(|word| word == ".") || (!makes_branch && self.plain().count() > 1)
    }
}
