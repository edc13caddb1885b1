//! With which evidence a phase may be entered.

use crate::evidence::CheckResult;
use crate::expert::{ExpertSubject, ExpertVerdict};
use crate::object::RefName;
use crate::observation::TurnEnd;
use crate::phase::{MEMORY_NOT_UPDATED, Phase, PhaseEvidence};
use crate::reader_end::JudgedReview;
use crate::receipt::Receipt;
use crate::review::Verdict;
use crate::run::{Refusal, Run};

impl Run {
    fn pushes_to(&self, remote: &str, name: &RefName) -> bool {
        let target = self.opened.target.as_ref();
        target.is_some_and(|target| target.remote == *remote && target.name == *name)
    }

    /// Refuses evidence that is not what the run has seen.
    pub(super) fn permit_evidence(&self, evidence: &PhaseEvidence) -> Result<(), Refusal> {
        let refuse = |reason| {
            Err(Refusal::Evidence {
                phase: evidence.phase(),
                reason,
            })
        };
        let holds = |holds: bool, reason| if holds { Ok(()) } else { refuse(reason) };
        let attempt = self.attempt.as_ref();
        match evidence {
            PhaseEvidence::SourceLockValidated(lock) => {
                holds(!lock.files.is_empty(), "the source lock names no file")?;
                holds(
                    lock.repository == self.opened.repository,
                    "it is for another repository",
                )
            }
            PhaseEvidence::RepositoryDiscovered(_) => {
                holds(self.has_its_children(), "a child is neither delivered nor canceled")
            }
            // Where no planning turn is part of the run, it is a plan that a person wrote.
            PhaseEvidence::PlanRecorded { .. } if !self.opened.plan => Ok(()),
            PhaseEvidence::PlanRecorded { plan } => {
                let Some(made) = self.sound_plan() else {
                    return refuse("no plan was made that can be followed");
                };
                holds(made.digest() == *plan, "it is not the plan that was made")?;
                holds(self.plan_may_proceed(), "an expert does not let it proceed")
            }
            PhaseEvidence::RepositoryTicketRecorded { commit, files } => {
                let base = self.discovery().map(|discovery| discovery.base);
                holds(base == Some(*commit), "the commit is not the base")?;
                let locked = self.source_lock().is_some_and(|lock| {
                    lock.files
                        .iter()
                        .chain([&lock.approval])
                        .all(|file| files.contains(file))
                });
                holds(locked, "a file of the source lock is not among them")
            }
            PhaseEvidence::WriterAssigned {
                iteration,
                agent,
                thread,
            } => {
                let started = attempt
                    .filter(|attempt| attempt.n == *iteration)
                    .and_then(|a| a.thread.as_ref());
                holds(
                    started.is_some_and(|started| started.thread == *thread && started.agent == *agent),
                    "no such agent has answered in this iteration",
                )
            }
            PhaseEvidence::ImplementationComplete {
                iteration,
                change,
                report,
                tokens,
            } => {
                let Some(attempt) = attempt.filter(|attempt| attempt.n == *iteration) else {
                    return refuse("it is not the iteration under way");
                };
                holds(attempt.stopped_for().is_none(), "the policy stopped the worker")?;
                let reported = attempt.turn.as_ref().is_some_and(
                    |turn| matches!(&turn.end, TurnEnd::Reported { report: claimed } if claimed == report),
                );
                holds(reported, "the turn did not end with this report")?;
                let measured = attempt.measured.as_ref();
                holds(
                    measured.is_some_and(|m| m.change == *change),
                    "it is not the change set that was computed",
                )?;
                holds(
                    measured.is_some_and(|m| m.violations.is_empty()),
                    "the change set breaks a rule",
                )?;
                holds(*tokens == self.totals.tokens, "the run has spent more or less")
            }
            PhaseEvidence::FocusedTestsPassed {
                tree,
                checks,
                acceptance,
                compared,
            } => {
                holds(self.tree() == Some(*tree), "it is another tree than the turn's")?;
                let seen = attempt.and_then(|attempt| attempt.checked.as_ref());
                let same = seen.is_some_and(|seen| seen.tree == *tree && seen.results == *checks);
                holds(same, "these are not the checks that ran on the tree")?;
                holds(!self.has_drifted(), "the change has parted from its specs")?;
                holds(self.is_done_as_advised(), "the advisor did not say that all is done")?;
                let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
                holds(names == self.opened.checks, "they are not the checks of this run")?;
                holds(
                    !checks.is_empty() && checks.iter().all(CheckResult::passed),
                    "a check did not pass",
                )?;
                let seen = attempt.and_then(|attempt| attempt.compared.as_ref());
                holds(
                    seen == compared.as_ref(),
                    "it is not what tests showed before and after the change",
                )?;
                let proves = |id: &String, name: &String| {
                    checks
                        .iter()
                        .any(|check| check.name == *name && check.proves.contains(id))
                };
                holds(
                    acceptance
                        .iter()
                        .all(|proof| proof.checks.iter().all(|name| proves(&proof.id, name))),
                    "an acceptance item is proved by no check of this run",
                )
            }
            PhaseEvidence::SelfReviewComplete { self_review } => {
                let claimed = match self.evidence(Phase::ImplementationComplete) {
                    Some(PhaseEvidence::ImplementationComplete { report, .. }) => Some(&report.self_review),
                    _ => None,
                };
                holds(claimed == Some(self_review), "it is not in the worker's report")
            }
            PhaseEvidence::IndependentReviewComplete {
                tree,
                thread,
                verdict,
                findings,
                experts,
                carried_from,
            } => {
                holds(self.tree() == Some(*tree), "it is another tree than the turn's")?;
                holds(self.writer.as_ref() != Some(thread), "the reviewer is the writer")?;
                let Some(review) = attempt.and_then(|attempt| attempt.review.as_ref()) else {
                    return refuse("there was no review");
                };
                holds(review.turn.interrupted_for.is_none(), "the policy stopped the reviewer")?;
                holds(review.tree == *tree, "another tree was reviewed")?;
                holds(review.carried_from == *carried_from, "it was carried from another tree")?;
                holds(
                    review.turn.thread.as_ref() == Some(thread),
                    "another thread reviewed it",
                )?;
                let Some(JudgedReview { review, passes }) = review.turn.end.answer() else {
                    return refuse("the review gave no verdict");
                };
                let of_experts = self.expert_findings();
                let said = if *passes && of_experts.is_empty() {
                    Verdict::Pass
                } else {
                    Verdict::Fail
                };
                let found = review.findings.iter().chain(&of_experts);
                holds(said == *verdict && found.eq(findings), "the review said something else")?;
                holds(*experts == self.expert_verdicts(), "the experts said something else")?;
                let about = ExpertSubject::Tree { tree: *tree };
                let alone = |said: &ExpertVerdict| !self.is_taken(&said.thread, said.judge, &about);
                holds(experts.iter().all(alone), "an expert is somebody else too")?;
                holds(
                    said == Verdict::Fail || self.missing_expert().is_none(),
                    "an expert was not asked",
                )
            }
            PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds } => {
                holds(*rounds == self.totals.repair_rounds, "there were more or fewer rounds")?;
                let passed = match self.evidence(Phase::IndependentReviewComplete) {
                    Some(PhaseEvidence::IndependentReviewComplete { verdict, .. }) => *verdict == Verdict::Pass,
                    _ => !self.opened.review,
                };
                holds(passed, "the reviewer did not pass the change")
            }
            PhaseEvidence::ContextCurated { notes, curation } => {
                holds(!notes.is_empty(), "it needs notes, or the words that none are needed")?;
                if !self.opened.curate {
                    return holds(curation.is_none(), "no curator is part of the run");
                }
                let ended = attempt.and_then(|attempt| attempt.curation.as_ref());
                let sound = ended.and_then(|ended| ended.sound());
                let Some(digest) = curation else {
                    holds(sound.is_none(), "the curator's notes are left out")?;
                    let said = matches!(&notes[..], [reason] if reason.starts_with(MEMORY_NOT_UPDATED));
                    return holds(said, "it does not say why no notes were taken");
                };
                let same = sound.filter(|made| made.digest() == *digest);
                holds(
                    same.is_some_and(|made| made.lines() == *notes),
                    "they are not the notes of the curator",
                )?;
                let thread = ended.and_then(|ended| ended.thread.as_ref());
                holds(
                    thread.is_some() && thread != self.writer.as_ref(),
                    "the curator is the writer",
                )
            }
            PhaseEvidence::GitDeliveryStarted(delivery) => {
                holds(
                    self.prepared.as_ref() == Some(delivery),
                    "it is not the delivery that was prepared",
                )?;
                holds(
                    self.tree() == Some(delivery.tree),
                    "its tree is not the one that was checked and reviewed",
                )?;
                holds(
                    self.base() == Some(delivery.base),
                    "it does not start from the base of this run",
                )?;
                holds(delivery.mode == self.opened.delivery, "it is another delivery mode")
            }
            PhaseEvidence::ExplicitPathsStaged { tree, total, paths } => {
                holds(
                    self.tree() == Some(*tree),
                    "its tree is not the one that was checked and reviewed",
                )?;
                let same = self.change().is_some_and(|change| {
                    change.counts.total() == *total && change.paths.iter().map(|listed| &listed.path).eq(paths)
                });
                holds(same, "they are not the paths of the change set")
            }
            PhaseEvidence::Committed {
                change,
                records,
                branch,
                old,
                new,
            } => {
                let prepared = self.prepared.as_ref().is_some_and(|delivery| {
                    delivery.change == *change
                        && delivery.records == *records
                        && delivery.branch == *branch
                        && delivery.old == *old
                        && delivery.records == *new
                });
                holds(prepared, "it is not the delivery that was prepared")?;
                holds(self.branch_holds_delivery(), "the branch was not seen to point there")
            }
            PhaseEvidence::Pushed { remote, name, old, new } => {
                holds(self.pushes_to(remote, name), "it is not the target of this run")?;
                let prepared = self
                    .prepared
                    .as_ref()
                    .is_some_and(|delivery| delivery.records == *new && Some(delivery.base) == *old);
                holds(prepared, "it is not the delivery that was prepared")?;
                let told = self
                    .pushed
                    .is_some_and(|pushed| pushed.new == *new && Some(pushed.old) == *old);
                let seen = self.remote.is_some_and(|seen| seen.contains_new);
                holds(told || seen, "the remote did not say that it has it")
            }
            PhaseEvidence::HeadEqualsUpstreamProved { remote, name, commit } => {
                holds(self.pushes_to(remote, name), "it is not the target of this run")?;
                let seen = self.remote.filter(|seen| seen.value == Some(*commit));
                let there = seen.is_some_and(|seen| {
                    seen.contains_new
                        || self
                            .prepared
                            .as_ref()
                            .is_some_and(|delivery| delivery.records == *commit)
                });
                holds(there, "the remote was not seen to hold it after the push")
            }
            PhaseEvidence::Proposed { .. } => refuse("no remote was asked"),
            PhaseEvidence::Done { receipt, journal } => {
                let computed = Receipt::of(self, *journal).map(|receipt| receipt.digest());
                holds(
                    computed == Some(*receipt),
                    "it is not the receipt that this run amounts to",
                )
            }
        }
    }
}
