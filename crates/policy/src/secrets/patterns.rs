//! The built-in patterns. Group 1, else the whole match, is the secret.

/// One kind of secret.
pub(super) struct Pattern {
    pub(super) name: &'static str,
    pub(super) regex: &'static str,
    /// A second look at what matched.
    pub(super) check: fn(&[u8]) -> bool,
}

const fn pattern(name: &'static str, regex: &'static str) -> Pattern {
    Pattern {
        name,
        regex,
        check: always,
    }
}

const fn checked(name: &'static str, regex: &'static str, check: fn(&[u8]) -> bool) -> Pattern {
    Pattern { name, regex, check }
}

fn always(_: &[u8]) -> bool {
    true
}

/// The one kind of secret that goes on for many lines after what its pattern finds.
pub(super) const PRIVATE_KEY: &str = "private key";

/// All byte-wise (`(?-u)`): content need not be UTF-8. Repetitions are bounded, so that a match cannot grow with the file.
pub(super) const PATTERNS: &[Pattern] = &[
    // A name alone, as in code that reads keys, is no key: at least some of its body must follow.
    pattern(
        PRIVATE_KEY,
        r"(?-u)-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[\r\n \t\x22+])+(?:[A-Za-z][A-Za-z-]{2,20}: [^\r\n]{0,200}[\r\n]+)*[\r\n \t\x22+]*([A-Za-z0-9+/=]{24,100})",
    ),
    // The same where in between stands whatever begins and ends lines of a key that is quoted, commented out, or a text of a program. A long name
    // may follow there as well, so that it has to look like one.
    checked(
        PRIVATE_KEY,
        r"(?-u)-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[^A-Za-z0-9]){1,200}(?:[A-Za-z][A-Za-z-]{2,20}: [^\r\n]{0,200}[\r\n](?:\\[rn]|[^A-Za-z0-9]){0,200}){0,8}([A-Za-z0-9+/=]{24,100})",
        is_random,
    ),
    pattern("PuTTY private key", r"(?-u)PuTTY-User-Key-File-[0-9]: [a-z0-9-]{3,30}"),
    pattern("age secret key", r"(?-u)\b(AGE-SECRET-KEY-1[0-9A-Z]{58})\b"),
    pattern("AWS access key id", r"(?-u)\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b"),
    checked(
        "AWS secret access key",
        r#"(?i-u)aws[a-z0-9_.-]{0,20}secret[a-z0-9_.-]{0,20}["']?\s{0,4}[:=]{1,2}>?\s{0,4}["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        is_random,
    ),
    pattern(
        "GitHub token",
        r"(?-u)\b(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b",
    ),
    pattern(
        "GitLab token",
        r"(?-u)\b(gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,64})",
    ),
    pattern(
        "Slack token",
        r"(?-u)\b(xox[abeoprs]-[0-9A-Za-z-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{20,200})",
    ),
    pattern(
        "Slack webhook",
        r"(?-u)https://hooks\.slack\.com/(?:services|workflows)/(T[A-Za-z0-9_]{6,14}/B?[A-Za-z0-9_/]{8,60})",
    ),
    pattern(
        "Stripe key",
        r"(?-u)\b([sr]k_(?:live|prod)_[A-Za-z0-9]{16,247}|whsec_[A-Za-z0-9+/]{32,64})\b",
    ),
    pattern(
        "OpenAI key",
        r"(?-u)\b(sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{40,250}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})",
    ),
    pattern("Anthropic key", r"(?-u)\b(sk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_-]{80,120})"),
    pattern("Google API key", r"(?-u)\b(AIza[0-9A-Za-z_-]{35})(?:[^0-9A-Za-z_-]|$)"),
    pattern(
        "Google OAuth secret",
        r"(?-u)\b(GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{60,250})",
    ),
    pattern("npm token", r"(?-u)\b(npm_[A-Za-z0-9]{36})\b"),
    pattern(
        "npm token",
        r"(?-u)_authToken\s{0,4}=\s{0,4}([A-Za-z0-9_=/.+-]{20,200})",
    ),
    pattern("PyPI token", r"(?-u)\b(pypi-AgE[A-Za-z0-9_-]{50,250})"),
    pattern("crates.io token", r"(?-u)\b(cio[A-Za-z0-9]{32})\b"),
    pattern("Docker Hub token", r"(?-u)\b(dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,60})"),
    pattern("Hugging Face token", r"(?-u)\b(hf_[A-Za-z]{34})\b"),
    pattern("DigitalOcean token", r"(?-u)\b(do[opr]_v1_[a-f0-9]{64})\b"),
    pattern("SendGrid key", r"(?-u)\b(SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})"),
    pattern("Shopify token", r"(?-u)\b(shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})\b"),
    pattern(
        "Telegram bot token",
        r"(?-u)\b([0-9]{8,10}:AA[A-Za-z0-9_-]{33})(?:[^A-Za-z0-9_-]|$)",
    ),
    pattern("Twilio key", r"(?-u)\b(SK[0-9a-f]{32})\b"),
    pattern("Azure storage key", r"(?-u)AccountKey=([A-Za-z0-9+/]{86}==)"),
    pattern("Vault token", r"(?-u)\b(hvs\.[A-Za-z0-9_-]{90,120})"),
    checked(
        "JSON web token",
        r"(?-u)\b(eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,2000})",
        always,
    ),
    checked(
        "password in a URL",
        r#"(?i-u)\b[a-z][a-z0-9+.-]{1,20}://[^\s:@/"'<>`{}$]{1,100}:([^\s:@/"'<>`{}$]{3,200})@[a-z0-9\[]"#,
        is_password,
    ),
    checked(
        "password in a connection string",
        r#"(?i-u)(?:server|host|data source)\s?=[^"'\r\n]{1,200};\s?(?:password|pwd)\s?=\s?([^;"'\s<>{}$]{4,200})"#,
        is_password,
    ),
    checked(
        "credential in an assignment",
        r#"(?i-u)(?:secret|token|passwd|password|api_?-?key|apikey|access_?-?key|auth_?-?key|private_?-?key|credential|client_?-?secret)[a-z0-9_.-]{0,20}["']?\s{0,4}(?::=|=>|[:=])\s{0,4}["'`]([A-Za-z0-9_/+=.~!@#%^&*-]{16,200})["'`]"#,
        is_random,
    ),
    checked(
        "credential in an assignment",
        r#"(?im-u)^[ \t]{0,20}(?:export |set )?[A-Z0-9_]{0,40}(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY)[A-Z0-9_]{0,20}=([A-Za-z0-9_/+=.~-]{16,200})[ \t]*\r?$"#,
        is_random,
    ),
];

/// What people write where a secret would stand.
pub(super) fn is_placeholder(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    let words: [&[u8]; 22] = [
        b"example",
        b"placeholder",
        b"changeme",
        b"change-me",
        b"change_me",
        b"your",
        b"dummy",
        b"redacted",
        b"xxxx",
        b"****",
        b"....",
        b"insert",
        b"replace",
        b"sample",
        b"foobar",
        b"<",
        b"${",
        b"{{",
        b"notasecret",
        b"not-a-secret",
        b"todo",
        b"1234567890123456",
    ];
    let distinct: std::collections::BTreeSet<_> = lower.iter().collect();
    distinct.len() < 4
        || words
            .iter()
            .any(|word| lower.windows(word.len()).any(|window| window == *word))
}

/// Whether the text looks drawn at random rather than written: letters and digits mixed, and not much repetition.
fn is_random(secret: &[u8]) -> bool {
    let digits = secret.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = secret.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if digits < 2 || letters < 2 {
        return false;
    }
    // Names, paths, versions and host names have long runs of one kind between separators; secrets rarely do.
    let longest_word = secret
        .split(|b| !b.is_ascii_alphanumeric())
        .map(<[u8]>::len)
        .max()
        .unwrap_or_default();
    longest_word >= 12 && entropy(secret) >= 3.3
}

/// A password that is neither a variable nor one that everybody uses in examples.
fn is_password(secret: &[u8]) -> bool {
    let common: [&[u8]; 22] = [
        b"password",
        b"passwd",
        b"pass",
        b"pwd",
        b"secret",
        b"postgres",
        b"root",
        b"admin",
        b"test",
        b"user",
        b"guest",
        b"mysql",
        b"redis",
        b"mongo",
        b"example",
        b"token",
        b"foo",
        b"bar",
        b"hunter2",
        b"p4ssw0rd",
        b"dev",
        b"development",
    ];
    let lower = secret.to_ascii_lowercase();
    !common.contains(&lower.as_slice())
        && !secret.starts_with(b"$")
        && !secret.starts_with(b"%")
        && !secret.starts_with(b"*")
}

/// Shannon entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}
