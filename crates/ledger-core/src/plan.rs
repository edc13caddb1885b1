//! A planner's answer: what is to be done before anybody does it, in a small strict form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::path::RepoPath;
use crate::report::{InvalidReport, parse_answer, same_turn};
use crate::wanted_grant::WantedGrant;

/// How a ticket is to be done, as a thread that may only read has written it down. Every property is required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Planner's answer")]
pub struct Plan {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// Whether the ticket can be done as it is written
    pub status: PlanStatus,
    /// How the ticket is to be done and why so, in a few sentences
    pub approach: String,
    /// The steps in their order, each small enough to be looked at by itself
    pub steps: Vec<String>,
    /// Every file that is to be created, edited or removed
    pub files: Vec<PlannedFile>,
    /// What will prove the change: for each acceptance item the check or test that shows it
    pub proof: Vec<String>,
    /// When the writer has to stop instead of going on, such as a change of a public contract that nobody asked for
    pub stop_conditions: Vec<String>,
    /// What could go wrong; empty if nothing is known
    pub risks: Vec<String>,
    /// What the ticket would have to grant so that it can be done, beside what it grants; empty if nothing
    pub wanted_grants: Vec<WantedGrant>,
    /// If status is blocked: what is missing and who could give it; else empty
    pub blocked_because: String,
}

/// Whether a ticket can be done as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// It can
    Planned,
    /// It cannot without a person: it contradicts itself, or the scope is too small
    Blocked,
}

/// A file that a plan names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedFile {
    /// Its path from the top of the repository, with forward slashes
    pub path: String,
    /// What is to become of it
    pub change: PlannedChange,
    /// Why, in one line
    pub reason: String,
}

/// What is to become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedChange {
    /// It is new
    Create,
    /// Its content changes
    Edit,
    /// It goes
    Remove,
}

impl PlannedChange {
    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Remove => "remove",
        }
    }
}

/// The most files that a plan may name. What needs more is more than one ticket.
pub const MAX_PLANNED_FILES: usize = 200;

impl Plan {
    /// Reads the answer to the planning turn with this label. Refuses anything else, however close, and a plan that says nothing: without
    /// an approach, a proof or a condition to stop, with a path that is none, with more than [`MAX_PLANNED_FILES`] files.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let plan: Self = parse_answer(text)?;
        same_turn(&plan.turn, turn)?;
        match plan.shortcoming() {
            None => Ok(plan),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        if self.status == PlanStatus::Blocked {
            return self
                .blocked_because
                .trim()
                .is_empty()
                .then(|| "`blocked_because` is empty, although `status` is `blocked`".to_owned());
        }
        if self.approach.trim().is_empty() {
            return Some("`approach` is empty".to_owned());
        }
        if self.proof.iter().all(|proof| proof.trim().is_empty()) {
            return Some("`proof` is empty: a plan says what will show that the change is right".to_owned());
        }
        if self.stop_conditions.iter().all(|condition| condition.trim().is_empty()) {
            let why = "a plan says when the writer has to stop rather than go on";
            return Some(format!("`stop_conditions` is empty: {why}"));
        }
        if self.files.len() > MAX_PLANNED_FILES {
            let count = self.files.len();
            return Some(format!("it names {count} files, more than {MAX_PLANNED_FILES}"));
        }
        self.files.iter().enumerate().find_map(|(index, file)| {
            let invalid = file.path.parse::<RepoPath>().err()?;
            Some(format!("`files[{index}].path`: {invalid}"))
        })
    }

    /// The paths that it names, in its order.
    pub fn paths(&self) -> impl Iterator<Item = RepoPath> {
        // `parse` refuses a path that is none; a recorded plan with one names nothing by it.
        self.files.iter().filter_map(|file| file.path.parse().ok())
    }

    /// Digest of the plan, over the bytes of its compact JSON with its properties in their order here.
    pub fn digest(&self) -> Digest {
        // A struct of strings and lists always serializes.
        Digest::of(serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> serde_json::Value {
        serde_json::json!({
            "turn": "run/plan-2", "status": "planned", "approach": "Say it.", "steps": ["write"],
            "files": [{ "path": "src/hello.rs", "change": "create", "reason": "the greeting" }],
            "proof": ["AC-1: `cargo test`"], "stop_conditions": ["it has another caller"], "risks": [], "wanted_grants": [], "blocked_because": "",
        })
    }

    fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Plan, String> {
        let mut value = plan();
        change(&mut value);
        Plan::parse(&value.to_string(), "run/plan-2").map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_is_of_its_turn_and_says_something() {
        let paths: Vec<_> = parsed(|_| {}).unwrap().paths().map(|path| path.to_string()).collect();
        assert_eq!(paths, ["src/hello.rs"]);
        let refused = |change: fn(&mut serde_json::Value)| parsed(change).unwrap_err();
        insta::assert_snapshot!(
            [
                refused(|plan| plan["turn"] = "run/plan-1".into()),
                refused(|plan| plan["approach"] = " ".into()),
                refused(|plan| plan["proof"] = serde_json::json!(["", " "])),
                refused(|plan| plan["stop_conditions"] = serde_json::json!([" "])),
                refused(|plan| plan["files"][0]["path"] = "../secret".into()),
                refused(|plan| plan["files"][0]["path"] = "/etc/passwd".into()),
                refused(|plan| plan["files"][0]["change"] = "rename".into()),
                refused(|plan| plan["files"] = std::iter::repeat_n(plan["files"][0].clone(), 201).collect()),
                refused(|plan| plan["status"] = "blocked".into()),
                refused(|plan| plan["extra"] = 1.into()),
            ]
            .join("\n")
        );
    }

    #[test]
    fn one_other_byte_is_another_plan() {
        let (one, other) = (
            parsed(|_| {}).unwrap(),
            parsed(|plan| plan["approach"] = "Say it!".into()).unwrap(),
        );
        assert_ne!(one.digest(), other.digest());
        let again: Plan = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(one.digest(), again.digest());
    }
}
