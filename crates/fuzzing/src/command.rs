//! The command lines that a worker runs, and the patches that it hands over.

use std::sync::LazyLock;

use ledger_core::Grants;
use policy::{
    CommandWrites, MAX_COMMAND_BYTES, Policy, UnclearPatch, command_writes, consent_command, judge_command,
    judge_command_beside_person, patch_paths,
};

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::parse(b"[commands]\ndeny = [\"curl *\", \"make deploy\"]\n").expect("it is a policy"));

/// A command line of the worker's.
pub fn command(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let none = Grants::default();
    let judged = judge_command(&line, &POLICY, &none);
    assert_eq!(
        judged,
        judge_command(&line, &POLICY, &none),
        "the same line is judged as the same"
    );
    if line.len() > MAX_COMMAND_BYTES {
        assert!(judged.is_some(), "what is too long to be judged is refused");
    }
    if judged.is_some() {
        assert!(
            judge_command_beside_person(&line, &POLICY, &none).is_some(),
            "beside a person nothing more may be done"
        );
        let behind = format!("true\n{line}");
        assert!(
            judge_command(&behind, &POLICY, &none).is_some(),
            "a command before it hides nothing"
        );
    }
    if let Some(word) = consent_command(&line) {
        let verb = word.strip_prefix("foil ").expect("it is a command of foil");
        assert!(!verb.is_empty());
    }
    match command_writes(&line) {
        CommandWrites::Patch { patch, .. } => {
            assert!(line.contains(patch));
            assert!(patch.starts_with("*** Begin Patch") && patch.ends_with("*** End Patch"));
        }
        CommandWrites::Files(files) => assert!(files.len() <= line.len()),
        CommandWrites::Unclear => {}
    }
    match patch_paths(&line) {
        Ok(paths) => {
            assert!((1..=line.lines().count()).contains(&paths.len()));
            assert!(
                paths
                    .iter()
                    .all(|path| line.contains(path.as_str()) && !path.contains('\n'))
            );
        }
        Err(UnclearPatch::UnknownMark { line: at }) => {
            let marked = line.lines().nth(at.saturating_sub(1)).expect("the line is there");
            assert!(marked.trim().starts_with("***"));
        }
        Err(UnclearPatch::NoFile) => assert!(!line.lines().any(|line| line.trim().starts_with("*** Add File:"))),
    }
}
