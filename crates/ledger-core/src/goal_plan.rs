//! A planner's answer to a goal: a package of draft tickets, in a strict form.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::DocumentError;
use crate::expert::ExpertField;
use crate::id::{PackageName, TicketId};
use crate::mode::Mode;
use crate::path::RepoPath;
use crate::report::{InvalidReport, parse_answer_up_to, same_turn};
use crate::spec::SpecKind;
use crate::ticket::{Kind, Scope, SpecMode, Specs, TicketFile};

/// How a goal is to be reached, ticket by ticket, as a thread that may only read has written it down. Nothing of it is approved by that. Every property is
/// required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Answer to a goal")]
pub struct GoalPlan {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// Whether the goal can be planned as it is stated
    pub status: GoalPlanStatus,
    /// What the tickets amount to, in one line
    pub title: String,
    /// How the goal is reached and why so, in a few sentences
    pub approach: String,
    /// The tickets in the order in which they are to be delivered, each small enough for one review
    pub tickets: Vec<PlannedTicket>,
    /// What was taken for granted and a person should confirm; empty if nothing
    pub assumptions: Vec<String>,
    /// What a person has to decide, or to allow, before the tickets can be approved, such as a new dependency; empty if nothing
    pub questions: Vec<String>,
    /// If status is blocked: what is missing and who could give it; else empty
    pub blocked_because: String,
}

/// Whether a goal can be planned as it is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoalPlanStatus {
    /// It can
    Planned,
    /// It cannot without a person: it contradicts itself, or it is not known what it means here
    Blocked,
}

/// A ticket that a plan proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedTicket {
    /// The id: the next number and a few words, such as `0042-validate-email`
    pub id: String,
    /// What the change is, in one line
    pub title: String,
    /// What kind of change it is
    pub kind: Kind,
    /// How much discipline it needs
    pub mode: PlannedMode,
    /// The fields whose experts judge it, which mode `expert` needs; empty: whoever the change calls for
    pub experts: Vec<ExpertField>,
    /// The ids of tickets that must be delivered before it
    pub depends_on: Vec<String>,
    /// What is wrong or missing
    pub problem: String,
    /// How it should be
    pub desired: String,
    /// What the change is for, in one sentence
    pub goal: String,
    /// Exact paths or globs that may change, also of tests and documentation; a folder needs `/**`
    pub allowed: Vec<String>,
    /// Exact paths or globs that may not change although `allowed` covers them
    pub forbidden: Vec<String>,
    /// What is deliberately left out
    pub out_of_scope: Vec<String>,
    /// What must be so afterwards; they are named `AC-1`, `AC-2` and so on in this order
    pub acceptance: Vec<PlannedAcceptance>,
    /// Checks beside those that always run; empty if those prove it
    pub checks: Vec<PlannedCheck>,
    /// When the writer has to stop instead of going on
    pub stop_when: Vec<String>,
    /// What the writer is asked, in Markdown: all that it needs to know beside the rest
    pub prompt: String,
    /// The specs, where the change needs them; else each text is empty
    pub specs: PlannedSpecs,
    /// If there are no specs: why it needs none; else empty
    pub no_specs_because: String,
}

/// How much discipline a planned ticket needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedMode {
    /// At most three files of one module, and no contract of others: no plan is made before
    Quick,
    /// Planned, written, checked, reviewed
    Standard,
    /// The same, and experts judge the plan too
    Expert,
}

impl PlannedMode {
    fn mode(self) -> Mode {
        match self {
            Self::Quick => Mode::Quick,
            Self::Standard => Mode::Standard,
            Self::Expert => Mode::Expert,
        }
    }
}

/// Something that must be so after a planned ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedAcceptance {
    /// The situation
    pub given: String,
    /// What happens
    pub when: String,
    /// What must follow
    pub then: String,
    /// The requirements of the ticket's specs that it is about, such as `REQ-7`; empty without specs
    pub requirements: Vec<String>,
}

/// A check that a planned ticket adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedCheck {
    /// Its name
    pub name: String,
    /// The command line
    pub run: String,
    /// The acceptance items that it proves, such as `AC-1`
    pub proves: Vec<String>,
}

/// The texts of a planned ticket's specs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedSpecs {
    /// `requirements.md`
    pub requirements: String,
    /// `design.md`
    pub design: String,
    /// `tasks.md`
    pub tasks: String,
    /// `delta.md`
    pub delta: String,
}

impl PlannedSpecs {
    /// The text of one kind.
    pub fn text(&self, kind: SpecKind) -> &str {
        match kind {
            SpecKind::Requirements => &self.requirements,
            SpecKind::Design => &self.design,
            SpecKind::Tasks => &self.tasks,
            SpecKind::Delta => &self.delta,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        SpecKind::ALL.into_iter().all(|kind| self.text(kind).trim().is_empty())
    }
}

/// The most tickets that a goal may be planned as. What needs more is more than one goal.
pub const MAX_PLANNED_TICKETS: usize = 40;

/// The most bytes of an answer to a goal, which may hold the specs of every ticket.
pub const MAX_GOAL_PLAN_BYTES: usize = 120 * 1024;

impl GoalPlan {
    /// Reads the answer to the planning turn with this label. Refuses anything else, however close, and a plan that says nothing: without
    /// tickets, with ids that are none or occur twice, with more than [`MAX_PLANNED_TICKETS`] tickets.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let plan: Self = parse_answer_up_to(text, MAX_GOAL_PLAN_BYTES)?;
        same_turn(&plan.turn, turn)?;
        match plan.shortcoming() {
            None => Ok(plan),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        if self.status == GoalPlanStatus::Blocked {
            let is_silent = self.blocked_because.trim().is_empty();
            return is_silent.then(|| "`blocked_because` is empty, although `status` is `blocked`".to_owned());
        }
        if self.title.trim().is_empty() {
            return Some("`title` is empty".to_owned());
        }
        if self.tickets.is_empty() {
            return Some("`tickets` is empty".to_owned());
        }
        if self.tickets.len() > MAX_PLANNED_TICKETS {
            let count = self.tickets.len();
            return Some(format!("it has {count} tickets, more than {MAX_PLANNED_TICKETS}"));
        }
        let mut seen = BTreeSet::new();
        for (index, ticket) in self.tickets.iter().enumerate() {
            let at = |what: String| Some(format!("`tickets[{index}]`: {what}"));
            match ticket.id.parse::<TicketId>() {
                Err(invalid) => return at(format!("`id`: {invalid}")),
                Ok(id) if !seen.insert(id.folded()) => return at(format!("`{id}` occurs twice")),
                Ok(_) => {}
            }
            if ticket.prompt.trim().is_empty() {
                return at("`prompt` is empty".to_owned());
            }
            if ticket.acceptance.is_empty() {
                return at("`acceptance` is empty: a ticket says what must be so afterwards".to_owned());
            }
            if let Some(invalid) = ticket.depends_on.iter().find_map(|id| id.parse::<TicketId>().err()) {
                return at(format!("`depends_on`: {invalid}"));
            }
        }
        None
    }

    /// The ids of its tickets, in their order.
    pub fn ids(&self) -> impl Iterator<Item = TicketId> {
        // `parse` refuses an id that is none.
        self.tickets.iter().filter_map(|ticket| ticket.id.parse().ok())
    }
}

impl PlannedTicket {
    /// The text of the contract that it proposes, as a ticket of this package, with its specs in the files that `spec` names. It grants nothing: only a
    /// person does.
    ///
    /// # Errors
    /// What a reader of the contract would refuse.
    pub fn contract(
        &self,
        package: &PackageName,
        spec: impl Fn(SpecKind) -> RepoPath,
    ) -> Result<String, DocumentError> {
        let has_specs = !self.specs.is_empty();
        let path = |kind| has_specs.then(|| spec(kind));
        let acceptance = self.acceptance.iter().enumerate();
        let acceptance = acceptance.map(|(index, item)| DraftAcceptance {
            id: format!("AC-{}", index.saturating_add(1)),
            given: &item.given,
            when: &item.when,
            then: &item.then,
            requirements: &item.requirements,
        });
        let draft = Draft {
            schema: 1,
            title: self.title.trim(),
            kind: self.kind,
            mode: self.mode.mode(),
            package,
            experts: &self.experts,
            depends_on: &self.depends_on,
            stop_when: &self.stop_when,
            context: DraftContext {
                problem: &self.problem,
                desired: &self.desired,
            },
            scope: Scope {
                goal: self.goal.clone(),
                allowed: Some(self.allowed.clone()),
                forbidden: self.forbidden.clone(),
                out_of_scope: self.out_of_scope.clone(),
            },
            acceptance: acceptance.collect(),
            check: &self.checks,
            specs: Specs {
                mode: if has_specs { SpecMode::Full } else { SpecMode::None },
                reason: if has_specs {
                    String::new()
                } else {
                    self.no_specs_because.clone()
                },
                requirements: path(SpecKind::Requirements),
                design: path(SpecKind::Design),
                tasks: path(SpecKind::Tasks),
                delta: path(SpecKind::Delta),
            },
        };
        let text = toml::to_string_pretty(&draft)
            .map_err(|error| DocumentError::at("", 0..0, format!("it has no form in TOML: {error}")))?;
        TicketFile::parse(text.as_bytes())?;
        Ok(text)
    }
}

/// A contract with what a planner may say in it, and nothing else.
#[derive(Serialize)]
struct Draft<'a> {
    schema: u32,
    title: &'a str,
    kind: Kind,
    mode: Mode,
    package: &'a PackageName,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    experts: &'a [ExpertField],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    depends_on: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_when: &'a [String],
    context: DraftContext<'a>,
    scope: Scope,
    acceptance: Vec<DraftAcceptance<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    check: &'a [PlannedCheck],
    specs: Specs,
}

#[derive(Serialize)]
struct DraftContext<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    problem: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    desired: &'a str,
}

#[derive(Serialize)]
struct DraftAcceptance<'a> {
    id: String,
    given: &'a str,
    when: &'a str,
    then: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    requirements: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> serde_json::Value {
        serde_json::json!({
            "turn": "plan-1", "status": "planned", "title": "Greetings", "approach": "One after the other.",
            "tickets": [{
                "id": "0007-greet", "title": "Greet", "kind": "feature", "mode": "standard", "experts": [], "depends_on": [],
                "problem": "Nobody is greeted.", "desired": "Everybody is.", "goal": "A greeting",
                "allowed": ["src/greet.rs"], "forbidden": [], "out_of_scope": ["farewells"],
                "acceptance": [{ "given": "a name", "when": "greeted", "then": "it is said", "requirements": [] }],
                "checks": [{ "name": "greets", "run": "cargo test greet", "proves": ["AC-1"] }],
                "stop_when": ["a dependency is needed"], "prompt": "# Greet\n\nSay hello.\n",
                "specs": { "requirements": "", "design": "", "tasks": "", "delta": "" },
                "no_specs_because": "one function",
            }],
            "assumptions": [], "questions": [], "blocked_because": "",
        })
    }

    fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> Result<GoalPlan, String> {
        let mut value = plan();
        change(&mut value);
        GoalPlan::parse(&value.to_string(), "plan-1").map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_is_of_its_turn_and_has_tickets() {
        assert_eq!(parsed(|_| {}).unwrap().ids().next().unwrap().as_str(), "0007-greet");
        let refused = |change: fn(&mut serde_json::Value)| parsed(change).unwrap_err();
        insta::assert_snapshot!(
            [
                refused(|plan| plan["turn"] = "plan-2".into()),
                refused(|plan| plan["status"] = "blocked".into()),
                refused(|plan| plan["title"] = " ".into()),
                refused(|plan| plan["tickets"] = serde_json::json!([])),
                refused(|plan| plan["tickets"][0]["id"] = "../../etc".into()),
                refused(|plan| plan["tickets"][0]["prompt"] = "\n".into()),
                refused(|plan| plan["tickets"][0]["acceptance"] = serde_json::json!([])),
                refused(|plan| plan["tickets"][0]["depends_on"] = serde_json::json!(["a/b"])),
                refused(|plan| plan["tickets"][0]["grants"] = serde_json::json!({ "network": true })),
                refused(|plan| {
                    let mut twin = plan["tickets"][0].clone();
                    twin["id"] = "0007-GREET".into();
                    plan["tickets"] = serde_json::json!([plan["tickets"][0], twin]);
                }),
                refused(|plan| plan["tickets"] = std::iter::repeat_n(plan["tickets"][0].clone(), 41).collect()),
                refused(|plan| plan["approach"] = "x".repeat(MAX_GOAL_PLAN_BYTES).into()),
            ]
            .join("\n")
        );
    }

    #[test]
    fn its_contract_is_a_ticket_that_grants_nothing() {
        let plan = parsed(|_| {}).unwrap();
        let path = |kind: SpecKind| format!("ledger/specs/changes/x/{}.md", kind.as_str()).parse().unwrap();
        let text = plan.tickets[0].contract(&"greetings".parse().unwrap(), path).unwrap();
        let contract = TicketFile::parse(text.as_bytes()).unwrap();
        assert_eq!(contract.grants, crate::Grants::default());
        insta::assert_snapshot!(text);
        let with_specs = parsed(|plan| plan["tickets"][0]["specs"]["design"] = "# Design".into()).unwrap();
        let text = with_specs.tickets[0]
            .contract(&"greetings".parse().unwrap(), path)
            .unwrap();
        let contract = TicketFile::parse(text.as_bytes()).unwrap();
        assert_eq!(contract.specs.files().count(), 4);
    }

    #[test]
    fn what_no_ticket_may_say_is_refused() {
        let path = |kind: SpecKind| format!("ledger/specs/changes/x/{}.md", kind.as_str()).parse().unwrap();
        let refused = |change: fn(&mut serde_json::Value)| {
            let plan = parsed(change).unwrap();
            let error = plan.tickets[0]
                .contract(&"greetings".parse().unwrap(), path)
                .unwrap_err();
            error.message
        };
        insta::assert_snapshot!(
            [
                refused(|plan| plan["tickets"][0]["checks"][0]["proves"] = serde_json::json!(["AC-2"])),
                refused(|plan| plan["tickets"][0]["checks"][0]["run"] = " ".into()),
                refused(|plan| plan["tickets"][0]["title"] = "".into()),
                refused(|plan| plan["tickets"][0]["mode"] = "expert".into()),
                refused(|plan| {
                    plan["tickets"][0]["acceptance"][0]["requirements"] = serde_json::json!(["none"]);
                }),
            ]
            .join("\n")
        );
    }
}
