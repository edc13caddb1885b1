//! The roles that people can give to Codex' sub-agents: one writer, and many who only read.

use ledger_core::Judge;

use crate::expert_fields::looks_for;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its name, which is also that of its file.
    pub(super) name: &'static str,
    /// What it is for, which Codex shows to the model that chooses.
    pub(super) description: &'static str,
    /// What it is told.
    instructions: &'static str,
    /// The expert of runs whose field it looks at too.
    judge: Option<Judge>,
}

/// The only role that writes.
pub(super) const WRITER: &str = "foil-writer";

const fn profile(name: &'static str, description: &'static str, instructions: &'static str) -> Profile {
    Profile {
        name,
        description,
        instructions,
        judge: None,
    }
}

const fn expert(judge: Judge, name: &'static str, description: &'static str, instructions: &'static str) -> Profile {
    Profile {
        judge: Some(judge),
        ..profile(name, description, instructions)
    }
}

/// Every role. The names begin so that they meet no other.
pub(super) const PROFILES: [Profile; 14] = [
    profile(
        WRITER,
        "Writes the change of one approved ticket, within its scope. The only role that writes.",
        include_str!("profiles/writer.md"),
    ),
    profile(
        "foil-planner",
        "Plans one ticket from what the repository shows: files, steps, proof, reasons to stop. Reads only.",
        include_str!("profiles/planner.md"),
    ),
    profile(
        "foil-reviewer",
        "Judges the diff of one ticket independently of its writer: pass or fail, with findings. Reads only.",
        include_str!("profiles/reviewer.md"),
    ),
    expert(
        Judge::Architecture,
        "foil-expert-architecture",
        "Looks at structure: module borders, dependencies, public interfaces, abstractions. Reads only.",
        include_str!("profiles/expert-architecture.md"),
    ),
    expert(
        Judge::Test,
        "foil-expert-test",
        "Looks at proof: missing, weak and flaky tests, fixtures, checks. Reads only.",
        include_str!("profiles/expert-test.md"),
    ),
    expert(
        Judge::Security,
        "foil-expert-security",
        "Looks at misuse: untrusted input, rights, secrets, new dependencies. Reads only.",
        include_str!("profiles/expert-security.md"),
    ),
    expert(
        Judge::UxAccessibility,
        "foil-expert-ux-accessibility",
        "Looks at what people see and do: flow, words, keyboard, accessibility. Reads only.",
        include_str!("profiles/expert-ux-accessibility.md"),
    ),
    expert(
        Judge::Performance,
        "foil-expert-performance",
        "Looks at cost: growth, queries, memory, start-up and build time. Reads only.",
        include_str!("profiles/expert-performance.md"),
    ),
    expert(
        Judge::DataMigration,
        "foil-expert-data-migration",
        "Looks at stored data: schemas, formats, backfills, what cannot be undone. Reads only.",
        include_str!("profiles/expert-data-migration.md"),
    ),
    expert(
        Judge::ReleaseDocs,
        "foil-expert-release-docs",
        "Looks at what users are told: changelog, versions, installation, documentation. Reads only.",
        include_str!("profiles/expert-release-docs.md"),
    ),
    profile(
        "foil-curator",
        "Decides what later tickets have to know, and gives the text for it. Reads only.",
        include_str!("profiles/curator.md"),
    ),
    profile(
        "foil-blocker-resolver",
        "Classifies one blocker and names the smallest safe step, or the question to a person. Reads only.",
        include_str!("profiles/blocker-resolver.md"),
    ),
    profile(
        "foil-release-auditor",
        "Looks at delivered tickets before a release: approval, review, delivery, words. Reads only.",
        include_str!("profiles/release-auditor.md"),
    ),
    profile(
        "foil-final-verifier",
        "Looks at one ticket before it is called done: every item and its proof. Reads only.",
        include_str!("profiles/final-verifier.md"),
    ),
];

/// What each role that reads is told beside its own instructions.
const READER: &str = "You only read: you change no file, and you run only commands that change nothing. You answer the one question that you were asked, and start no other agent.\n";

impl Profile {
    /// Whether the role may change files.
    pub(super) fn writes(&self) -> bool {
        self.name == WRITER
    }

    /// The role as Codex reads it. It names no model, so that it outlives them.
    pub(super) fn toml(&self) -> String {
        let (sandbox, reader) = match self.writes() {
            true => ("", String::new()),
            false => ("sandbox_mode = \"read-only\"\n", format!("\n{READER}")),
        };
        format!(
            "name = \"{}\"\ndescription = \"{}\"\n{sandbox}developer_instructions = '''\n{}{}{reader}'''\n",
            self.name,
            self.description,
            self.instructions,
            self.looks_for()
        )
    }

    /// What an expert looks for, in the words that the experts of runs are told.
    fn looks_for(&self) -> String {
        let Some(judge) = self.judge else {
            return String::new();
        };
        let lines = looks_for(judge).iter().map(|line| format!("- {line}\n"));
        format!("\nLook for:\n\n{}", lines.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ledger_core::ExpertField;

    use super::*;

    #[test]
    fn every_expert_of_runs_is_a_role_that_looks_for_the_same() {
        for field in ExpertField::ALL {
            let judge = Judge::from(field);
            let of_field: Vec<_> = PROFILES.iter().filter(|profile| profile.judge == Some(judge)).collect();
            assert_eq!(of_field.len(), 1, "{judge}");
            assert_eq!(
                of_field[0].name,
                format!("foil-expert-{}", judge.to_string().replace(['_', ' '], "-"))
            );
            let told = of_field[0].toml();
            for line in looks_for(judge) {
                assert!(told.contains(&format!("\n- {line}\n")), "{judge}: {line}");
            }
        }
        assert_eq!(
            PROFILES.iter().filter(|profile| profile.judge.is_some()).count(),
            ExpertField::ALL.len()
        );
    }

    #[test]
    fn exactly_one_role_writes_and_none_names_a_model() {
        let names: BTreeSet<_> = PROFILES.iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), PROFILES.len(), "no name occurs twice");
        let mut writers = Vec::new();
        for profile in PROFILES {
            let text = profile.toml();
            let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", profile.name));
            let word = |key: &str| table.get(key).and_then(toml::Value::as_str);
            assert_eq!(word("name"), Some(profile.name));
            let told = word("developer_instructions").unwrap();
            assert!(told.contains(profile.instructions), "{}", profile.name);
            assert!(!word("description").unwrap().is_empty());
            match word("sandbox_mode") {
                Some("read-only") => assert!(told.ends_with(READER), "{}", profile.name),
                None => writers.push(profile.name),
                other => panic!("{}: {other:?}", profile.name),
            }
            let known = ["name", "description", "sandbox_mode", "developer_instructions"];
            assert!(
                table.keys().all(|key| known.contains(&key.as_str())),
                "{}",
                profile.name
            );
        }
        assert_eq!(writers, [WRITER]);
    }
}
