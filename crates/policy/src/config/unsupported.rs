//! Keys that are part of the format and that this version does not act on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key that is set to something that this version would ignore.
pub(super) struct UnsupportedKey {
    pub(super) path: String,
    /// The value, where only some of the key's values are not supported.
    pub(super) value: Option<String>,
    pub(super) span: Range<usize>,
    pub(super) allowed: &'static [&'static str],
}

/// Each key with the values that change nothing; none: it must be absent. Values are as TOML writes them.
const UNSUPPORTED: &[(&str, &str, &[&str])] = &[
    ("ledger", "require_committed", &["true"]),
    ("ledger", "push_runs", &["false"]),
    ("workspace", "root", &[]),
    ("workspace", "filters", &["[]"]),
    ("workspace", "cache_ttl", &["\"1d\"", "\"24h\""]),
    ("delivery", "mode", &["\"branch\"", "\"none\"", "\"push\""]),
    ("delivery", "forbidden_targets", &["[\"main\", \"master\"]"]),
    ("delivery", "pr_title", &[]),
    ("delivery", "sign", &["false"]),
    ("delivery", "hooks", &["\"skip\""]),
];

/// The first such key in the file.
pub(super) fn unsupported(document: &DeTable<'_>) -> Option<UnsupportedKey> {
    UNSUPPORTED
        .iter()
        .filter_map(|(table, key, allowed)| {
            let table_value = entry(document, table)?.1.get_ref().as_table()?;
            let (span, value) = entry(table_value, key)?;
            let written = words(value.get_ref());
            // A value of a wrong type is left to the reader, which says what it should be.
            if allowed.contains(&written.as_str()) || (*key == "mode" && !is_later_mode(&written)) {
                return None;
            }
            Some(UnsupportedKey {
                path: format!("{table}.{key}"),
                value: (*key == "mode").then_some(written),
                span,
                allowed,
            })
        })
        .min_by_key(|key| key.span.start)
}

fn is_later_mode(written: &str) -> bool {
    written == "\"draft_pr\""
}

fn entry<'a, 'b>(table: &'a DeTable<'b>, name: &str) -> Option<(Range<usize>, &'a Spanned<DeValue<'b>>)> {
    table
        .iter()
        .find(|(key, _)| key.get_ref() == name)
        .map(|(key, value)| (key.span(), value))
}

/// A scalar or an array of scalars in one form, whatever the quotes and the spacing.
fn words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| words(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => "other".to_owned(),
    }
}
