//! What to do next. Never how to force anything: agents follow what they read here.

use git_delivery::{FastForwardError, HereError, Operation, RefError, RemoteError, RepositoryError, UnsupportedKind};
use ledger_core::BlockerCode;
use policy::SelectionError;
use runner::lock::{LockError, ScheduleLockError};
use runner::{
    AdmitError, AnswerError, ApproveError, BundleError, CancelError, CheckLedgerError, CodexFilesError, DaemonError,
    DeliverError, GoalError, InitError, LedgerError, LogError, NewTicketError, PackageError, RescueError, RunError,
    ServiceError, StatusError, StopError, TargetError, WordError, WorkspaceError,
};

use super::workspace_error;
use crate::commands::run_choice;
use crate::failure::Failure;

/// The next step after a failure, where there is one to name.
pub(super) fn hint(failure: &Failure) -> Option<String> {
    if let Some(error) = workspace_error(failure) {
        return workspace(error);
    }
    match failure {
        Failure::Usage(_) => {
            Some("`foil --help` and `foil <verb> --help` show what there is, with examples".to_owned())
        }
        Failure::UnknownSchema { known, .. } => Some(format!("these are known: {}", known.join(", "))),
        Failure::Editor { .. } => Some("the draft is there: open it yourself".to_owned()),
        Failure::State(_) => Some("set HOME, or XDG_STATE_HOME to an absolute folder".to_owned()),
        Failure::Status(error) => match error {
            StatusError::NoSuchTicket { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            StatusError::Repository(error) => repository(error),
            _ => None,
        },
        Failure::Check(error) => match error {
            CheckLedgerError::NoSuchTicket { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            CheckLedgerError::Ledger(error) => ledger(error),
            _ => None,
        },
        Failure::Approve(error) => approve(error),
        Failure::NothingRan => Some("`foil status` shows which tickets are ready to run".to_owned()),
        Failure::NotWritten { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Some("nothing is overwritten: name a new file".to_owned())
        }
        Failure::History(error) | Failure::Logs(LogError::History(error)) => run_choice::hint(error),
        Failure::Bundle(BundleError::Exists { .. }) => Some("nothing is overwritten: name a new file".to_owned()),
        Failure::Bundle(BundleError::History(error)) => run_choice::hint(error),
        Failure::Follow(_) => Some("`foil verify` shows what else is damaged; nothing was changed".to_owned()),
        Failure::Stop(StopError::NotTheHolder { .. }) => {
            Some("it was left alone; `foil doctor` looks at the locks".to_owned())
        }
        Failure::Schedule(ScheduleLockError::Held { .. }) => {
            Some("`foil stop` asks every runner of this clone to leave; then run it again".to_owned())
        }
        Failure::Schedule(ScheduleLockError::Io(_)) => {
            Some("look at who may write in `.git/counterfoil/locks`, and at the disk".to_owned())
        }
        Failure::Daemon(DaemonError::AlreadyRunning { .. }) => {
            Some("`foil daemon status` shows what it does; `foil daemon stop` ends it in good order".to_owned())
        }
        Failure::DaemonNotBegun { .. } => Some("`foil daemon status` shows whether it has by now".to_owned()),
        Failure::Service(error) => service(error),
        Failure::Agent(problem) => Some(problem.hint.clone()),
        Failure::CodexFiles(CodexFilesError::NoHome) => Some("set HOME, or CODEX_HOME".to_owned()),
        Failure::CodexFiles(CodexFilesError::HomeMissing) => Some("start `codex` once, which makes it".to_owned()),
        Failure::Cancel(error) => match error {
            CancelError::NoSuchTicket { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            CancelError::Repository(error) => repository(error),
            CancelError::Commit(error) => here(error),
            _ => None,
        },
        Failure::Deliver(error) => deliver(error),
        Failure::Word(error) => word(error),
        Failure::Answer(error) => answer(error),
        Failure::Goal(error) => goal(error),
        Failure::Init(InitError::Options { .. }) => {
            Some("a repository is written `owner/name`, a model is one word".to_owned())
        }
        Failure::Select(error) => match error {
            SelectionError::Unknown { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            SelectionError::SeveralReady { .. } => {
                Some("name one, or take the first with `--next`, or all with `--all`".to_owned())
            }
            SelectionError::Cycle { .. } => Some("mend `depends_on` of one of them".to_owned()),
        },
        Failure::Run(error) => run(error),
        Failure::New(error) => match error {
            NewTicketError::Title => Some("foil new \"Validate e-mail addresses\"".to_owned()),
            NewTicketError::Taken { .. } => Some("leave `--id` out, and the next free number is taken".to_owned()),
            NewTicketError::Exists { .. } => {
                Some("nothing was written; look at what it is, or take another `--id`".to_owned())
            }
            NewTicketError::NoSuchParent { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            NewTicketError::NotATicket { .. } => {
                Some("mend the template; `foil schema ticket` says what fits".to_owned())
            }
            _ => None,
        },
        Failure::Package(error) => package(error),
        _ => None,
    }
}

fn goal(error: &GoalError) -> Option<String> {
    let hint = match error {
        GoalError::Workspace(error) => return workspace(error),
        GoalError::Repository(error) => return repository(error),
        GoalError::Agent(problem) => return Some(problem.hint.clone()),
        GoalError::Goal => {
            "foil plan \"Refuse e-mail addresses without a domain\"; a longer text is read with `--from FILE`"
                .to_owned()
        }
        GoalError::NoName => "name it with `--package`".to_owned(),
        GoalError::NoCommit => "commit the repository's files and counterfoil.toml first".to_owned(),
        GoalError::NotTrusted => "`foil trust` shows what the policy runs, and remembers that you agree".to_owned(),
        GoalError::Taken { .. } => {
            "nothing of it is changed: give the tickets of this goal another package with `--package`".to_owned()
        }
        GoalError::Begun { .. } => {
            "plan what is left as a package of its own with `--package`; nothing of this one is changed".to_owned()
        }
        GoalError::Held { .. } => "wait until it has ended".to_owned(),
        GoalError::Moved { .. } => "nothing was written: plan again, so that the planner sees it".to_owned(),
        GoalError::Exists { .. } => {
            "nothing was written: look at what it is, or move it away, and plan again".to_owned()
        }
        GoalError::Ended { .. } | GoalError::Tokens { .. } => {
            "nothing was written: state a smaller goal, or raise the limit in counterfoil.toml".to_owned()
        }
        GoalError::Refused { .. } => {
            "nothing was written: state the goal more exactly, or make the tickets yourself with `foil new`".to_owned()
        }
        GoalError::Failed { .. } => "nothing was written; `foil doctor` looks at Codex and its login".to_owned(),
        GoalError::Touched => "nothing was written; look at `[agent] sandbox` and `foil doctor`".to_owned(),
        _ => return None,
    };
    Some(hint)
}

fn service(error: &ServiceError) -> Option<String> {
    match error {
        ServiceError::NotOurs { .. } => Some("nothing was changed; move it away if it is not needed".to_owned()),
        ServiceError::NoManager { .. } => Some("`foil daemon start` works without one".to_owned()),
        ServiceError::Refused { .. } => Some(
            "a user's manager runs where you are logged in, or after `loginctl enable-linger`; `foil daemon start` works without one".to_owned(),
        ),
        ServiceError::Name { .. } | ServiceError::Io { .. } => None,
    }
}

fn approve(error: &ApproveError) -> Option<String> {
    match error {
        ApproveError::Unknown { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
        ApproveError::NoName { packages } => Some(match packages.first() {
            Some(package) => format!("name what you have read: `foil approve {package}`"),
            None => "name the tickets: `foil approve <ticket>`; `foil status` lists those that nobody has approved"
                .to_owned(),
        }),
        ApproveError::BrokenPackage { package, .. } => Some(format!(
            "mend it, `foil package lock {package}`, then `foil approve {package}` again"
        )),
        ApproveError::LockDiffers { package, .. } => Some(format!(
            "if the files are as they should be, `foil package lock {package}`, then `foil approve {package}` again"
        )),
        ApproveError::NotFit { id, .. } => Some(format!("mend it, then `foil approve {id}` again")),
        ApproveError::Canceled { id } => Some(format!(
            "if `{id}` shall run after all, remove its canceled.toml and commit that"
        )),
        ApproveError::Delivered { .. } => Some("make a new ticket for what is left: `foil new \"<title>\"`".to_owned()),
        ApproveError::Repository(error) => repository(error),
        ApproveError::Commit(error) => here(error),
        _ => None,
    }
}

fn package(error: &PackageError) -> Option<String> {
    match error {
        PackageError::Unknown { known, .. } if known.is_empty() => {
            Some("there is none yet: `foil package new \"<title>\" <ticket>…` makes one".to_owned())
        }
        PackageError::Unknown { known, .. } => {
            let known: Vec<_> = known.iter().take(20).map(|name| format!("`{name}`")).collect();
            Some(format!("these are known: {}", known.join(", ")))
        }
        PackageError::Title => Some("foil package new \"Sign-up\" 0041-user-model 0042-validate-email".to_owned()),
        PackageError::NoName { .. } | PackageError::NameOfTicket { .. } => {
            Some("give it another name with `--name`".to_owned())
        }
        PackageError::Taken { name } => Some(format!(
            "nothing is overwritten: give another name with `--name`; `foil package show {name}` shows the one that is there"
        )),
        PackageError::NoSuchTicket { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
        PackageError::Twice { .. } | PackageError::Closed { .. } => Some("leave it out".to_owned()),
        PackageError::OtherPackage { package, .. } => Some(format!(
            "leave it out; or take it out of `{package}` and of its own `package` first"
        )),
        PackageError::NotFit { .. } => Some("mend what is named, then try again; nothing was changed".to_owned()),
        _ => None,
    }
}

fn run(error: &RunError) -> Option<String> {
    match error {
        RunError::Refused { ticket, blocker, .. } => Some(blocker.next_step_for(ticket)),
        error if error.code() == Some(BlockerCode::DiskFull) => {
            Some("free some space (`foil clean` shows what could go), then run it again: it goes on where it stopped".to_owned())
        }
        RunError::Panicked { .. } => Some(format!(
            "report it at {}/issues, with what was printed here and with `foil logs <ticket> --bundle run.tar`; \
             other tickets are not affected, and `foil run <ticket>` goes on where this run was",
            env!("CARGO_PKG_REPOSITORY")
        )),
        RunError::NoThread(_) => Some(
            "look at what uses up the processes that this user may have (`ulimit -u`), or run fewer tickets at once with `--jobs`"
                .to_owned(),
        ),
        RunError::Rescue(error) => rescue(error),
        RunError::Target(error) => target(error),
        RunError::Agent(problem) => Some(problem.hint.clone()),
        RunError::Sandbox(error) => Some(error.hint.to_owned()),
        RunError::Locked(LockError::Held { ticket, .. }) => Some(format!(
            "`foil status {ticket}` shows what it does; `foil stop {ticket}` ends it in good order"
        )),
        RunError::Locked(LockError::Io { .. }) => {
            Some("look at who may write in `.git/counterfoil/locks`, and at the disk".to_owned())
        }
        RunError::Journal(_) | RunError::Replay { .. } | RunError::Rewound { .. } => {
            Some("nothing was changed; `foil verify` compares it with what Git has".to_owned())
        }
        RunError::JournalLost { .. } => Some(
            "nothing was changed; `foil verify` shows what Git has of the run, and a copy from a backup may be whole. `foil doctor --repair` sets it aside, and then the next run of the ticket is a new one"
                .to_owned(),
        ),
        RunError::Admit(error) => match error {
            AdmitError::NoSuchTicket { nearest, .. } => Some(nearest_ticket(nearest.as_ref())),
            AdmitError::SourceLock => {
                Some("approve the ticket again; the next run starts from the new content".to_owned())
            }
            AdmitError::ObjectGone { .. } => Some(
                "bring it back, such as with `git fetch` from a clone that has it; or change the ticket and approve it again: a new run begins"
                    .to_owned(),
            ),
            AdmitError::Base(blocker) => Some(blocker.next_step.clone()),
            AdmitError::Identity(error) => repository(error),
            AdmitError::Target(error) => target(error),
            AdmitError::Ledger(error) => ledger(error),
            _ => None,
        },
        _ => None,
    }
}

fn word(error: &WordError) -> Option<String> {
    let hint = match error {
        WordError::Done { .. } => "make a new ticket for what is wrong: `foil new \"<title>\"`".to_owned(),
        WordError::NotWaiting { ticket } => format!("`foil status {ticket}` shows where it stands"),
        WordError::Rejected { ticket } => {
            format!("`foil run {ticket}` has it repaired, and then it waits for your word again")
        }
        WordError::Reason => "foil reject <ticket> --because \"an empty address must be refused too\"".to_owned(),
        WordError::History(error) => return run_choice::hint(error),
        WordError::Repository(error) => return repository(error),
        WordError::Run(error) => return run(error),
        WordError::Record(_) => return None,
    };
    Some(hint)
}

fn answer(error: &AnswerError) -> Option<String> {
    let hint = match error {
        AnswerError::NotWaiting { ticket } | AnswerError::Answered { ticket, .. } => {
            format!("`foil status {ticket}` shows where it stands")
        }
        AnswerError::OtherQuestion { ticket, .. } => format!("`foil answer {ticket}` shows the one that is open"),
        AnswerError::Changed { ticket } => format!("`foil run {ticket}` begins it"),
        AnswerError::NoChoice { .. } | AnswerError::NoSuchChoice { .. } => {
            "`foil answer <ticket> --choice <number>` takes one by its number".to_owned()
        }
        AnswerError::Length => "`foil answer <ticket> \"…\"` takes an answer in your own words".to_owned(),
        AnswerError::Secret => "say where it can be found, not what it is".to_owned(),
        AnswerError::History(error) => return run_choice::hint(error),
        AnswerError::Repository(error) => return repository(error),
        AnswerError::Run(error) => return run(error),
        AnswerError::Record(_) => return None,
    };
    Some(hint)
}

fn deliver(error: &DeliverError) -> Option<String> {
    let hint = match error {
        DeliverError::NotDone { ticket } => format!("`foil status {ticket}` shows where it stands"),
        DeliverError::Nowhere { ticket } => {
            format!("`foil deliver {ticket}` brings it to a branch first")
        }
        DeliverError::Unverified { ticket, .. } => {
            format!("nothing was changed; `foil verify {ticket}` shows all that differs")
        }
        DeliverError::NotOver { ticket, .. } => format!("`foil run {ticket}` goes on with it; then deliver what comes of it"),
        DeliverError::Already { ticket, .. } => {
            format!("`foil review {ticket}` names the commands that go on from there; nothing was changed")
        }
        DeliverError::OnlyBranches { .. } => {
            "set `[delivery] mode = \"branch\"` and commit it, deliver, and push the branch yourself; nothing was changed".to_owned()
        }
        DeliverError::Run(error) => return run(error),
        DeliverError::UnderWay => "wait until it has ended, then try again".to_owned(),
        DeliverError::NoteDamaged { .. } => {
            "`git status` shows what is there; bring the work tree to what you want it to be, remove that file, and deliver again"
                .to_owned()
        }
        DeliverError::CutOff { ticket } => format!("`foil deliver {ticket} --here` finishes it"),
        DeliverError::History(error) => return run_choice::hint(error),
        DeliverError::Here(error) => return fast_forward(error),
        DeliverError::TagName { .. } => "a tag is named such as `v1.2.0`".to_owned(),
        DeliverError::TagTaken { .. } => "a tag never moves: name another; nothing was changed".to_owned(),
        DeliverError::TagBeside { .. } => "name another, or delete the other ref first; nothing was changed".to_owned(),
        DeliverError::NotPushed { .. } => {
            "`[delivery] mode = \"push\"` pushes; what you merge yourself you tag with `git tag`".to_owned()
        }
        DeliverError::TakenBack { .. } => "`foil verify` shows what became of it; nothing was changed".to_owned(),
        DeliverError::TagRejected { .. } => "the message has the remote's words; no tag was made here".to_owned(),
        DeliverError::Remote(error) => return remote(error),
        DeliverError::Repository(error) => return repository(error),
        DeliverError::Io { .. } | DeliverError::Tag(_) | DeliverError::Ref(_) | DeliverError::Object(_) => return None,
    };
    Some(hint)
}

fn fast_forward(error: &FastForwardError) -> Option<String> {
    let hint = match error {
        FastForwardError::OperationInProgress { operation } => return Some(end_operation(*operation)),
        FastForwardError::DetachedHead => "check out a branch, then try again; nothing was changed",
        FastForwardError::Unborn { .. } => "check out the branch that it shall go to; nothing was changed",
        FastForwardError::NotForward { .. } => {
            "merge or rebase it yourself, as `foil status` says; nothing was changed"
        }
        FastForwardError::CheckedOutElsewhere { .. } => {
            "give one of the two work trees another branch; nothing was changed"
        }
        FastForwardError::Conflict { .. } => "resolve it and `git add` it first; nothing was changed",
        FastForwardError::Overlap { .. } => "commit or set aside your change to these paths first; nothing was changed",
        FastForwardError::Filtered { .. } => {
            "`git merge --ff-only` of the branch runs your filters, and this does not; nothing was changed"
        }
        FastForwardError::Submodule { .. } | FastForwardError::Sparse { .. } => {
            "`git merge --ff-only` of the branch does it as Git does; nothing was changed"
        }
        FastForwardError::IndexLocked => {
            "wait until the other Git command is done, then try again; nothing was changed"
        }
        FastForwardError::HalfDone { .. } | FastForwardError::OldIndex { .. } => {
            "mend what the system says; the same command then finishes it"
        }
        FastForwardError::Ref(RefError::Refused { .. }) => "the branch moved meanwhile: try again; nothing was changed",
        FastForwardError::Ref(RefError::Locked { .. }) => {
            "another Git command is under way: try again when it is done; nothing was changed"
        }
        FastForwardError::Repository(error) => return repository(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

fn end_operation(operation: Operation) -> String {
    let verb = match operation {
        Operation::Bisect => "end it with `git bisect reset`".to_owned(),
        other => format!("finish it with `git {other} --continue`"),
    };
    format!("{verb}, then try again; nothing was changed")
}

fn target(error: &TargetError) -> Option<String> {
    let hint = match error {
        TargetError::Missing { .. } => {
            "create the branch on the remote, or name another in `[delivery] target`".to_owned()
        }
        TargetError::Remote(error) => return remote(error),
    };
    Some(hint)
}

fn remote(error: &RemoteError) -> Option<String> {
    let hint = match error {
        RemoteError::Unknown { .. } => "`git remote` lists what there is; name one in `[delivery] remote`".to_owned(),
        RemoteError::Mirror { remote } => {
            format!("name another remote in `[delivery] remote`, or `git config --unset remote.{remote}.mirror`")
        }
        RemoteError::SeveralAddresses { remote, .. } => {
            format!("leave one: `git config --get-all remote.{remote}.pushurl` lists them")
        }
        RemoteError::Changed { .. } => {
            "`git config --list --show-origin` shows who says what; if that is as you want it, start `foil` again"
                .to_owned()
        }
        RemoteError::Unreachable { remote, .. } | RemoteError::Late { remote } => {
            format!("`git ls-remote {remote}` must answer without asking you anything; then try again")
        }
        _ => return None,
    };
    Some(hint)
}

fn rescue(error: &RescueError) -> Option<String> {
    match error {
        RescueError::NothingLeft { ticket } | RescueError::NotOver { ticket, .. } => {
            Some(format!("leave out `--from-rescue`: `foil run {ticket}`"))
        }
        RescueError::NotKept { ticket, .. } => Some(format!(
            "`foil verify {ticket}` shows what it keeps; `foil run {ticket}` starts from the base"
        )),
        RescueError::BaseChanged { ticket, .. } => Some(format!(
            "`foil review {ticket}` names base and tree of what was left, to take over by hand; `foil run {ticket}` starts from the base"
        )),
        RescueError::History(error) => run_choice::hint(error),
        RescueError::Anchor(_) | RescueError::Object(_) => None,
    }
}

fn nearest_ticket(nearest: Option<&ledger_core::TicketId>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`foil status` lists the tickets".to_owned(),
    }
}

fn workspace(error: &WorkspaceError) -> Option<String> {
    match error {
        WorkspaceError::Repository(error) => repository(error),
        WorkspaceError::State(_) => Some("set HOME, or XDG_STATE_HOME to an absolute folder".to_owned()),
        WorkspaceError::Ledger(error) => ledger(error),
        WorkspaceError::Policy(_) | WorkspaceError::Trust(_) => None,
    }
}

fn ledger(error: &LedgerError) -> Option<String> {
    match error {
        LedgerError::NotAFolder { .. } => {
            Some("a ledger is read without following symbolic links; `[ledger] dir` names its folder".to_owned())
        }
        _ => None,
    }
}

fn repository(error: &RepositoryError) -> Option<String> {
    let hint = match error {
        RepositoryError::NotARepository { .. } => {
            "run foil inside a Git repository, or name one with `-C <folder>`; `git init` makes one"
        }
        RepositoryError::ForeignOwner { .. } => {
            "work in a repository of your own; `git status` there says how Git is told to trust this one"
        }
        RepositoryError::Unsupported { kind, .. } => match kind {
            UnsupportedKind::Bare => "work in a clone that has a work tree",
            UnsupportedKind::PartialClone => "work in a full clone",
            _ => "work in a clone with Git's default format",
        },
        RepositoryError::IdentityUnknown => "`git config user.name \"…\"` and `git config user.email \"…\"`",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn here(error: &HereError) -> Option<String> {
    let hint = match error {
        HereError::OperationInProgress { operation } => return Some(end_operation(*operation)),
        HereError::DetachedHead => "check out a branch, then try again; nothing was changed",
        HereError::StagedDifferently { .. } => {
            "commit what you staged, or unstage it with `git restore --staged`; nothing was changed"
        }
        HereError::Ref(RefError::Refused { .. }) => "the branch moved meanwhile: try again; nothing was changed",
        HereError::Ref(RefError::Locked { .. }) => "another Git command is under way: try again when it is done",
        HereError::Repository(error) => return repository(error),
        _ => return None,
    };
    Some(hint.to_owned())
}
