//! What is a secret and what only looks like one. The samples are put together at run time, so that this file holds none.

use super::*;

fn rules() -> &'static SecretRules {
    static RULES: std::sync::OnceLock<SecretRules> = std::sync::OnceLock::new();
    RULES.get_or_init(|| SecretRules::new(&Policy::default()))
}

fn found(path: &str, content: &str) -> Vec<String> {
    rules()
        .scan(&path.parse().unwrap(), content.as_bytes())
        .into_iter()
        .map(|finding| finding.rule)
        .collect()
}

const R40: &str = "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXkVnB4";

fn random(count: usize) -> String {
    R40.chars().cycle().take(count).collect()
}

#[test]
fn a_private_key_is_found_however_its_lines_begin_and_end() {
    let (begin, key) = ("-----BEGIN PRIVATE KEY-----", random(64));
    for (before, between) in [
        ("> ", "\n> "),
        ("# ", "\n# "),
        ("// ", "\n// "),
        (" * ", "\n * "),
        ("-- ", "\n-- "),
        ("| ", " |\n| "),
        ("- ", "\n  "),
        ("['", "', '"),
        ("[\"", "\",\n  \""),
        ("'", "\\n' + \\\n  '"),
        ("\"", "\\n\"\n  \""),
        ("+", "\n+"),
        ("`", "\\\\n"),
    ] {
        let text = format!("{before}{begin}{between}{key}{between}{key}{between}-----END PRIVATE KEY-----");
        assert_eq!(found("a.md", &text), ["private key"], "{text}");
        let masked = rules().masked(&text, "***");
        assert!(!masked.contains(&key[..8]), "{masked}");
    }
    for text in [
        format!("It begins with `{begin}`, and then lines follow."),
        format!("if text.startswith('{begin}'): return None"),
        format!("assertEquals(\"{begin}\", privateKeyFromPkcs8PemString);"),
        format!("{begin}\n...\n-----END PRIVATE KEY-----\n"),
        format!("{begin}\n# {}", &key[..20]),
    ] {
        assert_eq!(found("a.md", &text), [""; 0], "{text}");
    }
}

#[test]
fn common_secrets_are_found() {
    let upper = "Z7Q4M2XKLP5WNB3T";
    let rows = [
        (
            format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n", random(64)),
            "private key",
        ),
        (
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\r\n{}\r\n", random(64)),
            "private key",
        ),
        (
            format!("\"-----BEGIN PRIVATE KEY-----\\n{}\\n\"", random(64)),
            "private key",
        ),
        (
            format!(
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{}\n",
                random(64)
            ),
            "private key",
        ),
        (
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{}\n", random(64)),
            "private key",
        ),
        (
            format!(
                "# -----BEGIN EC PRIVATE KEY-----\n# Proc-Type: 4,ENCRYPTED\n# DEK-Info: AES-128-CBC,AB\n#\n# {}\n",
                random(64)
            ),
            "private key",
        ),
        (format!("id = AKIA{upper}"), "AWS access key id"),
        (format!("aws_secret_access_key = {R40}"), "AWS secret access key"),
        (format!("token: ghp_{}", random(36)), "GitHub token"),
        (format!("github_pat_{}_{}", random(22), random(59)), "GitHub token"),
        (format!("glpat-{}", random(20)), "GitLab token"),
        (format!("xoxb-123456789012-{}", random(24)), "Slack token"),
        (
            format!("https://hooks.slack.com/services/T0AB1CD2E/B0AB1CD2E/{}", random(24)),
            "Slack webhook",
        ),
        (format!("sk_live_{}", random(24)), "Stripe key"),
        (format!("sk-proj-{}", random(48)), "OpenAI key"),
        (format!("sk-ant-api03-{}", random(93)), "Anthropic key"),
        (format!("AIza{}", random(35)), "Google API key"),
        (format!("npm_{}", random(36)), "npm token"),
        (
            format!("//registry.example.org/:_authToken={}", random(36)),
            "npm token",
        ),
        (format!("pypi-AgEIcHlwaS5vcmc{}", random(60)), "PyPI token"),
        (
            format!("eyJ{}.eyJ{}.{}", random(20), random(40), random(43)),
            "JSON web token",
        ),
        (
            "postgres://app:k9Xw2mQz@db.internal:5432/app".to_owned(),
            "password in a URL",
        ),
        (
            "Server=db;Database=a;User Id=u;Password=k9Xw2mQz;".to_owned(),
            "password in a connection string",
        ),
        (format!("password = \"{}\"", random(24)), "credential in an assignment"),
        (
            format!("export API_KEY={}\n", random(32)),
            "credential in an assignment",
        ),
        (
            format!("\"client_secret\": \"{}\"", random(32)),
            "credential in an assignment",
        ),
        (
            format!("hf_{}", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
            "Hugging Face token",
        ),
        (format!("SG.{}.{}", random(22), random(43)), "SendGrid key"),
        (format!("AccountKey={}==", random(86)), "Azure storage key"),
    ];
    for (content, rule) in rows {
        let found = found("src/a.txt", &format!("one\ntwo {content}\n"));
        let found_alone = rules().scan(&"a.txt".parse().unwrap(), content.as_bytes());
        assert!(
            found.iter().any(|name| name == rule) || found_alone.iter().any(|finding| finding.rule == rule),
            "{rule} was not found in a text of {} characters: {found:?}",
            content.len()
        );
    }
}

#[test]
fn ordinary_text_is_no_secret() {
    let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let rows = [
        "let header = \"-----BEGIN PRIVATE KEY-----\";".to_owned(),
        "if text.contains(\"-----BEGIN RSA PRIVATE KEY-----\") { return }".to_owned(),
        "id = AKIAIOSFODNN7EXAMPLE".to_owned(),
        "let token = std::env::var(\"GITHUB_TOKEN\")?;".to_owned(),
        "password = os.environ[\"DATABASE_PASSWORD\"]".to_owned(),
        "postgres://user:password@localhost/db".to_owned(),
        "postgres://user:${PASSWORD}@localhost/db".to_owned(),
        "https://$USER:$PASS@host/x".to_owned(),
        "git@github.com:owner/name.git".to_owned(),
        "ssh://git@host:22/x".to_owned(),
        "https://example.com:8080/a@b".to_owned(),
        format!("checksum = \"{sha}\""),
        format!("\"integrity\": \"sha512-{}\"", random(88)),
        format!("sha256: {sha}"),
        "password: \"correct horse battery staple\"".to_owned(),
        "token_url = \"https://login.example.org/oauth2/v2.0/token\"".to_owned(),
        "secret_name = \"projects/my-project/secrets/db-password/versions/latest\"".to_owned(),
        "api_key = \"YOUR_API_KEY_GOES_HERE_12345\"".to_owned(),
        "API_KEY=changeme-changeme-1234".to_owned(),
        "const TOKEN_PATTERN: &str = \"[A-Za-z0-9]{36}\";".to_owned(),
        "fn parse_token(token: Token) -> Token { token }".to_owned(),
        "access_key: ${{ secrets.AWS_ACCESS_KEY }}".to_owned(),
        "pub struct Secret { token: String, password: String }".to_owned(),
        "assert_eq!(token.kind, TokenKind::Identifier2);".to_owned(),
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk".to_owned(),
        "max_tokens = 5_000_000".to_owned(),
        "the npm_config_registry variable".to_owned(),
    ];
    for content in rows {
        assert_eq!(
            found("src/a.txt", &format!("{content}\n")),
            Vec::<String>::new(),
            "{content}"
        );
    }
}

#[test]
fn some_files_are_secrets_by_their_name() {
    for (path, content, secret) in [
        (".env", "A=1", true),
        ("deploy/.env.production", "", true),
        (".ENV", "", true),
        (".env.example", "A=1", false),
        (".env.local.sample", "", false),
        (".env.template", "", false),
        ("src/env.rs", "", false),
        (".envrc.md", "", false),
        ("id_rsa", "", true),
        ("keys/id_ed25519", "", true),
        ("id_ed25519.pub", "", false),
        ("a/.netrc", "", true),
        ("x.p12", "", true),
        ("x.PFX", "", true),
        ("x.kdbx", "", true),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\n", false),
        (".npmrc", "save-exact=true", false),
        (".npmrc", "//r/:_authToken=abc", true),
        (".npmrc", "//r/:_authToken=${T}", false),
        ("credentials.json", "{\"a\": 1}", false),
        ("credentials.json", "{\"private_key\": \"x\"}", true),
        (".aws/credentials", "", true),
        ("docs/credentials", "", false),
    ] {
        let findings = rules().scan(&path.parse().unwrap(), content.as_bytes());
        assert_eq!(findings.iter().any(|finding| finding.line == 0), secret, "{path}");
    }
}

#[test]
fn only_what_a_change_adds_counts_and_exceptions_by_fingerprint_do_not() {
    let path: RepoPath = "a.txt".parse().unwrap();
    let old = format!("ghp_{}\n", random(36));
    let new = format!("x\n{old}glpat-{}\n", random(20));
    let added = rules().added(&path, Some(old.as_bytes()), new.as_bytes());
    assert_eq!(
        added.iter().map(|f| (f.rule.as_str(), f.line)).collect::<Vec<_>>(),
        [("GitLab token", 3)]
    );
    assert_eq!(rules().added(&path, None, new.as_bytes()).len(), 2);
    let text = format!("[scope.secrets]\nexceptions = [\"{}\"]\n", added[0].fingerprint);
    let excused = SecretRules::new(&Policy::parse(text.as_bytes()).unwrap());
    assert_eq!(excused.added(&path, Some(old.as_bytes()), new.as_bytes()), []);
}

#[test]
fn what_changes_in_a_secret_file_of_the_base_counts() {
    let path: RepoPath = ".env".parse().unwrap();
    let added = |before: &[u8], after: &[u8]| rules().added(&path, Some(before), after).len();
    assert_eq!(added(b"A=1\n", b"A=1\n"), 0);
    assert_eq!(added(b"A=1\n", b"A=1\nPIN=1234\n"), 1);
}

#[test]
fn a_policy_can_add_a_pattern_and_no_finding_shows_the_secret() {
    let policy = Policy::parse(b"[scope.secrets]\npatterns = [\"acme_([0-9a-f]{8})\"]\n").unwrap();
    let findings = SecretRules::new(&policy).scan(&"a".parse().unwrap(), b"\n\nacme_0badcafe\n");
    assert_eq!(
        findings.iter().map(|f| (f.rule.as_str(), f.line)).collect::<Vec<_>>(),
        [("pattern 1 of the policy", 3)]
    );
    assert!(!format!("{findings:?}").contains("0badcafe"));
}

#[test]
fn findings_are_bounded() {
    let many: String = (0..1000).map(|n| format!("AKIA{}\n", random_upper(n))).collect();
    assert_eq!(
        rules().scan(&"a".parse().unwrap(), many.as_bytes()).len(),
        MAX_SECRET_FINDINGS
    );
}

fn random_upper(seed: u64) -> String {
    Digest::of(seed.to_be_bytes())
        .hex()
        .bytes()
        .take(16)
        .map(|b| char::from(b'A' + b % 26))
        .collect()
}

proptest::proptest! {
    #[test]
    fn any_content_is_scanned_and_always_the_same(content in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
        let path: RepoPath = "a".parse().unwrap();
        proptest::prop_assert_eq!(rules().scan(&path, &content), rules().scan(&path, &content));
        proptest::prop_assert_eq!(rules().added(&path, Some(&content), &content), vec![]);
    }
}

#[test]
fn a_text_is_masked_where_its_secrets_are_and_nowhere_else() {
    let masked = |text: &str| rules().masked(text, "[secret]");
    let (token, upper) = (format!("ghp_{}", random(36)), "Z7Q4M2XKLP5WNB3T");
    assert_eq!(
        masked(&format!("é {token}, then AKIA{upper} and {token}")),
        "é [secret], then [secret] and [secret]"
    );
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{0}\n{0}\n{0}=\n-----END PRIVATE KEY-----\n",
        random(64)
    );
    assert_eq!(
        masked(&key),
        "-----BEGIN PRIVATE KEY-----\n[secret]-----END PRIVATE KEY-----\n"
    );
    assert_eq!(
        masked(&format!("password = \"{}\"", random(24))),
        "password = \"[secret]\""
    );
    for plain in [
        "",
        "nothing here",
        "id = AKIAIOSFODNN7EXAMPLE",
        "é".repeat(300).as_str(),
    ] {
        assert_eq!(masked(plain), plain);
    }
    // A bound of a pattern may fall into the middle of a character.
    assert!(masked(&format!("postgres://app:{}@db", "é9X".repeat(70))).is_char_boundary(0));
}
