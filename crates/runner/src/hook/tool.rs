//! Whether an agent may use a tool now.

use std::path::{Path, PathBuf};

use git_delivery::Repository;
use ledger_core::{CommitId, RepoPath, TicketId};
use policy::{
    CommandWrites, ScopeRules, UnclearPatch, command_writes, consent_command, judge_command_beside_person, patch_paths,
};
use serde::Deserialize;
use serde_json::Value;

use super::active::{ActiveLedger, ActiveTicket, repository_at};
use super::landing::landing;
use super::{HookEvent, MAX_HOOK_INPUT_BYTES};
use crate::codex_files::only_reads;
use crate::ledger::{TicketFileName, tickets_dir};
use crate::workspace::Settings;

/// Why a tool may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// The input is not what Codex says.
    #[error("what Codex asks cannot be understood: {reason}")]
    Input {
        /// Why.
        reason: String,
    },
    /// It cannot be told what holds here.
    #[error("it cannot be told what may be changed here: {reason}")]
    Unknown {
        /// Why.
        reason: String,
    },
    /// A person's word.
    #[error("`{command}` is a person's word")]
    Consent {
        /// The command.
        command: &'static str,
    },
    /// An approval, or the end of a ticket.
    #[error("`{path}` is a person's word")]
    Approval {
        /// The path.
        path: RepoPath,
    },
    /// A role that only reads.
    #[error("`{role}` only reads, and this would change `{path}`")]
    Reader {
        /// The role.
        role: String,
        /// The path, as written.
        path: String,
    },
    /// A path that the ticket does not allow.
    #[error("`{path}` may not change for ticket {ticket}: {detail}")]
    Path {
        /// The ticket.
        ticket: TicketId,
        /// The path.
        path: RepoPath,
        /// What is forbidden about it.
        detail: String,
    },
    /// A path outside of the repository.
    #[error("`{path}` does not land in this repository, and ticket {ticket} is about nothing else")]
    Elsewhere {
        /// The ticket.
        ticket: TicketId,
        /// The path, as written.
        path: String,
    },
    /// A command that needs a grant.
    #[error("this command is not for ticket {ticket}: {detail}")]
    Command {
        /// The ticket.
        ticket: TicketId,
        /// What it would do.
        detail: String,
    },
    /// A patch whose paths cannot be told.
    #[error("the patch cannot be judged: {0}")]
    Patch(#[from] UnclearPatch),
    /// A patch in a command, among other things.
    #[error("it cannot be told where the patch in this command would land")]
    PatchInCommand,
}

impl HookRefusal {
    /// What to do next, in a sentence.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Input { .. } => {
                "Tell the person: their Codex and this foil may not fit together; `foil doctor` looks at it."
            }
            Self::Unknown { .. } => "Tell the person, who mends it or takes the hooks away with /hooks.",
            Self::Consent { .. } | Self::Approval { .. } => {
                "Ask the person to say it themselves, in a terminal of theirs."
            }
            Self::Reader { .. } => "Say what should change; whoever writes will do it.",
            Self::Path { .. } | Self::Elsewhere { .. } => {
                "Work within the ticket's scope, or stop and say that it is too narrow: only a person changes it."
            }
            Self::Command { .. } => "Go on without it, or stop and say why it is needed: only a person can grant it.",
            Self::Patch(_) | Self::PatchInCommand => "Use the tool apply_patch with one plain patch.",
        }
    }
}

/// What Codex says before a tool is used. Further properties may come with other versions.
#[derive(Debug, Deserialize)]
struct ToolUse {
    hook_event_name: String,
    cwd: PathBuf,
    tool_name: String,
    #[serde(default)]
    tool_input: Value,
    #[serde(default)]
    agent_type: Option<String>,
}

/// Whether an agent may use a tool now, by Codex' own words on it. `ticket` is the one that the person named; else it is that whose delivery branch is
/// checked out. Without a ticket, only what nobody but a person does is refused.
pub fn pre_tool_use(input: &[u8], ticket: Option<&str>, settings: &Settings) -> Result<(), HookRefusal> {
    let used = read(input)?;
    let Some(call) = Call::of(&used)? else {
        return Ok(());
    };
    if let Call::Command(line) = &call
        && let Some(command) = consent_command(line)
    {
        return Err(HookRefusal::Consent { command });
    }
    // Not only where there is a ledger: a role stays what it is.
    let reader = used.agent_type.as_deref().filter(|role| only_reads(role));
    if let (Some(role), Some(patch)) = (reader, call.patch()) {
        return Err(HookRefusal::Reader {
            role: role.to_owned(),
            path: patch_paths(patch)?.into_iter().next().unwrap_or_default(),
        });
    }
    let unknown = |reason: String| HookRefusal::Unknown { reason };
    let folder = used.cwd.canonicalize().map_err(|error| unknown(error.to_string()))?;
    let workspace = match (repository_at(&folder, settings).map_err(unknown)?, ticket) {
        (Some(workspace), _) => workspace,
        (None, None) => return Ok(()),
        (None, Some(ticket)) => return Err(unknown(format!("there is no ledger with a ticket `{ticket}` here"))),
    };
    let ledger = ActiveLedger::of(&workspace, ticket).map_err(unknown)?;
    if !ledger.is_ours {
        return Ok(());
    }
    let root = workspace.repository().work_dir().canonicalize();
    let judge = Judge {
        root: &root.map_err(|error| unknown(error.to_string()))?,
        repository: workspace.repository(),
        ledger: &ledger,
        scope: match &ledger.ticket {
            None => None,
            Some(ticket) => {
                let rules =
                    ScopeRules::new(&ledger.policy, &ticket.file).map_err(|error| unknown(error.to_string()))?;
                Some((ticket, rules))
            }
        },
        reader,
    };
    match &call {
        Call::Command(line) => judge.command(line, &folder),
        Call::Patch(patch) => judge.patch(patch, &folder),
    }
}

/// A use of a tool that can be judged.
enum Call {
    Command(String),
    Patch(String),
}

impl Call {
    /// None where the tool is another one.
    fn of(used: &ToolUse) -> Result<Option<Self>, HookRefusal> {
        Ok(match used.tool_name.as_str() {
            "Bash" => Some(Self::Command(text(&used.tool_input)?)),
            "apply_patch" => Some(Self::Patch(text(&used.tool_input)?)),
            _ => None,
        })
    }

    /// The patch that it applies.
    fn patch(&self) -> Option<&str> {
        match self {
            Self::Patch(patch) => Some(patch),
            Self::Command(line) => match command_writes(line) {
                CommandWrites::Patch { patch, .. } => Some(patch),
                CommandWrites::Files(_) | CommandWrites::Unclear => None,
            },
        }
    }
}

fn read(input: &[u8]) -> Result<ToolUse, HookRefusal> {
    let refused = |reason: String| HookRefusal::Input { reason };
    if input.len() > MAX_HOOK_INPUT_BYTES {
        return Err(refused(format!("it has more than {MAX_HOOK_INPUT_BYTES} bytes")));
    }
    let used: ToolUse = serde_json::from_slice(input).map_err(|error| refused(error.to_string()))?;
    let expected = HookEvent::PreToolUse.as_str();
    match used.hook_event_name == expected {
        true => Ok(used),
        false => Err(refused(format!("it is about another event than {expected}"))),
    }
}

/// The command of a tool's input: a text, or a program and its arguments.
fn text(input: &Value) -> Result<String, HookRefusal> {
    let command = input.get("command");
    let words = || -> Option<String> {
        let words = command?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()?;
        let quoted: Vec<_> = words
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
            .collect();
        Some(quoted.join(" "))
    };
    let found = command.and_then(Value::as_str).map(str::to_owned).or_else(words);
    found.ok_or_else(|| HookRefusal::Input {
        reason: "the tool has no command".to_owned(),
    })
}

struct Judge<'a> {
    root: &'a Path,
    repository: &'a Repository,
    ledger: &'a ActiveLedger,
    scope: Option<(&'a ActiveTicket, ScopeRules)>,
    /// The role, where it is one that only reads.
    reader: Option<&'a str>,
}

impl Judge<'_> {
    fn command(&self, line: &str, folder: &Path) -> Result<(), HookRefusal> {
        match command_writes(line) {
            CommandWrites::Unclear => Err(HookRefusal::PatchInCommand),
            CommandWrites::Patch { folder: into, patch } => {
                let folder = match into {
                    None => folder.to_owned(),
                    Some(into) => folder.join(into).canonicalize().map_err(|error| HookRefusal::Unknown {
                        reason: error.to_string(),
                    })?,
                };
                self.patch(patch, &folder)
            }
            CommandWrites::Files(files) => {
                for file in &files {
                    self.redirection(file, folder)?;
                }
                self.grants(line)
            }
        }
    }

    fn grants(&self, line: &str) -> Result<(), HookRefusal> {
        let Some((ticket, _)) = &self.scope else {
            return Ok(());
        };
        match judge_command_beside_person(line, &self.ledger.policy, &ticket.file.grants) {
            None => Ok(()),
            Some(violation) => Err(HookRefusal::Command {
                ticket: ticket.id.clone(),
                detail: violation.detail,
            }),
        }
    }

    fn patch(&self, patch: &str, folder: &Path) -> Result<(), HookRefusal> {
        for written in patch_paths(patch)? {
            match landing(self.root, folder, &written) {
                Ok(paths) => paths.iter().try_for_each(|path| self.path(path))?,
                Err(_) => {
                    if let Some((ticket, _)) = &self.scope {
                        return Err(HookRefusal::Elsewhere {
                            ticket: ticket.id.clone(),
                            path: written,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Output of a command goes to many files that are part of no change; so only those count that the commit has, and approvals.
    fn redirection(&self, file: &str, folder: &Path) -> Result<(), HookRefusal> {
        let Ok(paths) = landing(self.root, folder, file) else {
            return Ok(());
        };
        for path in paths {
            self.approval(&path)?;
            if !self.is_tracked(&path)? {
                continue;
            }
            if let Some(role) = self.reader {
                return Err(HookRefusal::Reader {
                    role: role.to_owned(),
                    path: file.to_owned(),
                });
            }
            self.path(&path)?;
        }
        Ok(())
    }

    fn is_tracked(&self, path: &RepoPath) -> Result<bool, HookRefusal> {
        let Some(commit) = self.ledger.commit else {
            return Ok(false);
        };
        let look = |commit: CommitId| {
            let tree = self.repository.commit_tree_id(commit)?;
            self.repository.entry_at(tree, path)
        };
        match look(commit) {
            Ok(entry) => Ok(entry.is_some()),
            Err(error) => Err(HookRefusal::Unknown {
                reason: error.to_string(),
            }),
        }
    }

    fn path(&self, path: &RepoPath) -> Result<(), HookRefusal> {
        self.approval(path)?;
        let Some((ticket, rules)) = &self.scope else {
            return Ok(());
        };
        match rules.judge(path) {
            None => Ok(()),
            Some(violation) => Err(HookRefusal::Path {
                ticket: ticket.id.clone(),
                path: path.clone(),
                detail: violation.detail,
            }),
        }
    }

    /// With a ticket or without: an approval that an agent writes would be none, and look like one; a ticket that it closes would be closed.
    fn approval(&self, path: &RepoPath) -> Result<(), HookRefusal> {
        let tickets = tickets_dir(self.ledger.policy.ledger.dir.path());
        let folder = tickets.as_ref().map(RepoPath::as_bytes).unwrap_or_default();
        let is_below = path
            .as_bytes()
            .get(..folder.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(folder));
        let is_word = [TicketFileName::Approval, TicketFileName::Canceled]
            .iter()
            .any(|name| path.file_name().eq_ignore_ascii_case(name.as_str().as_bytes()));
        match is_below && is_word {
            true => Err(HookRefusal::Approval { path: path.clone() }),
            false => Ok(()),
        }
    }
}
