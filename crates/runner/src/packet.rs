//! The review packet: everything that a person needs to judge a finished run, and how to go on.

use std::fmt::Write as _;

use ledger_core::{
    Acceptance, AcceptanceProof, Blocker, BlockerCode, ChangeCounts, ChangeSummary, CheckResult, CheckSandbox,
    DriftVerdict, Finding, ListedPath, MAX_DOCUMENT_BYTES, NO_MEMORY_UPDATE, Phase, PhaseEvidence, Plan,
    RemoteDelivery, RepoPath, Report, Run, StackedTicket, State, TestComparison, TicketFile, TokenCount, TurnEnd,
};
use serde::Serialize;

use crate::capsule::BlockerCapsule;
use crate::children::children_in_words;
use crate::compared::{comparison_of, lines};
use crate::expert_opinions::{ExpertOpinion, expert_opinions};
use crate::markdown::{code, inline, quote, quotes};
use crate::questions::QuestionReport;
use crate::records::{departures, finding_line, report_of, review_of, strength_name};
use crate::rescue::{has_left_work, rescue_command};
use crate::round_reports::{RoundReport, round_reports};
use crate::spec_claim::contradiction;
use crate::stack::{stack_of, stack_sentence};
use crate::workspace::Workspace;

/// A run in the form in which a person reviews it. Derived from the journal, and the ticket where it is at hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewPacket {
    /// The ticket.
    pub ticket: String,
    /// Its title.
    pub title: String,
    /// The run.
    pub run: String,
    /// `done`, `blocked`, `canceled`, `paused` or `running`.
    pub outcome: &'static str,
    /// Why it stopped, where it did.
    pub blocker: Option<Blocker>,
    /// What somebody needs who is to decide how it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capsule: Option<BlockerCapsule>,
    /// The earlier run whose work it began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescued: Option<String>,
    /// The steering packs that worker and reviewer were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<RepoPath>,
    /// The commit that it started from.
    pub base: Option<String>,
    /// The delivered tickets that the base rests on, which were not merged when the run began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacked: Vec<StackedTicket>,
    /// How the children of a parent ended, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// The commit before the first change of the children, from where the whole is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The tree that was checked and reviewed.
    pub tree: Option<String>,
    /// The commit of the change.
    pub change: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The branch of a remote that it was pushed to, such as `origin/main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// What is noted for later tickets, or why nothing is; empty where nothing was to be noted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many paths differ in each way.
    pub counts: ChangeCounts,
    /// The first hundred of them.
    pub paths: Vec<ListedPath>,
    /// The checks on the tree.
    pub checks: Vec<CheckResult>,
    /// Where each acceptance item is proved.
    pub acceptance: Vec<AcceptanceProof>,
    /// What tests show before and after the change, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<TestComparison>,
    /// What the ticket wants to be true, where [`ReviewPacket::read`] found it.
    pub wanted: Vec<Acceptance>,
    /// When the ticket told the worker to stop and report, where [`ReviewPacket::read`] found it.
    pub stop_when: Vec<String>,
    /// What was decided before the first edit, by a thread that could only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The rounds, where the work went in such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<RoundReport>,
    /// Where the change departs from the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub departures: Vec<String>,
    /// What the worker asked a person, and what was answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionReport>,
    /// The worker's report: a claim.
    pub report: Option<Report>,
    /// The reviewer's verdict, where there was a review.
    pub verdict: Option<&'static str>,
    /// What the reviewer says in short.
    pub review: Option<String>,
    /// What the reviewer found; before the review of a repair, what is to be repaired.
    pub findings: Vec<Finding>,
    /// What experts said, of the plan and of the tree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<ExpertOpinion>,
    /// What could still go wrong, as the reviewer says.
    pub residual_risks: Vec<String>,
    /// What came of holding the change against its specs: `pass`, `pass_with_risk` or `fail`. None where it is held to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specs: Option<DriftVerdict>,
    /// What weakens the result and must be seen: no checks, no sandbox, no review, specs that were said not to be needed; and hooks and notifications
    /// that failed, or whose end nobody saw.
    pub warnings: Vec<String>,
    /// Turns that the worker took.
    pub iterations: u32,
    /// Repair rounds.
    pub repair_rounds: u32,
    /// Tokens spent.
    pub tokens: TokenCount,
    /// How long a runner was at work on it, in seconds.
    pub seconds: i64,
    /// The exact commands to look at the change, merge it and clean up, in this order.
    pub commands: Vec<NextCommand>,
}

/// A command that a person may want to run next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextCommand {
    /// What it is for.
    pub purpose: &'static str,
    /// The command line.
    pub command: String,
}

impl ReviewPacket {
    /// The packet of a run with what its ticket says, as the ticket was in the base of the run. Where it cannot be read there any more, the packet goes
    /// without and has this title.
    pub fn read(workspace: &Workspace, run: &Run, title: &str) -> Self {
        let mut packet = Self::of(run, title);
        if let Some(ticket) = ticket_in_base(workspace, run) {
            if let (Some(change), Ok(policy)) = (change_of(run), workspace.policy()) {
                let contradiction = contradiction(workspace.repository(), policy, &ticket, change);
                packet.warnings.extend(contradiction);
            }
            packet.capsule = BlockerCapsule::of(run, Some(&ticket));
            packet.title = ticket.title;
            packet.wanted = ticket.acceptance;
            packet.stop_when = ticket.stop_when;
        }
        packet
    }

    /// How many paths are changed.
    pub fn paths_in_words(&self) -> String {
        match self.counts.total() {
            1 => "1 path".to_owned(),
            count => format!("{count} paths"),
        }
    }

    /// What tests show before and after the change, a few lines for each check; none where that was not looked at.
    pub fn compared_in_words(&self) -> Vec<String> {
        self.compared.as_ref().map(lines).unwrap_or_default()
    }

    /// What merging it brings beside its own change, where that is anything.
    pub fn stack_in_words(&self) -> Option<String> {
        stack_sentence(&self.stacked)
    }

    /// The packet of a run, from its journal alone.
    pub fn of(run: &Run, title: &str) -> Self {
        let opened = run.opened();
        let (outcome, blocker) = match run.state() {
            State::Done => ("done", None),
            State::Blocked(blocker) => ("blocked", Some(blocker.shown_for(&opened.ticket))),
            State::Canceled { .. } => ("canceled", None),
            State::Paused { .. } => ("paused", None),
            State::Climbing => ("running", None),
        };
        let change = change_of(run);
        let (checks, acceptance) = match run.evidence(Phase::FocusedTestsPassed) {
            Some(PhaseEvidence::FocusedTestsPassed { checks, acceptance, .. }) => (checks.clone(), acceptance.clone()),
            _ => (
                run.last_checked()
                    .map(|checked| checked.results.clone())
                    .unwrap_or_default(),
                Vec::new(),
            ),
        };
        let plan = run.followed_plan();
        let review = review_of(run);
        let delivered = run.receipt().and_then(|receipt| receipt.delivered.as_ref());
        Self {
            ticket: opened.ticket.to_string(),
            title: title.to_owned(),
            run: opened.run.to_string(),
            outcome,
            blocker,
            capsule: BlockerCapsule::of(run, None),
            rescued: opened.rescued.as_ref().map(|rescued| rescued.run.to_string()),
            steering: run
                .source_lock()
                .map(|lock| lock.steering.iter().map(|file| file.path.clone()).collect())
                .unwrap_or_default(),
            base: run.base().map(|base| base.to_string()),
            stacked: stack_of(run).to_vec(),
            children: children_in_words(run),
            since: run.discovery().and_then(|found| Some(found.since?.to_string())),
            tree: change.map(|change| change.tree.to_string()),
            change: delivered.map(|delivered| delivered.change.to_string()),
            branch: delivered.map(|delivered| delivered.branch.short().to_owned()),
            pushed: delivered.and_then(|delivered| Some(delivered.remote.as_ref()?.to_string())),
            notes: notes(run),
            counts: change.map(|change| change.counts).unwrap_or_default(),
            paths: change.map(|change| change.paths.clone()).unwrap_or_default(),
            specs: crate::drift::of(run).map(ledger_core::SpecDrift::verdict),
            warnings: warnings(run, &checks),
            checks,
            acceptance,
            compared: comparison_of(run).cloned(),
            wanted: Vec::new(),
            stop_when: Vec::new(),
            plan: plan.cloned(),
            rounds: round_reports(run),
            departures: plan.map(|plan| departures(run, plan)).unwrap_or_default(),
            questions: QuestionReport::all(run),
            report: report_of(run).cloned(),
            verdict: match run.evidence(Phase::IndependentReviewComplete) {
                Some(PhaseEvidence::IndependentReviewComplete {
                    verdict: ledger_core::Verdict::Pass,
                    ..
                }) => Some("pass"),
                Some(_) => Some("fail"),
                None => None,
            },
            review: review.map(|review| review.summary.clone()),
            findings: review.map_or(run.to_mend(), |review| &review.findings).to_vec(),
            experts: expert_opinions(run),
            residual_risks: review.map(|review| review.residual_risks.clone()).unwrap_or_default(),
            iterations: run.totals().iterations,
            repair_rounds: run.totals().repair_rounds,
            tokens: run.tokens(),
            seconds: run.active().as_secs(),
            commands: next_commands(run),
        }
    }

    /// The packet as Markdown. What the worker and the reviewer say stands in quotations, and nothing that anybody says can be more than words:
    /// it may be shown and stored as it is.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}: {}\n\n", self.ticket, inline(&self.title));
        let _ = writeln!(text, "Packet role: hand-off for a person, not an approval\n");
        self.facts(&mut text);
        for warning in self.stack_in_words().iter().chain(&self.warnings) {
            let _ = writeln!(text, "**Mind:** {}\n", inline(warning));
        }
        if !self.children.is_empty() {
            let _ = writeln!(text, "## Children\n");
            quotes(&mut text, &self.children);
        }
        if let Some(capsule) = &self.capsule {
            capsule.markdown(&mut text);
        }
        if !self.stop_when.is_empty() {
            let _ = writeln!(text, "## When the worker was to stop\n");
            quotes(&mut text, &self.stop_when);
        }
        if let Some(plan) = &self.plan {
            let _ = writeln!(text, "## Plan, made before the first edit\n");
            quote(&mut text, &plan.approach);
            for departure in &self.departures {
                quote(&mut text, departure);
            }
        }
        if !self.rounds.is_empty() {
            let _ = writeln!(text, "## Rounds, each one task that an advisor named\n");
            for round in &self.rounds {
                quote(
                    &mut text,
                    &format!("{}: {}; {}", round.n, round.task.what, round.outcome()),
                );
            }
        }
        if !self.questions.is_empty() {
            let _ = writeln!(text, "## Questions of the worker's\n");
            for question in &self.questions {
                quote(&mut text, &question.line());
            }
        }
        self.change(&mut text);
        self.checks(&mut text);
        if let Some(report) = &self.report {
            let _ = writeln!(text, "## What the worker says (a claim)\n");
            quote(&mut text, &report.summary);
            for (name, lines) in [
                ("deviation", &report.deviations),
                ("risk", &report.risks),
                ("skipped", &report.skipped_checks),
            ] {
                for line in lines {
                    quote(&mut text, &format!("{name}: {line}"));
                }
            }
        }
        let verdict = self.verdict.unwrap_or("none");
        let _ = writeln!(text, "## Independent review\n\nVerdict: **{verdict}**\n");
        if let Some(review) = &self.review {
            quote(&mut text, review);
        }
        for finding in &self.findings {
            quote(&mut text, &finding_line(finding));
        }
        for risk in &self.residual_risks {
            quote(&mut text, &format!("residual risk: {risk}"));
        }
        if !self.experts.is_empty() {
            let _ = writeln!(text, "## Experts\n");
        }
        for opinion in &self.experts {
            let _ = writeln!(
                text,
                "- **{}** of the {}: {}; called by {}\n",
                opinion.expert,
                opinion.about,
                opinion.verdict_in_words(),
                inline(&opinion.called_by())
            );
            for line in opinion.lines() {
                quote(&mut text, &line);
            }
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "## Noted for later tickets\n");
            quotes(&mut text, &self.notes);
        }
        if !self.commands.is_empty() {
            let _ = writeln!(text, "## Next\n");
            for next in &self.commands {
                let _ = writeln!(text, "- {}: {}", next.purpose, code(&next.command));
            }
        }
        text
    }

    fn facts(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "| | |\n| --- | --- |\n| outcome | **{}** |\n| run | {} |",
            self.outcome, self.run
        );
        for (name, value) in [
            ("branch", &self.branch),
            ("pushed to", &self.pushed),
            ("change", &self.change),
            ("tree", &self.tree),
            ("base", &self.base),
            ("began with the work of run", &self.rescued),
        ] {
            if let Some(value) = value {
                let _ = writeln!(text, "| {name} | {} |", code(value));
            }
        }
        if !self.steering.is_empty() {
            let packs: Vec<_> = self.steering.iter().map(|path| code(&path.to_string())).collect();
            let _ = writeln!(text, "| steered by | {} |", packs.join(", "));
        }
        if let Some(verdict) = self.specs {
            let _ = writeln!(text, "| held against its specs | {} |", code(verdict.as_str()));
        }
        let _ = writeln!(
            text,
            "| turns | {}, {} repair rounds |\n| tokens | {} |\n| time | {} s |\n",
            self.iterations, self.repair_rounds, self.tokens.total, self.seconds
        );
    }

    fn change(&self, text: &mut String) {
        let _ = writeln!(text, "## Change\n\n{}\n", self.paths_in_words());
        for listed in &self.paths {
            let from = listed
                .from
                .as_ref()
                .map(|from| format!(" (from {})", code(&from.to_string())))
                .unwrap_or_default();
            let kind = serde_json::to_value(listed.kind).ok();
            let kind = kind
                .as_ref()
                .and_then(|kind| kind.as_str())
                .unwrap_or("changed")
                .replace('_', " ");
            let _ = writeln!(text, "- {kind} {}{from}", code(&listed.path.to_string()));
        }
        text.push('\n');
    }

    fn checks(&self, text: &mut String) {
        let _ = writeln!(text, "## Checks, run by the runner\n");
        for check in &self.checks {
            let sign = if check.passed() { "passed" } else { "FAILED" };
            let _ = writeln!(
                text,
                "- {sign}: {} ({}, `{}`, {} ms)",
                code(&check.name),
                inline(&check.ending()),
                strength_name(check.strength),
                check.duration_ms
            );
        }
        for proof in &self.acceptance {
            let by = if proof.checks.is_empty() {
                "judged by the reviewer alone".to_owned()
            } else {
                format!("proved by {}", inline(&proof.checks.join(", ")))
            };
            let wanted = self.wanted.iter().find(|wanted| wanted.id == proof.id);
            let wanted = wanted.map(|wanted| format!(" ({})", inline(&sentence(wanted))));
            let _ = writeln!(
                text,
                "- acceptance {}{}: {by}",
                code(&proof.id),
                wanted.unwrap_or_default()
            );
        }
        text.push('\n');
        let compared = self.compared_in_words();
        if !compared.is_empty() {
            let _ = writeln!(text, "Tests before and after the change, as they report themselves:\n");
            quotes(text, &compared);
        }
    }
}

fn notes(run: &Run) -> Vec<String> {
    match run.evidence(Phase::ContextCurated) {
        Some(PhaseEvidence::ContextCurated { notes, .. }) if notes[..] != [NO_MEMORY_UPDATE] => notes.clone(),
        _ => Vec::new(),
    }
}

/// The change that was delivered, else the one that was measured last.
fn change_of(run: &Run) -> Option<&ChangeSummary> {
    let measured = || Some(&run.attempt()?.measured.as_ref()?.change);
    run.change().or_else(measured)
}

/// The ticket as it is in the base of a run; none where it cannot be read there any more.
pub(crate) fn ticket_in_base(workspace: &Workspace, run: &Run) -> Option<TicketFile> {
    let ledger = workspace.policy().ok()?.ledger.dir.path();
    let path = format!("{ledger}/tickets/{}/ticket.toml", run.opened().ticket);
    let base = run.base()?;
    let bytes = workspace
        .repository()
        .read_file_at(base, &path.parse().ok()?, MAX_DOCUMENT_BYTES as u64)
        .ok()??;
    TicketFile::parse(&bytes).ok()
}

/// An acceptance item in one line.
pub fn sentence(item: &Acceptance) -> String {
    let parts = [("given", &item.given), ("when", &item.when), ("then", &item.then)];
    let parts = parts.iter().filter(|(_, part)| !part.is_empty());
    parts
        .map(|(word, part)| format!("{word} {part}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What the worker says last that the ticket would have to grant, where the run did not stop for that.
fn wishes(run: &Run) -> Option<String> {
    let TurnEnd::Reported { report } = &run.attempt()?.turn.as_ref()?.end else {
        return None;
    };
    let wanted = &report.wanted_grants;
    let asks = [BlockerCode::GrantMissing, BlockerCode::QuickFlowEscalation];
    let stopped_for_it = matches!(run.state(), State::Blocked(blocker) if asks.contains(&blocker.code));
    if wanted.is_empty() || stopped_for_it {
        return None;
    }
    let each = wanted.iter().take(5).map(|wish| {
        let kind = wish.kind.as_str();
        match wish.name.trim() {
            "" => format!("{kind} ({})", wish.reason),
            name => format!("{kind} `{name}` ({})", wish.reason),
        }
    });
    let each: Vec<_> = each.collect();
    Some(format!(
        "the worker says that the ticket would have to grant: {}",
        each.join(", ")
    ))
}

fn warnings(run: &Run, checks: &[CheckResult]) -> Vec<String> {
    let mut warnings = Vec::new();
    if run.opened().checks.is_empty() && run.opened().mode.discipline().is_checked() {
        warnings.push("no check ran: neither policy nor ticket has one, so the result is only claimed".to_owned());
    }
    for check in checks.iter().filter(|check| check.sandbox == CheckSandbox::Off) {
        warnings.push(format!(
            "the check `{}` ran without a sandbox, because the policy says so",
            check.name
        ));
    }
    if !run.copied().is_empty() {
        let paths: Vec<_> = run.copied().iter().map(|file| format!("`{}`", file.path)).collect();
        warnings.push(format!(
            "what the checks show rests on files that the tree does not hold: {}",
            paths.join(", ")
        ));
    }
    if let (true, None, Some(failure)) = (run.state().is_ended(), run.stored(), run.failure()) {
        warnings.push(format!(
            "the run is not kept in Git yet: {}; the next `foil run {}` tries again",
            failure.reason,
            run.opened().ticket
        ));
    }
    warnings.extend(wishes(run));
    warnings.extend(crate::once_only::problems(run));
    warnings.extend(crate::compared::warnings(run));
    warnings.extend(crate::drift::warnings(run));
    warnings.extend(crate::weakened::warnings(run));
    if !run.opened().review {
        warnings.push("no independent review: the ticket's mode and the policy go without".to_owned());
    }
    warnings
}

/// What a person may do now. Never a merge by itself: these are commands to read and run.
pub fn next_commands(run: &Run) -> Vec<NextCommand> {
    let ticket = &run.opened().ticket;
    let next = |purpose, command: String| NextCommand { purpose, command };
    match run.state() {
        State::Done => {
            let mut commands = Vec::new();
            let nowhere = run.receipt().is_some_and(|receipt| receipt.delivered.is_none());
            if nowhere {
                commands.push(next("bring it to a branch", format!("foil deliver {ticket}")));
            }
            if let Some(delivered) = run.receipt().and_then(|receipt| receipt.delivered.as_ref()) {
                let branch = delivered.branch.short();
                let base = run.receipt().map(|receipt| receipt.base.short()).unwrap_or_default();
                commands.push(next("read the packet", format!("foil review {ticket}")));
                commands.push(next(
                    "see the change",
                    format!("git diff {base} {}", delivered.change.short()),
                ));
                commands.push(next("verify the proof", format!("foil verify {ticket}")));
                commands.push(match &delivered.remote {
                    Some(RemoteDelivery { remote, name, .. }) => {
                        next("bring it here", format!("git pull --ff-only {remote} {}", name.short()))
                    }
                    None => next("merge it", format!("git merge --no-ff {branch}")),
                });
                commands.push(next(
                    "clean up afterwards",
                    format!("git branch -d {branch} && foil clean --apply"),
                ));
            }
            commands
        }
        State::Blocked(blocker) => {
            if let (Some(tree), Some(base)) = (run.waits_for_word(), run.base()) {
                return vec![
                    next("see the change", format!("git diff {} {}", base.short(), tree.short())),
                    next("accept it", format!("foil accept {ticket}")),
                    next("have it repaired", format!("foil reject {ticket} --because \"…\"")),
                ];
            }
            if run.waits_for_answer().is_some() {
                return vec![next("answer its question", format!("foil answer {ticket}"))];
            }
            let mut commands = vec![next("see what happened", format!("foil events {ticket}"))];
            if blocker.resumable {
                commands.push(next("go on with the same run", format!("foil run {ticket}")));
            }
            if has_left_work(run) {
                commands.push(next("begin a new run with its work", rescue_command(ticket)));
            }
            commands
        }
        State::Paused { .. } => vec![next("go on", format!("foil run {ticket}"))],
        State::Climbing | State::Canceled { .. } => Vec::new(),
    }
}
