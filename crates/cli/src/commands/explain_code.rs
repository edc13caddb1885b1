//! `foil explain --code`

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ledger_core::BlockerCode;
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{HEADING, styled};

/// Reads a blocker code; one that is misspelt is answered with those that are near.
pub(super) fn codes() -> impl TypedValueParser<Value = BlockerCode> {
    PossibleValuesParser::new(BlockerCode::ALL.iter().map(|code| code.as_str()))
        .map(|name| BlockerCode::named(&name).unwrap_or(BlockerCode::Other))
}

/// A blocker code in words.
#[derive(Debug, Serialize)]
struct CodeReport {
    schema: &'static str,
    code: BlockerCode,
    meaning: &'static str,
    look_at: &'static str,
    next_step: &'static str,
    resumable: bool,
}

pub(super) fn run(code: BlockerCode, context: &Context<'_>) -> Result<Exit, Failure> {
    let report = CodeReport {
        schema: "counterfoil.explain-code/1",
        code,
        meaning: code.meaning(),
        look_at: code.look(),
        next_step: code.hint(),
        resumable: code.resumable(),
    };
    if context.output.is_json() {
        context.output.json(&report)?;
        return Ok(Exit::Done);
    }
    let goes_on = match report.resumable {
        true => "the same run goes on",
        false => "what is run next is a new run, from the base",
    };
    context.output.answer(&format!(
        "{}  {}\n  look at  {}\n  next     {}\n  then     {goes_on}\n",
        styled(HEADING, code),
        report.meaning,
        report.look_at,
        report.next_step
    ))?;
    Ok(Exit::Done)
}
