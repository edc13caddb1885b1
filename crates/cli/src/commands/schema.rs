//! `foil schema`

use serde::Serialize;

use runner::schema_texts;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print the JSON Schema of a file or record
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil schema             list the names\n  foil schema ticket > ticket.schema.json"
)]
pub(crate) struct SchemaArgs {
    /// Its name; without one the names are listed
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct Names {
    schema: &'static str,
    names: Vec<&'static str>,
}

pub(super) fn run(args: &SchemaArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let all = schema_texts()?;
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let Some(wanted) = &args.name else {
        if context.output.is_json() {
            context.output.json(&Names {
                schema: "counterfoil.schema/1",
                names: names(),
            })?;
        } else {
            context.output.answer(&(names().join("\n") + "\n"))?;
        }
        return Ok(Exit::Done);
    };
    match all.iter().find(|(name, _)| name == wanted) {
        Some((_, text)) => context.output.document(text.as_bytes())?,
        None => {
            return Err(Failure::UnknownSchema {
                name: wanted.clone(),
                known: names(),
            });
        }
    }
    Ok(Exit::Done)
}
