//! Findings in files, with the line that they are about.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use ledger_core::document_text;
use runner::{Finding, FindingSeverity, read_beneath};

use crate::output::{Output, plain};

/// The findings, each with its place; with the source line where the file can be read.
pub(crate) fn findings_text(findings: &[Finding], work_dir: Option<&Path>, output: &Output) -> String {
    let renderer = if output.story_has_color() {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    findings
        .iter()
        .map(|finding| render(finding, work_dir, &renderer) + "\n")
        .collect()
}

fn render(finding: &Finding, work_dir: Option<&Path>, renderer: &Renderer) -> String {
    let level = match finding.severity {
        FindingSeverity::Error => Level::ERROR,
        FindingSeverity::Unfinished => Level::WARNING.with_name("unfinished"),
        FindingSeverity::Warning => Level::WARNING,
    };
    let path = finding.path.to_string();
    let message = plain(&finding.message);
    let title = level.primary_title(message);
    let bytes = work_dir.and_then(|root| read_beneath(root, &finding.path).ok());
    let source = bytes.as_deref().and_then(|bytes| document_text(bytes).ok());
    let group = match (&finding.span, source) {
        (Some(span), Some(text)) => {
            let span = span.start.min(text.len())..span.end.min(text.len());
            title.element(
                Snippet::source(text)
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(span)),
            )
        }
        _ => {
            let mut origin = Origin::path(path);
            if let Some(line) = finding.line {
                origin = origin.line(line);
            }
            if let Some(column) = finding.column {
                origin = origin.char_column(column);
            }
            title.element(origin)
        }
    };
    let group = match &finding.hint {
        Some(hint) => group.element(Level::HELP.message(plain(hint))),
        None => group,
    };
    renderer.render(&[group])
}
