//! What is let die: a way of delivery, or a story that has more to it than one ticket which succeeds at once.

use std::path::Path;

use super::world::End;
use crate::error::TaskError;

/// The ticket of most worlds.
pub(super) const TICKET: &str = "0001-hello";

const CHILD: &str = "0002-again";
const PACKAGE: &str = "greetings";
const PARENT: &str = "0009-greetings";

/// What a reviewer of [`Mode::Repair`] wants.
const WANTED: &str = "write hello with an e";

/// How finished changes are delivered, by which command, and what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    None,
    Branch,
    Push,
    Later,
    Here,
    Repair,
    Moved,
    Package,
    Parent,
}

/// What an approved ticket consists of.
pub(super) struct Ticket {
    pub(super) id: &'static str,
    pub(super) contract: String,
    pub(super) prompt: &'static str,
}

impl Mode {
    pub(super) const ALL: [Self; 9] = [
        Self::None,
        Self::Branch,
        Self::Push,
        Self::Later,
        Self::Here,
        Self::Repair,
        Self::Moved,
        Self::Package,
        Self::Parent,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Branch => "branch",
            Self::Push => "push",
            Self::Later => "later",
            Self::Here => "here",
            Self::Repair => "repair",
            Self::Moved => "moved",
            Self::Package => "package",
            Self::Parent => "parent",
        }
    }

    /// Whether it has more to it than a way of delivery, and so many points that a part of them has to do.
    pub(super) fn is_story(self) -> bool {
        matches!(self, Self::Repair | Self::Moved | Self::Package | Self::Parent)
    }

    /// Whether the command refuses because all of it was done before.
    pub(super) fn is_settled(self, end: &End) -> bool {
        matches!((self, end), (Self::Later, End::Exited(11, said)) if said.contains(" is delivered to "))
    }

    /// Those of these names, or all.
    pub(super) fn named(names: &[String]) -> Result<Vec<Self>, TaskError> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let of = |name: &String| {
            let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
            let reason = format!(
                "there is no such world; there are {}",
                Self::ALL.map(Self::name).join(", ")
            );
            found.ok_or_else(|| TaskError::unreadable(format!("`{name}`"), reason))
        };
        names.iter().map(of).collect()
    }

    /// The command that is let die, and that goes on afterwards.
    pub(super) fn command(self) -> &'static [&'static str] {
        match self {
            Self::Later => &["deliver", TICKET],
            Self::Here => &["deliver", TICKET, "--here"],
            _ => &["run", "--all"],
        }
    }

    /// The commands by which a person approves.
    pub(super) fn approves(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Package => &[&["package", "new", PACKAGE, TICKET, CHILD], &["approve", PACKAGE]],
            Self::Parent => &[&["approve", PARENT]],
            _ => &[&["approve", TICKET]],
        }
    }

    /// What the policy says of the delivery.
    pub(super) fn delivery(self) -> &'static str {
        match self {
            Self::None | Self::Later => "mode = \"none\"",
            Self::Branch | Self::Here | Self::Repair | Self::Parent => "mode = \"branch\"",
            Self::Push | Self::Moved | Self::Package => "mode = \"push\"\ntarget = \"main\"",
        }
    }

    /// Whether there is a remote that changes are pushed to.
    pub(super) fn pushes(self) -> bool {
        self.delivery().contains("push")
    }

    /// What there is to do.
    pub(super) fn tickets(self) -> Vec<Ticket> {
        let hello = Ticket {
            id: TICKET,
            contract: standard("Say hello", "hello.txt"),
            prompt: "Say hello in `hello.txt`.\n",
        };
        let again = |more: &str| Ticket {
            id: CHILD,
            contract: format!("title = \"Say it again\"\nmode = \"loop\"\n{more}"),
            prompt: "Say it in `again.txt`.\n",
        };
        match self {
            Self::Package => vec![hello, again("")],
            Self::Parent => {
                let of_parent = format!("parent = \"{PARENT}\"\n");
                let (title, rest) = hello.contract.split_once('\n').unwrap_or_default();
                let first = format!("{title}\n{of_parent}{rest}");
                vec![
                    Ticket {
                        contract: first,
                        ..hello
                    },
                    again(&format!("{of_parent}depends_on = [\"{TICKET}\"]\n")),
                    Ticket {
                        id: PARENT,
                        contract: "title = \"Greet\"\nmode = \"parent\"\n".to_owned(),
                        prompt: "Both greetings are there.\n",
                    },
                ]
            }
            _ => vec![hello],
        }
    }

    /// What the agents do, by the names of their scripts. The first that fits a turn counts. `theirs` is what somebody else does meanwhile.
    pub(super) fn scripts(self, theirs: &Path) -> Vec<(&'static str, String)> {
        let says = |text: &str| format!("[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\\n\"\n{DONE}");
        let hello = format!("role = \"writer\"\n{}", says("hello"));
        let passes = "role = \"reviewer\"\n[answer]\nreview = { verdict = \"pass\", summary = \"it says hello\" }\n";
        let with = |more: &str, script: &str| {
            let (role, rest) = script.split_once('\n').unwrap_or_default();
            format!("{role}\n{more}\n{rest}")
        };
        let mut scripts = match self {
            Self::Repair => {
                let wants = format!("prompt_contains = \"{WANTED}\"");
                let finding = format!(
                    "{{ severity = \"high\", place = \"hello.txt\", expected = \"hello\", actual = \"hullo\", required_repair = \"{WANTED}\" }}"
                );
                let fails = format!(
                    "role = \"reviewer\"\n[answer]\nreview = {{ verdict = \"fail\", summary = \"a letter is wrong\", findings = [{finding}] }}\n"
                );
                return vec![
                    ("a-repair", with(&wants, &hello)),
                    ("b-first", format!("role = \"writer\"\n{}", says("hullo"))),
                    ("c-second-look", with(&wants, passes)),
                    ("d-first-look", fails),
                ];
            }
            Self::Moved => {
                // It is somebody else who pushes: a worker that did it would be stopped.
                let push = format!("[[step]]\ndo = \"run\"\ncommand = \"sh '{}'\"", theirs.display());
                vec![("writer", with(&push, &hello))]
            }
            Self::Package | Self::Parent => {
                let again = format!(
                    "role = \"writer\"\nprompt_contains = \"again.txt\"\n\
                     [[step]]\ndo = \"run\"\ncommand = \"cat hello.txt hello.txt >again.txt\"\n{DONE}"
                );
                let manager = format!("role = \"reviewer\"\nprompt_contains = \"# Ticket {PARENT}\"\n{DONE}");
                vec![
                    ("a-again", again),
                    ("b-writer", hello),
                    ("c-whole", with("prompt_contains = \"# Independent review\"", passes)),
                    ("d-manager", manager),
                ]
            }
            _ => vec![("writer", hello)],
        };
        scripts.push(("z-reviewer", passes.to_owned()));
        scripts
    }
}

/// How a worker ends its turn.
const DONE: &str = "[answer]\nreport = { summary = \"said hello\" }\n";

/// A contract that allows one file.
fn standard(title: &str, file: &str) -> String {
    format!(
        "title = \"{title}\"\nmode = \"standard\"\n\n[scope]\ngoal = \"hello\"\nallowed = [\"{file}\"]\n\n\
         [[acceptance]]\nid = \"AC-1\"\ngiven = \"a project\"\nwhen = \"it is read\"\nthen = \"it says hello\"\n\n\
         [specs]\nmode = \"none\"\nreason = \"a greeting\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_is_found_by_its_name_and_says_what_it_is_made_of() {
        for mode in Mode::ALL {
            assert_eq!(Mode::named(&[mode.name().to_owned()]).unwrap(), [mode]);
            for ticket in mode.tickets() {
                assert!(ticket.contract.parse::<toml::Table>().is_ok(), "{}", ticket.contract);
            }
            for (name, script) in mode.scripts(Path::new("/theirs")) {
                assert!(script.parse::<toml::Table>().is_ok(), "{name}: {script}");
            }
        }
        let error = Mode::named(&["elsewhere".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("none, branch, push"), "{error}");
    }
}
