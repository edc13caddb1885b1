//! A throw-away repository with tickets.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ledger_core::Digest;

use crate::command::{capture, line, succeed};
use crate::error::TaskError;

/// The name that the tickets are approved for.
pub(super) const REPOSITORY: &str = "bench/world";

/// A repository, and beside it the state that `foil` keeps outside of it.
pub(super) struct TestRepository {
    root: PathBuf,
    state: PathBuf,
}

impl TestRepository {
    /// A new repository on the branch `main`, in place of what was in the folder.
    pub(super) fn create(folder: &Path) -> Result<Self, TaskError> {
        super::emptied(folder)?;
        let repository = Self::at(folder);
        for path in [&repository.root, &repository.state] {
            fs::create_dir_all(path).map_err(TaskError::file(path))?;
        }
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        for (key, value) in [
            ("user.name", "A person"),
            ("user.email", "person@localhost"),
            ("maintenance.auto", "false"),
            ("gc.auto", "0"),
        ] {
            repository.git(&["config", key, value])?;
        }
        Ok(repository)
    }

    /// One that was created earlier.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            root: folder.join("repository"),
            state: folder.join("state"),
        }
    }

    /// Its work tree.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A command that is run in it.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.root)
            .env("XDG_STATE_HOME", &self.state)
            .stdin(Stdio::null());
        command
    }

    /// Runs Git and gives what it prints.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String, TaskError> {
        self.capture("git", arguments)
    }

    /// Runs a program that must succeed, and gives what it prints.
    pub(super) fn capture(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        arguments: &[&str],
    ) -> Result<String, TaskError> {
        let command = self.command(program, arguments);
        let said = line(&command);
        let output = capture(command)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let both = [output.stdout, output.stderr].concat();
        Err(TaskError::unreadable(said, String::from_utf8_lossy(&both)))
    }

    /// Runs Git with this as its input.
    pub(super) fn feed_git(&self, arguments: &[&str], input: &[u8]) -> Result<(), TaskError> {
        let path = self.state.join("input");
        fs::write(&path, input).map_err(TaskError::file(&path))?;
        let file = fs::File::open(&path).map_err(TaskError::file(&path))?;
        let mut command = self.command("git", arguments);
        command.stdin(file).stdout(Stdio::null()).stderr(Stdio::null());
        succeed(command)
    }

    /// Writes a file of the work tree.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), TaskError> {
        let path = self.root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
        }
        fs::write(&path, text).map_err(TaskError::file(&path))
    }

    /// Commits all that is in the work tree.
    pub(super) fn commit_all(&self, message: &str) -> Result<(), TaskError> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message]).map(drop)
    }

    /// Writes tickets with a contract and a prompt each.
    pub(super) fn write_tickets(&self, count: usize) -> Result<(), TaskError> {
        for number in 0..count {
            let folder = ticket_folder(number);
            self.write(&format!("{folder}/ticket.toml"), &contract(number))?;
            self.write(&format!("{folder}/prompt.md"), &prompt(number))?;
        }
        Ok(())
    }

    /// Writes approvals of tickets that were written before.
    pub(super) fn write_approvals(&self, numbers: &[usize]) -> Result<(), TaskError> {
        let files =
            |number: usize| ["ticket.toml", "prompt.md"].map(|file| format!("{}/{file}", ticket_folder(number)));
        let list = self.state.join("approved");
        let mut paths = Vec::new();
        for number in numbers {
            for path in files(*number) {
                writeln!(paths, "{path}").map_err(TaskError::file(&list))?;
            }
        }
        fs::write(&list, paths).map_err(TaskError::file(&list))?;
        let mut command = self.command("git", &["hash-object", "--no-filters", "--stdin-paths"]);
        command.stdin(fs::File::open(&list).map_err(TaskError::file(&list))?);
        let output = capture(command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut blobs = text.lines();
        for number in numbers {
            let mut approval = format!(
                "schema = 1\nkind = \"person\"\nby = \"A person <person@localhost>\"\nat = \"2026-01-02T03:04:05Z\"\n\
                 repository = \"{REPOSITORY}\"\n"
            );
            for (path, bytes) in files(*number).iter().zip([contract(*number), prompt(*number)]) {
                let blob = blobs.next().unwrap_or_default();
                let sum = Digest::of(bytes);
                approval.push_str(&format!(
                    "\n[[file]]\npath = \"{path}\"\nblob = \"{blob}\"\nsha256 = \"{sum}\"\n"
                ));
            }
            self.write(&format!("{}/approval.toml", ticket_folder(*number)), &approval)?;
        }
        Ok(())
    }
}

/// The id of a ticket.
pub(super) fn ticket_id(number: usize) -> String {
    format!("{number:06}-refuse-addresses")
}

/// The folder of a ticket.
pub(super) fn ticket_folder(number: usize) -> String {
    format!("ledger/tickets/{}", ticket_id(number))
}

/// A contract of usual length.
fn contract(number: usize) -> String {
    // Chains of ten.
    let depends_on = match number % 10 {
        0 => String::new(),
        _ => format!("depends_on = [\"{}\"]\n", ticket_id(number - 1)),
    };
    format!(
        r#"#:schema ../../schemas/ticket.schema.json
schema = 1
title = "Refuse addresses of form {number} on sign-up"
kind = "feature"
mode = "standard"
priority = {priority}
{depends_on}
[context]
problem = "An address without a domain is accepted, and the mail to it is lost."
current = "The form takes whatever has an at sign."
desired = "The form names the field and keeps what was typed."

[scope]
goal = "Sign-up refuses addresses that no mail can be sent to"
allowed = ["src/auth/**", "tests/auth.rs"]
forbidden = ["src/auth/legacy/**"]
out_of_scope = ["password rules"]

[[acceptance]]
id = "AC-1"
given = "an address without a domain"
when = "the form is sent"
then = "it is refused with a message that names the field"

[[check]]
name = "auth tests"
run = "cargo test -p auth"
proves = ["AC-1"]
"#,
        priority = number % 5,
    )
}

fn prompt(number: usize) -> String {
    format!(
        "# Refuse addresses of form {number}\n\nThe sign-up form takes addresses that no mail can be sent to. Make it refuse \
         them with a message that names the field, and keep what was typed. The parser is in `src/auth/address.rs`; both \
         callers must show the same message. Add a case to the table in `tests/auth.rs` for each form that is refused.\n"
    )
}
