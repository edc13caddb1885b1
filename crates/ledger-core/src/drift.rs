//! Where a change and its specs have parted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::fitting;

/// The most findings that are listed one by one; one more says how many there are besides.
pub const MAX_DRIFT_FINDINGS: usize = 100;

/// What was found when a change was held against its specs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpecDrift {
    /// What was found; empty: they agree.
    pub findings: Vec<DriftFinding>,
}

/// One place where a change and its specs do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftFinding {
    /// What kind of disagreement it is.
    pub code: DriftCode,
    /// The requirement, task, item or path that it is about.
    pub place: String,
    /// What was seen, in plain words.
    pub detail: String,
    /// Whether the change cannot be delivered like this; otherwise it is a risk for people to look at.
    pub blocks: bool,
}

/// A kind of disagreement between a change and its specs. Names are never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftCode {
    /// An accepted requirement that no check proves.
    MissingProof,
    /// An accepted requirement that only a reviewer can judge.
    InspectionOnly,
    /// An accepted item of the delta that cannot be brought into the current specs.
    NotCurrent,
    /// An accepted item of the delta that a later ticket brings into the current specs.
    Deferred,
    /// A file that the design says is created, edited or removed, and that is not.
    FileUnchanged,
    /// A changed file that no spec names.
    FileUnnamed,
    /// A task of which no file changed.
    TaskWithoutChange,
    /// A contract, data, dependencies, security or what people see changed, and no requirement asks for it.
    UnspecifiedBehaviour,
}

impl DriftCode {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingProof => "missing_proof",
            Self::InspectionOnly => "inspection_only",
            Self::NotCurrent => "not_current",
            Self::Deferred => "deferred",
            Self::FileUnchanged => "file_unchanged",
            Self::FileUnnamed => "file_unnamed",
            Self::TaskWithoutChange => "task_without_change",
            Self::UnspecifiedBehaviour => "unspecified_behaviour",
        }
    }

    /// Whether another turn of the worker can mend it. The rest is for a person: specs and checks are not the worker's.
    pub fn is_for_the_worker(self) -> bool {
        matches!(
            self,
            Self::FileUnchanged | Self::FileUnnamed | Self::TaskWithoutChange | Self::UnspecifiedBehaviour
        )
    }
}

impl std::fmt::Display for DriftCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Display for DriftFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.place, self.code, self.detail)
    }
}

/// What follows from the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// Change and specs agree.
    Pass,
    /// They agree as far as it matters; people have to look at the rest.
    PassWithRisk,
    /// They do not.
    Fail,
}

impl DriftVerdict {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::PassWithRisk => "pass_with_risk",
            Self::Fail => "fail",
        }
    }
}

impl SpecDrift {
    /// These findings, those that block first, as many as fit into a journal line.
    pub fn new(mut findings: Vec<DriftFinding>) -> Self {
        findings
            .sort_by(|a, b| (!a.blocks, a.code, &a.place, &a.detail).cmp(&(!b.blocks, b.code, &b.place, &b.detail)));
        findings.dedup();
        let listed = fitting(&findings).min(MAX_DRIFT_FINDINGS);
        if let Some(next) = findings.get(listed) {
            let rest = DriftFinding {
                code: next.code,
                place: String::new(),
                detail: format!("and {} more", findings.len() - listed),
                blocks: next.blocks,
            };
            findings.truncate(listed);
            findings.push(rest);
        }
        Self { findings }
    }

    /// The findings that keep the change from being delivered.
    pub fn blocking(&self) -> impl Iterator<Item = &DriftFinding> {
        self.findings.iter().filter(|finding| finding.blocks)
    }

    /// What follows from the findings.
    pub fn verdict(&self) -> DriftVerdict {
        match self.findings.as_slice() {
            [] => DriftVerdict::Pass,
            some if some.iter().any(|finding| finding.blocks) => DriftVerdict::Fail,
            _ => DriftVerdict::PassWithRisk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(number: usize, blocks: bool) -> DriftFinding {
        DriftFinding {
            code: DriftCode::FileUnnamed,
            place: format!("src/{number:05}.rs"),
            detail: "no spec names it".to_owned(),
            blocks,
        }
    }

    #[test]
    fn what_blocks_is_listed_first_and_the_rest_is_counted() {
        let many: Vec<_> = (0..150).map(|number| finding(number, number == 149)).collect();
        let drift = SpecDrift::new(many);
        assert_eq!(drift.findings.len(), MAX_DRIFT_FINDINGS + 1);
        assert_eq!(
            (drift.findings[0].place.as_str(), drift.findings[0].blocks),
            ("src/00149.rs", true)
        );
        let rest = drift.findings.last().unwrap();
        assert_eq!((rest.detail.as_str(), rest.blocks), ("and 50 more", false));
        assert_eq!(drift.verdict(), DriftVerdict::Fail);
        let blocking = SpecDrift::new((0..150).map(|number| finding(number, true)).collect());
        assert!(blocking.findings.iter().all(|finding| finding.blocks));
        assert_eq!(
            SpecDrift::new(vec![finding(1, false)]).verdict(),
            DriftVerdict::PassWithRisk
        );
        assert_eq!(SpecDrift::default().verdict(), DriftVerdict::Pass);
    }
}
