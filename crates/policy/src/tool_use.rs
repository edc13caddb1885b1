//! What a coding agent that a person works with is about to do, as far as it can be read before it is done: the paths of a patch, the files that a
//! command writes to, and commands by which only a person speaks.

use crate::commands::{Command, commands_of, word_of_a_person};

/// What a command line would write, as far as it says so plainly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandWrites<'a> {
    /// It hands a patch to Codex.
    Patch {
        /// The folder that it goes to before, as written; none: it stays where it is.
        folder: Option<String>,
        /// The patch.
        patch: &'a str,
    },
    /// It redirects output to these files, in this order. Names that only a shell could complete are left out.
    Files(Vec<String>),
    /// It hands over a patch in a form in which nobody can tell where it would land.
    Unclear,
}

/// A patch whose paths cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnclearPatch {
    /// A line has a mark that is not known.
    #[error("its line {line} has a mark that is not known")]
    UnknownMark {
        /// The line, counted from 1.
        line: usize,
    },
    /// No line names a file.
    #[error("it names no file")]
    NoFile,
}

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
/// Marks before a path.
const NAMES: [&str; 4] = ["*** Add File:", "*** Update File:", "*** Delete File:", "*** Move to:"];
/// Marks that name no path.
const OTHERS: [&str; 4] = [BEGIN, END, "*** End of File", "*** Environment ID:"];
/// Names under which Codex takes a patch in a command.
const PROGRAMS: [&str; 2] = ["apply_patch", "applypatch"];

/// The paths that a patch in Codex' format adds, changes, removes and moves to, as written and in its order.
///
/// Blanks before a mark count as Codex counts them, so that a line of context that only quotes a mark is taken for one: a path too many is asked about, never
/// one too few. A mark that is not known makes the whole patch unclear.
///
/// ```
/// use counterfoil_policy::patch_paths;
/// let patch = "*** Begin Patch\n*** Update File: a\n*** Move to: b\n@@\n-x\n+y\n*** End Patch";
/// assert_eq!(patch_paths(patch).unwrap(), ["a", "b"]);
/// assert!(patch_paths("*** Begin Patch\n*** Copy File: a\n*** End Patch").is_err());
/// ```
pub fn patch_paths(patch: &str) -> Result<Vec<String>, UnclearPatch> {
    let mut paths = Vec::new();
    for (index, line) in patch.lines().enumerate() {
        let line = line.trim();
        if !line.starts_with("***") {
            continue;
        }
        if let Some(path) = NAMES.iter().find_map(|mark| line.strip_prefix(mark)) {
            paths.push(path.trim().to_owned());
        } else if !OTHERS.iter().any(|mark| line.starts_with(mark)) {
            return Err(UnclearPatch::UnknownMark { line: index + 1 });
        }
    }
    match paths.is_empty() {
        true => Err(UnclearPatch::NoFile),
        false => Ok(paths),
    }
}

/// What a command line would write, as far as it says so plainly. A line that hides it, in a script or behind a variable, is not seen through: the sandbox is the
/// wall.
pub fn command_writes(line: &str) -> CommandWrites<'_> {
    let commands = commands_of(line);
    let is_patch = |command: &Command| PROGRAMS.contains(&command.program());
    if commands.iter().any(is_patch) {
        return patch_in(line).unwrap_or(CommandWrites::Unclear);
    }
    // Where a subshell ends, the folder is again what it was, and nothing tells that here.
    let mut folder = (!line.contains('(')).then(String::new);
    let mut files = Vec::new();
    for command in commands {
        let plain = command.writes.iter().filter(|name| is_plain(name));
        files.extend(plain.filter_map(|name| within(folder.as_deref(), name)));
        match (command.program(), command.arguments()) {
            ("cd" | "pushd", [into]) if is_plain(into) && !into.starts_with('-') => {
                folder = within(folder.as_deref(), into).map(|folder| folder + "/");
            }
            ("cd" | "pushd" | "popd", _) => folder = None,
            _ => {}
        }
    }
    CommandWrites::Files(files)
}

/// Whether it is a name that no shell completes.
fn is_plain(name: &str) -> bool {
    !name.starts_with(['&', '~']) && !name.contains(['$', '`', '*', '?', '[', '{'])
}

/// A name as seen from where the line began, after a step into a folder, which ends in a slash where it is one.
fn within(folder: Option<&str>, name: &str) -> Option<String> {
    match name.starts_with('/') {
        true => Some(name.to_owned()),
        false => folder.map(|folder| format!("{folder}{name}")),
    }
}

/// A patch that is all that a line does, but for one step into a folder.
fn patch_in(line: &str) -> Option<CommandWrites<'_>> {
    let begin = line.find(BEGIN)?;
    let end = line.rfind(END).filter(|end| *end > begin)? + END.len();
    let around = [line.get(..begin)?, line.get(end..)?].concat();
    let mut commands = commands_of(&around).into_iter().peekable();
    let folder = match commands.next_if(|command| command.program() == "cd") {
        None => None,
        Some(command) => match command.arguments() {
            [folder] if !folder.starts_with(['-', '~']) && !folder.contains('$') => Some(folder.clone()),
            _ => return None,
        },
    };
    let applies = commands.next()?;
    let is_alone = PROGRAMS.contains(&applies.program()) && applies.writes.is_empty() && commands.next().is_none();
    is_alone.then(|| CommandWrites::Patch {
        folder,
        patch: &line[begin..end],
    })
}

/// The command of `foil` in this line by which only a person may speak, such as `foil approve`: consent that an agent gives to its own work is none.
///
/// ```
/// use counterfoil_policy::consent_command;
/// assert_eq!(consent_command("bash -lc 'foil -C . approve 0001-a'"), Some("foil approve"));
/// assert_eq!(consent_command("foil explain 0001-a && foil new approve"), None);
/// ```
pub fn consent_command(line: &str) -> Option<&'static str> {
    commands_of(line).iter().find_map(word_of_a_person)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(path: &str) -> String {
        format!("{BEGIN}\n*** Add File: {path}\n+a > b\n{END}")
    }

    #[test]
    fn every_end_of_every_change_is_named() {
        let text = "*** Begin Patch\r\n  *** Add File: a b.txt \n+*** Delete File: not this\n*** Delete File: c\n\
                    *** Update File: d\n*** Move to: ../e\n@@\n x\n*** End of File\n*** End Patch\n";
        assert_eq!(patch_paths(text).unwrap(), ["a b.txt", "c", "d", "../e"]);
        assert_eq!(patch_paths("*** Begin Patch\n*** End Patch"), Err(UnclearPatch::NoFile));
        assert_eq!(patch_paths(""), Err(UnclearPatch::NoFile));
        assert_eq!(
            patch_paths("*** Begin Patch\n*** Rename File: a\n*** End Patch"),
            Err(UnclearPatch::UnknownMark { line: 2 })
        );
    }

    #[test]
    fn a_patch_in_a_command_is_found_where_it_stands_alone() {
        let body = patch("x");
        let alone = |folder: Option<&str>| CommandWrites::Patch {
            folder: folder.map(str::to_owned),
            patch: &body,
        };
        for (line, folder) in [
            (format!("apply_patch <<'EOF'\n{body}\nEOF"), None),
            (format!("apply_patch <<EOF\n{body}\nEOF\n"), None),
            (format!("applypatch '{body}'"), None),
            (format!("cd sub && apply_patch <<'PATCH'\n{body}\nPATCH"), Some("sub")),
            (format!("cd \"a b\"; apply_patch \"{body}\""), Some("a b")),
        ] {
            assert_eq!(command_writes(&line), alone(folder), "{line}");
        }
        for line in [
            format!("cd a && cd b && apply_patch <<'EOF'\n{body}\nEOF"),
            format!("cd \"$HOME\" && apply_patch <<'EOF'\n{body}\nEOF"),
            format!("apply_patch <<'EOF'\n{body}\nEOF\ngit push"),
            format!("git push; apply_patch <<'EOF'\n{body}\nEOF"),
            format!("pushd a; apply_patch '{body}'"),
            "apply_patch < file".to_owned(),
            format!("cat file | apply_patch # {BEGIN}"),
            format!("apply_patch {END} {BEGIN}"),
        ] {
            assert_eq!(command_writes(&line), CommandWrites::Unclear, "{line}");
        }
        assert_eq!(
            command_writes(&format!("grep '{BEGIN}' docs")),
            CommandWrites::Files(Vec::new())
        );
    }

    #[test]
    fn files_that_output_goes_to_are_named_where_they_are_plain() {
        let files = |line: &str| match command_writes(line) {
            CommandWrites::Files(files) => files,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            files("bash -lc 'echo a > x.txt; cat y >> \"a b\" 2>&1 2>/dev/null'"),
            ["x.txt", "a b", "/dev/null"]
        );
        assert_eq!(files("echo a > $OUT > ~/x > b*"), [""; 0]);
        assert_eq!(files("cat <<EOF > notes\n a > b\nEOF\ncat <<<x >c"), ["notes", "c"]);
        assert_eq!(files("echo 'a<<b' > x"), ["x"]);
        assert_eq!(files("sh <<EOF\necho a > x\nEOF"), ["x"]);
        assert_eq!(
            files("echo > a; cd sub && echo > x > /abs; pushd ../b; echo > y"),
            ["a", "sub/x", "/abs", "sub/../b/y"]
        );
        for unknown in [
            "cd \"$D\"; echo > x",
            "cd -; echo > x",
            "popd; echo > x",
            "cd; echo > x",
            "(cd sub); echo > x",
        ] {
            assert_eq!(files(unknown), [""; 0], "{unknown}");
        }
    }

    #[test]
    fn consent_is_a_persons_in_every_disguise_that_is_plain() {
        for line in [
            "foil approve a",
            "/usr/local/bin/foil --json approve a --all",
            "true && env X=1 foil -C /repo --color always trust",
            "sh -c \"foil cancel a\"",
            "foil reject a --because no",
            "foil accept a",
            "foil answer a --default",
            "foil deliver a --tag v1",
        ] {
            assert!(consent_command(line).is_some(), "{line}");
        }
        for line in [
            "foil status approve",
            "foil",
            "foil --help",
            "foil approve --help",
            "echo foil approve",
            "git approve",
        ] {
            assert_eq!(consent_command(line), None, "{line}");
        }
    }

    const PIECES: [&str; 20] = [
        "apply_patch",
        "cd",
        " ",
        "\n",
        "'",
        "\"",
        "\\",
        "$(",
        ")",
        "<<",
        "EOF",
        ">",
        "&&",
        "|",
        "é",
        "foil",
        "approve",
        BEGIN,
        END,
        "*** Add File: a",
    ];

    proptest::proptest! {
        #[test]
        fn no_line_and_no_patch_is_too_odd(pieces in proptest::collection::vec(0..PIECES.len(), 0..24)) {
            let line: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
            let _ = (patch_paths(&line), consent_command(&line));
            let applies = commands_of(&line).iter().any(|command| PROGRAMS.contains(&command.program()));
            match command_writes(&line) {
                CommandWrites::Patch { patch, .. } => {
                    proptest::prop_assert!(applies && patch.starts_with(BEGIN) && patch.ends_with(END));
                }
                CommandWrites::Unclear => proptest::prop_assert!(applies),
                // A patch is never taken for something else.
                CommandWrites::Files(_) => proptest::prop_assert!(!applies),
            }
        }
    }
}
