//! Which paths may change, row by row.

use super::*;

fn rules(policy: &str, ticket: &str) -> Result<ScopeRules, InvalidScope> {
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let ticket = TicketFile::parse(format!("title = \"x\"\n{ticket}").as_bytes()).unwrap();
    let rules = ScopeRules::new(&policy, &ticket);
    assert_eq!(
        PolicyScope::new(&policy).check(&ticket),
        rules.as_ref().map(drop).map_err(Clone::clone)
    );
    rules
}

fn code(rules: &ScopeRules, path: &[u8]) -> &'static str {
    rules
        .judge(&RepoPath::new(path).unwrap())
        .map_or("-", |violation| violation.code.as_str())
}

#[test]
fn a_path_may_change_where_the_ticket_allows_it_and_nothing_forbids_it() {
    let rules = rules(
        "[scope]\nforbidden = [\"src/vendor/**\", \"Straße.md\"]\nprotected = [\"src/keys/*.pub\"]\n",
        "[scope]\nallowed = [\"src/**\", \"tests/auth.rs\", \"app/[id]/page.tsx\", \"*.md\", \"lib/*x*\"]\nforbidden = [\"src/auth/legacy/**\"]\n",
    )
    .unwrap();
    for (path, expected) in [
        ("src/lib.rs", "-"),
        ("src/a/b/c.rs", "-"),
        ("src", "protected_path_changed"),
        ("lib", "scope_violation"),
        ("srcx/a", "scope_violation"),
        ("Src/a", "scope_violation"),
        ("SRC/a", "scope_violation"),
        ("tests/auth.rs", "-"),
        ("tests/auth.rs/x", "scope_violation"),
        ("tests/other.rs", "scope_violation"),
        ("app/[id]/page.tsx", "-"),
        ("README.md", "-"),
        ("docs/README.md", "scope_violation"),
        ("lib/axb", "-"),
        ("lib/x/b", "scope_violation"),
        ("src/.gitignore", "-"),
        ("src/auth/legacy/a.rs", "forbidden_path"),
        ("src/AUTH/Legacy/a.rs", "forbidden_path"),
        ("src/vendor/x", "forbidden_path"),
        ("STRASSE.md", "forbidden_path"),
        ("src/keys/a.pub", "protected_path_changed"),
        ("src/keys", "protected_path_changed"),
        ("src/keys/a.key", "-"),
    ] {
        assert_eq!(code(&rules, path.as_bytes()), expected, "{path}");
    }
    assert_eq!(code(&rules, b"src/\xff.rs"), "-");
    assert_eq!(code(&rules, b"lib/x\xff"), "scope_violation");
    assert_eq!(code(&rules, b"\xff.md"), "scope_violation");
}

#[test]
fn what_belongs_to_the_runner_or_instructs_agents_is_protected_under_every_spelling() {
    let everything = rules("[ledger]\ndir = \"docs/ledger\"\n", "mode = \"loop\"\n").unwrap();
    for path in [
        "counterfoil.toml",
        "Counterfoil.TOML",
        "docs/ledger/tickets/1/ticket.toml",
        "docs/ledger/x",
        "docs/LEDGER/x",
        "docs/ledger",
        "docs",
        ".git",
        ".git/config",
        "a/.git/hooks/x",
        "a/.GIT/x",
        ".git./config",
        ".git /config",
        ".git::$INDEX_ALLOCATION/x",
        "GIT~1/config",
        ".g\u{200c}it/config",
        ".gitattributes",
        "a/.gitattributes",
        ".gitmodules",
        ".lfsconfig",
        ".github/workflows/ci.yml",
        ".github/Workflows/ci.yml",
        ".github/workflows",
        ".github",
        ".github/actions/a/action.yml",
        ".gitlab-ci.yml",
        ".circleci/config.yml",
        "azure-pipelines.yml",
        "Jenkinsfile",
        "ci/Jenkinsfile.release",
        ".buildkite/pipeline.yml",
        ".travis.yml",
        ".woodpecker.yml",
        ".woodpecker/a.yml",
        ".drone.yml",
        ".ci/build.sh",
        ".ci",
        "CODEOWNERS",
        ".github/CODEOWNERS",
        "AGENTS.md",
        "agents.MD",
        "src/deep/AGENTS.md",
        "AGENTS.override.md",
        "CLAUDE.md",
        "CLAUDE.local.md",
        "GEMINI.md",
        ".cursorrules",
        ".cursor/rules/a.mdc",
        ".cursor",
        ".codex/config.toml",
        "a/.codex/config.toml",
        ".codex",
        ".agents/skills/a/SKILL.md",
        "skills/a/SKILL.md",
        ".claude/settings.json",
        ".github/copilot-instructions.md",
        ".github/instructions/a.instructions.md",
        ".mcp.json",
        ".envrc",
        "sub/.envrc",
        ".husky/pre-commit",
        ".husky",
        ".pre-commit-config.yaml",
        "lefthook.yml",
        ".lefthook.toml",
        "lefthook-local.yml",
        ".aider.conf.yml",
        "AGENT.md",
        "opencode.json",
        ".rules",
        ".vscode/tasks.json",
        "sub/.vscode/Settings.json",
        ".vscode",
        ".devcontainer/devcontainer.json",
        ".devcontainer.json",
        "mise.toml",
        ".mise.toml",
        "mise.local.toml",
        ".yarnrc.yml",
        ".cargo/config.toml",
        ".cargo/config",
        ".exrc",
        ".nvimrc",
        "AGENT\u{17f}.md",
    ] {
        assert_eq!(code(&everything, path.as_bytes()), "protected_path_changed", "{path}");
    }
    for path in [
        "src/main.rs",
        "docs/guide.md",
        "docs/ledgers/x",
        "ledger/x",
        ".gitignore",
        "a/.gitignore",
        ".gitkeep",
        "agents/src/lib.rs",
        "src/agents.rs",
        "src/git.rs",
        "github/workflows/x.yml",
        ".github/ISSUE_TEMPLATE/bug.md",
        ".github/FUNDING.yml",
        "ci/build.sh",
        "src/skills/mod.rs",
        "claude/notes.md",
        ".editorconfig",
        ".vscode/extensions.json",
        ".config/app.toml",
        "src/policy/counterfoil.rs",
        "tests/fixtures/jenkins.txt",
        "docs/MY-AGENTS.md",
        "git/x",
        ".github/pull_request_template.md",
    ] {
        assert_eq!(code(&everything, path.as_bytes()), "-", "{path}");
    }
}

#[test]
fn a_grant_is_for_exactly_one_path_and_never_for_consent() {
    let granted = rules(
        "",
        "[scope]\nallowed = [\"src/**\"]\n[grants]\nprotected = [\".github/workflows/ci.yml\"]\n",
    )
    .unwrap();
    assert_eq!(code(&granted, b".github/workflows/ci.yml"), "-");
    assert_eq!(code(&granted, b".github/workflows/CI.yml"), "protected_path_changed");
    assert_eq!(code(&granted, b".github/workflows/other.yml"), "protected_path_changed");
    for (path, allowed) in [
        (".git/config", false),
        ("counterfoil.toml", false),
        ("ledger/tickets/1/approval.toml", false),
        ("ledger/packages/a.toml", false),
        ("/x", false),
        ("a/../b", false),
        ("ledger/specs/current/a/design.md", true),
        ("AGENTS.md", true),
        (".github/**", true),
    ] {
        let result = rules("", &format!("mode = \"loop\"\n[grants]\nprotected = [\"{path}\"]\n"));
        assert_eq!(result.is_ok(), allowed, "{path}");
    }
    let literal = rules("", "mode = \"loop\"\n[grants]\nprotected = [\".github/**\"]\n").unwrap();
    assert_eq!(code(&literal, b".github/workflows/ci.yml"), "protected_path_changed");
}

#[test]
fn documentation_tickets_stay_in_the_documentation_roots() {
    let docs = rules("", "docs_only = true\n").unwrap();
    assert_eq!(code(&docs, b"docs/a/b.png"), "-");
    assert_eq!(code(&docs, b"README.md"), "-");
    assert_eq!(code(&docs, b"src/lib.rs"), "scope_violation");
    let narrower = rules("", "docs_only = true\n[scope]\nallowed = [\"docs/a.md\", \"src/**\"]\n").unwrap();
    assert_eq!(code(&narrower, b"docs/a.md"), "-");
    assert_eq!(code(&narrower, b"docs/b.md"), "scope_violation");
    assert_eq!(code(&narrower, b"src/lib.rs"), "scope_violation");
}

#[test]
fn links_that_leave_the_repository_or_reach_into_git_are_refused() {
    let everything = rules("", "mode = \"loop\"\n").unwrap();
    for (path, target, expected) in [
        ("a/b", "c", "-"),
        ("a/b", "../c", "-"),
        ("a/b", "../c/../d", "-"),
        ("a", "b/c", "-"),
        ("a/b/c", "../../x", "-"),
        ("a/b", "../../c", "scope_violation"),
        ("a", "..", "scope_violation"),
        ("a", "/etc/passwd", "scope_violation"),
        ("a", "", "scope_violation"),
        ("a", "b\0c", "scope_violation"),
        ("a", "C:\\x", "scope_violation"),
        ("a", "..\\x", "scope_violation"),
        ("a", "\\x", "scope_violation"),
        ("a/b", "../.git/config", "protected_path_changed"),
        ("a/b", "../.GIT", "protected_path_changed"),
        ("a", "x/../../y", "scope_violation"),
    ] {
        let found = everything.judge_link(&path.parse().unwrap(), target.as_bytes());
        assert_eq!(
            found.map_or("-", |violation| violation.code.as_str()),
            expected,
            "{path} -> {target:?}"
        );
    }
}

#[test]
fn a_ticket_without_usable_patterns_has_no_rules() {
    let error = rules("", "[scope]\nallowed = [\"src/**\", \"src/\"]\n").unwrap_err();
    assert_eq!(error.place(), Some(("scope.allowed", 1)));
    insta::assert_snapshot!(error, @"`scope.allowed` has an entry that cannot be used: `src/` is not a path pattern: it ends with `/`; for everything in the folder write `src/**`");
}

proptest::proptest! {
    #[test]
    fn any_path_is_judged_and_always_the_same(bytes in proptest::collection::vec(1u8..=255, 1..80), target in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        if let Ok(path) = RepoPath::new(bytes) {
            static RULES: std::sync::OnceLock<ScopeRules> = std::sync::OnceLock::new();
            let rules = RULES.get_or_init(|| rules("", "[scope]\nallowed = [\"src/**\", \"a*\"]\n").unwrap());
            proptest::prop_assert_eq!(rules.judge(&path), rules.judge(&path));
            proptest::prop_assert_eq!(rules.judge_link(&path, &target), rules.judge_link(&path, &target));
        }
    }
}
