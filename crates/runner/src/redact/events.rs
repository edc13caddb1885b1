//! What an event tells in the words of somebody else, without what must not leave.

use ledger_core::{
    Activity, Advice, CheckComparison, CheckResult, ClaimedCommand, CommandOutcome, Curation, Event, ExpertReview,
    Finding, MemoryNote, Observation, Plan, PlannedFile, Question, ReaderEnd, Report, Review, SelfReview, TurnEnd,
    Violation, WantedGrant, WeakenedTestAnswer,
};
use policy::MAX_COMMAND_BYTES;

use super::Redactor;

impl Redactor {
    /// The event as it may be recorded. Ids, labels, digests and what the policy or a ticket says stay as they are.
    pub(crate) fn event(&self, event: Event) -> Event {
        match event {
            Event::Activity(activity) => Event::Activity(self.activity(activity)),
            Event::Observed { of, observation } => Event::Observed {
                of,
                observation: self.observation(observation),
            },
            other => other,
        }
    }

    fn activity(&self, mut activity: Activity) -> Activity {
        match &mut activity {
            Activity::CommandStarted { command, .. } => *command = refusable(self.text(command)),
            Activity::FilesEdited { paths } => self.redact_all(paths),
            Activity::Message { text } => self.redact(text),
            Activity::Retrying { reason } => self.redact(reason),
            Activity::RequestDeclined { request, about } => self.redact_all([request, about]),
            Activity::Warning { message } => self.redact(message),
            Activity::PromptSent { .. }
            | Activity::ThreadStarted { .. }
            | Activity::CommandEnded { .. }
            | Activity::ProcessSeen { .. }
            | Activity::TreeChanged { .. }
            | Activity::Tokens { .. } => {}
        }
        activity
    }

    fn observation(&self, mut observation: Observation) -> Observation {
        match &mut observation {
            Observation::ChecksRan { results, set_up, .. } => {
                for result in results.iter_mut().chain(set_up) {
                    self.redact_result(result);
                }
            }
            Observation::PlanEnded { end, .. } => self.reader_end(end, |judged| {
                self.plan(&mut judged.plan);
                self.violations(&mut judged.violations);
            }),
            Observation::CurationEnded { end, .. } => self.reader_end(end, |judged| {
                self.curation(&mut judged.curation);
                self.violations(&mut judged.refused);
            }),
            Observation::AdviceEnded { end, .. } => self.reader_end(end, |judged| {
                self.advice(&mut judged.advice);
                self.violations(&mut judged.violations);
            }),
            Observation::ReviewEnded { end, .. } => self.reader_end(end, |judged| self.review(&mut judged.review)),
            Observation::ExpertEnded { end, .. } => {
                self.reader_end(end, |judged| self.expert_review(&mut judged.review));
            }
            Observation::TestsCompared {
                comparison,
                ran,
                set_up,
            } => {
                for result in ran.iter_mut().flat_map(|run| &mut run.results).chain(set_up) {
                    self.redact_result(result);
                }
                for check in &mut comparison.checks {
                    self.redact_comparison(check);
                }
            }
            Observation::TurnEnded { end, .. } => match end {
                TurnEnd::Reported { report } => self.report(report),
                TurnEnd::InvalidReport { reason } => self.redact(reason),
                TurnEnd::Failed { failure } => self.redact(&mut failure.message),
                TurnEnd::Interrupted => {}
            },
            Observation::ChangesMeasured {
                violations,
                weakened,
                drift,
                experts,
                ..
            } => {
                self.violations(violations);
                self.redact_all(weakened.iter_mut().map(|hunk| &mut hunk.excerpt));
                self.redact_all(experts.iter_mut().map(|call| &mut call.trigger));
                let findings = drift.iter_mut().flat_map(|drift| &mut drift.findings);
                self.redact_all(findings.map(|finding| &mut finding.detail));
            }
            Observation::Failed { reason, .. }
            | Observation::Lost { reason }
            | Observation::PushRefused { reason, .. } => self.redact(reason),
            Observation::PlacesReady { set_up, .. } => {
                for result in set_up {
                    self.redact_result(result);
                }
            }
            Observation::HookEnded { result, set_up } => {
                for result in std::iter::once(result).chain(set_up) {
                    self.redact_result(result);
                }
            }
            Observation::Notified { problem } => self.redact_all(problem.iter_mut()),
            Observation::RemoteSeen { .. }
            | Observation::Rebased { .. }
            | Observation::Pushed { .. }
            | Observation::ConsentSeen { .. }
            | Observation::DeliveryPrepared { .. }
            | Observation::RefSeen { .. }
            | Observation::RunStored { .. }
            | Observation::Interrupted => {}
        }
        observation
    }

    /// The names of tests, which the check itself has a say in.
    fn redact_comparison(&self, check: &mut CheckComparison) {
        let CheckComparison {
            check: _,
            changed,
            former,
            new,
            gone,
        } = check;
        let of_transitions = [changed, former]
            .into_iter()
            .flat_map(|all| [&mut all.fail_to_pass, &mut all.pass_to_fail, &mut all.pass_to_none]);
        for tests in of_transitions.chain([new, gone]) {
            self.redact_all(&mut tests.names);
        }
    }

    /// The texts of a check's result that the check itself has a say in.
    pub(crate) fn redact_result(&self, result: &mut CheckResult) {
        self.redact(&mut result.output.tail);
        if let CommandOutcome::NotStarted { reason } = &mut result.outcome {
            self.redact(reason);
        }
        if let Some(tests) = &mut result.tests {
            self.redact_all(tests.failing.iter_mut().chain(&mut tests.known));
        }
    }

    /// The end of a turn that only reads, whose answer is redacted like this.
    fn reader_end<A>(&self, end: &mut ReaderEnd<A>, answer: impl FnOnce(&mut A)) {
        match end {
            ReaderEnd::Answered(judged) => answer(judged),
            ReaderEnd::InvalidAnswer { reason } => self.redact(reason),
            ReaderEnd::Failed { failure } => self.redact(&mut failure.message),
            ReaderEnd::Interrupted => {}
        }
    }

    fn violations(&self, violations: &mut [Violation]) {
        self.redact_all(violations.iter_mut().map(|violation| &mut violation.detail));
    }

    // Every field is named, so that none that is added later is forgotten.
    fn report(&self, report: &mut Report) {
        let Report {
            turn: _,
            status: _,
            summary,
            commands,
            skipped_checks,
            deviations,
            risks,
            memory,
            self_review: SelfReview { checked, concerns },
            wanted_grants,
            question,
            blocked_because,
            next_ticket,
        } = report;
        self.redact_all([summary, blocked_because, next_ticket]);
        for Question { text, choices, default } in question {
            self.redact_all([text, default].into_iter().chain(choices));
        }
        for ClaimedCommand { command, outcome } in commands {
            self.redact_all([command, outcome]);
        }
        for texts in [skipped_checks, deviations, risks, memory, checked, concerns] {
            self.redact_all(texts);
        }
        self.wanted_grants(wanted_grants);
    }

    fn plan(&self, plan: &mut Plan) {
        let Plan {
            turn: _,
            status: _,
            approach,
            steps,
            files,
            proof,
            stop_conditions,
            risks,
            wanted_grants,
            blocked_because,
        } = plan;
        self.redact_all([approach, blocked_because]);
        for PlannedFile {
            path,
            change: _,
            reason,
        } in files
        {
            self.redact_all([path, reason]);
        }
        for texts in [steps, proof, stop_conditions, risks] {
            self.redact_all(texts);
        }
        self.wanted_grants(wanted_grants);
    }

    fn curation(&self, curation: &mut Curation) {
        let Curation {
            turn: _,
            notes,
            handoff,
        } = curation;
        for note in notes {
            let MemoryNote {
                path,
                kind: _,
                title,
                text,
                source,
            } = note;
            self.redact_all([path, title, text, source]);
        }
        self.redact(handoff);
    }

    fn advice(&self, advice: &mut Advice) {
        let Advice {
            turn: _,
            next: _,
            what,
            files,
            proof,
            why,
        } = advice;
        self.redact_all([what, why].into_iter().chain(files).chain(proof));
    }

    fn wanted_grants(&self, wanted: &mut [WantedGrant]) {
        for WantedGrant { kind: _, name, reason } in wanted {
            self.redact_all([name, reason]);
        }
    }

    fn review(&self, review: &mut Review) {
        let Review {
            turn: _,
            verdict: _,
            summary,
            inspected,
            findings,
            weakened_tests,
            residual_risks,
            next_action,
        } = review;
        self.redact_all([summary, next_action]);
        self.redact_all(inspected.iter_mut().chain(residual_risks));
        self.findings(findings);
        for WeakenedTestAnswer { id, verdict: _, reason } in weakened_tests {
            self.redact_all([id, reason]);
        }
    }

    fn expert_review(&self, review: &mut ExpertReview) {
        let ExpertReview {
            turn: _,
            recommendation: _,
            summary,
            findings,
            required_proof,
            next_action,
        } = review;
        self.redact_all([summary, next_action].into_iter().chain(required_proof));
        self.findings(findings);
    }

    fn findings(&self, findings: &mut [Finding]) {
        for finding in findings {
            let Finding {
                severity: _,
                place,
                expected,
                actual,
                required_repair,
            } = finding;
            self.redact_all([place, expected, actual, required_repair]);
        }
    }

    fn redact(&self, text: &mut String) {
        *text = self.text(text);
    }

    fn redact_all<'a>(&self, texts: impl IntoIterator<Item = &'a mut String>) {
        texts.into_iter().for_each(|text| self.redact(text));
    }
}

/// A command is judged as it is recorded: whole, or, where it is too long for that, by so much of it that it is refused.
fn refusable(mut command: String) -> String {
    if command.len() > MAX_COMMAND_BYTES {
        let mut end = MAX_COMMAND_BYTES;
        while !command.is_char_boundary(end) {
            end -= 1;
        }
        command.truncate(end);
        command.push('…');
    }
    command
}

#[cfg(test)]
mod tests;
