//! What is told of the children of a parent ticket.

use std::fmt::Write as _;

use super::{list, one_line};

/// What is asked of the thread that closes a parent: nothing changes any more.
pub(super) fn the_whole(text: &mut String, children: &[String]) {
    listed(text, children);
    let _ = writeln!(
        text,
        "## The whole\n\n\
         This ticket is done by its children, and your checkout holds what they delivered, together. It is read-only, and a file that differs at the end ends the \
         run. Look at whether all of them together are what is asked above; what each of them did, proved, skipped and left open is in `result.md`, \
         `review.md` and `handoff.md` beside its ticket. Say in `summary` what the whole is now and where that can be seen, in `deviations` what is not as it was asked, in \
         `skipped_checks` what nobody checked, in `risks` what could still go wrong. Report `blocked` where the whole is not what was asked: a further child has \
         to mend it.\n"
    );
}

/// What a reviewer is told of the children whose changes are reviewed together.
pub(super) fn reviewed_whole(text: &mut String, children: &[String]) {
    listed(text, children);
    let _ = writeln!(
        text,
        "## The whole\n\n\
         Each child was reviewed by itself. You look at all of them together, after the last: whether they fit each other, whether the whole is what was asked, \
         what falls between two of them, what was skipped in one because another was to do it, and whether what they noted for those who come after still holds for \
         the whole. What each proved, skipped and left open is in `result.md`, `review.md` and `handoff.md` beside its ticket. The change below is that of all children, and of what others \
         brought in between.\n"
    );
}

/// How the children ended, where there are any.
pub(super) fn listed(text: &mut String, children: &[String]) {
    let lines: Vec<_> = children.iter().map(|line| one_line(line)).collect();
    list(text, "Children", &lines);
}
