//! A tag on what was pushed, by a person's command.

use git_delivery::{CommitTime, Expected, Patience, PushEnd, RefError, Repository, TagDraft};
use ledger_core::{CommitId, ObjectId, RefName, RemoteDelivery, RunId, TicketId};
use serde::Serialize;

use super::{DeliverError, finished_run};
use crate::target::{LONGEST_QUESTION, LONGEST_TRANSFER};
use crate::workspace::Workspace;

/// What became of a tag.
#[derive(Debug, Clone)]
pub struct Tagged {
    /// What was done.
    pub outcome: TagOutcome,
    /// The run whose delivery is tagged.
    pub run: RunId,
    /// The tag.
    pub name: RefName,
    /// The tag's object.
    pub object: ObjectId,
    /// The commit that it names.
    pub commit: CommitId,
    /// The remote that has it.
    pub remote: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TagOutcome {
    /// The remote has the tag now, as it says.
    Tagged,
    /// The remote had exactly this tag.
    AlreadyTagged,
    /// It can be done; nothing was changed.
    WouldTag,
}

/// Tags what the latest finished run of a ticket has pushed, on the remote and here. The tag is annotated, names the receipt, and is never moved:
/// another tag of this name, there or here, is refused. Afterwards the remote is asked. With `trial` it is only asked.
///
/// The same person's tag of the same name is always the same object, so that one whose push nobody saw the end of is known again.
pub fn deliver_tag(workspace: &Workspace, ticket: &TicketId, name: &str, trial: bool) -> Result<Tagged, DeliverError> {
    let repository = workspace.repository();
    let name = tag_name(name)?;
    let finished = finished_run(workspace, ticket)?;
    let commit = finished.delivered.records;
    let Some(pushed) = &finished.delivered.remote else {
        let ticket = ticket.clone();
        return Err(DeliverError::NotPushed { ticket });
    };
    let receipt = &finished.receipt;
    let draft = TagDraft {
        name: name.clone(),
        commit,
        tagger: repository.identity()?.committer,
        time: CommitTime {
            seconds: receipt.at.as_second(),
            offset_minutes: 0,
        },
        message: format!(
            "{ticket}\n\nCounterfoil-Ticket: {ticket}\nCounterfoil-Run: {}\nCounterfoil-Receipt: {}\n",
            receipt.run,
            receipt.digest()
        ),
    };
    let object = draft.id()?;
    let taken = |at: &str| DeliverError::TagTaken {
        name: name.clone(),
        at: at.to_owned(),
    };
    let here = repository.resolve(&name)?;
    if here.is_some_and(|here| here != object) {
        return Err(taken("this clone"));
    }
    // Looked for before the remote gets a tag that this clone could not have.
    if let Some(beside) = repository.ref_in_the_way(&name)?.filter(|_| here.is_none()) {
        return Err(DeliverError::TagBeside { name, beside });
    }
    let question = Patience::of(LONGEST_QUESTION);
    let at_remote = || repository.ask_remote(&pushed.remote, &name, &question);
    let there = at_remote()?.map(|there| there.0);
    if there.is_some_and(|there| there != object) {
        return Err(taken(&pushed.remote));
    }
    let mut tagged = Tagged {
        outcome: TagOutcome::AlreadyTagged,
        run: receipt.run.clone(),
        name: name.clone(),
        object,
        commit,
        remote: pushed.remote.clone(),
    };
    if there.is_none() {
        still_delivered(repository, pushed, commit)?;
        if trial {
            tagged.outcome = TagOutcome::WouldTag;
            return Ok(tagged);
        }
        draft.write(repository)?;
        let transfer = Patience::of(LONGEST_TRANSFER);
        match repository.push_new(&pushed.remote, &name, object, &transfer)? {
            PushEnd::Taken => {}
            PushEnd::Moved { .. } => return Err(taken(&pushed.remote)),
            PushEnd::Rejected { reason } => {
                let remote = pushed.remote.clone();
                return Err(DeliverError::TagRejected { remote, reason });
            }
        }
        if at_remote()?.map(|there| there.0) != Some(object) {
            let reason =
                "it took the tag, and does not have it: is another repository pushed to than read from?".to_owned();
            let remote = pushed.remote.clone();
            return Err(DeliverError::TagRejected { remote, reason });
        }
        tagged.outcome = TagOutcome::Tagged;
    }
    if here.is_none() && !trial {
        draft.write(repository)?;
        match repository.update_ref(&name, object, Expected::Missing, "foil: tag") {
            Err(RefError::Refused { .. }) => return Err(taken("this clone")),
            other => other?,
        }
    }
    Ok(tagged)
}

fn tag_name(name: &str) -> Result<RefName, DeliverError> {
    let invalid = |reason: &str| DeliverError::TagName {
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    if name.starts_with('-') || name.starts_with("refs/") || name == "HEAD" {
        return Err(invalid("write its short name, such as `v1.2.0`"));
    }
    format!("refs/tags/{name}")
        .parse()
        .map_err(|error: ledger_core::InvalidRefName| invalid(error.reason))
}

/// A tag on what was taken back would bring it back.
fn still_delivered(repository: &Repository, pushed: &RemoteDelivery, commit: CommitId) -> Result<(), DeliverError> {
    let RemoteDelivery { remote, name, .. } = pushed;
    let now = repository.ask_remote(remote, name, &Patience::of(LONGEST_QUESTION))?;
    let holds = match now {
        Some(now) if now == commit => true,
        Some(_) => match repository.fetch_branch(remote, name, &Patience::of(LONGEST_TRANSFER))? {
            Some(now) => now == commit || repository.is_ancestor(commit, now)?,
            None => false,
        },
        None => false,
    };
    match holds {
        true => Ok(()),
        false => Err(DeliverError::TakenBack {
            target: pushed.to_string(),
        }),
    }
}
