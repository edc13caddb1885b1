//! JSON Schemas (draft 2020-12) of everything that is stored or sent, generated from the types that read it.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use crate::approval::{Approval, Cancellation};
use crate::digest::Digest;
use crate::event::Event;
use crate::package::Package;
use crate::receipt::Receipt;
use crate::report::Report;
use crate::review::Review;
use crate::ticket::TicketFile;

/// One line of a journal, as [`crate::Head::line`] writes it. Lines are read and written byte by byte; this is for the schema.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Journal line")]
struct JournalLine {
    /// Counted from 0
    seq: u64,
    /// When it was written, in UTC
    #[schemars(with = "String")]
    at: jiff::Timestamp,
    /// The sum of the line before; all zeros in the first
    prev: Digest,
    /// What happened
    event: Event,
    /// SHA-256 of the line's bytes before this property's comma
    sum: Digest,
}

/// The schema of a type, with `$id` taken from `name`.
pub fn schema_of<T: JsonSchema>(name: &str) -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("counterfoil:{name}/1").into());
    schema
}

/// The schemas of this crate's documents by name, in alphabetical order.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("approval", schema_of::<Approval>("approval")),
        ("cancellation", schema_of::<Cancellation>("cancellation")),
        ("journal", schema_of::<JournalLine>("journal")),
        ("package", schema_of::<Package>("package")),
        ("receipt", schema_of::<Receipt>("receipt")),
        ("report", schema_of::<Report>("report")),
        ("review", schema_of::<Review>("review")),
        ("ticket", schema_of::<TicketFile>("ticket")),
    ]
}
