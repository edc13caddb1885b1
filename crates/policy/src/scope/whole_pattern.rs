//! Whether all that a pattern stands for is in a ticket's scope.

use ledger_core::{TicketFile, Violation};

use super::ScopeRules;
use crate::config::PathPattern;

impl ScopeRules {
    /// What is forbidden about changing all that a pattern stands for. It is judged as if it were a path: `*` in it is a name that only what
    /// takes in every name takes in, and `**` is several folders. None for what is no pattern, which is told elsewhere; and for an entry of
    /// the ticket's own list, as long as it is not protected as a whole.
    pub(crate) fn judge_pattern(&self, ticket: &TicketFile, pattern: &str) -> Option<Violation> {
        pattern.parse::<PathPattern>().ok()?;
        let judge = |text: &str| self.judge(&text.parse().ok()?);
        if ticket.scope.allowed.iter().flatten().any(|allowed| allowed == pattern) {
            return judge(pattern);
        }
        let paths = alternatives(&pattern.replace("**", "**/**"));
        paths.iter().find_map(|path| judge(path))
    }
}

/// The most paths that the braces of a pattern are resolved to.
const MAX_ALTERNATIVES: usize = 100;

/// A pattern without its braces: one for each alternative, and none of those beyond [`MAX_ALTERNATIVES`].
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut open, mut found) = (vec![pattern.to_owned()], Vec::new());
    while found.len() < MAX_ALTERNATIVES
        && let Some(text) = open.pop()
    {
        match innermost_braces(&text) {
            None => found.push(text),
            Some((before, inside, after)) => {
                let parts = inside.rsplit(',');
                open.extend(parts.map(|part| format!("{before}{part}{after}")));
            }
        }
    }
    found
}

/// What stands before, in and after the first braces that have none in them.
fn innermost_braces(text: &str) -> Option<(&str, &str, &str)> {
    let (rest, after) = text.split_once('}')?;
    let (before, inside) = rest.rsplit_once('{')?;
    Some((before, inside, after))
}
