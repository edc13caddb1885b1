//! Paths of the machine in what is looked at. One is a leak only if it leads to what `foil` knows: other folders around a
//! world stand for the rest of the machine, of which nobody can tell.

/// Folders of a world that `foil` knows.
const KNOWN: [&[u8]; 3] = [b"repo", b"repository", b"home"];

/// Whether this, which stands behind the path of the target folder, leads to what `foil` knows.
pub(super) fn leads_to_what_is_known(rest: &[u8]) -> bool {
    let end_of_name = |byte: &u8| !is_of_a_name(*byte);
    let mut names = rest.split(end_of_name);
    if names.next() != Some(b"") {
        return false;
    }
    match names.next() {
        Some(b"debug" | b"release") => true,
        Some(b"tmp") => {
            let is_world = names
                .next()
                .is_some_and(|name| name.starts_with(b"world-") || name.starts_with(b"e2e-"));
            is_world
                && match names.next() {
                    // Of the user's state folder, only what is in ours.
                    Some(b"state") => is_name(names.next(), b"counterfoil"),
                    name => KNOWN.iter().any(|known| is_name(name, known)),
                }
        }
        _ => false,
    }
}

/// How many bytes of this, which stands behind the beginning of a path, belong to that path. A period ends a sentence.
pub(super) fn length_of_the_rest(rest: &[u8]) -> usize {
    let ends = rest.iter().position(|byte| !is_of_a_name(*byte) && *byte != b'/');
    let path = rest.get(..ends.unwrap_or(rest.len())).unwrap_or_default();
    path.len() - path.iter().rev().take_while(|byte| b"./".contains(byte)).count()
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// Whether this is the name. A period ends a sentence.
fn is_name(found: Option<&[u8]>, name: &[u8]) -> bool {
    found.is_some_and(|found| found.strip_suffix(b".").unwrap_or(found) == name)
}
