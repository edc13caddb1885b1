//! JSON Schemas (draft 2020-12) of everything that is stored or sent, generated from the types that read it.

use schemars::transform::{RecursiveTransform, transform_subschemas};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::advice::Advice;
use crate::approval::{Approval, Cancellation};
use crate::curation::Curation;
use crate::digest::Digest;
use crate::event::Event;
use crate::evidence::EvidenceIndex;
use crate::expert::ExpertReview;
use crate::goal_plan::GoalPlan;
use crate::notification::Notification;
use crate::package::Package;
use crate::plan::Plan;
use crate::receipt::Receipt;
use crate::report::Report;
use crate::review::Review;
use crate::statement::Statement;
use crate::steering::SteeringHead;
use crate::ticket::TicketFile;

/// One line of a journal, as [`crate::Head::line`] writes it. Lines are read and written byte by byte; this is for the schema.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Journal line")]
struct JournalLine {
    /// Counted from 0
    seq: u64,
    /// When it was written, in UTC
    at: jiff::Timestamp,
    /// The sum of the line before; all zeros in the first
    prev: Digest,
    /// What happened
    event: Event,
    /// SHA-256 of the line's bytes before this property's comma
    sum: Digest,
}

/// The schema of a stored document, with `$id` taken from `name`. Every property has a title and a description.
pub fn schema_of<T: JsonSchema>(name: &str) -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(name_properties))
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("counterfoil:{name}/1").into());
    schema
}

/// The schema of an agent's answer, in the strict subset of JSON Schema that Structured Outputs accept: no reference
/// (one may have no description beside it), no `oneOf`, every property required, no other property allowed.
///
/// ```
/// use counterfoil_ledger_core::{Report, answer_schema_of};
/// let schema = answer_schema_of::<Report>();
/// assert!(schema.get("$defs").is_none());
/// assert_eq!(schema.get("additionalProperties"), Some(&false.into()));
/// ```
pub fn answer_schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(list_choices)
        .with_transform(RecursiveTransform(require_all))
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The schemas of this crate's documents by name, in alphabetical order.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    SCHEMAS.iter().map(|(name, schema)| (*name, schema())).collect()
}

/// The schema of one document or answer, as [`schemas`] has it.
pub fn schema(name: &str) -> Option<Schema> {
    let (_, schema) = SCHEMAS.iter().find(|(known, _)| *known == name)?;
    Some(schema())
}

/// A schema's name, and what makes it: all of them together take a while.
type NamedSchema = (&'static str, fn() -> Schema);

const SCHEMAS: [NamedSchema; 17] = [
    ("advice", answer_schema_of::<Advice>),
    ("approval", || schema_of::<Approval>("approval")),
    ("cancellation", || schema_of::<Cancellation>("cancellation")),
    ("curation", answer_schema_of::<Curation>),
    ("evidence", || schema_of::<EvidenceIndex>("evidence")),
    ("expert", answer_schema_of::<ExpertReview>),
    ("goal_plan", answer_schema_of::<GoalPlan>),
    ("journal", || schema_of::<JournalLine>("journal")),
    ("notification", || schema_of::<Notification>("notification")),
    ("package", || schema_of::<Package>("package")),
    ("plan", answer_schema_of::<Plan>),
    ("receipt", || schema_of::<Receipt>("receipt")),
    ("report", answer_schema_of::<Report>),
    ("review", answer_schema_of::<Review>),
    ("statement", || schema_of::<Statement>("statement")),
    ("steering", || schema_of::<SteeringHead>("steering")),
    ("ticket", || schema_of::<TicketFile>("ticket")),
];

/// Gives every property a title for editors, and those that only tell one form from another a description.
fn name_properties(schema: &mut Schema) {
    // What a form is, its one property is too.
    let form = schema.get("description").cloned();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let is_alone = properties.len() == 1;
    for (name, property) in properties {
        let Some(property) = property.as_object_mut() else {
            continue;
        };
        if let Some(form) = property.get("const").and_then(Value::as_str) {
            let description = format!("Always `{form}`: it tells this form from the others");
            property.entry("description").or_insert(description.into());
        }
        if let (true, Some(form)) = (is_alone, &form) {
            property.entry("description").or_insert(form.clone());
        }
        property.entry("title").or_insert(title(name).into());
    }
}

/// `max_repair_rounds` becomes `Max repair rounds`.
fn title(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(characters)
        .collect::<String>()
        .replace('_', " ")
}

/// Turns an alternative of constants into a list of values, and says in the description what each of them means.
fn list_choices(schema: &mut Schema) {
    transform_subschemas(&mut list_choices, schema);
    let Some(choices) = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .map(|choices| choices.iter().map(choice).collect::<Option<Vec<_>>>())
    else {
        return;
    };
    let Some(choices) = choices else { return };
    let own = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_end_matches('.');
    let meanings: Vec<_> = choices
        .iter()
        .map(|(value, meaning)| format!("`{value}`: {}", meaning.trim_end_matches('.')))
        .collect();
    let description = format!("{own}. {}", meanings.join("; "));
    let values: Vec<Value> = choices.into_iter().map(|(value, _)| value.into()).collect();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), values.into());
    schema.insert("description".to_owned(), description.into());
}

/// Makes every property required: what may be missing in an answer that was recorded earlier is asked for all the same.
fn require_all(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let names: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
    for property in properties.values_mut() {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    let required = schema
        .ensure_object()
        .entry("required")
        .or_insert(Value::Array(Vec::new()));
    if let Some(required) = required.as_array_mut() {
        required.extend(
            names
                .into_iter()
                .filter(|name| !required.contains(name))
                .collect::<Vec<_>>(),
        );
    }
}

/// A constant string and what it means.
fn choice(alternative: &Value) -> Option<(String, String)> {
    let alternative: &Map<String, Value> = alternative.as_object()?;
    let text = |key: &str| alternative.get(key)?.as_str().map(str::to_owned);
    Some((text("const")?, text("description")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` with every schema in `value` and its place.
    fn each(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
        match value {
            Value::Object(object) => {
                visit(place, object);
                for (key, value) in object {
                    // Examples and defaults are data.
                    if !["default", "examples", "const", "enum"].contains(&key.as_str()) {
                        each(value, &format!("{place}/{key}"), visit);
                    }
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    each(value, &format!("{place}/{index}"), visit);
                }
            }
            _ => {}
        }
    }

    fn is_answer(name: &str) -> bool {
        ["advice", "curation", "expert", "goal_plan", "plan", "report", "review"].contains(&name)
    }

    #[test]
    fn every_document_and_every_property_has_a_title_and_a_description() {
        let mut missing = Vec::new();
        for (name, schema) in schemas() {
            for key in ["title", "description"] {
                if schema.get(key).is_none() {
                    missing.push(format!("{name}: {key}"));
                }
            }
            each(schema.as_value(), "", &mut |place, object| {
                let Some(properties) = object.get("properties").and_then(Value::as_object) else {
                    return;
                };
                for (property, schema) in properties {
                    let has = |key: &str| {
                        schema
                            .get(key)
                            .and_then(Value::as_str)
                            .is_some_and(|text| !text.is_empty())
                    };
                    if !has("description") || !(has("title") || is_answer(name)) {
                        missing.push(format!("{name}{place}: {property}"));
                    }
                }
            });
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn schemas_of_answers_stay_within_the_strict_subset() {
        const KNOWN: [&str; 9] = [
            "$schema",
            "additionalProperties",
            "description",
            "enum",
            "items",
            "properties",
            "required",
            "title",
            "type",
        ];
        let answers: Vec<_> = schemas().into_iter().filter(|(name, _)| is_answer(name)).collect();
        assert_eq!(answers.len(), 7);
        for (name, schema) in answers {
            each(schema.as_value(), "", &mut |place, object| {
                if place.ends_with("/properties") {
                    return;
                }
                for key in object.keys() {
                    assert!(KNOWN.contains(&key.as_str()), "{name}{place}: {key}");
                }
                if object.get("type") == Some(&"object".into()) {
                    assert_eq!(
                        object.get("additionalProperties"),
                        Some(&Value::Bool(false)),
                        "{name}{place}"
                    );
                    let mut required: Vec<_> = object["required"].as_array().unwrap().iter().collect();
                    required.sort_by_key(|name| name.as_str());
                    let properties: Vec<_> = object["properties"].as_object().unwrap().keys().collect();
                    assert_eq!(required, properties, "{name}{place}");
                }
            });
        }
    }

    #[test]
    fn choices_in_answers_say_what_each_value_means() {
        let schema = answer_schema_of::<Review>();
        assert_eq!(
            schema.as_value()["properties"]["verdict"],
            serde_json::json!({
                "type": "string",
                "enum": ["pass", "fail"],
                "description": "Whether the change may be delivered. `pass`: The change does what was asked and may be delivered; \
                                `fail`: The change must be repaired first",
            })
        );
    }
}
