//! `docs/troubleshooting.md`: every blocker code with what it means, what to look at, and how to go on.

use std::fmt::Write as _;

use ledger_core::BlockerCode;

/// Where it is, below the workspace.
pub(crate) const PATH: &str = "docs/troubleshooting.md";

/// The page, from the codes themselves.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Troubleshooting\n\nWhy a run stopped or may not start is a code, with the reason in plain words and the next step: `foil status <ticket>` shows them. \
         Each code stands here with its cause, and `foil explain --code <code>` prints the same. Written by `cargo xtask schemas` from the codes.\n\n\
         When it is not about one ticket, `foil doctor` looks at all that runs need, and `foil doctor --repair` mends what dead runners left ([guide](guide.md#the-doctor)). \
         What a run made is never lost to a blocker: its last tree is kept, and where a new run can begin with that, `foil status <ticket>` names the command.\n\n",
    );
    for code in BlockerCode::ALL {
        let _ = writeln!(page, "- [`{code}`](#{code})");
    }
    for code in BlockerCode::ALL {
        let _ = writeln!(
            page,
            "\n## `{code}`\n\n{}\n\n- **Look at**: {}.\n- **Go on**: {}.\n- {}",
            code.meaning(),
            code.look(),
            code.hint(),
            after(*code)
        );
    }
    page
}

/// What the next `foil run` is.
fn after(code: BlockerCode) -> &'static str {
    match code.resumable() {
        true => "The same run goes on then, with what it has done and counted.",
        false => "A run that stopped so is over: what is run next is a new run, from the base.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_heading_that_the_list_leads_to() {
        let page = page();
        for code in BlockerCode::ALL {
            assert!(page.contains(&format!("\n- [`{code}`](#{code})\n")), "{code}");
            let (_, section) = page.split_once(&format!("\n## `{code}`\n")).unwrap();
            let section = section.split("\n## ").next().unwrap();
            for words in [code.meaning(), code.look(), code.hint()] {
                assert!(section.contains(words), "{code}: {words}");
            }
        }
    }
}
