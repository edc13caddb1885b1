//! What an agent is given to read, beside its prompt: for the journal, by digest.

use ledger_core::{GivenFile, GivenSize, MAX_GIVEN_FILES, RepoPath, Run, TreeId};
use policy::ContextSize;

use super::Engine;
use crate::agent::{ProjectInstructions, Role};
use crate::prompt::GivenPlan;

/// Where Codex looks for skills in a place.
const SKILL_FOLDERS: [&str; 2] = [".agents/skills", ".codex/skills"];

/// What Codex takes from the root of a place as instructions, in its order of preference: the first that is there.
const INSTRUCTIONS: [&str; 2] = ["AGENTS.override.md", "AGENTS.md"];

/// The setting of Codex' with further names of that kind.
const FURTHER_INSTRUCTIONS: &str = "project_doc_fallback_filenames";

/// What goes with a prompt.
pub(super) struct GivenContext {
    /// The files, as many as are recorded.
    pub(super) files: Vec<GivenFile>,
    /// How much it is in all.
    pub(super) size: GivenSize,
}

impl Engine {
    /// The files that a prompt gives or tells to read, as they are in the base, then the hand-offs as they were read, then what its reader
    /// takes from its place by itself. What is not there, or no file, is none.
    pub(super) fn given(&self, role: Role, run: &Run) -> GivenContext {
        let mut files = Vec::new();
        let tree = run.base().and_then(|base| self.repository.commit_tree_id(base).ok());
        let ticket = &self.plan.ticket.file;
        let steering = &self.plan.instructions.steering;
        if let Some(tree) = tree {
            let required = ticket.context.required.iter().map(|file| &file.path);
            let plan = match self.given_plan(run) {
                GivenPlan::Written(path) => path.parse().ok(),
                GivenPlan::Made(_) | GivenPlan::None => None,
            };
            let named = steering.iter().map(|pack| &pack.path).chain(required).chain(&plan);
            files.extend(self.files_in(tree, named.chain(ticket.specs.files())));
        }
        let mut size = ContextSize::of(ticket, steering.iter().map(|pack| pack.text.as_str()), files.len());
        if matches!(role, Role::Writer | Role::Planner) {
            for hand_off in &self.plan.hand_offs.given {
                size = size.with_file(&hand_off.text);
                files.push(GivenFile {
                    path: hand_off.path.clone(),
                    blob: hand_off.blob,
                });
            }
        }
        if let (Some(tree), ProjectInstructions::On) = (tree, role.instructions()) {
            files.extend(self.files_in(tree, &self.instructions_in(tree)));
        }
        let bytes = files
            .iter()
            .filter_map(|file| self.repository.blob_size(file.blob).ok());
        let size = GivenSize {
            files: count(files.len()),
            bytes: bytes.sum(),
            lines: count(size.lines),
        };
        files.truncate(MAX_GIVEN_FILES);
        GivenContext { files, size }
    }

    fn files_in<'a>(&self, tree: TreeId, paths: impl IntoIterator<Item = &'a RepoPath>) -> Vec<GivenFile> {
        let given = |path: &RepoPath| {
            let side = self.repository.entry_at(tree, path).ok()??;
            Some(GivenFile {
                path: path.clone(),
                blob: side.id,
            })
        };
        paths.into_iter().filter_map(given).collect()
    }

    /// The instructions to agents that Codex reads by itself where a tree is checked out. It works at the root, so those of folders below are none.
    fn instructions_in(&self, tree: TreeId) -> Vec<RepoPath> {
        let further = self.plan.policy.agent.config.get(FURTHER_INSTRUCTIONS);
        let further = further.and_then(|names| names.as_array()).into_iter().flatten();
        let names = INSTRUCTIONS.into_iter().chain(further.filter_map(|name| name.as_str()));
        let is_there = |path: &RepoPath| matches!(self.repository.entry_at(tree, path), Ok(Some(_)));
        let first = names.filter_map(|name| name.parse().ok()).find(is_there);
        let folders = SKILL_FOLDERS.iter().filter_map(|folder| folder.parse().ok());
        let below = folders.filter_map(|folder| self.repository.list_tree(tree, Some(&folder)).ok());
        let skills = below.flatten().map(|entry| entry.path);
        let skills = skills.filter(|path| path.file_name() == b"SKILL.md");
        first.into_iter().chain(skills).collect()
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
