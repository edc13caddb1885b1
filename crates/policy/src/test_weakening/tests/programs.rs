//! What a check runs proves the change: it cannot become another unseen.

use super::*;

fn rules(run: &str) -> TestRules {
    let mut policy = crate::Policy::parse(b"[[check]]\nname = \"t\"\nrun = \"true\"\n").unwrap();
    policy.check[0].run = Some(run.to_owned());
    let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
    TestRules::new(&policy, &ticket).unwrap()
}

/// The lines of the hunks that a change of one file has where this is what the check runs.
fn found(run: &str, path: &str, before: &str, after: &str) -> Vec<(Weakening, Option<u64>)> {
    let content = |text: &str| (!text.is_empty()).then(|| TestContent::Read(text.as_bytes().to_vec()));
    let change = TestChange {
        path: path.parse().unwrap(),
        before: content(before),
        after: content(after),
    };
    let hunks = weakened_tests(&rules(run), &[change]);
    let line = |hunk: WeakenedTest| hunk.before.or(hunk.after).map(|lines| lines.first);
    hunks.into_iter().map(|hunk| (hunk.how, line(hunk))).collect()
}

#[test]
fn a_program_that_a_check_runs_is_found_whatever_its_name_and_its_language() {
    for (run, path) in [
        ("python3 tools/quality.py", "tools/quality.py"),
        ("python3 quality.py src", "quality.py"),
        ("node scripts/validate.js", "scripts/validate.js"),
        ("cd tools && sh quality.sh", "tools/quality.sh"),
        ("cd tools && ./quality", "tools/quality"),
        ("uv run python -m tools.quality", "tools/quality.py"),
        ("go run ./hack/quality", "hack/quality/main.go"),
        ("(cd web && true) && python3 quality.py", "quality.py"),
        // What a target or a script calls is not followed; among tools all that may be called counts.
        ("make -s quality", "tools/q.py"),
        ("npm run quality", "scripts/v.js"),
        ("cat tools/q.py | python3", "tools/q.py"),
        ("eslint -c conf/rules.js src", "conf/rules.js"),
        ("mypy --config-file=types.cfg src", "types.cfg"),
        ("env -C web node quality.js", "web/quality.js"),
        ("xvfb-run make quality", "tools/q.py"),
        ("docker compose run --rm app make quality", "compose.yaml"),
        ("npx gulp quality", "gulpfile.js"),
        ("make -f build/rules quality", "build/rules"),
        ("sh quality.txt rows.csv", "quality.txt"),
        // What says test by its name, and of which nobody can tell what it tests.
        ("sh tests/run.sh", "tests/run.sh"),
        ("./run-tests.sh", "run-tests.sh"),
        ("python3 tools/run_tests.py", "tools/run_tests.py"),
    ] {
        let hunks = found(run, path, "one()\nrun(all)\n", "one()\nrun(some)\n");
        assert_eq!(hunks, [(Weakening::ConfigurationChanged, Some(2))], "{run}");
    }
    // As arguments.
    let argv = b"[[check]]\nname = \"t\"\nargv = [\"python3\", \"tools/my quality.py\"]\n";
    let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
    let rules = TestRules::new(&crate::Policy::parse(argv).unwrap(), &ticket).unwrap();
    assert!(rules.says_how_tests_are_run(&"tools/my quality.py".parse().unwrap()));
}

#[test]
fn what_a_program_of_a_check_looks_at_is_no_way_of_running_tests() {
    for (run, path) in [
        ("python3 tools/quality.py src/mail.py", "src/mail.py"),
        ("grep -q x notes.txt", "notes.txt"),
        ("ruff check src/mail.py", "src/mail.py"),
        ("test -s src/mail.py", "src/mail.py"),
        ("pytest", "tasks.py"),
        ("sh run.sh", "src/run.sh"),
        ("pytest src", "src/mail.py"),
        ("pytest src", "tools/q.py"),
        ("make quality", "tools/rows.csv"),
        ("make quality", "src/q.py"),
        ("python3 -m app --self-check", "app/mail.py"),
        ("dotnet build src/App/App.csproj", "src/App/App.csproj"),
    ] {
        assert_eq!(found(run, path, "one()\n", "two()\n"), [], "{run}");
    }
    // A test that is run as a program is compared by what it tests.
    let test = "def test_a():\n    assert a\n";
    let more = format!("{test}def test_b():\n    assert b\n");
    assert_eq!(found("python3 tests/test_a.py", "tests/test_a.py", test, &more), []);
}

#[test]
fn a_program_that_is_the_product_is_listed_and_stays_source() {
    let path = "src/index.js".parse().unwrap();
    let rules = rules("node src/index.js --self-check && python3 tools/quality.py");
    assert!(rules.concerns(&path) && !rules.says_how_tests_are_run(&path));
    let change = |path: &str| TestChange {
        path: path.parse().unwrap(),
        before: Some(TestContent::Read(b"run(1)\n".to_vec())),
        after: Some(TestContent::Read(b"run(2)\n".to_vec())),
    };
    assert_eq!(changed_tests(&rules, &[change("src/index.js")]).sources, 1);
    assert_eq!(changed_tests(&rules, &[change("tools/quality.py")]).sources, 0);
    assert_eq!(weakened_tests(&rules, &[change("src/index.js")]).len(), 1);
}

const MAKEFILE: &str = "\
RUNNER = pytest
all: build quality
build:
\tcc main.c
quality: style
\t$(RUNNER) .
style:
\tstyler
docs:
\tdocs
";

#[test]
fn targets_that_a_check_makes_are_found_with_all_that_they_need() {
    for (run, old, new, line) in [
        ("make -s quality", "\t$(RUNNER) .", "\ttrue", Some(6)),
        ("make -s quality", "\tstyler", "\ttrue", Some(8)),
        ("make -s quality", "quality: style", "quality:", Some(5)),
        ("make -s quality", "RUNNER = pytest", "RUNNER = true", Some(1)),
        ("make -C . quality", "\tstyler", "\ttrue", Some(8)),
        // The first target is made where none is named.
        ("make", "all: build quality", "all: build", Some(2)),
        ("make", "\t$(RUNNER) .", "\ttrue", Some(6)),
        ("make", "\tcc main.c", "\tcc mail.c", Some(4)),
        ("make -s quality", "\tcc main.c", "\tcc mail.c", None),
        ("make", "\tdocs", "\tmore", None),
        ("pytest", "\t$(RUNNER) .", "\ttrue", None),
        ("pytest", "RUNNER = pytest", "RUNNER = true", None),
        ("xvfb-run make quality", "\tstyler", "\ttrue", Some(8)),
    ] {
        let expected: Vec<_> = line
            .map(|line| (Weakening::ConfigurationChanged, Some(line)))
            .into_iter()
            .collect();
        let after = MAKEFILE.replacen(old, new, 1);
        assert_ne!(after, MAKEFILE, "{old}");
        assert_eq!(found(run, "Makefile", MAKEFILE, &after), expected, "{run}: {old}");
    }
    // A variable whose name says it is found without that.
    let (old, new) = ("TEST_FLAGS = -v\n", "TEST_FLAGS = -n\n");
    assert_eq!(found("pytest", "Makefile", old, new).len(), 1);
    let (old, new) = ("task :quality do\n", "task :others do\n");
    assert_eq!(found("rake quality", "Rakefile", old, new).len(), 1);
    assert_eq!(found("pytest", "Rakefile", old, new), []);
}

#[test]
fn scripts_that_a_check_runs_are_found_with_all_that_they_call() {
    let scripts = |quality: &str, style: &str, before: &str| {
        format!(
            "{{\"scripts\":{{\"quality\":\"{quality}\",\"style:all\":\"{style}\",\"prequality\":\"{before}\",\"start\":\"{quality}\"}}}}"
        )
    };
    let before = scripts("npm run style:all", "styler", "setup");
    for after in [
        scripts("true", "styler", "setup"),
        scripts("npm run style:all", "true", "setup"),
        scripts("npm run style:all", "styler", "exit"),
    ] {
        assert_eq!(
            found("npm run quality", "package.json", &before, &after).len(),
            1,
            "{after}"
        );
    }
    let other = before.replace("\"start\":\"npm", "\"start\":\"pnpm");
    assert_ne!(other, before);
    assert_eq!(found("npm run quality", "package.json", &before, &other), []);
    assert_eq!(
        found(
            "node x.js",
            "package.json",
            &before,
            &scripts("true", "styler", "setup")
        ),
        []
    );
}

#[test]
fn scripts_are_found_behind_whatever_calls_several() {
    for (run, path, before) in [
        (
            "npm run quality",
            "package.json",
            r#"{"scripts":{"quality":"run-p q:*","q:a":"styler"}}"#,
        ),
        ("npx run-s 'q:*'", "package.json", r#"{"scripts":{"q:a":"styler"}}"#),
        (
            "npm run quality",
            "package.json",
            r#"{"scripts":{"quality":"concurrently npm:q:a","q:a":"styler"}}"#,
        ),
        (
            "composer quality",
            "composer.json",
            r#"{"scripts":{"quality":["@style"],"style":"styler"}}"#,
        ),
        ("deno task quality", "deno.json", r#"{"tasks":{"quality":"styler"}}"#),
        (
            "make quality",
            "build/quality.mk",
            "docs:\n\tdocs\nquality:\n\tstyler\n",
        ),
        ("rake quality", "lib/tasks/quality.rake", "styler\n"),
        (
            "npx concurrently npm:quality",
            "package.json",
            r#"{"scripts":{"quality":"styler"}}"#,
        ),
    ] {
        let after = before.replace("styler", "true");
        assert_eq!(found(run, path, before, &after).len(), 1, "{run}: {before}");
        assert_eq!(found("pytest", path, before, &after), [], "{run}: {before}");
    }
}

#[test]
fn settings_of_what_looks_for_mistakes_are_found() {
    for (path, before, after) in [
        (
            "clippy.toml",
            "cognitive-complexity-threshold = 10\n",
            "cognitive-complexity-threshold = 1000\n",
        ),
        (".eslintrc.json", "{\"rules\":{\"eqeqeq\":2}}\n", "{\"rules\":{}}\n"),
        ("app/eslint.config.mjs", "export default [a]\n", "export default []\n"),
        ("mypy.ini", "[mypy]\nstrict = True\n", "[mypy]\nignore_errors = True\n"),
        ("ruff.toml", "select = [\"ALL\"]\n", "select = []\n"),
        (".golangci.yml", "enable: [a]\n", "enable: []\n"),
        ("tsconfig.json", "{\"strict\":true}\n", "{\"strict\":false}\n"),
        (
            "pyproject.toml",
            "[tool.mypy]\nstrict = true\n",
            "[tool.mypy]\nstrict = false\n",
        ),
        (
            "pyproject.toml",
            "[tool.pdm.scripts]\nquality = \"q\"\n",
            "[tool.pdm.scripts]\nquality = \"true\"\n",
        ),
        ("setup.cfg", "[flake8]\nignore =\n", "[flake8]\nignore = E\n"),
        (
            "Cargo.toml",
            "[lints.rust]\nunused = \"deny\"\n",
            "[lints.rust]\nunused = \"allow\"\n",
        ),
        ("Cargo.toml", "[workspace.lints.clippy]\nall = \"deny\"\n", ""),
        (".mvn/maven.config", "-q\n", "-DskipTests\n"),
        ("gradle.properties", "skipTests=false\n", "skipTests=true\n"),
        (
            "package.json",
            "{\"eslintConfig\":{\"a\":2}}\n",
            "{\"eslintConfig\":{\"a\":0}}\n",
        ),
    ] {
        let hunks = found("true", path, before, after);
        let [(how, _)] = hunks[..] else {
            panic!("{path}: {hunks:?}")
        };
        assert_eq!(how, Weakening::ConfigurationChanged, "{path}");
    }
}
