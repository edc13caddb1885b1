//! What an event tells in the words of somebody else, without what must not leave.

use ledger_core::{
    Activity, Advice, AdviceEnd, AgentFailure, CheckComparison, CheckResult, ClaimedCommand, CommandOutcome, Curation,
    CurationEnd, Event, ExpertEnd, ExpertReview, Finding, MemoryNote, Observation, Plan, PlanEnd, PlannedFile, Report,
    Review, ReviewEnd, SelfReview, TurnEnd, WantedGrant, WeakenedTestAnswer,
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

    fn activity(&self, activity: Activity) -> Activity {
        match activity {
            Activity::CommandStarted { item, command } => Activity::CommandStarted {
                item,
                command: refusable(self.text(&command)),
            },
            Activity::FilesEdited { paths } => Activity::FilesEdited {
                paths: self.texts(&paths),
            },
            Activity::Message { text } => Activity::Message { text: self.text(&text) },
            Activity::Retrying { reason } => Activity::Retrying {
                reason: self.text(&reason),
            },
            Activity::RequestDeclined { request, about } => Activity::RequestDeclined {
                request,
                about: self.text(&about),
            },
            Activity::Warning { message } => Activity::Warning {
                message: self.text(&message),
            },
            Activity::PromptSent { .. }
            | Activity::ThreadStarted { .. }
            | Activity::CommandEnded { .. }
            | Activity::Tokens { .. } => activity,
        }
    }

    fn observation(&self, mut observation: Observation) -> Observation {
        match &mut observation {
            Observation::ChecksRan { results, set_up, .. } => {
                for result in results.iter_mut().chain(set_up) {
                    self.redact_result(result);
                }
            }
            Observation::PlanEnded { end, .. } => match end {
                PlanEnd::Answered { plan, violations } => {
                    *plan = self.plan(plan);
                    for violation in violations {
                        violation.detail = self.text(&violation.detail);
                    }
                }
                PlanEnd::InvalidAnswer { reason } => *reason = self.text(reason),
                PlanEnd::Failed { failure } => *failure = self.failure(failure),
                PlanEnd::Interrupted => {}
            },
            Observation::CurationEnded { end, .. } => match end {
                CurationEnd::Answered { curation, refused } => {
                    *curation = self.curation(curation);
                    for violation in refused {
                        violation.detail = self.text(&violation.detail);
                    }
                }
                CurationEnd::InvalidAnswer { reason } => *reason = self.text(reason),
                CurationEnd::Failed { failure } => *failure = self.failure(failure),
                CurationEnd::Interrupted => {}
            },
            Observation::AdviceEnded { end, .. } => match end {
                AdviceEnd::Answered { advice, violations } => {
                    *advice = self.advice(advice);
                    for violation in violations {
                        violation.detail = self.text(&violation.detail);
                    }
                }
                AdviceEnd::InvalidAnswer { reason } => *reason = self.text(reason),
                AdviceEnd::Failed { failure } => *failure = self.failure(failure),
                AdviceEnd::Interrupted => {}
            },
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
                TurnEnd::Reported { report } => *report = self.report(report),
                TurnEnd::InvalidReport { reason } => *reason = self.text(reason),
                TurnEnd::Failed { failure } => *failure = self.failure(failure),
                TurnEnd::Interrupted => {}
            },
            Observation::ReviewEnded { end, .. } => match end {
                ReviewEnd::Answered { review, .. } => *review = self.review(review),
                ReviewEnd::InvalidAnswer { reason } => *reason = self.text(reason),
                ReviewEnd::Failed { failure } => *failure = self.failure(failure),
                ReviewEnd::Interrupted => {}
            },
            Observation::ExpertEnded { end, .. } => match end {
                ExpertEnd::Answered { review, .. } => *review = self.expert_review(review),
                ExpertEnd::InvalidAnswer { reason } => *reason = self.text(reason),
                ExpertEnd::Failed { failure } => *failure = self.failure(failure),
                ExpertEnd::Interrupted => {}
            },
            Observation::ChangesMeasured {
                violations,
                weakened,
                drift,
                experts,
                ..
            } => {
                for violation in violations {
                    violation.detail = self.text(&violation.detail);
                }
                for hunk in weakened {
                    hunk.excerpt = self.text(&hunk.excerpt);
                }
                for call in experts {
                    call.trigger = self.text(&call.trigger);
                }
                for finding in drift.iter_mut().flat_map(|drift| &mut drift.findings) {
                    finding.detail = self.text(&finding.detail);
                }
            }
            Observation::Failed { reason, .. } | Observation::Lost { reason } => *reason = self.text(reason),
            Observation::PlacesReady { set_up, .. } => {
                for result in set_up {
                    self.redact_result(result);
                }
            }
            Observation::PushRefused { reason, .. } => *reason = self.text(reason),
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
            tests.names = self.texts(&tests.names);
        }
    }

    /// The texts of a check's result that the check itself has a say in.
    pub(crate) fn redact_result(&self, result: &mut CheckResult) {
        result.output.tail = self.text(&result.output.tail);
        if let CommandOutcome::NotStarted { reason } = &mut result.outcome {
            *reason = self.text(reason);
        }
        if let Some(tests) = &mut result.tests {
            tests.failing = self.texts(&tests.failing);
            tests.known = self.texts(&tests.known);
        }
    }

    fn failure(&self, failure: &AgentFailure) -> AgentFailure {
        AgentFailure {
            class: failure.class,
            message: self.text(&failure.message),
        }
    }

    // Every field is named, so that none that is added later is forgotten.
    fn report(&self, report: &Report) -> Report {
        let Report {
            turn,
            status,
            summary,
            commands,
            skipped_checks,
            deviations,
            risks,
            memory,
            self_review: SelfReview { checked, concerns },
            wanted_grants,
            blocked_because,
            next_ticket,
        } = report;
        Report {
            turn: turn.clone(),
            status: *status,
            summary: self.text(summary),
            commands: commands
                .iter()
                .map(|ClaimedCommand { command, outcome }| ClaimedCommand {
                    command: self.text(command),
                    outcome: self.text(outcome),
                })
                .collect(),
            skipped_checks: self.texts(skipped_checks),
            deviations: self.texts(deviations),
            risks: self.texts(risks),
            memory: self.texts(memory),
            self_review: SelfReview {
                checked: self.texts(checked),
                concerns: self.texts(concerns),
            },
            wanted_grants: self.wanted_grants(wanted_grants),
            blocked_because: self.text(blocked_because),
            next_ticket: self.text(next_ticket),
        }
    }

    fn plan(&self, plan: &Plan) -> Plan {
        let Plan {
            turn,
            status,
            approach,
            steps,
            files,
            proof,
            stop_conditions,
            risks,
            wanted_grants,
            blocked_because,
        } = plan;
        Plan {
            turn: turn.clone(),
            status: *status,
            approach: self.text(approach),
            steps: self.texts(steps),
            files: files
                .iter()
                .map(|PlannedFile { path, change, reason }| PlannedFile {
                    path: self.text(path),
                    change: *change,
                    reason: self.text(reason),
                })
                .collect(),
            proof: self.texts(proof),
            stop_conditions: self.texts(stop_conditions),
            risks: self.texts(risks),
            wanted_grants: self.wanted_grants(wanted_grants),
            blocked_because: self.text(blocked_because),
        }
    }

    fn curation(&self, curation: &Curation) -> Curation {
        let Curation { turn, notes, handoff } = curation;
        let note = |note: &MemoryNote| {
            let MemoryNote {
                path,
                kind,
                title,
                text,
                source,
            } = note;
            MemoryNote {
                path: self.text(path),
                kind: *kind,
                title: self.text(title),
                text: self.text(text),
                source: self.text(source),
            }
        };
        Curation {
            turn: turn.clone(),
            notes: notes.iter().map(note).collect(),
            handoff: self.text(handoff),
        }
    }

    fn advice(&self, advice: &Advice) -> Advice {
        let Advice {
            turn,
            next,
            what,
            files,
            proof,
            why,
        } = advice;
        Advice {
            turn: turn.clone(),
            next: *next,
            what: self.text(what),
            files: self.texts(files),
            proof: self.texts(proof),
            why: self.text(why),
        }
    }

    fn wanted_grants(&self, wanted: &[WantedGrant]) -> Vec<WantedGrant> {
        let redacted = |WantedGrant { kind, name, reason }: &WantedGrant| WantedGrant {
            kind: *kind,
            name: self.text(name),
            reason: self.text(reason),
        };
        wanted.iter().map(redacted).collect()
    }

    fn review(&self, review: &Review) -> Review {
        let Review {
            turn,
            verdict,
            summary,
            inspected,
            findings,
            weakened_tests,
            residual_risks,
            next_action,
        } = review;
        Review {
            turn: turn.clone(),
            verdict: *verdict,
            summary: self.text(summary),
            inspected: self.texts(inspected),
            findings: findings.iter().map(|finding| self.finding(finding)).collect(),
            weakened_tests: weakened_tests
                .iter()
                .map(|WeakenedTestAnswer { id, verdict, reason }| WeakenedTestAnswer {
                    id: self.text(id),
                    verdict: *verdict,
                    reason: self.text(reason),
                })
                .collect(),
            residual_risks: self.texts(residual_risks),
            next_action: self.text(next_action),
        }
    }

    fn expert_review(&self, review: &ExpertReview) -> ExpertReview {
        let ExpertReview {
            turn,
            recommendation,
            summary,
            findings,
            required_proof,
            next_action,
        } = review;
        ExpertReview {
            turn: turn.clone(),
            recommendation: *recommendation,
            summary: self.text(summary),
            findings: findings.iter().map(|finding| self.finding(finding)).collect(),
            required_proof: self.texts(required_proof),
            next_action: self.text(next_action),
        }
    }

    fn finding(&self, finding: &Finding) -> Finding {
        let Finding {
            severity,
            place,
            expected,
            actual,
            required_repair,
        } = finding;
        Finding {
            severity: *severity,
            place: self.text(place),
            expected: self.text(expected),
            actual: self.text(actual),
            required_repair: self.text(required_repair),
        }
    }

    fn texts(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
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
mod tests {
    use ledger_core::{
        AdviceNext, BlockerCode, ExpertSubject, GrantKind, Judge, PlanStatus, PlannedChange, Recommendation,
        ReportStatus, Severity, TokenCount, Verdict, Violation, WeakenedTest, Weakening, WeakeningVerdict,
    };
    use policy::Policy;

    use super::*;

    const TOKEN: &str = "ghp_Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk";

    fn redacted(observation: Observation) -> String {
        let redactor = Redactor::default()
            .path("/home/ann/place", "$PLACE")
            .patterns_of(&Policy::default());
        serde_json::to_string(&redactor.event(Event::Observed { of: 1, observation })).unwrap()
    }

    /// A text as a careless or hostile agent writes it.
    fn said() -> String {
        format!("{TOKEN} in /home/ann/place/a\u{1b}[2J")
    }

    fn assert_clean(text: &str, says: usize) {
        assert!(
            !text.contains("ghp_") && !text.contains("/home/ann") && !text.contains("u001b"),
            "{text}"
        );
        assert_eq!(text.matches("[secret] in $PLACE/a").count(), says, "{text}");
    }

    #[test]
    fn no_field_of_a_report_keeps_a_secret_or_a_path() {
        let report = Report {
            turn: "turn".to_owned(),
            status: ReportStatus::Done,
            summary: said(),
            commands: vec![ClaimedCommand {
                command: said(),
                outcome: said(),
            }],
            skipped_checks: vec![said()],
            deviations: vec![said()],
            risks: vec![said()],
            memory: vec![said()],
            self_review: SelfReview {
                checked: vec![said()],
                concerns: vec![said()],
            },
            wanted_grants: vec![WantedGrant {
                kind: GrantKind::Command,
                name: said(),
                reason: said(),
            }],
            blocked_because: said(),
            next_ticket: said(),
        };
        let text = redacted(Observation::TurnEnded {
            end: TurnEnd::Reported { report },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 13);
    }

    #[test]
    fn no_field_of_a_plan_keeps_a_secret_or_a_path() {
        let plan = Plan {
            turn: "turn".to_owned(),
            status: PlanStatus::Planned,
            approach: said(),
            steps: vec![said()],
            files: vec![PlannedFile {
                path: said(),
                change: PlannedChange::Edit,
                reason: said(),
            }],
            proof: vec![said()],
            stop_conditions: vec![said()],
            risks: vec![said()],
            wanted_grants: vec![WantedGrant {
                kind: GrantKind::Command,
                name: said(),
                reason: said(),
            }],
            blocked_because: said(),
        };
        let violations = vec![Violation {
            code: BlockerCode::ScopeViolation,
            path: None,
            detail: said(),
        }];
        let text = redacted(Observation::PlanEnded {
            end: PlanEnd::Answered { plan, violations },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 11);
    }

    #[test]
    fn no_field_of_a_curation_keeps_a_secret_or_a_path() {
        let curation = Curation {
            turn: "turn".to_owned(),
            notes: vec![MemoryNote {
                path: said(),
                kind: ledger_core::NoteKind::State,
                title: said(),
                text: said(),
                source: said(),
            }],
            handoff: said(),
        };
        let refused = vec![Violation {
            code: BlockerCode::ScopeViolation,
            path: None,
            detail: said(),
        }];
        let text = redacted(Observation::CurationEnded {
            end: CurationEnd::Answered { curation, refused },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 6);
    }

    #[test]
    fn no_field_of_a_review_keeps_a_secret_or_a_path() {
        let review = Review {
            turn: "turn".to_owned(),
            verdict: Verdict::Pass,
            summary: said(),
            inspected: vec![said()],
            findings: vec![Finding {
                severity: Severity::Low,
                place: said(),
                expected: said(),
                actual: said(),
                required_repair: said(),
            }],
            weakened_tests: vec![WeakenedTestAnswer {
                id: said(),
                verdict: WeakeningVerdict::Justified,
                reason: said(),
            }],
            residual_risks: vec![said()],
            next_action: said(),
        };
        let text = redacted(Observation::ReviewEnded {
            tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
            end: ReviewEnd::Answered { review, passes: true },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 10);
    }

    #[test]
    fn no_field_of_advice_keeps_a_secret_or_a_path() {
        let advice = Advice {
            turn: "turn".to_owned(),
            next: AdviceNext::Task,
            what: said(),
            files: vec![said()],
            proof: vec![said()],
            why: said(),
        };
        let text = redacted(Observation::AdviceEnded {
            tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
            end: AdviceEnd::Answered {
                advice,
                violations: Vec::new(),
            },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 4);
    }

    #[test]
    fn no_field_of_an_experts_answer_keeps_a_secret_or_a_path() {
        let review = ExpertReview {
            turn: "turn".to_owned(),
            recommendation: Recommendation::Repair,
            summary: said(),
            findings: vec![Finding {
                severity: Severity::Low,
                place: said(),
                expected: said(),
                actual: said(),
                required_repair: said(),
            }],
            required_proof: vec![said()],
            next_action: said(),
        };
        let text = redacted(Observation::ExpertEnded {
            judge: Judge::Security,
            subject: ExpertSubject::Tree {
                tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
            },
            end: ExpertEnd::Answered { review, passes: false },
            tokens: TokenCount::default(),
            thread: None,
        });
        assert_clean(&text, 7);
    }

    #[test]
    fn no_hunk_that_weakens_tests_keeps_a_secret_or_a_path() {
        let id = ledger_core::ObjectId::ZERO;
        let change = ledger_core::ChangeSet {
            base: ledger_core::CommitId(id),
            tree: ledger_core::TreeId(id),
            changes: Vec::new(),
        };
        let hunk = WeakenedTest {
            id: "W1".to_owned(),
            path: "tests/a.rs".parse().unwrap(),
            how: Weakening::AssertionRemoved,
            before: None,
            after: None,
            excerpt: said(),
        };
        let text = redacted(Observation::ChangesMeasured {
            change: change.summary(),
            violations: Vec::new(),
            weakened: vec![hunk],
            tests: None,
            same_as: None,
            drift: None,
            experts: Vec::new(),
        });
        assert_clean(&text, 1);
    }

    #[test]
    fn a_command_keeps_its_lines_and_is_judged_whole_or_refused() {
        let (policy, grants) = (Policy::default(), ledger_core::Grants::default());
        let recorded = |command: String| {
            let item = "1".to_owned();
            match Redactor::default().event(Event::Activity(Activity::CommandStarted { item, command })) {
                Event::Activity(Activity::CommandStarted { command, .. }) => command,
                other => panic!("{other:?}"),
            }
        };
        let refused = |command: &str| policy::judge_command(command, &policy, &grants).is_some();
        assert_eq!(
            recorded("echo a\nterraform apply".to_owned()),
            "echo a\nterraform apply"
        );
        // The middle of a long one is looked at like its ends.
        let padded = format!("true {0}; git push; true {0}", "x".repeat(60_000));
        assert_eq!(recorded(padded.clone()), padded);
        assert!(refused(&padded));
        assert!(!refused(&recorded(format!("true {}", "é".repeat(60_000)))));
        let endless = recorded(format!("true {}; git push", "é".repeat(500_000)));
        assert!(endless.len() < MAX_COMMAND_BYTES + 8, "{}", endless.len());
        assert!(refused(&endless));
    }

    #[test]
    fn no_reason_keeps_a_secret_or_a_path() {
        assert_clean(&redacted(Observation::Lost { reason: said() }), 1);
        let end = TurnEnd::InvalidReport { reason: said() };
        let (tokens, thread) = (TokenCount::default(), None);
        assert_clean(&redacted(Observation::TurnEnded { end, tokens, thread }), 1);
    }
}
