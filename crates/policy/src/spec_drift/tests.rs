//! Changes and their specs, held against each other.

use ledger_core::{
    AcceptanceProof, CommitId, Confidence, DriftVerdict, EntryMode, Side, SpecSources, Strength, TicketId, TreeId,
};

use super::*;
use crate::changes::FileFacts;
use crate::quick_flow::public_api_change;
use crate::scope::PolicyScope;
use crate::spec_trace::{open_spec_decisions, trace_gaps, unproved_requirements};

/// The specs of a small change, each a table of this.
#[derive(Clone)]
struct Texts {
    requirements: String,
    decisions: String,
    files: String,
    tasks: String,
    added: String,
    closeout: String,
    traces: String,
    tests: String,
}

impl Texts {
    fn new() -> Self {
        Self {
            requirements: "| REQ-001 | accepted | addresses are checked | given `a@` it is refused | mail tests |\n".to_owned(),
            decisions: "| DEC-001 | accepted | by hand | small | REQ-001 |\n".to_owned(),
            files: "| src/mail.rs | edit | REQ-001 | TASK-001 |\n| tests/mail.rs | create | REQ-001 | TASK-001 |\n".to_owned(),
            tasks: "| TASK-001 | accepted | none | scoped_worker | src/mail.rs, tests/** | REQ-001 | mail tests |\n".to_owned(),
            added: "| ADD-001 | accepted | REQ-001 | they are checked | ledger/specs/current/mail/requirements.md | mail tests |\n"
                .to_owned(),
            closeout: String::new(),
            traces: String::new(),
            tests: String::new(),
        }
    }

    fn set(&self) -> SpecSet {
        let table = |columns: &str, rows: &str| {
            let columns: Vec<_> = columns.split(", ").collect();
            format!(
                "| {} |\n|{}\n{rows}\n",
                columns.join(" | "),
                " --- |".repeat(columns.len())
            )
        };
        let none = "None.\n\n";
        let requirements = format!(
            "# R\n\n- Spec ID: REQSET-mail\n- Status: accepted\n\n## Summary\n\nMail.\n\n## Source Of Truth\n\n{none}## Requirements\n\n{}\
             ## Non-Goals\n\n{none}## Ambiguity Log\n\n{none}## Traceability\n\n{}",
            table(
                "Requirement ID, Status, Requirement, Acceptance criteria, Proof target",
                &self.requirements
            ),
            table(
                "Requirement ID, Design section, Task ID, Ticket ID, Evidence",
                &self.traces
            )
        );
        let design = format!(
            "# D\n\n- Design ID: DES-mail\n- Status: accepted\n\n## Overview\n\nBy hand.\n\n## Decisions\n\n{}## Impacted Files\n\n{}\
             ## Interfaces And Contracts\n\n{none}## Failure Modes\n\n{none}## Security And Privacy\n\n{none}## Test Strategy\n\n{}",
            table(
                "Decision ID, Status, Decision, Rationale, Requirement IDs",
                &self.decisions
            ),
            table("Path, Change, Requirement IDs, Task IDs", &self.files),
            table("Requirement ID, Test or proof, Notes", &self.tests)
        );
        let tasks = format!(
            "# T\n\n- Task Set ID: TASKSET-mail\n- Status: accepted\n\n## Task List\n\n{}## Proof Map\n\n{none}## Handoff Notes\n\n{none}",
            table(
                "Task ID, Status, Depends on, Owner role, Allowed files, Requirement IDs, Proof",
                &self.tasks
            )
        );
        let delta = format!(
            "# X\n\n- Delta ID: DELTA-mail\n- Status: accepted\n\n## ADDED\n\n{}## MODIFIED\n\n{none}## REMOVED\n\n{none}## Closeout\n\n{}",
            table(
                "Delta Item ID, Status, Requirement ID, New behaviour, Required current-spec update, Proof",
                &self.added
            ),
            table("Delta Item ID, Owner, Follow-up ticket, Superseded by", &self.closeout)
        );
        let reading = SpecSet::read(SpecSources {
            requirements: requirements.as_bytes(),
            design: design.as_bytes(),
            tasks: tasks.as_bytes(),
            delta: Some(delta.as_bytes()),
        });
        assert_eq!(reading.problems, []);
        reading.set.unwrap()
    }
}

const TICKET: &str = "title = \"x\"\n[scope]\nallowed = [\"src/**\", \"tests/**\", \"docs/**\"]\n[[acceptance]]\nid = \"AC-1\"\nthen = \"y\"\n\
    requirements = [\"REQ-001\"]\n[[check]]\nname = \"mail tests\"\nrun = \"true\"\nproves = [\"AC-1\"]\n\
    [specs]\nmode = \"full\"\nrequirements = \"r\"\ndesign = \"d\"\ntasks = \"t\"\n";

fn ticket() -> TicketFile {
    TicketFile::parse(TICKET.as_bytes()).unwrap()
}

/// A change of files, from one text to another.
fn changed(files: &[(&str, Option<&str>, Option<&str>)]) -> (ChangeSet, ChangeFacts) {
    let (mut changes, mut facts) = (Vec::new(), ChangeFacts::default());
    let side = |text: Option<&str>| {
        text.map(|_| Side {
            mode: EntryMode::File,
            id: "1".repeat(40).parse().unwrap(),
        })
    };
    for (path, before, after) in files {
        let path: RepoPath = path.parse().unwrap();
        let known = FileFacts {
            public_api: public_api_change(&path, before.map(str::as_bytes), after.map(str::as_bytes)),
            ..FileFacts::default()
        };
        facts.files.insert(path.clone(), known);
        changes.push(Change {
            path,
            before: side(*before),
            after: side(*after),
            renamed_from: None,
        });
    }
    let base: CommitId = "2".repeat(40).parse().unwrap();
    let tree: TreeId = "3".repeat(40).parse().unwrap();
    (ChangeSet { base, tree, changes }, facts)
}

const BEFORE: &str = "fn mail() {}\n";
const AFTER: &str = "fn mail() { check() }\n";
const MAIL: (&str, Option<&str>, Option<&str>) = ("src/mail.rs", Some(BEFORE), Some(AFTER));
const TEST: (&str, Option<&str>, Option<&str>) = ("tests/mail.rs", None, Some("#[test]\nfn mail() {}\n"));

/// The findings of a change under these specs, with the current specs as they are.
fn drift(texts: &Texts, files: &[(&str, Option<&str>, Option<&str>)], current: Option<&str>) -> SpecDrift {
    let set = texts.set();
    let (changes, facts) = changed(files);
    let path = "ledger/specs/current/mail/requirements.md".parse().unwrap();
    let current = BTreeMap::from([(path, current.map(|text| text.as_bytes().to_vec()))]);
    let specs = SpecFacts {
        set: &set,
        current: &current,
    };
    spec_drift(&Policy::default(), &ticket(), &changes, &facts, specs).unwrap()
}

fn told(drift: &SpecDrift) -> Vec<String> {
    drift.findings.iter().map(ToString::to_string).collect()
}

fn proof(checks: &[&str]) -> AcceptanceProof {
    AcceptanceProof {
        id: "AC-1".to_owned(),
        checks: checks.iter().map(|name| (*name).to_owned()).collect(),
        strength: Strength::RunnerRan,
        confidence: Confidence::Medium,
    }
}

#[test]
fn a_change_that_does_what_its_specs_say_passes() {
    let drift = drift(&Texts::new(), &[MAIL, TEST], None);
    assert_eq!(told(&drift), Vec::<String>::new());
    assert_eq!(drift.verdict(), DriftVerdict::Pass);
    let required = required_proofs(&ticket(), &Texts::new().set());
    assert_eq!(unproved_requirements(&required, &[proof(&["mail tests"])]), []);
}

#[test]
fn an_accepted_requirement_without_a_passing_proof_fails() {
    let required = required_proofs(&ticket(), &Texts::new().set());
    for acceptance in [&[][..], &[proof(&[])]] {
        let drift = SpecDrift::new(unproved_requirements(&required, acceptance));
        let expected = "REQ-001 (missing_proof): it is accepted, and no check that passed proves it";
        assert_eq!(told(&drift), [expected]);
        assert_eq!(drift.verdict(), DriftVerdict::Fail);
    }
}

#[test]
fn an_accepted_delta_that_cannot_become_current_fails() {
    let stale = "# mail\n\n## Requirements\n\n| Requirement ID | Status | Requirement | Acceptance criteria | Proof target |\n\
        | --- | --- | --- | --- | --- |\n| REQ-001 | accepted | addresses are taken as they are | never | none |\n";
    let drift = drift(&Texts::new(), &[MAIL, TEST], Some(stale));
    let expected = "ADD-001 (not_current): it cannot be brought into `ledger/specs/current/mail/requirements.md`: it has `REQ-001` \
                    already, and says something else; modify it";
    assert_eq!(told(&drift), [expected]);
    assert_eq!(drift.verdict(), DriftVerdict::Fail);
}

#[test]
fn public_behaviour_that_no_requirement_asks_for_fails() {
    let public = ("src/other.rs", None, Some("pub fn other() {}\n"));
    let found = drift(&Texts::new(), &[MAIL, TEST, public], None);
    let expected = "src/other.rs (unspecified_behaviour): public_api_shared_contract: it adds `pub fn other()`, and the design does not \
                    say that the file changes";
    assert_eq!(told(&found), [expected]);
    assert_eq!(found.verdict(), DriftVerdict::Fail);

    // A file that the design only looks at, or for which no requirement asks, is no better.
    for (row, why) in [
        (
            "| src/other.rs | verify | REQ-001 | |\n",
            "the design does not say that the file changes",
        ),
        (
            "| src/other.rs | create | | |\n",
            "the design names no accepted requirement for the file",
        ),
    ] {
        let mut texts = Texts::new();
        texts.files.push_str(row);
        let found = drift(&texts, &[MAIL, TEST, public], None);
        assert!(told(&found)[0].ends_with(why), "{found:?}");
        assert_eq!(found.verdict(), DriftVerdict::Fail);
    }

    // With a requirement, it is the delta that has to know it.
    let mut texts = Texts::new();
    texts.files.push_str("| src/other.rs | create | REQ-001 | |\n");
    assert_eq!(drift(&texts, &[MAIL, TEST, public], None).verdict(), DriftVerdict::Pass);
    texts.added.clear();
    let found = drift(&texts, &[MAIL, TEST, public], None);
    assert!(
        told(&found)[0].ends_with("no accepted item of the delta is about its requirements"),
        "{found:?}"
    );
}

#[test]
fn what_is_unspecified_does_not_hide_behind_much_that_is_specified() {
    let mut texts = Texts::new();
    let names: Vec<_> = (0..9).map(|n| format!("src/a{n}.rs")).collect();
    for name in &names {
        texts.files.push_str(&format!("| {name} | create | REQ-001 | |\n"));
    }
    let public = Some("pub fn f() {}\n");
    let mut files = vec![MAIL, TEST, ("src/z.rs", None, public)];
    files.extend(names.iter().map(|name| (name.as_str(), None, public)));
    let found = drift(&texts, &files, None);
    assert_eq!(
        found
            .blocking()
            .map(|finding| finding.place.as_str())
            .collect::<Vec<_>>(),
        ["src/z.rs"]
    );
}

#[test]
fn a_deferred_item_with_an_owner_and_a_ticket_is_a_risk() {
    let mut texts = Texts::new();
    texts.closeout.push_str("| ADD-001 | Ada | 0043-later | |\n");
    let drift = drift(&texts, &[MAIL, TEST], None);
    assert_eq!(
        told(&drift),
        ["ADD-001 (deferred): Ada sees to it in ticket `0043-later`"]
    );
    assert_eq!(drift.verdict(), DriftVerdict::PassWithRisk);
}

#[test]
fn a_change_of_a_contract_without_any_specs_fails_where_the_policy_wants_specs() {
    let (changes, facts) = changed(&[("src/mail.rs", Some(BEFORE), Some("pub fn mail() {}\n"))]);
    let text = "title = \"x\"\n[scope]\nallowed = [\"src/**\"]\n";
    let ticket = TicketFile::parse(text.as_bytes()).unwrap();
    let drift = drift_without_specs(&Policy::default(), &ticket, &changes, &facts).unwrap();
    let expected = "src/mail.rs (unspecified_behaviour): public_api_shared_contract: it adds `pub fn mail()`, and the ticket has no specs";
    assert_eq!(told(&drift), [expected]);
    assert_eq!(drift.verdict(), DriftVerdict::Fail);
    let (changes, facts) = changed(&[MAIL]);
    let drift = drift_without_specs(&Policy::default(), &ticket, &changes, &facts).unwrap();
    assert_eq!(drift.verdict(), DriftVerdict::Pass);
}

#[test]
fn files_are_what_the_design_says_of_them() {
    let mut texts = Texts::new();
    texts.files.push_str("| src/old.rs | remove | REQ-001 | |\n| src/new.rs | create | REQ-001 | |\n| src/seen.rs | verify | REQ-001 | |\n");
    let removed = ("src/new.rs", Some(BEFORE), None);
    let kept = ("src/old.rs", Some(BEFORE), Some(AFTER));
    let found = drift(&texts, &[TEST, removed, kept], None);
    assert_eq!(
        told(&found),
        [
            "src/mail.rs (file_unchanged): `design.md` says `edit`, and it is not changed",
            "src/new.rs (file_unchanged): `design.md` says `create`, and it is removed",
            "src/old.rs (file_unchanged): `design.md` says `remove`, and it is still there",
        ]
    );
    // What only a proposed requirement asks for is not due.
    texts
        .requirements
        .push_str("| REQ-002 | proposed | later | later | later |\n");
    texts.files = "| src/mail.rs | edit | REQ-001 | |\n| src/later.rs | create | REQ-002 | |\n".to_owned();
    assert_eq!(drift(&texts, &[MAIL, TEST], None).verdict(), DriftVerdict::Pass);
}

#[test]
fn plain_files_that_no_spec_names_and_tasks_without_a_change_are_risks() {
    let mut texts = Texts::new();
    texts
        .requirements
        .push_str("| REQ-002 | accepted | it reads well | when read | inspection by a person |\n");
    texts
        .tasks
        .push_str("| TASK-002 | accepted | TASK-001 | scoped_worker | assets/** | REQ-002 | looked at |\n");
    let helper = ("src/helper.rs", None, Some("fn help() {}\n"));
    let docs = ("docs/mail.md", None, Some("Mail.\n"));
    let found = drift(&texts, &[MAIL, TEST, helper, docs], None);
    assert_eq!(
        told(&found),
        [
            "REQ-002 (inspection_only): no check proves it; a reviewer has judged it alone",
            "src/helper.rs (file_unnamed): neither the design nor a task names it",
            "TASK-002 (task_without_change): no file that it may change is changed",
        ]
    );
    assert_eq!(found.verdict(), DriftVerdict::PassWithRisk);
}

fn policy() -> Policy {
    Policy::parse(b"[[check]]\nname = \"lint\"\nrun = \"true\"\n").unwrap()
}

fn own_id() -> TicketId {
    "0042-mail".parse().unwrap()
}

/// What breaks off between the ticket, changed like this, and these specs.
fn gaps(texts: &Texts, from: &str, to: &str) -> Vec<String> {
    let text = TICKET.replacen(from, to, 1);
    assert!(from.is_empty() || text != TICKET);
    let ticket = TicketFile::parse(text.as_bytes()).unwrap();
    let gaps = trace_gaps(&PolicyScope::new(&policy()), &own_id(), &ticket, &texts.set());
    gaps.into_iter()
        .map(|gap| format!("{} | {}", gap.message, gap.hint))
        .collect()
}

#[test]
fn every_thread_between_a_ticket_and_its_specs_holds() {
    assert_eq!(gaps(&Texts::new(), "", ""), Vec::<String>::new());
}

#[test]
fn each_thread_that_breaks_off_is_told() {
    let with = |change: &dyn Fn(&mut Texts)| {
        let mut texts = Texts::new();
        change(&mut texts);
        texts
    };
    let all = [
        gaps(
            &with(&|texts| {
                texts.requirements = texts.requirements.replace("accepted", "proposed");
                texts.added.clear();
            }),
            "requirements = [\"REQ-001\"]\n",
            "",
        ),
        gaps(
            &with(&|texts| texts.tasks = texts.tasks.replace("accepted", "superseded")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.tasks = texts.tasks.replace("REQ-001", "none")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| {
                texts
                    .requirements
                    .push_str("| REQ-002 | proposed | later | later | later |\n");
                texts
                    .tasks
                    .push_str("| TASK-002 | accepted | none | scoped_worker | src/** | REQ-002 | mail tests |\n");
            }),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.tasks = texts.tasks.replace("scoped_worker", "manager")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.tasks = texts.tasks.replace("tests/**", "/tests")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.tasks = texts.tasks.replace("src/mail.rs", "lib/mail.rs")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.files = texts.files.replace("src/mail.rs", "lib/mail.rs")),
            "",
            "",
        ),
        gaps(
            &with(&|texts| texts.files = texts.files.replace("src/mail.rs", ".github/workflows/a.yml")),
            "",
            "",
        ),
        gaps(&Texts::new(), "requirements = [\"REQ-001\"]\n", ""),
        gaps(&Texts::new(), "[\"REQ-001\"]", "[\"REQ-001\", \"REQ-009\"]"),
        gaps(&Texts::new(), "proves = [\"AC-1\"]\n", ""),
        gaps(
            &with(&|texts| texts.requirements = texts.requirements.replace("| mail tests", "| Inspection of the page")),
            "proves = [\"AC-1\"]\n",
            "",
        ),
    ];
    let undecided = with(&|texts| texts.added = texts.added.replace("accepted", "proposed"));
    let unmentioned = with(&|texts| texts.added.clear());
    let inspected = with(&|texts| texts.requirements = texts.requirements.replace("| mail tests", "| inspection"));
    let policy = Policy::parse(b"[review]\nindependent = \"off\"\n").unwrap();
    let in_a_loop = TicketFile::parse(TICKET.replace("[scope]", "mode = \"loop\"\n[scope]").as_bytes()).unwrap();
    let unseen = trace_gaps(&PolicyScope::new(&policy), &own_id(), &in_a_loop, &inspected.set());
    let more = [
        gaps(&undecided, "", ""),
        gaps(&unmentioned, "", ""),
        unseen
            .into_iter()
            .map(|gap| format!("{} | {}", gap.message, gap.hint))
            .collect(),
    ];
    let all: Vec<_> = all.into_iter().chain(more).collect();
    insta::assert_snapshot!(
        all.iter()
            .map(|gaps| gaps.join("\n"))
            .collect::<Vec<_>>()
            .join("\n--\n")
    );
}

#[test]
fn a_task_may_serve_what_is_not_accepted_beside_what_is() {
    let mut texts = Texts::new();
    texts
        .requirements
        .push_str("| REQ-002 | superseded | never | never | never |\n");
    texts.tasks = texts.tasks.replace("| REQ-001 |", "| REQ-002, REQ-001 |");
    assert_eq!(gaps(&texts, "", ""), Vec::<String>::new());
}

#[test]
fn a_proof_target_names_a_check_that_proves_the_requirement() {
    let told = |target: &str, check: &str| {
        let mut texts = Texts::new();
        texts.requirements = texts.requirements.replace("| mail tests |", &format!("| {target} |"));
        gaps(&texts, "[specs]", &format!("{check}[specs]"))
    };
    let other = "[[check]]\nname = \"style\"\nrun = \"true\"\n";
    for target in [
        "mail tests",
        "`mail tests`",
        "`mail tests`: the case without a domain",
        "lint, mail tests",
        "`style` and `mail tests`",
        "Inspection of the page",
        "`inspection`",
    ] {
        assert_eq!(told(target, other), Vec::<String>::new(), "{target}");
    }
    let hint = "write the name of a check that proves it, such as `mail tests`, alone or in backquotes";
    let none = "the proof target of `REQ-001` names no check of the ticket";
    for target in [
        "the tests",
        "Mail tests",
        "the mail tests",
        "`cargo test`",
        "mail tests `a`",
    ] {
        assert_eq!(told(target, other), [format!("{none} | {hint}")], "{target}");
    }
    for name in ["style", "lint"] {
        let message = format!("the proof target of `REQ-001` is the check `{name}`, and that proves nothing about it");
        assert_eq!(told(name, other), [format!("{message} | {hint}")]);
    }
}

#[test]
fn a_requirement_is_met_by_the_ticket_whose_specs_name_it() {
    let told = |ticket: &str| {
        let mut texts = Texts::new();
        texts.traces = format!("| REQ-001 | Overview | TASK-001 | {ticket} | |\n");
        gaps(&texts, "", "")
    };
    for ticket in ["", "-", "none", "0042-mail", "`0042-mail`", "0007-first, 0042-mail"] {
        assert_eq!(told(ticket), Vec::<String>::new(), "{ticket}");
    }
    for ticket in ["0007-first", "0042-mail-2", "mail"] {
        let message =
            format!("`REQ-001` is said to be met by the ticket `{ticket}`, and these are the specs of `0042-mail`");
        assert_eq!(
            told(ticket),
            [format!("{message} | name `0042-mail`, or leave the cell empty")]
        );
    }
}

#[test]
fn what_a_task_may_change_lies_in_the_scope_of_the_ticket() {
    let told = |task: &str, scope: &str| {
        let mut texts = Texts::new();
        texts.tasks = texts.tasks.replace("src/mail.rs, tests/**", task);
        let found = gaps(&texts, "\"src/**\", \"tests/**\", \"docs/**\"", scope);
        let of_tasks = found.into_iter().filter(|gap| gap.contains("`TASK-001` change"));
        of_tasks.collect::<Vec<_>>()
    };
    for (task, scope) in [
        ("src/mail.rs, src/a/b.rs", "\"src/**\""),
        ("src/**", "\"**\""),
        ("src/a/*.rs, src/**/?.rs", "\"src/**/*.rs\""),
        ("src/{mail,lib}.rs", "\"src/mail.rs\", \"src/lib.rs\""),
        ("src/{a,{b,c}/d}.rs", "\"src/a.rs\", \"src/?/d.rs\""),
        ("app/[id]/**", "\"app/[id]/**\""),
        ("**/mail.rs", "\"**/mail.rs\""),
    ] {
        assert_eq!(told(task, scope), Vec::<String>::new(), "{task} in {scope}");
    }
    for (task, scope) in [
        ("lib/mail.rs", "\"src/**\""),
        ("tests/**", "\"tests/mail.rs\""),
        ("src/**", "\"src/*\""),
        ("src/*", "\"src/*.rs\""),
        ("**/mail.rs", "\"src/**\""),
        ("src/{mail,lib}.rs", "\"src/mail.rs\""),
        (".github/workflows/**", "\".github/**\""),
    ] {
        let found = told(task, scope);
        assert_eq!(found.len(), 1, "{task} in {scope}");
        let message = format!("the ticket does not let `TASK-001` change `{task}`: ");
        assert!(found[0].starts_with(&message), "{found:?}");
    }
    // What others than the worker do is not for the ticket's scope.
    let mut texts = Texts::new();
    texts
        .tasks
        .push_str("| TASK-002 | accepted | none | manager | lib/** | REQ-001 | by hand |\n");
    assert_eq!(gaps(&texts, "", ""), Vec::<String>::new());
}

#[test]
fn an_accepted_requirement_stands_in_the_design() {
    let row = "| REQ-002 | accepted | it reads well | when read | mail tests |\n";
    let told = |texts: &Texts| gaps(texts, "[\"REQ-001\"]", "[\"REQ-001\", \"REQ-002\"]");
    let mut texts = Texts::new();
    texts.requirements.push_str(row);
    texts.tasks = texts.tasks.replace("| REQ-001 |", "| REQ-001, REQ-002 |");
    texts
        .added
        .push_str("| ADD-002 | accepted | REQ-002 | x | ledger/specs/current/mail/requirements.md | x |\n");
    let hint = "name it in `design.md`, for a file under `Impacted Files` or under `Test Strategy`";
    assert_eq!(told(&texts), [format!("the design says nothing of `REQ-002` | {hint}")]);
    let mut tested = texts.clone();
    tested.tests.push_str("| REQ-002 | mail tests | |\n");
    assert_eq!(told(&tested), Vec::<String>::new());
    texts.files = texts.files.replacen("| REQ-001 |", "| REQ-001, REQ-002 |", 1);
    assert_eq!(told(&texts), Vec::<String>::new());
}

#[test]
fn where_a_requirement_is_met_the_task_says_the_same() {
    let mut texts = Texts::new();
    texts
        .requirements
        .push_str("| REQ-002 | superseded | never | never | never |\n");
    texts
        .tasks
        .push_str("| TASK-002 | accepted | none | scoped_worker | src/** | REQ-001 | mail tests |\n");
    texts.traces = "| REQ-001 | Overview | TASK-001, TASK-002 | | |\n".to_owned();
    assert_eq!(gaps(&texts, "", ""), Vec::<String>::new());
    texts.tasks = texts.tasks.replace("src/** | REQ-001 |", "src/** | REQ-001, REQ-002 |");
    texts
        .traces
        .push_str("| REQ-002 | Overview | TASK-001, TASK-002 | | |\n");
    let told = "`REQ-002` is said to be met by `TASK-001`, which does not name it";
    let hint = "name it in the task too, or take the task out here";
    assert_eq!(gaps(&texts, "", ""), [format!("{told} | {hint}")]);
}

#[test]
fn whatever_is_not_decided_keeps_a_ticket_from_beginning() {
    assert_eq!(open_spec_decisions(&Texts::new().set()), Vec::<String>::new());
    let mut texts = Texts::new();
    texts.decisions.push_str("| DEC-002 | proposed | later | | |\n| DEC-003 | superseded | never | | |\n| DEC-004 | unknown | who knows | | |\n");
    assert_eq!(open_spec_decisions(&texts.set()), ["DEC-002", "DEC-004"]);
    let mut set = texts.set();
    set.tasks.status = DecisionStatus::Proposed;
    set.requirements.ambiguities.push(ledger_core::Ambiguity {
        question: "Are quotes allowed?".to_owned(),
        owner: String::new(),
        blocks: true,
        at: 0..0,
    });
    assert_eq!(
        open_spec_decisions(&set),
        ["tasks.md", "DEC-002", "DEC-004", "Are quotes allowed?"]
    );
}

#[test]
fn a_row_that_is_not_decided_keeps_a_ticket_from_beginning_in_an_accepted_file() {
    let row = |id: &str, status: &str| match id.split('-').next().unwrap() {
        "REQ" => format!("| {id} | {status} | more | more | more |\n"),
        "TASK" => format!("| {id} | {status} | none | scoped_worker | src/** | REQ-001 | more |\n"),
        _ => format!("| {id} | {status} | REQ-002 | more | ledger/specs/current/mail/requirements.md | more |\n"),
    };
    let texts = |status: &str| {
        let mut texts = Texts::new();
        texts.requirements.push_str(&row("REQ-002", status));
        texts.tasks.push_str(&row("TASK-002", status));
        texts.added.push_str(&row("ADD-002", status));
        texts
    };
    for status in ["unknown", "proposed"] {
        let open = open_spec_decisions(&texts(status).set());
        assert_eq!(open, ["REQ-002", "TASK-002", "ADD-002"], "{status}");
    }
    let mut superseded = texts("superseded");
    superseded.closeout.push_str("| ADD-002 | | | DEC-001 |\n");
    assert_eq!(open_spec_decisions(&superseded.set()), Vec::<String>::new());

    // An item that is deferred is not applied, and a file that is open as a whole stands for its rows.
    let mut deferred = texts("proposed");
    deferred.closeout.push_str("| ADD-002 | Ada | 0043-later | |\n");
    let mut set = deferred.set();
    assert_eq!(open_spec_decisions(&set), ["REQ-002", "TASK-002"]);
    set.requirements.status = DecisionStatus::Proposed;
    assert_eq!(open_spec_decisions(&set), ["requirements.md", "TASK-002"]);
}
