//! Lists that fit into a journal line.

use serde::Serialize;

/// The most bytes that a list of a journal line may take there.
pub const MAX_LIST_BYTES: usize = 64 * 1024;

/// How many of the first items fit into [`MAX_LIST_BYTES`]. They are measured as they are written: as JSON, one control
/// character of a path takes six bytes.
///
/// ```
/// use counterfoil_ledger_core::{MAX_LIST_BYTES, fitting};
/// assert_eq!(fitting(&["a", "b"]), 2);
/// assert_eq!(fitting(&["a".to_owned(), "\u{1}".repeat(MAX_LIST_BYTES / 6)]), 1);
/// ```
pub fn fitting<T: Serialize>(items: &[T]) -> usize {
    let mut left = MAX_LIST_BYTES;
    let fits = |item: &&T| {
        // What has no JSON form fits nowhere. A comma follows each item.
        let Ok(json) = serde_json::to_vec(item) else {
            return false;
        };
        let rest = left.checked_sub(json.len() + 1);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    items.iter().take_while(fits).count()
}
