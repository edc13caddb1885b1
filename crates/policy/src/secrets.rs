//! Secrets in content: what looks like a credential, by pattern and by file name.
//!
//! A finding never holds the secret, only the rule that it matched, the line, and a short fingerprint by which a policy
//! can name it as an exception. The search is linear in the size of the content.

mod file_names;
mod patterns;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use ledger_core::{Digest, RepoPath};
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use crate::config::{Fingerprint, Policy};
use file_names::forbidden_name;
use patterns::{PATTERNS, PRIVATE_KEY, is_placeholder};

/// The most findings that are kept of one file.
pub const MAX_SECRET_FINDINGS: usize = 20;

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretFinding {
    /// What it looks like.
    pub rule: String,
    /// The line, counted from 1; 0: it is the file itself, by its name.
    pub line: u64,
    /// A short digest by which an exception names it.
    pub fingerprint: Fingerprint,
}

/// What counts as a secret under one policy.
///
/// ```
/// use counterfoil_policy::{Policy, SecretRules};
/// let rules = SecretRules::new(&Policy::default());
/// let path = "src/config.rs".parse().unwrap();
/// let before = b"fn main() {}\n";
/// let after = format!("fn main() {{}}\nlet key = \"{}{}\";\n", "AKIA", "Z7Q4M2XKLP5WNB3T");
/// let findings = rules.added(&path, Some(before), after.as_bytes());
/// assert_eq!((findings[0].rule.as_str(), findings[0].line), ("AWS access key id", 2));
/// assert!(rules.added(&path, Some(after.as_bytes()), after.as_bytes()).is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct SecretRules {
    /// Those of the policy.
    own: RuleSet,
    exceptions: BTreeSet<Fingerprint>,
}

/// Compiled when they are first needed, and once for all runs: they take much time and memory.
static BUILT_IN: LazyLock<RuleSet> = LazyLock::new(built_in);

/// Rules, and which of them can match at all, as one automaton.
#[derive(Debug, Clone)]
struct RuleSet {
    set: RegexSet,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    name: String,
    regex: Regex,
    check: fn(&[u8]) -> bool,
}

#[expect(clippy::expect_used, reason = "the built-in patterns compile, which a test shows")]
fn built_in() -> RuleSet {
    let rules = PATTERNS.iter().map(|pattern| Rule {
        name: pattern.name.to_owned(),
        regex: Regex::new(pattern.regex).expect("a built-in pattern"),
        check: pattern.check,
    });
    RuleSet::new(rules.collect())
}

impl RuleSet {
    fn new(rules: Vec<Rule>) -> Self {
        // A set that is too large as one automaton is refused; the rules then run one by one, which finds the same.
        let set = RegexSetBuilder::new(rules.iter().map(|rule| rule.regex.as_str()))
            .size_limit(64 << 20)
            .build()
            .unwrap_or_default();
        Self { set, rules }
    }

    /// The rules that may match somewhere.
    fn matching(&self, content: &[u8]) -> impl Iterator<Item = &Rule> {
        let matched = (!self.set.is_empty()).then(|| self.set.matches(content));
        let may_match = move |index| matched.as_ref().is_none_or(|matched| matched.matched(index));
        let rules = self.rules.iter().enumerate();
        rules.filter(move |(index, _)| may_match(*index)).map(|(_, rule)| rule)
    }
}

impl SecretRules {
    /// The built-in patterns, those of the policy, and its exceptions.
    #[expect(
        clippy::expect_used,
        reason = "each of the policy's patterns compiled when it was read"
    )]
    pub fn new(policy: &Policy) -> Self {
        let patterns = policy.scope.secrets.patterns.iter().enumerate();
        let own = patterns.map(|(index, pattern)| Rule {
            name: format!("pattern {} of the policy", index + 1),
            regex: pattern.regex().expect("a pattern that was read"),
            check: |_| true,
        });
        Self {
            own: RuleSet::new(own.collect()),
            exceptions: policy.scope.secrets.exceptions.iter().cloned().collect(),
        }
    }

    /// Everything that looks like a secret in this file, by lines; exceptions are left out. At most
    /// [`MAX_SECRET_FINDINGS`].
    pub fn scan(&self, path: &RepoPath, content: &[u8]) -> Vec<SecretFinding> {
        self.findings(path, content, &BTreeSet::new())
    }

    /// What looks like a secret in `after` and was not in `before`, the content of the same file in the base. A secret
    /// that the base already has is not this change's doing; one that is moved to another file is, and so is whatever changes in a file that is a
    /// secret by its name.
    pub fn added(&self, path: &RepoPath, before: Option<&[u8]>, after: &[u8]) -> Vec<SecretFinding> {
        let mut known = BTreeSet::new();
        if let Some(before) = before {
            self.each(path, before, |finding| {
                if finding.line > 0 || before == after {
                    known.insert(finding.fingerprint);
                }
                true
            });
        }
        self.findings(path, after, &known)
    }

    /// The text with `mask` in place of everything that looks like a secret. Exceptions are for files; here they are masked too.
    ///
    /// ```
    /// use counterfoil_policy::{Policy, SecretRules};
    /// let rules = SecretRules::new(&Policy::default());
    /// let text = format!("pushed with {}{}", "ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk");
    /// assert_eq!(rules.masked(&text, "[secret]"), "pushed with [secret]");
    /// ```
    pub fn masked(&self, text: &str, mask: &str) -> String {
        let mut secrets: Vec<Range<usize>> = Vec::new();
        self.each_match(text.as_bytes(), |rule, secret| {
            let end = if rule.name == PRIVATE_KEY {
                end_of_key(text, secret.end)
            } else {
                secret.end
            };
            secrets.push(secret.start..end);
            true
        });
        secrets.sort_by_key(|secret| (secret.start, secret.end));
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for secret in secrets {
            // The patterns are about bytes; the text must stay one.
            let is_boundary = |at: &usize| text.is_char_boundary(*at);
            let start = (0..=secret.start).rev().find(is_boundary).unwrap_or(0).max(done);
            let end = (secret.end..=text.len()).find(is_boundary).unwrap_or(text.len());
            if start < end {
                masked.push_str(&text[done..start]);
                masked.push_str(mask);
                done = end;
            }
        }
        masked.push_str(&text[done..]);
        masked
    }

    fn findings(&self, path: &RepoPath, content: &[u8], known: &BTreeSet<Fingerprint>) -> Vec<SecretFinding> {
        let mut found: Vec<SecretFinding> = Vec::new();
        self.each(path, content, |finding| {
            let is_new = !known.contains(&finding.fingerprint)
                && !self.exceptions.contains(&finding.fingerprint)
                && !found.iter().any(|earlier| earlier.fingerprint == finding.fingerprint);
            if is_new {
                found.push(finding);
            }
            found.len() < MAX_SECRET_FINDINGS
        });
        found.sort_by(|a, b| (a.line, &a.rule, &a.fingerprint).cmp(&(b.line, &b.rule, &b.fingerprint)));
        found
    }

    /// Hands over every finding until `keep_going` says no.
    fn each(&self, path: &RepoPath, content: &[u8], mut keep_going: impl FnMut(SecretFinding) -> bool) {
        if let Some(rule) = forbidden_name(path, content) {
            let finding = SecretFinding {
                rule: rule.to_owned(),
                line: 0,
                fingerprint: fingerprint(path.as_bytes()),
            };
            if !keep_going(finding) {
                return;
            }
        }
        let (mut line, mut counted) = (1, 0);
        self.each_match(content, |rule, secret| {
            // Rules begin anew at the top.
            if secret.start < counted {
                (line, counted) = (1, 0);
            }
            line += content[counted..secret.start]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count() as u64;
            counted = secret.start;
            keep_going(SecretFinding {
                rule: rule.name.clone(),
                line,
                fingerprint: fingerprint(&content[secret]),
            })
        });
    }

    /// Hands over where every secret stands, rule by rule, until `keep_going` says no.
    fn each_match(&self, content: &[u8], mut keep_going: impl FnMut(&Rule, Range<usize>) -> bool) {
        for rule in BUILT_IN.matching(content).chain(self.own.matching(content)) {
            for captures in rule.regex.captures_iter(content) {
                let Some(found) = captures.get(1).or_else(|| captures.get(0)) else {
                    continue;
                };
                let secret = found.as_bytes();
                if is_placeholder(secret) || !(rule.check)(secret) {
                    continue;
                }
                if !keep_going(rule, found.range()) {
                    return;
                }
            }
        }
    }
}

/// Where the lines of a key end that begins before `start`: at its last line, or after what looks like such lines.
fn end_of_key(text: &str, start: usize) -> usize {
    let rest = &text.as_bytes()[start..];
    let near = &rest[..rest.len().min(LONGEST_KEY)];
    // Not the end of another one.
    let next = near.windows(5).position(|window| window == b"-----");
    let mark = next.filter(|next| near[*next..].starts_with(b"-----END "));
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-\\\"'`,;#>*|%\r\n \t".contains(byte);
    start + mark.unwrap_or_else(|| rest.iter().take_while(|byte| belongs(byte)).count())
}

/// How far away the end of a private key is looked for, in bytes.
const LONGEST_KEY: usize = 16 << 10;

/// 64 bits of the digest: enough to tell findings apart. Line ends and spaces around a secret do not count.
#[expect(clippy::expect_used, reason = "sixteen hex digits are a fingerprint")]
fn fingerprint(secret: &[u8]) -> Fingerprint {
    let digest = Digest::of([b"counterfoil secret\0", secret.trim_ascii()].concat()).hex();
    digest[..16].parse().expect("sixteen hex digits")
}

#[cfg(test)]
mod tests;
