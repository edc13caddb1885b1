//! The page that keeps the figures, each part between two marks of its own.

use std::time::{Duration, SystemTime};

use crate::command::{self, program};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Where the page is.
pub(super) const PAGE: &str = "docs/certificate.md";

/// One part of the certificate, as it came out.
#[derive(Debug)]
pub(super) struct Part {
    /// The name of its place on the page.
    pub(super) name: &'static str,
    /// What was counted.
    pub(super) figures: String,
    /// How many things do not hold.
    pub(super) broken: usize,
    /// With all that had to be built for it.
    pub(super) took: Duration,
    /// Of what, see [`source`].
    pub(super) source: String,
}

/// What is certified: the commit, and whether something is not committed. Asked before anything is built, because others may go on meanwhile.
pub(super) fn source(workspace: &Workspace) -> Result<String, TaskError> {
    let git = |arguments: &[&str]| command::told(program("git", arguments, workspace.root()));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // The page itself is written while the certificate is made.
    let changed = git(&["status", "--porcelain", "--", ":/", &format!(":(exclude,top){PAGE}")])?;
    let more = if changed.is_empty() {
        ""
    } else {
        " and what was not committed"
    };
    Ok(format!("{commit}{more}"))
}

/// Writes what was counted in place of what the page had before. `command` is what repeats it.
pub(super) fn write(workspace: &Workspace, part: &Part, command: &str) -> Result<(), TaskError> {
    let text = workspace.read(PAGE)?;
    let held = match part.broken {
        0 => String::new(),
        broken => format!("\n\n**{broken} things do not hold.**"),
    };
    let told = told(part, command)?;
    let text = replaced(&text, part.name, &format!("{told}\n\n{}{held}", part.figures.trim()))?;
    let path = workspace.path(PAGE);
    std::fs::write(&path, text).map_err(TaskError::file(&path))
}

/// By what, where and when it was counted.
fn told(part: &Part, command: &str) -> Result<String, TaskError> {
    let date =
        jiff::Timestamp::try_from(SystemTime::now()).map_err(|error| TaskError::unreadable("the clock", error))?;
    let date = date.strftime("%Y-%m-%d");
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let minutes = part.took.as_secs_f64() / 60.0;
    Ok(format!(
        "`{command}` at commit {}, {date}, {minutes:.1} min with {processors} processors, building included:",
        part.source
    ))
}

fn begins(name: &str) -> String {
    format!("<!-- figures: {name} -->")
}

const ENDS: &str = "<!-- end of figures -->";

/// The page with this text between the marks of that name.
fn replaced(page: &str, name: &str, text: &str) -> Result<String, TaskError> {
    let begins = begins(name);
    let parted = page
        .split_once(&begins)
        .and_then(|(before, rest)| Some((before, rest.split_once(ENDS)?.1)));
    let Some((before, after)) = parted else {
        let reason = format!("it has no place for figures: `{begins}` and, further down, `{ENDS}`");
        return Err(TaskError::unreadable(PAGE, reason));
    };
    Ok(format!("{before}{begins}\n{text}\n{ENDS}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = "# Page\n<!-- figures: a -->\nold\n<!-- end of figures -->\nwords\n<!-- figures: b -->\n<!-- end of figures -->\n";
        let expected = "# Page\n<!-- figures: a -->\nnew\n<!-- end of figures -->\nwords\n<!-- figures: b -->\n<!-- end of figures -->\n";
        assert_eq!(replaced(page, "a", "new").unwrap(), expected);
        let error = replaced(page, "c", "new").unwrap_err().to_string();
        assert!(error.contains("<!-- figures: c -->"), "{error}");
    }

    #[test]
    fn the_page_has_a_place_for_every_part() {
        let page = Workspace::find().unwrap().read(PAGE).unwrap();
        for name in super::super::PARTS {
            assert!(replaced(&page, name, "").is_ok(), "{name}");
        }
        assert!(replaced(&page, super::super::MUTANTS, "").is_ok());
    }
}
