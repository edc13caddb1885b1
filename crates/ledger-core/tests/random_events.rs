//! What holds for any sequence of events, also one that no runner would write.

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use proptest::prelude::*;
use support::*;

const EXPERT: Terms = Terms {
    mode: Mode::Expert,
    ..STANDARD
};

const ROUNDS: Terms = Terms {
    mode: Mode::BoundedRounds,
    ..STANDARD
};

fn digit() -> impl Strategy<Value = char> {
    prop::sample::select(vec!['0', '1', '7', 'c', 'd'])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just("auth tests".to_owned()), any::<String>()]
}

fn drift_finding(detail: String, blocks: bool) -> DriftFinding {
    DriftFinding {
        code: DriftCode::FileUnchanged,
        place: "src/mail.rs".to_owned(),
        detail,
        blocks,
    }
}

fn path() -> impl Strategy<Value = RepoPath> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 1..4)
        .prop_filter_map("no path", |parts| RepoPath::new(parts.join(&b'/')).ok())
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..5, Just(u32::MAX)]
}

fn spent() -> impl Strategy<Value = TokenCount> {
    any::<(u64, u64, u64, u64)>().prop_map(|(input, cached_input, output, total)| TokenCount {
        input,
        cached_input,
        output,
        total,
    })
}

fn summary() -> impl Strategy<Value = ChangeSummary> {
    (digit(), any::<[u64; 5]>(), prop::collection::vec(path(), 0..4)).prop_map(|(tree, counts, paths)| ChangeSummary {
        base: id('0'),
        tree: id(tree),
        counts: ChangeCounts {
            added: counts[0],
            modified: counts[1],
            type_changed: counts[2],
            deleted: counts[3],
            renamed: counts[4],
        },
        paths: paths
            .into_iter()
            .map(|path| ListedPath {
                path: path.clone(),
                kind: ChangeKind::Renamed,
                from: Some(path),
            })
            .collect(),
    })
}

fn activity() -> impl Strategy<Value = Activity> {
    prop_oneof![
        (text(), text()).prop_map(|(item, command)| Activity::CommandStarted { item, command }),
        (text(), any::<Option<i32>>(), any::<bool>()).prop_map(|(item, exit_code, declined)| Activity::CommandEnded {
            item,
            exit_code,
            declined,
        }),
        prop::collection::vec(text(), 0..4).prop_map(|paths| Activity::FilesEdited { paths }),
        text().prop_map(|text| Activity::Message { text }),
        spent().prop_map(|spent| Activity::Tokens { spent }),
        text().prop_map(|reason| Activity::Retrying { reason }),
        text().prop_map(|message| Activity::Warning { message }),
        Just(Activity::ThreadStarted {
            thread: writer(),
            resumed: false,
            agent: agent(),
        }),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        digit().prop_map(|base| Effect::PreparePlaces { base: id(base) }),
        (any::<bool>(), digit(), text()).prop_map(|(proof, tree, check)| Effect::RunChecks {
            purpose: if proof {
                CheckPurpose::Proof
            } else {
                CheckPurpose::Baseline
            },
            tree: id(tree),
            checks: vec![check],
        }),
        (number(), any::<bool>()).prop_map(|(iteration, repair)| {
            turn(
                iteration,
                if repair {
                    TurnPurpose::RepairReport
                } else {
                    TurnPurpose::Write
                },
            )
        }),
        (digit(), text()).prop_map(|(tree, check)| Effect::CompareTests {
            tree: id(tree),
            apart: apart(tree),
            checks: vec![check],
        }),
        any::<u64>().prop_map(|of| Effect::Interrupt { of, because: None }),
        number().prop_map(|iteration| Effect::MeasureChanges { iteration }),
        (digit(), text()).prop_map(|(tree, label)| Effect::TakeReview { tree: id(tree), label }),
        digit().prop_map(|tree| take_advice(id(tree))),
        (judge(), digit()).prop_map(|(judge, tree)| ask_expert(judge, ExpertSubject::Tree { tree: id(tree) })),
        judge().prop_map(|judge| ask_expert(judge, ExpertSubject::Plan { plan: plan().digest() })),
        Just(take_plan()),
        Just(take_curation()),
        Just(Effect::ConfirmConsent),
        digit().prop_map(|tree| Effect::PrepareDelivery {
            tree: id(tree),
            journal: Digest::of("head"),
        }),
        digit().prop_map(|new| Effect::UpdateRef {
            name: name("refs/heads/foil/0042-validate-email"),
            old: None,
            new: id(new),
        }),
        (hook(), number(), digit()).prop_map(|(hook, iteration, tree)| Effect::RunHook {
            hook,
            iteration,
            tree: id(tree),
        }),
        (about(), any::<bool>()).prop_map(|(about, by)| Effect::Notify {
            about,
            by: NotificationChannel::ALL[usize::from(by)],
        }),
        Just(store()),
    ]
}

fn question() -> Question {
    Question {
        text: "Which of both?".to_owned(),
        choices: vec!["left".to_owned(), "right".to_owned()],
        default: "left".to_owned(),
    }
}

fn asking() -> Report {
    Report {
        status: ReportStatus::Blocked,
        question: vec![question()],
        ..report()
    }
}

fn hook() -> impl Strategy<Value = HookPoint> {
    prop::sample::select(HookPoint::ALL.to_vec())
}

fn about() -> impl Strategy<Value = NotificationEvent> {
    prop::sample::select(vec![NotificationEvent::Done, NotificationEvent::Blocked])
}

fn judge() -> impl Strategy<Value = Judge> {
    prop::sample::select(vec![Judge::Security, Judge::CodeReview])
}

fn apart(digit: char) -> TreesApart {
    TreesApart {
        tests_on_base: id(digit),
        former_tests: id(digit),
    }
}

fn observation() -> impl Strategy<Value = Observation> {
    prop_oneof![
        any::<bool>().prop_map(|anew| Observation::PlacesReady {
            anew,
            copied: Vec::new(),
            set_up: Vec::new()
        }),
        (digit(), any::<i32>()).prop_map(|(tree, code)| Observation::ChecksRan {
            tree: id(tree),
            results: vec![check(code)],
            set_up: Vec::new()
        }),
        text().prop_map(|reason| turn_ended(TurnEnd::InvalidReport { reason })),
        Just(turn_ended(TurnEnd::Reported { report: report() })),
        Just(turn_ended(TurnEnd::Reported { report: asking() })),
        spent().prop_map(|tokens| Observation::TurnEnded {
            end: TurnEnd::Interrupted,
            tokens,
            thread: None,
        }),
        summary().prop_map(|change| Observation::ChangesMeasured {
            change,
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: None,
            same_as: None,
            drift: None,
            experts: Vec::new(),
        }),
        (text(), any::<bool>()).prop_map(|(detail, blocks)| Observation::ChangesMeasured {
            change: change(tree()),
            violations: Vec::new(),
            weakened: Vec::new(),
            drift: Some(SpecDrift::new(vec![drift_finding(detail, blocks)])),
            tests: None,
            same_as: None,
            experts: Vec::new(),
        }),
        (path(), text()).prop_map(|(path, detail)| Observation::ChangesMeasured {
            change: change(tree()),
            violations: vec![Violation {
                code: BlockerCode::ScopeViolation,
                path: Some(path),
                detail,
            }],
            weakened: Vec::new(),
            tests: None,
            same_as: None,
            drift: None,
            experts: Vec::new(),
        }),
        (digit(), digit(), any::<bool>()).prop_map(|(tree, earlier, is_alone)| Observation::ChangesMeasured {
            change: change(id(tree)),
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: Some(ChangedTests {
                sources: u64::from(!is_alone),
                first_source: None,
                tests: 1,
                apart: Some(apart(tree)),
                order: Some(if is_alone {
                    TestOrder::NotAlone
                } else {
                    TestOrder::Alone { tree: id(earlier) }
                }),
            }),
            same_as: is_alone.then(|| id(earlier)),
            drift: None,
            experts: Vec::new(),
        }),
        digit().prop_map(|tree| Observation::TestsCompared {
            comparison: TestComparison {
                tree: id(tree),
                apart: apart(tree),
                checks: Vec::new(),
            },
            ran: Vec::new(),
            set_up: Vec::new(),
        }),
        Just(plan_ended(Vec::new())),
        (path(), text()).prop_map(|(path, detail)| plan_ended(vec![Violation {
            code: BlockerCode::ScopeViolation,
            path: Some(path),
            detail,
        }])),
        Just(curation_ended(Vec::new())),
        (path(), text()).prop_map(|(path, detail)| curation_ended(vec![Violation {
            code: BlockerCode::ScopeViolation,
            path: Some(path),
            detail,
        }])),
        any::<bool>().prop_map(|pass| review_ended(if pass { Verdict::Pass } else { Verdict::Fail })),
        (judge(), any::<bool>(), any::<bool>()).prop_map(|(judge, of_plan, passes)| {
            let subject = if of_plan {
                ExpertSubject::Plan { plan: plan().digest() }
            } else {
                ExpertSubject::Tree { tree: tree() }
            };
            expert_ended(judge, subject, passes)
        }),
        (digit(), any::<bool>()).prop_map(|(tree, done)| {
            advice_ended(id(tree), if done { AdviceNext::Done } else { AdviceNext::Task })
        }),
        judge().prop_map(|judge| Observation::ChangesMeasured {
            change: change(tree()),
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: None,
            same_as: None,
            drift: None,
            experts: vec![ExpertCall {
                judge,
                trigger: "it is touched".to_owned(),
                path: None,
                is_advisory: false,
            }],
        }),
        path().prop_map(|path| Observation::ConsentSeen {
            consent: Consent::Changed { path },
        }),
        Just(Observation::ConsentSeen {
            consent: Consent::Current
        }),
        Just(Observation::DeliveryPrepared {
            delivery: delivery(DeliveryMode::Branch)
        }),
        any::<bool>().prop_map(|contains_new| Observation::RefSeen {
            value: Some(id('d')),
            contains_new,
        }),
        any::<bool>().prop_map(|passes| Observation::HookEnded {
            result: check(i32::from(!passes)),
            set_up: Vec::new(),
        }),
        any::<Option<bool>>().prop_map(|problem| Observation::Notified {
            problem: problem.map(|problem| problem.to_string()),
        }),
        digit().prop_map(|commit| Observation::RunStored { commit: id(commit) }),
        text().prop_map(|reason| Observation::Failed {
            code: BlockerCode::DiskFull,
            reason,
        }),
        text().prop_map(|reason| Observation::Lost { reason }),
        Just(Observation::Interrupted),
    ]
}

fn evidence() -> impl Strategy<Value = PhaseEvidence> {
    let whole: Vec<_> = Climb::whole(STANDARD)
        .events
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::Entered(evidence) => Some(evidence),
            _ => None,
        })
        .collect();
    prop_oneof![
        4 => prop::sample::select(whole),
        1 => (number(), summary(), spent()).prop_map(|(iteration, change, tokens)| {
            PhaseEvidence::ImplementationComplete { iteration, change, report: report(), tokens }
        }),
        1 => number().prop_map(|rounds| PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds }),
        1 => (any::<u64>(), prop::collection::vec(path(), 0..3)).prop_map(|(total, paths)| {
            PhaseEvidence::ExplicitPathsStaged { tree: tree(), total, paths }
        }),
        1 => Just(judged_by(Verdict::Fail, Vec::new())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let phase = prop::sample::select(Phase::ALL.to_vec());
    let code = prop::sample::select(vec![
        NotRequiredCode::Mode,
        NotRequiredCode::DeliveryMode,
        NotRequiredCode::NoChecks,
        NotRequiredCode::NoPlan,
    ]);
    let blocker = prop::sample::select(BlockerCode::ALL.to_vec());
    let cause = prop::sample::select(vec![
        ResumeCause::Pause,
        ResumeCause::Crash,
        ResumeCause::Blocker,
        ResumeCause::Unstored,
        ResumeCause::Clock,
    ]);
    prop_oneof![
        1 => Just(Event::Opened(opened(STANDARD))),
        6 => evidence().prop_map(Event::Entered),
        3 => (phase, code, text()).prop_map(|(phase, code, reason)| Event::NotRequired { phase, code, reason }),
        2 => number().prop_map(|n| Event::IterationStarted { n, cause: IterationCause::MoreToDo }),
        1 => (number(), text()).prop_map(|(n, text)| Event::IterationStarted {
            n,
            cause: IterationCause::SpecDrift { findings: vec![drift_finding(text, true)] },
        }),
        2 => number().prop_map(|round| Event::IterationStarted {
            n: round,
            cause: IterationCause::Round { round, task: round_task() },
        }),
        2 => (number(), number()).prop_map(|(round, n)| Event::RepairStarted { round, n, findings: vec![finding()] }),
        1 => text().prop_map(|receipt| Event::DeliveryOpened(DeliveryOpened {
            run: name("01J9Z4"),
            foil: "0.1.0".to_owned(),
            delivery: DeliveryMode::Branch,
            receipt: Digest::of(receipt),
        })),
        6 => effect().prop_map(Event::Intended),
        3 => activity().prop_map(Event::Activity),
        6 => (any::<u64>(), observation()).prop_map(|(of, observation)| Event::Observed { of, observation }),
        1 => Just(Event::Paused { cause: PauseCause::Interrupt }),
        1 => cause.prop_map(|after| Event::Resumed { after }),
        1 => text().prop_map(|message| Event::Warned { message }),
        1 => text().prop_map(|by| Event::Accepted { by, tree: None }),
        1 => text().prop_map(|by| Event::Rejected { by, findings: vec![finding()] }),
        1 => (number(), number()).prop_map(|(n, iteration)| Event::QuestionAsked(AskedQuestion {
            n,
            iteration,
            question: question(),
            expires_at: at(20),
        })),
        1 => (number(), text()).prop_map(|(question, by)| Event::QuestionSeen { question, by }),
        1 => (number(), any::<bool>(), prop::option::of(text())).prop_map(|(question, left, by)| Event::QuestionAnswered {
            question,
            answer: if left { "left" } else { "right" }.to_owned(),
            by,
        }),
        1 => (number(), number()).prop_map(|(n, question)| Event::IterationStarted {
            n,
            cause: IterationCause::Answered { question },
        }),
        1 => (blocker, text()).prop_map(|(code, reason)| Event::Blocked(Blocker::new(code, reason))),
        1 => (text(), text()).prop_map(|(by, reason)| Event::Canceled { by, reason }),
    ]
}

/// Numbers that fit where the run stands, half of the time: else random sequences would never climb.
fn fitted(run: &Run, event: Event, fit: bool) -> Event {
    let pending = run.pending().map_or(0, |pending| pending.seq);
    let iteration = run.totals().iterations;
    match event {
        Event::Observed { observation, .. } if fit => Event::Observed {
            of: pending,
            observation,
        },
        Event::IterationStarted { cause, .. } if fit => Event::IterationStarted {
            n: iteration + 1,
            cause,
        },
        Event::RepairStarted { findings, .. } if fit => Event::RepairStarted {
            round: run.totals().repair_rounds + 1,
            n: iteration + 1,
            findings,
        },
        Event::QuestionAsked(asked) if fit => Event::QuestionAsked(AskedQuestion {
            n: u32::try_from(run.questions().len()).unwrap_or(0) + 1,
            iteration,
            ..asked
        }),
        Event::Intended(Effect::TakeTurn { purpose, .. }) if fit => Event::Intended(turn(iteration, purpose)),
        Event::Intended(Effect::MeasureChanges { .. }) if fit => Event::Intended(Effect::MeasureChanges { iteration }),
        Event::Intended(Effect::RunHook { hook, tree, .. }) if fit => Event::Intended(Effect::RunHook {
            hook,
            iteration,
            tree: run.kept_tree().unwrap_or(tree),
        }),
        event => event,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_survives_its_journal_line(event in event(), second in 0_i64..100_000) {
        let (line, head) = Head::default().line(at(second), &event).unwrap();
        let journal = Journal::parse(&line).unwrap();
        prop_assert_eq!(journal.head, head);
        prop_assert_eq!(journal.records.len(), 1);
        prop_assert_eq!((journal.records[0].at, &journal.records[0].event), (at(second), &event));
    }

    #[test]
    fn a_refusal_leaves_the_run_as_it_was_and_no_phase_is_skipped(
        terms in prop::sample::select(vec![STANDARD, LOOP, EXPERT, ROUNDS]),
        start in 0_usize..60,
        events in prop::collection::vec((event(), any::<bool>(), -5_i64..50), 1..60),
    ) {
        let whole = Climb::whole(terms).events;
        let mut run = Run::open(whole[0].0, &whole[0].1).unwrap();
        for (at, event) in whole.iter().skip(1).take(start) {
            run.apply(*at, event).unwrap();
        }
        for (event, fit, second) in events {
            let event = fitted(&run, event, fit);
            let before = run.clone();
            let result = run.apply(at(second), &event);
            if result.is_err() {
                prop_assert_eq!(&run, &before);
                continue;
            }
            prop_assert_eq!(run.next_seq(), before.next_seq() + 1);
            prop_assert!(run.active() >= before.active());
            if run.phase() > before.phase() {
                let next = before.phase().map_or(Some(Phase::SourceLockValidated), Phase::next);
                prop_assert_eq!(run.phase(), next);
            } else if run.phase() < before.phase() {
                prop_assert_eq!(run.phase(), Some(Phase::RepositoryTicketRecorded));
                prop_assert_eq!(run.tree(), None);
            }
            // Whatever happened: what is delivered is the tree that was checked and reviewed.
            if let Some(PhaseEvidence::Committed { change, .. }) = run.evidence(Phase::Committed) {
                let prepared = run.prepared().unwrap();
                prop_assert_eq!(*change, prepared.change);
                prop_assert_eq!(Some(prepared.tree), run.tree());
                let judged = matches!(
                    run.evidence(Phase::IndependentReviewComplete),
                    Some(PhaseEvidence::IndependentReviewComplete { tree, verdict: Verdict::Pass, .. })
                        if *tree == prepared.tree
                );
                prop_assert!(judged);
                for call in run.expert_calls() {
                    let verdicts = run.expert_verdicts();
                    prop_assert!(verdicts.iter().any(|said| said.judge == call.judge && said.passes));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Journal::parse(&bytes);
        let _ = verify_chain(&bytes);
        let _ = TicketFile::parse(&bytes);
        let _ = Approval::parse(&bytes);
        let _ = Cancellation::parse(&bytes);
        let _ = Package::parse(&bytes);
        let _ = Receipt::parse(&bytes);
        let _ = Report::parse(&String::from_utf8_lossy(&bytes), "turn");
        let _ = Review::parse(&String::from_utf8_lossy(&bytes), "turn");
        let _ = ExpertReview::parse(
            &String::from_utf8_lossy(&bytes),
            "turn",
            &ExpertSubject::Tree { tree: tree() },
        );
        let _ = Curation::parse(&String::from_utf8_lossy(&bytes), "turn");
        let _ = Advice::parse(&String::from_utf8_lossy(&bytes), "turn");
        let _ = Plan::parse(&String::from_utf8_lossy(&bytes), "turn");
    }

    #[test]
    fn any_text_that_begins_like_toml_is_read_without_a_panic(
        key in "[a-z_]{1,8}", value in "[\\x00-\\x7f\u{80}-\u{ffff}]{0,60}",
    ) {
        for text in [format!("{key} = {value}"), format!("[[{key}]]\n{value}"), format!("title = \"x\"\n{key} = \"{value}\"")] {
            let _ = TicketFile::parse(text.as_bytes());
            let _ = Approval::parse(text.as_bytes());
            let _ = Package::parse(text.as_bytes());
        }
    }
}
