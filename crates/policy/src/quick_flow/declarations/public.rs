//! What languages offer that write `public` in front of it: Java, C#, Swift.

use super::Language;
use super::members::Members;
use super::source::{Source, Until};

pub(super) fn public(source: &mut Source<'_>, language: Language) {
    let until = match language {
        Language::Swift => Until::line(&["{", ";", "="]),
        _ => Until::signs(&["{", ";", "=", "=>"]),
    };
    let mut at = 0;
    while at < source.len() {
        at = match source.text(at) {
            "public" if source.before(at) != "." => declaration(source, at, until),
            "open" if language == Language::Swift && source.is_word(at + 1) && source.before(at) != "." => {
                declaration(source, at, until)
            }
            // What a type keeps to as well.
            "extension" if language == Language::Swift && source.before(at) != "public" => {
                let end = source.end(at, until);
                if (at..end).any(|at| source.text(at) == ":") {
                    source.declare(at..end);
                }
                end.max(at + 1)
            }
            _ => at + 1,
        };
    }
}

/// A declaration with `public` here, and where one could follow.
fn declaration(source: &mut Source<'_>, at: usize, until: Until) -> usize {
    let begin = source.first_modifier(at);
    let end = source.end(begin, until);
    let kind = (at..end).find(|at| {
        let is_kind = matches!(source.text(*at), "interface" | "enum" | "protocol" | "extension");
        is_kind && source.is_word(at + 1)
    });
    match kind {
        Some(kind) if source.text(end) == "{" => {
            let name = source.text(kind + 1).to_owned();
            source.declare(begin..end);
            let signs: &[&str] = match source.text(kind) {
                // What stands for a constant is seen as well.
                "enum" => &["{", ";", ","],
                _ => &["{", ";", "=", "=>"],
            };
            let how = Members {
                until: Until {
                    signs,
                    angles: true,
                    ..until
                },
                but: "public",
            };
            source.members(&name, end, how);
            end
        }
        _ => {
            let (mut kept, mut end) = source.names(begin, until);
            if source.text(end) == "{" {
                let behind = source.behind_accessors(end);
                kept.extend(end..behind);
                end = behind;
            }
            source.declare(kept);
            end.max(at + 1)
        }
    }
}
