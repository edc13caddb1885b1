//! Every stored or sent type, its generated schema and its fixtures agree.
//!
//! `fixtures/wire/<type>/good/*` are read by the type and valid under the schema; `bad/*` are refused by both, but for
//! `*.semantic.*`, which only the type refuses, because a schema cannot say why they are wrong. `*.newer.*` hold something
//! that this version does not know and passes over.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[cfg(test)]
#[path = "../../ledger-core/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::ledger_core;
use jsonschema::Validator;
use ledger_core::{
    Activity, Advice, Approval, Blocker, Cancellation, Curation, Effect, Event, EvidenceIndex, ExpertReview,
    ExpertSubject, GoalPlan, Journal, Notification, Observation, Package, PhaseEvidence, Plan, Receipt, Report, Review,
    Statement, SteeringPack, TicketFile, schema_of,
};
use policy::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads bytes as the type does. Gives what the type writes back, where that has to be the same document.
type Read = fn(&[u8]) -> Result<Option<Value>, String>;

struct Wire {
    name: &'static str,
    schema: Value,
    read: Read,
}

fn json<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<Option<Value>, String> {
    let value: T = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(Some(serde_json::to_value(value).unwrap()))
}

fn wires() -> Vec<Wire> {
    let committed = |name: &str| {
        let path = root().join(format!("schemas/{name}.schema.json"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let wire = |name, schema, read| Wire { name, schema, read };
    let stored = |name, read| wire(name, committed(name), read);
    vec![
        stored("ticket", |bytes| {
            TicketFile::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("approval", |bytes| {
            Approval::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("cancellation", |bytes| {
            Cancellation::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("steering", |bytes| {
            // The head of a pack; the text is no document.
            let pack = [b"+++\n", bytes, b"\n+++\nText.\n"].concat();
            SteeringPack::parse(&pack).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("package", |bytes| {
            Package::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("policy", |bytes| {
            Policy::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("journal", |bytes| {
            Journal::parse(bytes).map(|_| None).map_err(|e| e.to_string())
        }),
        stored("evidence", json::<EvidenceIndex>),
        stored("notification", json::<Notification>),
        stored("statement", |bytes| {
            let statement = Statement::parse(bytes).map_err(|error| error.to_string())?;
            Ok(Some(serde_json::from_slice(&statement.to_bytes()).unwrap()))
        }),
        stored("receipt", |bytes| {
            let receipt = Receipt::parse(bytes).map_err(|error| error.to_string())?;
            Ok(Some(serde_json::from_slice(&receipt.to_bytes()).unwrap()))
        }),
        stored("advice", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let advice = Advice::parse(text, "turn-1").map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(advice).unwrap()))
        }),
        stored("expert", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let about = ExpertSubject::Tree { tree: support::tree() };
            let review = ExpertReview::parse(text, "turn-1", &about).map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(review).unwrap()))
        }),
        stored("plan", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let plan = Plan::parse(text, "turn-1").map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(plan).unwrap()))
        }),
        stored("goal_plan", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let plan = GoalPlan::parse(text, "turn-1").map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(plan).unwrap()))
        }),
        stored("curation", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let curation = Curation::parse(text, "turn-1").map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(curation).unwrap()))
        }),
        stored("report", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let report = Report::parse(text, "turn-1").map_err(|error| error.to_string())?;
            let mut written = serde_json::to_value(report).unwrap();
            // What nobody asked for is not written, as in journals of before it could be.
            for left_out in ["question", "wanted_grants"] {
                let fields = written.as_object_mut().unwrap();
                fields.entry(left_out).or_insert_with(|| Value::Array(Vec::new()));
            }
            Ok(Some(written))
        }),
        stored("review", |bytes| {
            let text = std::str::from_utf8(bytes).unwrap();
            let review = Review::parse(text, "turn-1").map_err(|error| error.to_string())?;
            Ok(Some(serde_json::to_value(review).unwrap()))
        }),
        wire("event", schema_of::<Event>("event").to_value(), json::<Event>),
        wire("effect", schema_of::<Effect>("effect").to_value(), json::<Effect>),
        wire(
            "observation",
            schema_of::<Observation>("observation").to_value(),
            json::<Observation>,
        ),
        wire(
            "activity",
            schema_of::<Activity>("activity").to_value(),
            json::<Activity>,
        ),
        wire(
            "phase",
            schema_of::<PhaseEvidence>("phase").to_value(),
            json::<PhaseEvidence>,
        ),
        wire("blocker", schema_of::<Blocker>("blocker").to_value(), json::<Blocker>),
    ]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// The fixtures of a type, in the order of their names.
fn fixtures(name: &str, side: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("fixtures/wire").join(name).join(side);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no {side} fixture");
    files
}

/// The JSON documents that a file holds, where it has that form at all: one, or one a line.
fn documents(file: &str, bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if file.ends_with(".toml") {
        let table: toml::Table = toml::from_str(text).ok()?;
        return Some(vec![serde_json::to_value(table).ok()?]);
    }
    if file.ends_with(".jsonl") {
        // A torn tail is no line.
        let whole = text.lines().filter(|line| line.ends_with('}'));
        return whole.map(|line| serde_json::from_str(line).ok()).collect();
    }
    Some(vec![serde_json::from_str(text).ok()?])
}

/// What the schema has against a file, by keyword and place.
fn complaints(validator: &Validator, file: &str, bytes: &[u8]) -> Vec<String> {
    let documents = documents(file, bytes).unwrap_or_default();
    documents
        .iter()
        .flat_map(|document| validator.iter_errors(document))
        .map(|error| format!("{} at `{}`", error.kind().keyword(), error.instance_path()))
        .collect()
}

#[test]
fn good_fixtures_are_read_valid_and_written_back_the_same() {
    for wire in wires() {
        let validator = validator(&wire.schema);
        for (file, bytes) in fixtures(wire.name, "good") {
            let place = format!("{}/good/{file}", wire.name);
            let read = (wire.read)(&bytes).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(complaints(&validator, &file, &bytes), Vec::<String>::new(), "{place}");
            if let (Some(written), false) = (read, file.contains(".newer.")) {
                assert_eq!(vec![written], documents(&file, &bytes).unwrap(), "{place}");
            }
        }
    }
}

#[test]
fn bad_fixtures_are_refused_by_type_and_schema() {
    for wire in wires() {
        let validator = validator(&wire.schema);
        let mut refusals = String::new();
        for (file, bytes) in fixtures(wire.name, "bad") {
            let place = format!("{}/bad/{file}", wire.name);
            let Err(error) = (wire.read)(&bytes) else {
                panic!("{place} was read");
            };
            let complaints = complaints(&validator, &file, &bytes);
            if file.contains(".semantic.") {
                assert_eq!(
                    complaints,
                    Vec::<String>::new(),
                    "{place} is no semantic case: the schema refuses it"
                );
            } else {
                assert!(!complaints.is_empty(), "{place} is valid under the schema");
            }
            refusals.push_str(&format!("{file}\n    type: {error}\n"));
            for complaint in complaints {
                refusals.push_str(&format!("    schema: {complaint}\n"));
            }
        }
        insta::assert_snapshot!(format!("refused_{}", wire.name), refusals);
    }
}

/// The values that a schema's tag may have, wherever it stands in the alternatives.
fn tags(schema: &Value, tag: &str) -> BTreeSet<String> {
    let alternatives = schema["oneOf"].as_array().unwrap();
    let form = |alternative: &Value| alternative["properties"][tag]["const"].as_str().map(str::to_owned);
    alternatives.iter().filter_map(form).collect()
}

#[test]
fn every_form_of_a_tagged_type_has_a_good_and_a_bad_fixture() {
    for (name, tag) in [
        ("event", "kind"),
        ("effect", "effect"),
        ("observation", "seen"),
        ("activity", "activity"),
        ("phase", "phase"),
    ] {
        let wire = wires().into_iter().find(|wire| wire.name == name).unwrap();
        let forms = tags(&wire.schema, tag);
        assert!(forms.len() > 5, "{name}: {forms:?}");
        let good: BTreeSet<_> = fixtures(name, "good")
            .into_iter()
            .flat_map(|(file, bytes)| documents(&file, &bytes).unwrap())
            .map(|document| document[tag].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(good, forms, "{name}");
        let bad: Vec<_> = fixtures(name, "bad")
            .into_iter()
            .map(|(file, _)| file.replace('-', "_"))
            .collect();
        for form in forms {
            assert!(
                bad.iter().any(|file| file.contains(&form)),
                "{name}: no bad fixture of {form}"
            );
        }
    }
    let kinds: BTreeSet<_> = Event::KINDS.into_iter().map(str::to_owned).collect();
    assert_eq!(tags(&schema_of::<Event>("event").to_value(), "kind"), kinds);
}

#[test]
fn every_committed_schema_has_fixtures_and_is_a_valid_schema() {
    let names: BTreeSet<_> = wires().iter().map(|wire| wire.name.to_owned()).collect();
    for entry in std::fs::read_dir(root().join("schemas")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let name = file.strip_suffix(".schema.json").unwrap();
        assert!(names.contains(name), "{name} has no fixtures");
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        validator(&schema);
    }
}

const EXPERT: support::Terms = support::Terms {
    mode: ledger_core::Mode::Expert,
    ..support::STANDARD
};

const ROUNDS: support::Terms = support::Terms {
    mode: ledger_core::Mode::BoundedRounds,
    ..support::STANDARD
};

/// A journal of this version stays readable, byte for byte: a change of the format shows here first.
#[test]
fn the_journals_of_whole_runs_are_what_they_always_were() {
    for (file, terms) in [
        ("whole-run.jsonl", support::STANDARD),
        ("whole-loop.jsonl", support::LOOP),
        ("whole-expert.jsonl", EXPERT),
        ("whole-rounds.jsonl", ROUNDS),
    ] {
        let path = root().join("fixtures/wire/journal/good").join(file);
        let whole = support::Climb::whole(terms);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &whole.journal).unwrap();
        }
        let committed = std::fs::read(&path).unwrap();
        let lines = |journal: &[u8]| {
            String::from_utf8_lossy(journal)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let differs = std::iter::zip(lines(&committed), lines(&whole.journal)).position(|(old, new)| old != new);
        assert!(
            committed == whole.journal,
            "{file}: journals are written otherwise than before, from line {:?} on. Where that is meant and an older foil \
             still reads them, run this test with UPDATE_FIXTURES=1",
            differs.map(|line| line + 1)
        );
        let journal = Journal::parse(&committed).unwrap();
        assert_eq!(ledger_core::Run::replay(&journal.records).unwrap(), whole.run);
    }
}
