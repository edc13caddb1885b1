//! Commands that a worker starts, watched live.
//!
//! This is a tripwire, not a wall. The wall is the sandbox: no network, nothing writable but the place, no credentials. A
//! worker that wants to hide a command from a reader of its text can (a script, an alias, an encoding). The tripwire
//! catches what a worker does openly because it believes that it should: publishing, pushing, deploying, destroying
//! data, reading credentials, and what nobody granted: adding dependencies, running migrations, reaching other machines. So the line is cut into words, not interpreted,
//! and a rule speaks only where a command is plain; ordinary commands must never stop a turn.

mod rules;
mod words;

use ledger_core::{BlockerCode, Grants, Violation};

use crate::config::Policy;
pub(crate) use rules::word_of_a_person;
pub(crate) use words::{Command, SHELLS, base_name, commands_of, declared_seconds, quoted};
use words::{as_written, commands_within};

/// The longest line that is judged; a longer one is refused. No system starts a shell with a longer script as its argument.
pub const MAX_COMMAND_BYTES: usize = 128 * 1024;

/// What a command line would do that needs a grant; none: nothing that can be seen.
///
/// A command is granted where the ticket's `[grants] commands` holds it exactly, word by word, as the whole line or as one
/// of the commands that the line joins. Installing a dependency is also granted by its name in `[grants] dependencies`, running migrations by
/// `[grants] migrations`, and reaching other machines by `[grants] network` or the policy's `[agent] network`.
/// A granted line never excuses another command beside it.
///
/// ```
/// use counterfoil_policy::{Policy, judge_command};
/// use ledger_core::Grants;
/// let (policy, none) = (Policy::default(), Grants::default());
/// assert_eq!(judge_command("bash -lc 'cargo test && git status'", &policy, &none), None);
/// let violation = judge_command("bash -lc 'cargo test && git push origin HEAD'", &policy, &none).unwrap();
/// assert_eq!(violation.code.as_str(), "unsafe_action");
/// let granted = Grants { commands: vec!["git push origin HEAD".into()], ..none };
/// assert_eq!(judge_command("bash -lc 'cargo test && git push origin HEAD'", &policy, &granted), None);
/// ```
pub fn judge_command(line: &str, policy: &Policy, grants: &Grants) -> Option<Violation> {
    judge(line, policy, grants, |_| None)
}

/// The same for a line that is started in a repository which a person works in: what throws away work there or rewrites its history needs
/// a grant as well. A worker of a run has a place of its own, where that costs nobody anything.
///
/// ```
/// use counterfoil_policy::{Policy, judge_command, judge_command_beside_person};
/// use ledger_core::Grants;
/// let (policy, none) = (Policy::default(), Grants::default());
/// assert_eq!(judge_command("git reset --hard", &policy, &none), None);
/// assert!(judge_command_beside_person("git reset --hard", &policy, &none).is_some());
/// ```
pub fn judge_command_beside_person(line: &str, policy: &Policy, grants: &Grants) -> Option<Violation> {
    judge(line, policy, grants, rules::judge_beside_person)
}

fn judge(
    line: &str,
    policy: &Policy,
    grants: &Grants,
    further: impl Fn(&Command) -> Option<(BlockerCode, String)>,
) -> Option<Violation> {
    if line.len() > MAX_COMMAND_BYTES {
        return Some(Violation {
            code: BlockerCode::UnsafeAction,
            path: None,
            detail: format!("a command of more than {MAX_COMMAND_BYTES} bytes cannot be judged"),
        });
    }
    let with_network = policy.agent.network || grants.network;
    without_granted(line, grants).iter().find_map(|command| {
        let denied = || {
            policy.commands.deny.iter().find_map(|pattern| {
                let matches = command.begins_with(pattern.words());
                matches.then(|| format!("the policy denies `{pattern}`"))
            })
        };
        let (code, detail) = denied()
            .map(|detail| (BlockerCode::UnsafeAction, detail))
            .or_else(|| rules::judge(command, grants, with_network))
            .or_else(|| further(command))?;
        Some(Violation {
            code,
            path: None,
            detail,
        })
    })
}

/// The commands of a line, but for what stands in it exactly as a grant is written.
fn without_granted(line: &str, grants: &Grants) -> Vec<Command> {
    let written = as_written(line);
    let mut is_granted = vec![false; written.len()];
    for granted in grants.commands.iter().map(|granted| as_written(granted)) {
        let Some(last) = written.len().checked_sub(granted.len()).filter(|_| !granted.is_empty()) else {
            continue;
        };
        for begin in 0..=last {
            let range = begin..begin + granted.len();
            if written[range.clone()] == granted {
                is_granted[range].fill(true);
            }
        }
    }
    let others = written
        .into_iter()
        .zip(is_granted)
        .filter(|(_, is_granted)| !is_granted);
    others.flat_map(|(simple, _)| commands_within(simple)).collect()
}

#[cfg(test)]
mod tests;
