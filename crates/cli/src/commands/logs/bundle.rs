//! `foil logs --bundle`

use std::io::{self, BufWriter, IsTerminal as _};
use std::path::Path;

use ledger_core::{RunId, TicketId};
use runner::redact::Redactor;
use runner::{BundleManifest, Workspace, bundle_to_file, write_bundle};

use super::{entries, environment, with_home};
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{count, plain};

pub(super) fn run(
    workspace: &Workspace,
    ticket: &TicketId,
    run: Option<&RunId>,
    file: &Path,
    context: &Context<'_>,
) -> Result<Exit, Failure> {
    let environment = environment();
    let redactor = Redactor::default()
        .secrets_of(entries(&environment))
        .environment(entries(&environment));
    let redactor = with_home(redactor);
    if file != Path::new("-") {
        let manifest = bundle_to_file(workspace, ticket, run, &redactor, file)?;
        if context.output.is_json() {
            context.output.json(&manifest)?;
        } else {
            context.output.answer(&words(&manifest, file))?;
        }
        return Ok(Exit::Done);
    }
    if context.output.is_json() {
        let message = "the archive is the answer: leave `--json` out, or name a file";
        return Err(Failure::Usage(message.to_owned()));
    }
    if io::stdout().is_terminal() {
        let message = "an archive is nothing for a terminal: name a file, or pipe it";
        return Err(Failure::Usage(message.to_owned()));
    }
    write_bundle(
        workspace,
        ticket,
        run,
        &redactor,
        &mut BufWriter::new(io::stdout().lock()),
    )?;
    Ok(Exit::Done)
}

fn words(manifest: &BundleManifest, file: &Path) -> String {
    let mut text = format!(
        "Wrote {}: {} of {}, run {} ({})\n",
        file.display(),
        count(manifest.files.len(), "file", "files"),
        manifest.ticket,
        manifest.run,
        manifest.state
    );
    let changed = manifest.files.iter().filter(|file| file.original.is_some()).count();
    if changed > 0 {
        let files = count(changed, "file", "files");
        text.push_str(&format!(
            "  secrets, paths or control characters were taken out of {files}\n"
        ));
    }
    for missing in &manifest.missing {
        text.push_str(&format!(
            "  without {}: {}\n",
            plain(&missing.path),
            plain(&missing.reason)
        ));
    }
    text
}
