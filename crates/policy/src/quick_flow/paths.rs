//! What a path alone tells of a change.

use ledger_core::RepoPath;

use crate::test_folders::are_of_tests;

/// Words of a path that speak of who may do what, of secrets, of money, and of what goes out to others.
const SENSITIVE: &[&str] = &[
    "acl",
    "auth",
    "authenticate",
    "authentication",
    "authn",
    "authorisation",
    "authorization",
    "authorize",
    "authz",
    "billing",
    "cert",
    "certificate",
    "certificates",
    "certs",
    "cipher",
    "credential",
    "credentials",
    "crypto",
    "cryptography",
    "csrf",
    "decrypt",
    "decryption",
    "deploy",
    "deployment",
    "deployments",
    "encrypt",
    "encryption",
    "gdpr",
    "helm",
    "jwt",
    "k8s",
    "keystore",
    "kubernetes",
    "login",
    "logout",
    "oauth",
    "oauth2",
    "oidc",
    "passwd",
    "password",
    "passwords",
    "payment",
    "payments",
    "permission",
    "permissions",
    "privacy",
    "privilege",
    "privileges",
    "rbac",
    "release",
    "releases",
    "saml",
    "secret",
    "secrets",
    "security",
    "session",
    "sessions",
    "signin",
    "ssl",
    "sso",
    "sudo",
    "terraform",
    "tls",
    "token",
    "tokens",
];

/// The word of a path that makes it sensitive. Words are told apart by what is no letter and no digit, and by capitals:
/// `tokenizer` is none, `AuthGuard` and `session_store` hold one.
pub(super) fn sensitive_word(path: &RepoPath) -> Option<&'static str> {
    words(path.as_bytes())
        .iter()
        .find_map(|word| SENSITIVE.iter().copied().find(|known| known.as_bytes() == word))
}

fn words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut before = b' ';
    for (index, byte) in bytes.iter().copied().enumerate() {
        let after = bytes.get(index + 1).copied().unwrap_or(b' ');
        // `userAuth` and the last capital of `JWTToken`.
        let begins = byte.is_ascii_uppercase()
            && (!before.is_ascii_uppercase() && before.is_ascii_alphanumeric()
                || before.is_ascii_uppercase() && after.is_ascii_lowercase());
        let divides = byte.is_ascii() && !byte.is_ascii_alphanumeric();
        if begins || divides {
            words.push(Vec::new());
        }
        if !divides && let Some(word) = words.last_mut() {
            word.push(byte.to_ascii_lowercase());
        }
        before = byte;
    }
    words
}

/// What makes and ships a program, where no build runs it by itself.
pub(super) fn is_deployment(path: &RepoPath) -> bool {
    let name = lower_name(path);
    starts_with(&name, &["dockerfile", "docker-compose", "containerfile"])
        || is_one_of(
            &name,
            &[
                "compose.yml",
                "compose.yaml",
                "procfile",
                "fly.toml",
                "vercel.json",
                "netlify.toml",
            ],
        )
        || ends_with(&name, &[".tf", ".tfvars"])
}

/// What makes and ships a program, or tells its users what is new.
pub(crate) fn is_release(path: &RepoPath) -> bool {
    let name = lower_name(path);
    is_deployment(path) || starts_with(&name, &["changelog", "changes.", "release", "history.", "news."])
}

/// What measures how long something takes.
pub(crate) fn is_benchmark(path: &RepoPath) -> bool {
    let parts: Vec<Vec<u8>> = path.parts().map(<[u8]>::to_ascii_lowercase).collect();
    let Some((name, folders)) = parts.split_last() else {
        return false;
    };
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    folders
        .iter()
        .any(|folder| is_one_of(folder, &["bench", "benches", "benchmark", "benchmarks"]))
        || ends_with(stem, &["_bench", "_benchmark"])
        || starts_with(name, &["bench_", "benchmark_"])
}

/// What says how data is stored, beside migrations.
pub(super) fn is_data_schema(path: &RepoPath) -> bool {
    let name = lower_name(path);
    ends_with(&name, &[".sql", ".ddl", ".dbml", ".prisma"]) || is_one_of(&name, &["schema.rb"])
}

/// What others are promised, in a file made for it: descriptions of interfaces, declarations without code.
pub(super) fn is_contract(path: &RepoPath) -> bool {
    let name = lower_name(path);
    let described = [".json", ".yml", ".yaml"];
    ends_with(
        &name,
        &[
            ".proto",
            ".graphql",
            ".graphqls",
            ".gql",
            ".thrift",
            ".avsc",
            ".wsdl",
            ".xsd",
            ".d.ts",
            ".d.mts",
            ".d.cts",
            ".pyi",
            ".schema.json",
            ".h",
            ".hh",
            ".hpp",
            ".hxx",
        ],
    ) || is_one_of(&name, &["schema.json"])
        || (starts_with(&name, &["openapi", "swagger", "asyncapi"]) && ends_with(&name, &described))
}

/// Configuration that others copy or fill in, by its name: examples, defaults, and what says which keys there are.
pub(super) fn is_shared_configuration(path: &RepoPath) -> bool {
    let name = lower_name(path);
    let has = |signs: &[u8], known: &[&str]| {
        name.split(|byte| signs.contains(byte))
            .any(|word| is_one_of(word, known))
    };
    let configures = has(b".-_", &["config", "configuration", "settings", "env"]);
    let formats = [
        ".json",
        ".jsonc",
        ".json5",
        ".toml",
        ".yml",
        ".yaml",
        ".ini",
        ".cfg",
        ".conf",
        ".properties",
        ".env",
    ];
    let is_format = ends_with(&name, &formats);
    // `a.example.toml` and `a.toml.example`, but no `example.json`, which may be any data.
    let is_example = ends_with(&name, &[".example", ".sample", ".dist"])
        || (is_format && (contains(&name, ".example.") || contains(&name, ".sample.")))
        || (configures && has(b".-_", &["example", "sample"]));
    // Code that is called so is compared as code.
    let says = |words: &[&str]| (is_format && configures && has(b".-_", words)) || (configures && has(b".", words));
    let is_default = says(&["default", "defaults"]) || (is_format && has(b".", &["default", "defaults"]));
    is_example || is_default || says(&["schema"])
}

/// What people see.
pub(super) fn is_visual(path: &RepoPath) -> bool {
    ends_with(
        &lower_name(path),
        &[
            ".css", ".scss", ".sass", ".less", ".html", ".htm", ".tsx", ".jsx", ".vue", ".svelte",
        ],
    )
}

/// Whether a path is a test or belongs to one, by the habits of many languages, so that it changes no behaviour and offers nothing to
/// others. The benchmarks of Cargo do neither.
pub(crate) fn is_test(path: &RepoPath) -> bool {
    let parts: Vec<Vec<u8>> = path.parts().map(<[u8]>::to_ascii_lowercase).collect();
    let Some((name, folders)) = parts.split_last() else {
        return false;
    };
    if are_of_tests(folders) || folders.iter().any(|folder| folder == b"benches") {
        return true;
    }
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    let holds = |part: &str| contains(name, part);
    starts_with(name, &["test_"])
        || ends_with(stem, &["_test", "_tests", "_spec"])
        || is_one_of(stem, &["conftest", "tests"])
        || holds(".test.")
        || holds(".spec.")
}

fn lower_name(path: &RepoPath) -> Vec<u8> {
    path.file_name().to_ascii_lowercase()
}

fn starts_with(name: &[u8], beginnings: &[&str]) -> bool {
    beginnings
        .iter()
        .any(|beginning| name.starts_with(beginning.as_bytes()))
}

fn ends_with(name: &[u8], endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

fn contains(name: &[u8], part: &str) -> bool {
    name.windows(part.len()).any(|window| window == part.as_bytes())
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}
