//! What experts said in a run, in the form in which people read it.

use ledger_core::{ExpertCall, ExpertSubject, Finding, Judge, Recommendation, RepoPath, Run};
use serde::Serialize;

use crate::records::finding_line;

/// What an expert said, and why it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpertOpinion {
    /// Who.
    pub expert: Judge,
    /// What was judged: `plan` or `change`.
    pub about: &'static str,
    /// What called for it.
    pub trigger: String,
    /// The first path that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
    /// `pass`, `fail`, or `none` where it gave no answer.
    pub verdict: &'static str,
    /// Whether it stops nothing.
    pub advisory: bool,
    /// How it should go on.
    pub recommendation: Option<Recommendation>,
    /// The judgement in short.
    pub summary: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What would have to be shown.
    pub required_proof: Vec<String>,
    /// What should happen next.
    pub next_action: String,
}

impl ExpertOpinion {
    /// What is known of it, one fact a line.
    pub fn lines(&self) -> Vec<String> {
        let findings = self.findings.iter().map(finding_line);
        let proof = self
            .required_proof
            .iter()
            .map(|proof| format!("required proof: {proof}"));
        let next = Some(&self.next_action).filter(|next| !next.trim().is_empty());
        let summary = Some(self.summary.clone()).filter(|summary| !summary.trim().is_empty());
        summary
            .into_iter()
            .chain(findings)
            .chain(proof)
            .chain(next.map(|next| format!("next: {next}")))
            .collect()
    }

    /// What called for it, in one line.
    pub fn called_by(&self) -> String {
        match &self.path {
            Some(path) => format!("{path}: {}", self.trigger),
            None => self.trigger.clone(),
        }
    }

    /// Its verdict in words.
    pub fn verdict_in_words(&self) -> String {
        let recommendation = self.recommendation.map_or("no answer", Recommendation::as_str);
        let advisory = if self.advisory { ", which stops nothing" } else { "" };
        format!("{} ({recommendation}){advisory}", self.verdict)
    }
}

/// What experts last said in a run: first of its plan, then of the tree that it stands on.
pub(crate) fn expert_opinions(run: &Run) -> Vec<ExpertOpinion> {
    let plan = run.plan_to_judge();
    let of_plan = plan.iter().flat_map(|subject| {
        run.plan_experts().iter().filter_map(move |field| {
            let call = ExpertCall {
                judge: Judge::from(*field),
                trigger: "the ticket names it".to_owned(),
                path: None,
                is_advisory: false,
            };
            opinion(run, &call, subject)
        })
    });
    let tree = run.tree().map(|tree| ExpertSubject::Tree { tree });
    let calls = run.expert_calls();
    let of_tree = tree
        .iter()
        .flat_map(|subject| calls.iter().filter_map(move |call| opinion(run, call, subject)));
    of_plan.chain(of_tree).collect()
}

/// None where it was not asked yet.
fn opinion(run: &Run, call: &ExpertCall, subject: &ExpertSubject) -> Option<ExpertOpinion> {
    let ended = run.expert(call.judge, subject)?;
    let said = ended.turn.end.answer();
    let review = said.map(|said| &said.review);
    Some(ExpertOpinion {
        expert: call.judge,
        about: match subject {
            ExpertSubject::Plan { .. } => "plan",
            ExpertSubject::Tree { .. } => "change",
        },
        trigger: call.trigger.clone(),
        path: call.path.clone(),
        verdict: match said.map(|said| said.passes) {
            Some(true) => "pass",
            Some(false) => "fail",
            None => "none",
        },
        advisory: call.is_advisory,
        recommendation: review.map(|review| review.recommendation),
        summary: review.map(|review| review.summary.clone()).unwrap_or_default(),
        findings: review.map(|review| review.findings.clone()).unwrap_or_default(),
        required_proof: review.map(|review| review.required_proof.clone()).unwrap_or_default(),
        next_action: review.map(|review| review.next_action.clone()).unwrap_or_default(),
    })
}
