//! Holding files against their JSON Schemas, as editors do.

use ledger_core::{RepoPath, TicketId, document_text};
use runner::{Finding, FindingSeverity, PolicyFile, TicketFileName, Workspace, read_beneath, schema_texts};
use serde_json::Value;

use crate::failure::Failure;

/// A schema by name, ready to be used.
struct Schema {
    name: &'static str,
    validator: jsonschema::Validator,
}

/// Where files differ from their schemas. Files that cannot be read at all are reported by the check itself.
pub(super) fn findings(workspace: &Workspace, only: &[TicketId]) -> Result<Vec<Finding>, Failure> {
    let schemas = schemas()?;
    let mut findings = Vec::new();
    let mut validate = |name: &str, path: RepoPath, bytes: Option<Vec<u8>>| {
        let schema = schemas.iter().find(|schema| schema.name == name);
        if let (Some(schema), Some(value)) = (schema, bytes.as_deref().and_then(as_json)) {
            findings.extend(differences(schema, &path, &value));
        }
    };
    validate("policy", PolicyFile::path(), workspace.policy_file().bytes.clone());
    if workspace.policy().is_err() {
        return Ok(findings);
    }
    let ledger = workspace.ledger()?;
    for id in ledger.ids() {
        if !only.is_empty() && !only.contains(id) {
            continue;
        }
        let Some(folder) = ledger.ticket(id) else { continue };
        for (schema, file) in [
            ("ticket", TicketFileName::Ticket),
            ("approval", TicketFileName::Approval),
            ("cancellation", TicketFileName::Canceled),
        ] {
            validate(schema, folder.path(file), folder.read(file).ok().flatten());
        }
    }
    if only.is_empty() {
        let root = workspace.repository().work_dir();
        let packages = runner::Packages::in_work_tree(root, ledger.dir()).map_err(runner::CheckLedgerError::from)?;
        for (name, _) in packages.iter() {
            let path = [ledger.dir().as_bytes(), format!("/packages/{name}.toml").as_bytes()].concat();
            if let Ok(path) = RepoPath::new(path) {
                let bytes = read_beneath(root, &path).ok();
                validate("package", path, bytes);
            }
        }
    }
    Ok(findings)
}

fn schemas() -> Result<Vec<Schema>, Failure> {
    let mut schemas = Vec::new();
    for (name, text) in schema_texts()? {
        let schema: Value = serde_json::from_str(&text).map_err(Failure::Json)?;
        let validator = jsonschema::draft202012::new(&schema)
            .map_err(|error| Failure::Io(std::io::Error::other(error.to_string())))?;
        schemas.push(Schema { name, validator });
    }
    Ok(schemas)
}

/// A TOML document as the JSON that its schema describes: dates and times are strings there.
fn as_json(bytes: &[u8]) -> Option<Value> {
    let table: toml::Table = toml::from_str(document_text(bytes).ok()?).ok()?;
    Some(json(toml::Value::Table(table)))
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(yes) => Value::Bool(yes),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

fn differences(schema: &Schema, path: &RepoPath, value: &Value) -> Vec<Finding> {
    schema
        .validator
        .iter_errors(value)
        .take(20)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/".to_owned() } else { place };
            let mut message = error.to_string();
            if message.chars().count() > 300 {
                message = message.chars().take(300).chain(['…']).collect();
            }
            let message = format!("against the schema `{}`, at `{place}`: {message}", schema.name);
            Finding::new(FindingSeverity::Error, path.clone(), message)
        })
        .collect()
}
