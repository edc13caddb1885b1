//! What is wrong with one ticket, on its own.

use git_delivery::Repository;
use ledger_core::{DecisionStatus, SpecKind, TicketFile, document_text};
use policy::{
    InvalidChecks, InvalidScope, Policy, PolicyScope, SpecClaim, check_specs, has_specs, looser_limits, unasked_experts,
};

use super::quick::QuickRules;
use super::steering::SteeringRules;
use crate::consent::{ConsentState, consent_state};
use crate::finding::{Finding, FindingSeverity};
use crate::ledger::{FileProblem, TicketFileName, TicketFolder};
use crate::specs::{SpecReport, unreadable_claim};

/// What every ticket of a ledger is held to. What has to be read or compiled for that is, once, when the first ticket needs it.
pub(crate) struct TicketRules<'a> {
    repository_id: &'a str,
    scope: PolicyScope<'a>,
    quick: QuickRules<'a>,
    steering: SteeringRules<'a>,
}

impl<'a> TicketRules<'a> {
    /// That of this policy, with the files of this repository.
    pub(crate) fn new(policy: &'a Policy, repository: &'a Repository, repository_id: &'a str) -> Self {
        Self {
            repository_id,
            scope: PolicyScope::new(policy),
            quick: QuickRules::new(policy, repository),
            steering: SteeringRules::new(policy.ledger.dir.path(), repository),
        }
    }

    /// What is wrong with the steering packs, each on its own.
    pub(super) fn pack_findings(&self) -> Vec<Finding> {
        self.steering.pack_findings()
    }

    /// What is wrong with one ticket and its approval, apart from the other tickets that it names; and what it works on.
    pub(crate) fn findings(
        &self,
        folder: &TicketFolder<'_>,
        contract: &[u8],
        ticket: &Result<TicketFile, FileProblem>,
    ) -> (Vec<Finding>, Option<SpecClaim>) {
        let path = folder.path(TicketFileName::Ticket);
        let ticket = match ticket {
            Ok(ticket) => ticket,
            Err(problem) => {
                let finding = Finding::in_file(path, problem);
                let finding = match problem {
                    FileProblem::Missing => finding.with_hint("`foil new` makes a ticket; or remove the folder"),
                    _ => finding,
                };
                return (vec![finding], None);
            }
        };
        // Of what is delivered or closed, what a run would be refused for does not matter any more.
        let is_open = !folder.has(TicketFileName::Result) && !folder.has(TicketFileName::Canceled);
        let mut findings = Vec::new();
        prompt_findings(folder, &mut findings);
        contract_findings(folder, ticket, &self.scope, contract, &mut findings);
        if is_open {
            findings.extend(self.quick.findings(folder, ticket, contract));
            findings.extend(self.steering.findings(folder, ticket, contract, &self.scope));
            findings.extend(self.steering.required(folder, ticket, contract, self.scope.policy()));
            findings.extend(self.quick.without_specs(folder, ticket, contract));
        }
        let mut specs = SpecReport::read(folder, ticket, contract, &self.scope);
        findings.append(&mut specs.findings);
        if !has_specs(ticket) {
            unread_spec_findings(folder, ticket, contract, &mut findings);
        }
        if let Err(problem) = folder.cancellation() {
            findings.push(Finding::in_file(folder.path(TicketFileName::Canceled), &problem));
        }
        if is_open {
            findings.extend(consent_finding(folder, ticket, contract, self.repository_id));
        }
        let claim = match specs.specs {
            Some(specs) => specs.claim(folder.id(), ticket),
            None => unreadable_claim(folder, ticket, self.scope.policy()),
        };
        (findings, claim)
    }
}

/// Files that a ticket links without being held to them: they are covered by its approval, so they have to be there.
fn unread_spec_findings(folder: &TicketFolder<'_>, ticket: &TicketFile, contract: &[u8], findings: &mut Vec<Finding>) {
    for kind in SpecKind::ALL {
        let Some(path) = ticket.specs.file(kind) else { continue };
        match folder.read_path(path) {
            Ok(Some(bytes)) => {
                if let Err(error) = document_text(&bytes) {
                    findings.push(Finding::in_document(path.clone(), &error));
                }
            }
            Ok(None) => findings.push(Finding::at(
                FindingSeverity::Error,
                folder.path(TicketFileName::Ticket),
                contract,
                &["specs", kind.as_str()],
                format!("the linked spec `{path}` does not exist"),
            )),
            Err(problem) => findings.push(Finding::in_file(path.clone(), &problem)),
        }
    }
}

fn prompt_findings(folder: &TicketFolder<'_>, findings: &mut Vec<Finding>) {
    let path = folder.path(TicketFileName::Prompt);
    match folder.prompt() {
        Ok(prompt) if says_nothing(&prompt) => findings.push(
            Finding::new(
                FindingSeverity::Unfinished,
                path,
                "the prompt says nothing yet beside its headings",
            )
            .with_hint("write what the worker is asked to do"),
        ),
        Ok(_) => {}
        Err(problem) => findings.push(Finding::in_file(path, &problem)),
    }
}

/// Whether nothing is left of a prompt without comments and headings.
fn says_nothing(prompt: &str) -> bool {
    let mut rest = prompt;
    let mut text = String::new();
    while let Some((before, comment)) = rest.split_once("<!--") {
        text.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

fn contract_findings(
    folder: &TicketFolder<'_>,
    ticket: &TicketFile,
    scope: &PolicyScope<'_>,
    contract: &[u8],
    findings: &mut Vec<Finding>,
) {
    let policy = scope.policy();
    let path = folder.path(TicketFileName::Ticket);
    let mut find = |severity, keys: &[&str], message: String, hint: Option<&str>| {
        let mut finding = Finding::at(severity, path.clone(), contract, keys, message);
        finding.hint = hint.map(str::to_owned);
        findings.push(finding);
    };
    let changes_files = ticket.mode.discipline().may_change && !ticket.docs_only;
    if changes_files && ticket.scope.allowed.as_ref().is_some_and(Vec::is_empty) {
        find(
            FindingSeverity::Unfinished,
            &["scope", "allowed"],
            "nothing may be changed".to_owned(),
            Some("name the paths that may change, such as `src/auth/**`"),
        );
    }
    let unkept = unasked_experts(policy, ticket).into_iter();
    for key in unkept.chain(looser_limits(policy, ticket)) {
        find(FindingSeverity::Error, key.path, key.message, Some(&key.hint));
    }
    if let Err(error) = scope.check(ticket) {
        let place = error.place();
        let index = place.map(|(_, index)| index.to_string()).unwrap_or_default();
        let mut keys: Vec<_> = place.map_or("scope", |(key, _)| key).split('.').collect();
        keys.push(&index);
        let hint = match &error {
            InvalidScope::Pattern { .. } => "write an exact path, or a glob such as `src/auth/**`",
            InvalidScope::Grant { .. } => "write exactly the path that may change, without `*`",
            InvalidScope::NotGrantable { .. } => "leave it out: no grant reaches it",
            InvalidScope::TooLarge { .. } => "name fewer or wider patterns: a folder is `src/auth/**`",
        };
        find(FindingSeverity::Error, &keys, error.to_string(), Some(hint));
    }
    if let Err(error) = check_specs(policy, ticket) {
        let (InvalidChecks::NameTaken { name }
        | InvalidChecks::Command { name, .. }
        | InvalidChecks::Report { name, .. }) = &error;
        // The last of that name is the ticket's own where the policy has one too.
        let index = ticket.check.iter().rposition(|check| check.name == *name);
        let index = index.map(|index| index.to_string()).unwrap_or_default();
        let hint = match &error {
            InvalidChecks::NameTaken { .. } => "give it another name: the policy's own checks always run",
            InvalidChecks::Command { .. } => "write either `run` or `argv`",
            InvalidChecks::Report { .. } => "write `junit:` and the path that the check writes",
        };
        find(
            FindingSeverity::Error,
            &["check", &index, "name"],
            error.to_string(),
            Some(hint),
        );
    }
    for (index, decision) in ticket.decision.iter().enumerate() {
        if decision.blocks && decision.status != DecisionStatus::Accepted {
            find(
                FindingSeverity::Warning,
                &["decision", &index.to_string(), "status"],
                format!("`{}` blocks the ticket until it is accepted", decision.id),
                None,
            );
        }
    }
}

fn consent_finding(
    folder: &TicketFolder<'_>,
    ticket: &TicketFile,
    contract: &[u8],
    repository_id: &str,
) -> Option<Finding> {
    let path = folder.path(TicketFileName::Approval);
    let again = format!("`foil approve {}`", folder.id());
    match consent_state(folder, contract, ticket, repository_id) {
        ConsentState::NotApproved | ConsentState::Approved { .. } => None,
        ConsentState::Unreadable(problem) => Some(Finding::in_file(path, &problem)),
        ConsentState::Stale { path: changed, how } => {
            let finding = Finding::new(FindingSeverity::Warning, path, format!("`{changed}`: {how}"));
            Some(finding.with_hint(format!("`git diff -- {changed}` shows the difference; then {again}")))
        }
        ConsentState::WrongRepository { approved } => {
            let message = format!("the approval is for `{approved}`, and this is `{repository_id}`");
            Some(Finding::new(FindingSeverity::Warning, path, message).with_hint(again))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::says_nothing;

    #[test]
    fn headings_and_comments_are_no_prompt() {
        for empty in [
            "",
            "\n \n",
            "# Title\n<!-- write\nhere -->\n",
            "<!-- open",
            "## A\n\n## B\n",
        ] {
            assert!(says_nothing(empty), "{empty:?}");
        }
        for prompt in ["Do it.", "# Title\n<!-- c --> do it\n", "# T\n\n- one\n"] {
            assert!(!says_nothing(prompt), "{prompt:?}");
        }
    }
}
