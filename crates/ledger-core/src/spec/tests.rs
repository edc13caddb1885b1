use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::path::RepoPath;

const REQUIREMENTS: &str = "\
# Requirements: Sign up

- Spec ID: REQSET-sign-up
- Status: accepted

## Summary

Addresses are checked.

## Source Of Truth

An issue.

## Requirements

| Requirement ID | Status | Requirement | Acceptance criteria | Proof target |
| --- | --- | --- | --- | --- |
| REQ-001 | accepted | An address has a domain | given `a@` it is refused | mail tests |
| REQ-002 | accepted | The message names \\| the field | given `a@` it says so | inspection of the page |
| REQ-003 | superseded | Nothing | never | none |

## Non-Goals

Passwords.

## Ambiguity Log

| Question | Current handling | Owner | Blocks implementation |
| --- | --- | --- | --- |
| Are quotes allowed? | no | Ada | no |

## Traceability

| Requirement ID | Design section | Task ID | Ticket ID | Evidence |
| --- | --- | --- | --- | --- |
| REQ-001 | Overview | TASK-001 | 0042-sign-up | |
";

const DESIGN: &str = "\
# Design: Sign up

- Design ID: DES-sign-up
- Status: accepted

## Overview

With the crate that is there.

## Decisions

| Decision ID | Status | Decision | Rationale | Requirement IDs |
| --- | --- | --- | --- | --- |
| DEC-001 | accepted | use the crate | it is there | REQ-001 |

## Impacted Files

| Path | Change | Requirement IDs | Task IDs |
| --- | --- | --- | --- |
| `src/mail.rs` | edit | REQ-001, REQ-002 | TASK-001 |
| tests/mail.rs | create | REQ-001 | TASK-002 |

## Interfaces And Contracts

None.

## Failure Modes

| Failure | Expected handling | Proof |
| --- | --- | --- |
| an empty address | refused | mail tests |

## Security And Privacy

None.

## Test Strategy

| Requirement ID | Test or proof | Notes |
| --- | --- | --- |
| REQ-001 | mail tests | |
";

const TASKS: &str = "\
# Tasks: Sign up

- Task Set ID: TASKSET-sign-up
- Status: accepted

## Task List

| Task ID | Status | Depends on | Owner role | Allowed files | Requirement IDs | Proof |
| --- | --- | --- | --- | --- | --- | --- |
| TASK-001 | accepted | none | scoped_worker | src/{mail,lib}.rs | REQ-001, REQ-002 | mail tests |
| TASK-002 | accepted | TASK-001 | scoped_worker | tests/** | REQ-001 | mail tests |

## Proof Map

| Proof item | Covers | Command or inspection |
| --- | --- | --- |
| mail tests | REQ-001 | cargo test |

## Handoff Notes

None.
";

const DELTA: &str = "\
# Delta: Sign up

- Delta ID: DELTA-sign-up
- Status: accepted

## ADDED

| Delta Item ID | Status | Requirement ID | New behaviour | Required current-spec update | Proof |
| --- | --- | --- | --- | --- | --- |
| ADD-001 | accepted | REQ-001 | addresses are checked | ledger/specs/current/mail/requirements.md | mail tests |

## MODIFIED

| Delta Item ID | Status | Requirement ID | Existing behavior | New behavior | Required current-spec update | Proof |
| --- | --- | --- | --- | --- | --- | --- |
| MOD-001 | accepted | REQ-002 | no message | a message | ledger/specs/current/mail/requirements.md | inspection |

## REMOVED

| Delta Item ID | Status | Requirement ID | Removed behaviour | Replacement or removal reason | Required current-spec update | Proof |
| --- | --- | --- | --- | --- | --- | --- |
| REM-001 | accepted | REQ-900 | no check | it is checked | ledger/specs/current/mail/requirements.md | mail tests |

## Closeout

None.
";

fn reading(requirements: &str, design: &str, tasks: &str, delta: &str) -> SpecReading {
    SpecSet::read(SpecSources {
        requirements: requirements.as_bytes(),
        design: design.as_bytes(),
        tasks: tasks.as_bytes(),
        delta: Some(delta.as_bytes()),
    })
}

fn set(delta: &str) -> SpecSet {
    let reading = reading(REQUIREMENTS, DESIGN, TASKS, delta);
    assert_eq!(reading.problems, []);
    reading.set.unwrap()
}

/// What is told of a set in which one text of one file is another.
fn told(kind: SpecKind, from: &str, to: &str) -> String {
    let texts = [REQUIREMENTS, DESIGN, TASKS, DELTA];
    let texts: Vec<_> = SpecKind::ALL
        .iter()
        .zip(texts)
        .map(|(known, text)| match *known == kind {
            true => {
                assert!(text.contains(from), "{kind} has no {from}");
                text.replacen(from, to, 1)
            }
            false => text.to_owned(),
        })
        .collect();
    let reading = reading(&texts[0], &texts[1], &texts[2], &texts[3]);
    let is_error = reading
        .problems
        .iter()
        .any(|problem| problem.severity == SpecSeverity::Error);
    assert_eq!(reading.set.is_none(), is_error);
    let lines = reading.problems.iter().map(|problem| {
        let hint = problem.error.hint.as_deref().unwrap_or_default();
        format!(
            "{:?} {}.md {} | {hint}\n",
            problem.severity, problem.kind, problem.error
        )
    });
    lines.collect()
}

#[test]
fn everything_that_specs_say_is_read() {
    insta::assert_debug_snapshot!(set(DELTA));
}

#[test]
fn mistakes_are_told_with_their_place_and_what_would_be_right() {
    use SpecKind::{Delta, Design, Requirements, Tasks};
    insta::assert_snapshot!(
        [
            told(Requirements, "| REQ-002 |", "| REQ-001 |"),
            told(Requirements, "REQ-002 | accepted", "REQ-002 | done"),
            told(Requirements, "## Ambiguity Log", "## Ambiguities Log"),
            told(Requirements, "## Non-Goals\n", ""),
            told(Requirements, "| Proof target |\n| --- |", "| Proof target |\n|"),
            told(Requirements, "| Status | Requirement |", "| State | Requirement |"),
            told(Requirements, "| mail tests |\n", "|\n"),
            told(Requirements, "names \\| the", "names | the"),
            told(Requirements, "- Spec ID: REQSET-sign-up\n", ""),
            told(Requirements, "REQSET-sign-up", "sign-up"),
            told(Requirements, "- Status: accepted\n", "- Status: accepted\n- Status: accepted\n"),
            told(Requirements, "Addresses are checked.", "<!-- later -->"),
            told(Requirements, "An address has a domain", ""),
            told(Requirements, "| TASK-001 |", "| TASK-009 |"),
            told(Requirements, "| Ada | no |", "| Ada | maybe |"),
            told(Requirements, "## Summary", "## Summary\n\n## Summary"),
            told(Requirements, "| Ada | no |", "| Ada | no |\n\n| Question | Status |\n| --- |\n| Who? | unknown |"),
            told(Requirements, "| Ada | no |", "| Ada | no |\n\n<div>\n| Who? | unknown |\n</div>"),
            told(Requirements, "| Ada | no |", "| Ada | no |\n\n    | Who? | unknown |"),
            told(Requirements, "## Non-Goals", "## More Requirements\n\n| Requirement ID |\n| --- |\n| REQ-009 |\n\n## Non-Goals"),
            told(Requirements, "## Non-Goals", "## More\n\n| REQ-009 | x |\n\n## Non-Goals"),
            told(Requirements, "## Non-Goals", "## More\n\nWords | words.\n\n<!--\n| a |\n-->\n\n## Non-Goals"),
            told(Design, "REQ-001, REQ-002", "REQ-001, REQ-009"),
            told(Design, "src/mail.rs", "src/**"),
            told(Design, "src/mail.rs", "../mail.rs"),
            told(Design, "src/mail.rs", "tests/mail.rs"),
            told(Design, "| edit |", "| change |"),
            told(Design, "| use the crate |", "| |"),
            told(Tasks, "| none | scoped_worker", "| TASK-002 | scoped_worker"),
            told(Tasks, "| tests/** |", "| |"),
            told(Tasks, "| TASK-001 | scoped_worker", "| TASK-001 | somebody"),
            told(Tasks, "REQ-001 | cargo", "REQ-1x | cargo"),
            told(Delta, "ADD-001", "MOD-009"),
            told(Delta, "| REQ-002 |", "| REQ-001 |"),
            told(Delta, "| REQ-900 |", "| REQ-002 |"),
            told(Delta, "| REQ-001 |", "| REQ-003 |"),
            told(Delta, "MOD-001 | accepted", "MOD-001 | superseded"),
            told(Delta, "None.\n", "| Delta Item ID | Owner | Follow-up ticket | Superseded by |\n| --- | --- | --- | --- |\n| MOD-001 | Ada | | |\n| ADD-001 | | | DEC-001 |\n| REM-009 | Ada | 0043-later | |\n"),
        ]
        .join("\n")
    );
}

#[test]
fn every_section_says_something_and_be_it_that_there_is_nothing() {
    for (kind, name, words) in [
        (SpecKind::Requirements, "Source Of Truth", "An issue."),
        (SpecKind::Requirements, "Non-Goals", "Passwords."),
        (SpecKind::Design, "Interfaces And Contracts", "None."),
        (SpecKind::Design, "Security And Privacy", "None."),
        (SpecKind::Tasks, "Handoff Notes", "None."),
    ] {
        let written = format!("## {name}\n\n{words}\n");
        for empty in ["", "<!-- to be written -->\n", "### Later\n"] {
            let told = told(kind, &written, &format!("## {name}\n\n{empty}"));
            assert!(told.starts_with(&format!("Unfinished {kind}.md line ")), "{told}");
            let message = format!("column 1: the section `{name}` says nothing yet | say ");
            assert!(told.contains(&message) && told.ends_with("or \"None.\"\n"), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
        for said in [
            "None.\n",
            "- one\n- two\n",
            "`one`\n",
            "```\none\n```\n",
            "| a |\n| --- |\n| b |\n",
        ] {
            assert_eq!(told(kind, &written, &format!("## {name}\n\n{said}")), "", "{said}");
        }
    }
}

#[test]
fn rows_that_nobody_would_read_are_mistakes_wherever_they_stand() {
    let log = "| Question | Current handling | Owner | Blocks implementation |\n| --- | --- | --- | --- |\n| Are quotes allowed? | no | Ada | no |\n";
    let wanted = "| Requirement ID | Status | Requirement | Acceptance criteria | Proof target |\n| --- | --- | --- | --- | --- |\n| REQ-009 | accepted | x | y | z |\n";
    for (old, new, message) in [
        (
            "- Status: accepted\n",
            format!("- Status: accepted\n\n{wanted}"),
            "a table above the first section is read by nobody",
        ),
        (
            "Passwords.\n",
            format!("Passwords.\n\n{wanted}"),
            "the section `Non-Goals` is prose, and has a table as that of `Requirements`",
        ),
        (
            "Addresses are checked.\n",
            format!("Addresses are checked.\n\n{log}"),
            "the section `Summary` is prose, and has a table as that of `Ambiguity Log`",
        ),
        (
            "Addresses are checked.\n",
            "| Before 1582? | unknown | Ada | yes |\n".to_owned(),
            "what looks like a table in `Summary` is none, and read by nobody",
        ),
        (
            log,
            "Question | Current handling | Owner | Blocks implementation\n--- | --- | ---\nBefore 1582? | unknown | Ada | yes\n".to_owned(),
            "this is no table: its second row must have as many cells as its first",
        ),
        ("| no | Ada | no |", "| | Ada | no |".to_owned(), "how it is handled now is not written yet"),
    ] {
        let told = told(SpecKind::Requirements, old, &new);
        assert!(told.contains(message), "{new}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let other = "| Browser | Version |\n| --- | --- |\n| one | 2 |\n";
    for said in [other, "a --- b | c\n"] {
        assert_eq!(told(SpecKind::Requirements, "Passwords.\n", said), "", "{said}");
    }
}

#[test]
fn a_skeleton_in_which_every_comment_became_words_is_finished() {
    let (name, ledger) = ("0042-sign-up".parse().unwrap(), "ledger".parse().unwrap());
    let filled = SpecKind::ALL.map(|kind| {
        let text = spec_skeleton(kind, &name, "Sign up", &ledger, 7);
        let (first, rest) = text.split_once("<!--").unwrap();
        let rest = rest.split("<!--").map(|part| part.split_once("-->").unwrap().1);
        rest.fold(first.to_owned(), |text, part| format!("{text}words{part}"))
    });
    let [requirements, design, tasks, delta] = &filled;
    assert_eq!(reading(requirements, design, tasks, delta).problems, []);
}

#[test]
fn what_is_no_spec_at_all_is_refused_at_its_place() {
    let told = |bytes: &[u8]| {
        let (_, problems) = Requirements::read(bytes);
        problems[0].error.to_string()
    };
    assert_eq!(
        told(b"# Title\n\xff"),
        "line 2, column 1: the file is not UTF-8 from here on"
    );
    assert_eq!(
        told(b"# T\0"),
        "line 1, column 4: the file holds a NUL byte; it seems to be binary"
    );
    assert_eq!(
        told(&vec![b'#'; MAX_SPEC_BYTES + 1]),
        "line 1, column 1: the spec has 262145 bytes, more than the 262144 that are read"
    );
    let rows = "| REQ-001 | accepted | x | y | z |\n".repeat(MAX_SPEC_ROWS + 1);
    let many = REQUIREMENTS.replace(
        "| REQ-001 | accepted | An address has a domain | given `a@` it is refused | mail tests |\n",
        &rows,
    );
    let (_, problems) = Requirements::read(many.as_bytes());
    assert_eq!(problems.len(), MAX_SPEC_PROBLEMS);
    assert!(problems[0].error.message.contains("more than the 500 rows"));
}

/// None of these may take longer than its size allows for.
#[test]
fn files_that_are_made_to_be_read_slowly_are_read() {
    let size = MAX_SPEC_BYTES / 4;
    let fill = |piece: &str| piece.repeat(size / piece.len());
    let in_cell = |piece: &str, cell: &str| {
        let room = size - REQUIREMENTS.len();
        REQUIREMENTS.replacen(cell, &piece.repeat(room / piece.len()), 1)
    };
    for text in [
        fill("- "),
        fill("> "),
        fill("|"),
        fill("|-"),
        fill("## a\n"),
        fill("## Summary\n"),
        fill("`"),
        fill("[a]("),
        fill("<!-- "),
        fill("- a: b\n"),
        format!("## {}", fill("a")),
        in_cell("TASK-001, ", "TASK-001"),
        in_cell("task, ", "TASK-001"),
        in_cell("TASK-9, ", "TASK-001"),
        in_cell("\\", "An address"),
    ] {
        let text = &text[..text.len().min(size)];
        let reading = reading(text, DESIGN, TASKS, DELTA);
        assert!(reading.problems.len() <= 4 * MAX_SPEC_PROBLEMS);
    }
}

#[test]
fn a_deferred_item_names_an_owner_and_a_ticket() {
    let (before, after) = DELTA.rsplit_once("None.\n").unwrap();
    let closeout = "| Delta Item ID | Owner | Follow-up ticket | Superseded by |\n| --- | --- | --- | --- |\n| MOD-001 | Ada | 0043-later | |\n";
    let set = set(&format!("{before}{closeout}{after}"));
    let delta = set.delta.unwrap();
    let applied: Vec<_> = delta.applied().map(|item| item.id.as_str()).collect();
    assert_eq!(applied, ["ADD-001", "REM-001"]);
    let deferred = delta.exception(&"MOD-001".parse().unwrap());
    let follow_up = "0043-later".parse().unwrap();
    assert_eq!(
        deferred,
        Some(&DeltaHandling::Deferred {
            owner: "Ada".to_owned(),
            follow_up
        })
    );
}

const CURRENT: &str = "# Mail\n\nKept | as it is.\n\n## Requirements\n\n\
    | Status | Requirement ID | Requirement | Acceptance criteria | Proof target |\n|---|---|---|---|---|\n\
    | accepted | REQ-002 | Nothing is said | ever | none |\n| accepted | REQ-900 | Nothing is *checked* | ever | none |\n\nAfter.\n";

fn current(text: Option<&str>) -> BTreeMap<RepoPath, Option<Vec<u8>>> {
    let path = "ledger/specs/current/mail/requirements.md".parse().unwrap();
    BTreeMap::from([(path, text.map(|text| text.as_bytes().to_vec()))])
}

fn brought(text: Option<&str>) -> Result<String, Vec<String>> {
    let files = with_delta(&set(DELTA), &current(text));
    let files = files.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let texts: Vec<_> = files
        .into_values()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect();
    Ok(texts.concat())
}

#[test]
fn what_a_delta_replaces_is_told_apart_by_what_its_row_says() {
    let replaced = replaced_by(&set(DELTA), &current(Some(CURRENT)));
    let ids: Vec<_> = replaced.iter().map(|item| item.requirement.as_str()).collect();
    assert_eq!(ids, ["REQ-002", "REQ-900"], "what is added replaces nothing");
    let held = |text: &str| {
        replaced
            .iter()
            .map(|item| item.is_in(Some(text.as_bytes())))
            .collect::<Vec<_>>()
    };
    for same in [
        CURRENT.replace('\n', "\r\n"),
        CURRENT.replace("| ever |", "|  ever|"),
        CURRENT.replace("Kept", "Not kept"),
    ] {
        assert_eq!(held(&same), [true, true], "{same}");
    }
    for other in [
        CURRENT.replace("Nothing is said", "Much is said"),
        CURRENT.replace("| accepted | REQ-002", "| superseded | REQ-002"),
        CURRENT.replace("REQ-002", "REQ-003"),
        CURRENT.replace("said | ever | none", "said | ever | nothing"),
    ] {
        assert_eq!(held(&other), [false, true], "{other}");
    }
    assert!(!replaced[0].is_in(None));
    assert_eq!(replaced_by(&set(DELTA), &current(None)), []);
}

#[test]
fn a_delivered_delta_changes_its_rows_and_nothing_else() {
    insta::assert_snapshot!(brought(Some(CURRENT)).unwrap());
    let windows = brought(Some(&CURRENT.replace('\n', "\r\n"))).unwrap();
    assert_eq!(windows.replace("\r\n", "\n"), brought(Some(CURRENT)).unwrap());
    assert!(!windows.replace("\r\n", "").contains('\n'));
    let marked = brought(Some(&format!("\u{feff}{CURRENT}"))).unwrap();
    assert_eq!(
        marked.strip_prefix('\u{feff}'),
        Some(brought(Some(CURRENT)).unwrap().as_str())
    );
}

#[test]
fn a_delta_that_is_in_the_current_specs_changes_nothing_more() {
    let once = brought(Some(CURRENT)).unwrap();
    assert_eq!(brought(Some(&once)).unwrap(), "");
}

#[test]
fn a_file_of_the_current_specs_begins_with_its_first_requirement() {
    let added = DELTA
        .replace("MOD-001 | accepted", "MOD-001 | proposed")
        .replace("REM-001 | accepted", "REM-001 | proposed");
    let files = with_delta(&set(&added), &current(None)).unwrap();
    let (_, bytes) = files.first_key_value().unwrap();
    insta::assert_snapshot!(String::from_utf8(bytes.clone()).unwrap());
    let items = CurrentRequirements::parse(bytes).unwrap().items;
    assert_eq!(items.len(), 1);
    // The next one goes below it.
    let only_head = String::from_utf8(bytes.clone()).unwrap();
    let only_head = &only_head[..only_head.rfind("| REQ-001").unwrap()];
    let files = with_delta(&set(&added), &current(Some(only_head))).unwrap();
    assert_eq!(files.first_key_value().unwrap().1, bytes);
}

#[test]
fn what_does_not_fit_the_current_specs_is_told_by_item() {
    let told = |text: Option<&str>| brought(text).unwrap_err().join("\n");
    let taken = CURRENT.replace("REQ-900", "REQ-001");
    let removed = CURRENT.replace("accepted | REQ-002", "superseded | REQ-002");
    let reused = CURRENT.replace("accepted | REQ-900", "superseded | REQ-001");
    let nested = CURRENT.replace("\n| ", "\n> | ").replace("\n|-", "\n> |-");
    insta::assert_snapshot!(
        [
            told(None),
            told(Some("# Nothing\n")),
            told(Some(&taken)),
            told(Some(&removed)),
            told(Some(&reused)),
            told(Some(&nested)),
            told(Some("\u{0}")),
        ]
        .join("\n--\n")
    );
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = SpecSet::read(SpecSources { requirements: &bytes, design: &bytes, tasks: &bytes, delta: Some(&bytes) });
        let _ = CurrentRequirements::parse(&bytes);
    }

    /// Pieces of specs in any order come nearer to being one than any bytes do.
    #[test]
    fn no_order_of_pieces_makes_reading_panic(
        pieces in prop::collection::vec((0_usize..4, 0_usize..60, "[|\\\\` \r\n<>!#-]{0,3}"), 0..40)
    ) {
        let texts = [REQUIREMENTS, DESIGN, TASKS, DELTA];
        let text: String = pieces
            .iter()
            .map(|(file, line, noise)| {
                let lines: Vec<_> = texts[*file].split_inclusive('\n').collect();
                format!("{}{noise}", lines[line % lines.len()])
            })
            .collect();
        let bytes = text.as_bytes();
        let reading = SpecSet::read(SpecSources { requirements: bytes, design: bytes, tasks: bytes, delta: Some(bytes) });
        for problem in &reading.problems {
            prop_assert!(text.get(problem.error.span.clone()).is_some());
        }
        let changed = with_delta(&set(DELTA), &current(Some(&text)));
        if let Ok(files) = changed {
            for bytes in files.values() {
                prop_assert!(CurrentRequirements::parse(bytes).is_ok());
            }
        }
    }

    #[test]
    fn a_skeleton_of_any_title_can_be_read_and_is_only_unfinished(title in "[^\\p{Cc}]{1,60}", number in 1_u32..2000) {
        let (name, ledger) = ("0042-sign-up".parse().unwrap(), "ledger".parse().unwrap());
        let [requirements, design, tasks, delta] = SpecKind::ALL.map(|kind| spec_skeleton(kind, &name, &title, &ledger, number));
        let reading = reading(&requirements, &design, &tasks, &delta);
        prop_assert!(reading.set.is_some(), "{:?}", reading.problems);
        prop_assert!(reading.problems.iter().all(|problem| problem.severity == SpecSeverity::Unfinished));
        let kinds: BTreeSet<_> = reading.problems.iter().map(|problem| problem.kind).collect();
        prop_assert_eq!(kinds.len(), 4);
    }

    /// Whatever a cell says: what becomes current is read back as it was written.
    #[test]
    fn what_a_cell_says_survives_the_way_into_the_current_specs(words in "[^\\p{Cc}]{1,40}") {
        let cell = words.replace('\\', "\\\\").replace('|', "\\|");
        let requirements = REQUIREMENTS.replace("An address has a domain", &format!("x {cell} x"));
        let reading = reading(&requirements, DESIGN, TASKS, DELTA);
        prop_assume!(reading.set.is_some());
        let set = reading.set.unwrap();
        let files = with_delta(&set, &current(Some(CURRENT)));
        let files = files.map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
        let read = CurrentRequirements::parse(files.first_key_value().unwrap().1).unwrap();
        let id: RequirementId = "REQ-001".parse().unwrap();
        let now = read.items.iter().find(|item| item.id == id).unwrap();
        prop_assert_eq!(&now.text, &set.requirements.get(&id).unwrap().text);
    }
}
