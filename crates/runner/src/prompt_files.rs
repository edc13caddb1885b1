//! The repository's own prompt files: what it tells every worker and reviewer, from the base and by digest.

use git_delivery::{Repository, blob_id};
use ledger_core::{CommitId, CoveredFile, Digest, MAX_DOCUMENT_BYTES, RepoPath, document_text};
use policy::Policy;

use crate::admit::AdmitError;
use crate::ledger::FileProblem;
use crate::prompt::Instructions;

/// What the repository tells, and the files that it stands in.
#[derive(Debug, Clone, Default)]
pub(crate) struct PromptFiles {
    pub(crate) told: Instructions,
    /// The files, in the order of the policy's keys.
    pub(crate) files: Vec<CoveredFile>,
}

impl PromptFiles {
    /// Reads what the policy names, as it is in this commit.
    pub(crate) fn at(repository: &Repository, commit: CommitId, policy: &Policy) -> Result<Self, AdmitError> {
        let prompts = &policy.prompts;
        let mut found = Self::default();
        for (path, slot) in [
            (&prompts.writer, &mut found.told.writer),
            (&prompts.repair, &mut found.told.repair),
            (&prompts.reviewer, &mut found.told.reviewer),
            (&prompts.planner, &mut found.told.planner),
            (&prompts.curator, &mut found.told.curator),
        ] {
            let Some(path) = path else { continue };
            let (file, text) = read(repository, commit, path).map_err(|problem| AdmitError::File {
                path: path.clone(),
                problem,
            })?;
            *slot = Some(text);
            found.files.push(file);
        }
        Ok(found)
    }
}

fn read(repository: &Repository, commit: CommitId, path: &RepoPath) -> Result<(CoveredFile, String), FileProblem> {
    let bytes = repository.read_file_at(commit, path, MAX_DOCUMENT_BYTES as u64)?;
    let bytes = bytes.ok_or(FileProblem::Missing)?;
    let text = document_text(&bytes)?.to_owned();
    let file = CoveredFile {
        path: path.clone(),
        blob: blob_id(&bytes)?,
        sha256: Digest::of(&bytes),
    };
    Ok((file, text))
}
