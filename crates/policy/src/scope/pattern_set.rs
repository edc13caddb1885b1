//! Several path patterns as one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use ledger_core::RepoPath;

use super::InvalidScope;
use super::fold::{folded_path, folded_text};
use crate::config::PathPattern;

/// Several path patterns as one, which allow something. An entry is both an exact path and a glob, so that `app/[id]/page.tsx` names that
/// file.
#[derive(Debug, Clone)]
pub(crate) struct PatternSet {
    exact: BTreeSet<Vec<u8>>,
    all: GlobSet,
    folders: GlobSet,
}

/// Several path patterns as one, which forbid something: neither case nor normal forms count. All sets of the same patterns are one in memory.
#[derive(Debug, Clone)]
pub(crate) struct FoldedSet(Arc<Folded>);

#[derive(Debug)]
struct Folded {
    texts: Vec<String>,
    exact: BTreeSet<Vec<u8>>,
    /// Two globs for each text: as written without ASCII case, and folded. Index / 2 is the text's.
    globs: GlobSet,
}

impl PatternSet {
    pub(crate) fn new(key: &'static str, patterns: &[PathPattern]) -> Result<Self, InvalidScope> {
        let (mut all, mut folders) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let glob = pattern.glob(false).map_err(|error| too_large(key, &error))?;
            if pattern.covers_folders() {
                folders.add(glob.clone());
            }
            all.add(glob);
        }
        Ok(Self {
            exact: patterns
                .iter()
                .map(|pattern| pattern.as_str().as_bytes().to_vec())
                .collect(),
            all: all.build().map_err(|error| too_large(key, &error))?,
            folders: folders.build().map_err(|error| too_large(key, &error))?,
        })
    }

    /// Whether a pattern allows this path. Case counts; a path that is not UTF-8 needs a pattern for a whole folder.
    pub(crate) fn allows(&self, path: &RepoPath) -> bool {
        let globs = if path.to_str().is_some() {
            &self.all
        } else {
            &self.folders
        };
        self.names(path) || globs.is_match_candidate(&Candidate::from_bytes(path.as_bytes()))
    }

    /// Whether an entry is exactly this path.
    pub(super) fn names(&self, path: &RepoPath) -> bool {
        self.exact.contains(path.as_bytes())
    }
}

/// The sets that are in use. Runs of one policy have the same ones, and each takes long to compile and much memory.
static IN_USE: Mutex<BTreeMap<Vec<String>, Weak<Folded>>> = Mutex::new(BTreeMap::new());

impl FoldedSet {
    pub(crate) fn new(key: &'static str, patterns: &[PathPattern]) -> Result<Self, InvalidScope> {
        let texts: Vec<_> = patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        // Whoever else wants the same set now waits for it.
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = in_use.get(&texts).and_then(Weak::upgrade) {
            return Ok(Self(known));
        }
        let compiled = Arc::new(Folded::compile(key, patterns, texts.clone())?);
        in_use.retain(|_, known| known.strong_count() > 0);
        in_use.insert(texts, Arc::downgrade(&compiled));
        Ok(Self(compiled))
    }

    /// The first pattern that means this path on any file system. Being forbidden is the safe answer, so here case and
    /// normal forms do not count.
    pub(crate) fn find(&self, path: &RepoPath) -> Option<&str> {
        self.0.texts.get(self.position(path)?).map(String::as_str)
    }

    /// The place of that pattern among those that the set was made of.
    pub(super) fn position(&self, path: &RepoPath) -> Option<usize> {
        self.0.position(path)
    }
}

impl Folded {
    fn compile(key: &'static str, patterns: &[PathPattern], texts: Vec<String>) -> Result<Self, InvalidScope> {
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns {
            let written = pattern.glob(true).map_err(|error| too_large(key, &error))?;
            // Folding can break a range such as `[Z-a]`; then the form as written stands twice.
            let fold = GlobBuilder::new(&folded_text(pattern.as_str()))
                .literal_separator(true)
                .build()
                .unwrap_or_else(|_| written.clone());
            globs.add(written);
            globs.add(fold);
        }
        Ok(Self {
            exact: texts.iter().map(|text| folded_text(text).into_bytes()).collect(),
            globs: globs.build().map_err(|error| too_large(key, &error))?,
            texts,
        })
    }

    fn position(&self, path: &RepoPath) -> Option<usize> {
        let folded = folded_path(path);
        let exact = || {
            let same = |text: &String| folded_text(text).as_bytes() == folded;
            self.exact.contains(&folded).then(|| self.texts.iter().position(same))?
        };
        let mut hits = self.globs.matches_candidate(&Candidate::from_bytes(path.as_bytes()));
        if folded != path.as_bytes() {
            hits.extend(self.globs.matches_candidate(&Candidate::from_bytes(&folded)));
        }
        let first = hits.into_iter().min().map(|index| index / 2);
        first.or_else(exact)
    }
}

fn too_large(key: &'static str, error: &globset::Error) -> InvalidScope {
    InvalidScope::TooLarge {
        key,
        reason: error.to_string(),
    }
}
