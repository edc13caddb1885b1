//! `docs/reference.md`: every key of the files that people write, as the schemas describe them, and what each mode asks of a run.

use std::fmt::Write as _;

use ledger_core::{Discipline, Mode, NotRequiredCode, Phase, TicketLimits};
use policy::MAX_QUICK_FILES;
use serde_json::{Map, Value};

/// Where it is, below the workspace.
pub(crate) const PATH: &str = "docs/reference.md";

/// The page, from these files and their schemas.
pub(crate) fn page(files: &[(&str, Value)]) -> String {
    let mut page = String::from(
        "# Keys\n\nEvery key of `counterfoil.toml`, of `ticket.toml` and of the head of a steering pack. Written by `cargo xtask schemas` from the types; \
         [guide.md](guide.md) tells how they belong together.\n\n\
         A length of time is written with its unit, such as `30s`, `10m` or `1d`, and a size as `512 KiB` or `2 GiB`. \
         Everything else that counts is a plain number of what its name says. `–` in the column of defaults: nothing.\n",
    );
    for (file, schema) in files {
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = text.trim_start_matches(&format!("`{file}`: "));
        let _ = writeln!(page, "\n## `{file}`\n\n{}.", capitalized(text.trim_end_matches('.')));
        table(&mut page, schema, schema, "", "");
    }
    modes(&mut page);
    page
}

/// The table that the code decides by.
fn modes(page: &mut String) {
    page.push_str(
        "\n## Modes\n\nWhat a ticket's `mode` asks of a run beside what every run has.\n\n\
         | mode | `[scope] allowed` | plan | experts | self-review, independent review | notes of a curator | files may change | specs | limits |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for mode in Mode::ALL {
        let Discipline {
            needs_scope,
            plans,
            review_may_be_off,
            curates,
            may_change,
            needs_experts,
            goes_in_rounds,
            is_small,
            owns_tickets,
        } = mode.discipline();
        let specs = mode.discipline().may_have_specs();
        let said = |yes: bool| if yes { "yes" } else { "no" };
        let scope = if needs_scope { "needed" } else { "may be absent" };
        let reviews = if review_may_be_off {
            "unless the policy switches them off"
        } else {
            "always"
        };
        let experts = if needs_experts {
            "named ones, of plan and change"
        } else if may_change {
            "named ones, of the change"
        } else {
            "none"
        };
        let mut limits = Vec::new();
        if is_small {
            limits.push(format!(
                "the lines of a small change, such as at most {MAX_QUICK_FILES} files"
            ));
        }
        if goes_in_rounds {
            let (usual, most) = (TicketLimits::DEFAULT_ROUNDS, TicketLimits::MAX_ROUNDS);
            limits.push(format!(
                "rounds of one task each, at most {usual}, or up to {most} by `[limits] max_rounds`"
            ));
        }
        if mode.discipline().skips(Phase::FocusedTestsPassed).is_none() {
            limits.push("needs a check".to_owned());
        }
        if owns_tickets {
            limits.push("its children are delivered first".to_owned());
        }
        if limits.is_empty() {
            limits.push("–".to_owned());
        }
        let _ = writeln!(
            page,
            "| `{}` | {scope} | {} | {experts} | {reviews} | {} | {} | {} | {} |",
            mode.as_str(),
            said(plans),
            said(curates),
            said(may_change),
            if specs { "may be linked" } else { "none" },
            limits.join("; ")
        );
    }
    phases(page);
}

/// The phases that a run of some mode may go without, by the same table.
fn phases(page: &mut String) {
    page.push_str(
        "\nEvery run climbs the same phases in the same order. These are the ones that it may go without by its mode, with the code in the journal; those of the delivery follow \
         `[delivery] mode` alone.\n\n| phase |",
    );
    for mode in Mode::ALL {
        let _ = write!(page, " `{}` |", mode.as_str());
    }
    page.push_str("\n| --- |");
    page.push_str(&" --- |".repeat(Mode::ALL.len()));
    page.push('\n');
    for phase in Phase::ALL {
        if Mode::ALL.iter().all(|mode| mode.discipline().skips(phase).is_none()) {
            continue;
        }
        let _ = write!(page, "| `{phase}` |");
        for mode in Mode::ALL {
            let discipline = mode.discipline();
            let when = match discipline.skips(phase) {
                None => "never left out",
                Some(NotRequiredCode::NoPlan) => "without a person's `plan.md` (`no_plan`)",
                Some(NotRequiredCode::NoChecks) if !discipline.is_checked() => "always (`no_checks`)",
                Some(NotRequiredCode::NoChecks) => "without any check (`no_checks`)",
                Some(NotRequiredCode::Mode) => "where the policy switches reviews off (`mode`)",
                Some(NotRequiredCode::DeliveryMode) => "where nothing is delivered (`delivery_mode`)",
            };
            let _ = write!(page, " {when} |");
        }
        page.push('\n');
    }
}

/// The keys of one table, then the tables in it.
fn table(page: &mut String, root: &Value, table_schema: &Value, heading: &str, prefix: &str) {
    let Some(properties) = table_schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required: Vec<_> = table_schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut rows = String::new();
    let mut below = Vec::new();
    for (key, property) in properties {
        let name = format!("{prefix}{key}");
        let (value, is_list) = match items(root, resolved(root, property)) {
            Some(item) => (item, true),
            None => (resolved(root, property), false),
        };
        if value.get("properties").is_some() {
            let heading = if is_list {
                format!("[[{name}]]")
            } else {
                format!("[{name}]")
            };
            below.push((heading, name, property, value));
            continue;
        }
        let default = match property.get("default") {
            _ if required.contains(&key.as_str()) => "must be given".to_owned(),
            None | Some(Value::Null) => "–".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let _ = writeln!(
            rows,
            "| `{key}` | {} | {} | {} |",
            in_cell(&takes(value, is_list)),
            in_cell(&default),
            in_cell(&meaning(property))
        );
    }
    if !rows.is_empty() {
        if !heading.is_empty() {
            let _ = writeln!(page, "\n### `{heading}`");
        }
        if let Some(text) = table_meaning(heading, table_schema) {
            let _ = writeln!(page, "\n{text}.");
        }
        let _ = write!(
            page,
            "\n| key | takes | default | meaning |\n| --- | --- | --- | --- |\n{rows}"
        );
    }
    for (heading, name, _, schema) in below {
        table(page, root, schema, &heading, &format!("{name}."));
    }
}

/// What a table is for, without its own name in front.
fn table_meaning(heading: &str, schema: &Value) -> Option<String> {
    if heading.is_empty() {
        return None;
    }
    let text = schema.get("description")?.as_str()?.replace('\n', " ");
    let text = text.split_once("`: ").map_or(text.as_str(), |(_, text)| text);
    Some(capitalized(text.trim_end_matches('.')))
}

/// The schema behind references, and behind "or nothing".
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|name| name.rsplit('/').next())
    {
        return root.pointer(&format!("/$defs/{name}")).unwrap_or(schema);
    }
    let variants = schema.get("anyOf").and_then(Value::as_array);
    match variants.map(Vec::as_slice) {
        Some([one, nothing]) if nothing.get("type") == Some(&Value::from("null")) => resolved(root, one),
        _ => schema,
    }
}

fn items<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    schema.get("items").map(|items| resolved(root, items))
}

/// What may stand there, in a few words.
fn takes(schema: &Value, is_list: bool) -> String {
    let one = one_value(schema);
    if is_list { format!("a list: {one}") } else { one }
}

fn one_value(schema: &Value) -> String {
    let consts: Vec<_> = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|variant| variant.get("const"))
        .map(|value| format!("`{value}`"))
        .collect();
    if !consts.is_empty() {
        return consts.join(", ");
    }
    if schema.get("title") == Some(&Value::from("GateSetting")) {
        return "`\"off\"`, `\"warn\"`, `\"block\"`, or a table of these by kind of ticket".to_owned();
    }
    if schema.get("title") == Some(&Value::from("Duration")) {
        return "a length of time".to_owned();
    }
    if schema.get("title") == Some(&Value::from("ByteSize")) {
        return "a size".to_owned();
    }
    let example = schema
        .pointer("/examples/0")
        .map(|example| format!(", such as `{example}`"));
    let range = |word: &str| match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) if least == most => format!("`{least}`"),
        (Some(least), Some(most)) => format!("{word}, {least} to {most}"),
        (Some(least), None) if *least != 0 => format!("{word}, at least {least}"),
        _ => word.to_owned(),
    };
    let word = match type_of(schema) {
        Some("integer") => range("a whole number"),
        Some("number") => range("a number"),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("object") => "a table".to_owned(),
        _ if schema.get("title") == Some(&Value::from("RepoPath")) => "a path in the repository".to_owned(),
        _ => "a text".to_owned(),
    };
    format!("{word}{}", example.unwrap_or_default())
}

fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn meaning(property: &Value) -> String {
    let empty = Map::new();
    let property = property.as_object().unwrap_or(&empty);
    let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ")
}

fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_below_its_table() {
        let schema = serde_json::json!({
            "description": "`x.toml`: what it is.",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "Its name"},
                "part": {"description": "A part", "$ref": "#/$defs/Part"},
                "check": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            },
            "$defs": {"Part": {"description": "`[part]`: one part.", "properties": {
                "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 3, "description": "How\nlarge"},
                "how": {"$ref": "#/$defs/How", "default": "a", "description": "How"},
            }}, "How": {"oneOf": [{"const": "a"}, {"const": "b"}]}},
        });
        let page = page(&[("counterfoil.toml", schema)]);
        for line in [
            "| `name` | a text | must be given | Its name |",
            "### `[part]`",
            "One part.",
            "| `size` | a whole number, 1 to 9 | `3` | How large |",
            "| `how` | `\"a\"`, `\"b\"` | `\"a\"` | How |",
            "### `[[check]]`",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
