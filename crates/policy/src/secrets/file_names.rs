//! Files that hold secrets by their name.

use ledger_core::RepoPath;

/// The rule that a file's name breaks, whatever is in it. Names are compared without case.
pub(super) fn forbidden_name(path: &RepoPath, content: &[u8]) -> Option<&'static str> {
    let name = path.file_name().to_ascii_lowercase();
    let name = name.as_slice();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()));
    if name == b".env"
        || (name.starts_with(b".env.") && !ends(&[".example", ".sample", ".template", ".dist", ".defaults"]))
    {
        return Some("environment file");
    }
    if matches!(
        name,
        b"id_rsa" | b"id_dsa" | b"id_ecdsa" | b"id_ed25519" | b"id_ecdsa_sk" | b"id_ed25519_sk"
    ) {
        return Some("SSH private key file");
    }
    if matches!(
        name,
        b".netrc" | b"_netrc" | b".pgpass" | b".my.cnf" | b".git-credentials" | b".htpasswd" | b".dockercfg"
    ) {
        return Some("credential file");
    }
    let below = |folder: &[u8]| {
        path.parts()
            .rev_second()
            .is_some_and(|part| part.eq_ignore_ascii_case(folder))
    };
    if (name == b"credentials" && below(b".aws"))
        || (name == b"config.json" && below(b".docker"))
        || (name == b"config" && below(b".kube"))
        || (name == b"auth.json" && below(b".codex"))
    {
        return Some("credential file");
    }
    if ends(&[
        ".p12",
        ".pfx",
        ".kdbx",
        ".kdb",
        ".jks",
        ".keystore",
        ".ppk",
        ".keychain",
        ".agilekeychain",
    ]) {
        return Some("key store");
    }
    // These names are also those of harmless files; their content decides.
    let holds = |words: &[&[u8]]| words.iter().all(|word| contains(content, word));
    let is_service_account = holds(&[b"\"private_key\""]) || holds(&[b"\"client_secret\""]);
    if (matches!(
        name,
        b"credentials.json" | b"service-account.json" | b"client_secret.json"
    ) || name.starts_with(b"client_secret_"))
        && is_service_account
    {
        return Some("cloud credentials");
    }
    if matches!(name, b".npmrc" | b".yarnrc" | b".pypirc")
        && (contains(content, b"_authToken") || contains(content, b"_password") || contains(content, b"_auth="))
        && !contains(content, b"${")
    {
        return Some("package registry credentials");
    }
    None
}

fn contains(content: &[u8], word: &[u8]) -> bool {
    content.windows(word.len()).any(|window| window == word)
}

trait SecondLast<'a> {
    /// The part before the last.
    fn rev_second(self) -> Option<&'a [u8]>;
}

impl<'a, I: Iterator<Item = &'a [u8]>> SecondLast<'a> for I {
    fn rev_second(self) -> Option<&'a [u8]> {
        let (mut second, mut last) = (None, None);
        for part in self {
            second = last.replace(part);
        }
        second
    }
}
