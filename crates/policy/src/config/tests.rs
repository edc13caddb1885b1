//! What `counterfoil.toml` may say, and the errors for what it may not.

use super::*;

fn error(text: &str) -> String {
    match Policy::parse_for(text.as_bytes(), "0.1.0".parse().unwrap()) {
        Ok(_) => format!("{text:?} is accepted"),
        Err(error) => format!("{error} | {}", error.hint.as_deref().unwrap_or_default()),
    }
}

#[test]
fn errors_name_line_column_and_what_would_be_right() {
    let rows = [
        "requires = \">=9.9\"\nunknown = 1\n[also]\nunknown = 2\n",
        "requires = \"0.1\"\n",
        "requires = 1\n",
        "[limit]\nmax_iterations = 3\n",
        "[limits]\nmax_iteration = 3\n",
        "[limits]\nmax_iterations = 0\n",
        "[limits]\nmax_repair_rounds = 4\n",
        "[limits]\nturn_timeout = \"soon\"\n",
        "[limits]\nsoft = 1.5\n",
        "[limits]\nnight_tokens = 0\n",
        "[limits]\nturn_tokens = 0\n",
        "[limits]\nnight_wall = \"0s\"\n",
        "[disk]\nmin_free = \"2 gigs\"\n",
        "[disk]\nbudget = 2\n",
        "[agent]\nsandbox = \"danger-full-access\"\n",
        "[agent]\nsandbox = \"read-only\"\n",
        "[agent]\nsandbox = \"none\"\n",
        "[agent]\nkind = \"external\"\n",
        "[agent]\ncommand = \"./codex\"\n",
        "[agent]\nmodel = \"--yolo\"\n",
        "[agent.config]\nmodel_provider = \"x\"\nsandbox_mode = \"danger-full-access\"\n",
        "[agent.config.features]\nplugins = true\n",
        "[agent.config]\na = 1979-05-27\n",
        "[agent.config]\na = { b = [1], c = nan }\n",
        "[agent.env]\nCODEX_HOME = \"/tmp/x\"\n",
        "[ledger]\ndir = \"../x\"\n",
        "[ledger]\npush_runs = true\n",
        "[prompts]\nwriter = \"p.md\"\n",
        "[workspace]\nenv = [\"CI\", \"GITHUB_TOKEN\"]\n",
        "[workspace]\nwritable = [\"~/.ssh\"]\n",
        "[workspace]\nsetup = [{ run = \"\" }]\n",
        "[workspace]\ncopy = [\"a\", \".git/config\"]\n",
        "[workspace]\ncopy = [\"a/b\", \"a\"]\n",
        "[workspace]\ncopy = [\"../a\"]\n",
        "[workspace]\nsetup = [{ run = \"make\", timout = \"1m\" }]\n",
        "[[check]]\nname = \"a\"\n",
        "[[check]]\nname = \"a\"\nrun = \"x\"\nargv = [\"x\"]\n",
        "[[check]]\nname = \"a\"\nrun = \"x\"\n\n[[check]]\nname = \"a\"\nrun = \"y\"\n",
        "[[check]]\nname = \"a\"\nrun = \"x\"\nbaseline = \"no_new_failures\"\n",
        "[[check]]\nname = \"a\"\nrun = \"x\"\nreport = \"tap:x\"\n",
        "[[check]]\nname = \"a\"\nrun = \"x\"\nstrength = \"worker_claimed\"\n",
        "[scope]\nforbidden = [\"src/\"]\n",
        "[scope]\nforbidden = [\n  \"ok/**\",\n  \"a[\",\n]\n",
        "[scope]\ntests = [\"tests/\"]\n",
        "[scope.secrets]\npatterns = [\"(\"]\n",
        "[scope.secrets]\nexceptions = [\"hunter2\"]\n",
        "[commands]\ndeny = [\"a; b\"]\n",
        "[gates]\ntdd = { featur = \"block\" }\n",
        "[gates]\ntdd = { bugfix = \"blok\", default = \"off\" }\n",
        "[gates.changed_tests]\nfeature = \"block\"\nsecurity = \"block\"\n",
        "[gates]\nfail_to_pass = true\n",
        "[gates]\ncleanup_review = \"on\"\n",
        "[gates]\ncode_review = { default = true }\n",
        "[gates]\ntd = \"off\"\n",
        "[gates]\ntest_weakening = \"on\"\n",
        "[review]\nexperts = [\"securty\"]\n",
        "[review]\nexperts = [\"code_review\"]\n",
        "[review]\nblock_on = \"severe\"\n",
        "[delivery]\nmode = \"push\"\n",
        "[delivery]\nmode = \"merge\"\n",
        "[delivery]\nsign = true\n",
        "[delivery]\nbranch = \"main\"\n",
        "[hooks]\non_completed = \" \"\n",
        "[hooks]\nafter_each = \"true\"\n",
        "[hooks]\nfailure = \"stop\"\n",
        "[notify]\nwebhook = \"https://hooks.example.com/T0/B0/hunter2\"\n",
        "[notify]\nwebhook = \"env:NO-NAME\"\n",
        "[notify]\ncommand = \"\"\n",
        "[notify]\ncommand = \"mail\"\non = [\"finished\"]\n",
        "[notify]\non = [\"done\"]\n",
        "[schedule]\nconcurrency = 0\n",
        "[schedule]\nconcurrency = 65\n",
        "[schedule]\npoll = \"10ms\"\n",
        "[schedule]\nfocus = \"all\"\n",
        "[schedule]\nserialize = [\"/api\"]\n",
        "[schedule]\npick = \"any\"\n",
        "check = 1\n",
        "a = \n",
    ];
    let errors: Vec<_> = rows.iter().map(|row| error(row)).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn defaults_may_be_written_out() {
    let written = r#"
requires = ">=0.1, <2"
[ledger]
push_runs = false
[workspace]
cache_ttl = "24h"
[gates]
tdd = 'off'
cleanup_review = "off"
[review]
experts = []
[delivery]
mode = "none"
forbidden_targets = [ "main",
  "master" ]
hooks = "skip"
[hooks]
timeout = "5m"
[schedule]
pick = "next"
"#;
    let policy = Policy::parse_for(written.as_bytes(), "0.1.0".parse().unwrap()).unwrap();
    assert_eq!(policy.delivery.mode, ledger_core::DeliveryMode::None);
    assert_eq!(policy.schedule.pick, Pick::Next);
}

#[test]
fn an_empty_policy_is_the_default_and_survives_a_round_trip() {
    assert_eq!(Policy::parse(b"").unwrap(), Policy::default());
    let written = toml::to_string(&Policy::default()).unwrap();
    assert_eq!(Policy::parse(written.as_bytes()).unwrap(), Policy::default());
    insta::assert_snapshot!(written);
}

#[test]
fn the_digest_of_no_policy_is_that_of_no_bytes() {
    assert_eq!(Policy::digest(None), Policy::digest(Some(b"")));
    assert_ne!(Policy::digest(None), Policy::digest(Some(b"\n")));
}

#[test]
fn the_schema_describes_every_property_and_accepts_what_the_reader_accepts() {
    let schema = serde_json::to_value(policy_schema()).unwrap();
    let mut missing = Vec::new();
    undescribed(&schema, "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let default = serde_json::to_value(Policy::default()).unwrap();
    assert_eq!(
        validator
            .iter_errors(&default)
            .map(|e| e.to_string())
            .collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    assert!(validator.is_valid(&serde_json::json!({})));
    assert!(!validator.is_valid(&serde_json::json!({"unknown": 1})));
    assert!(!validator.is_valid(&serde_json::json!({"agent": {"sandbox": "danger-full-access"}})));
}

fn undescribed(schema: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
    let Some(object) = schema.as_object() else { return };
    if let Some(properties) = object.get("properties").and_then(|p| p.as_object()) {
        for (name, property) in properties {
            if property.get("description").is_none() {
                missing.push(format!("{path}.{name}"));
            }
        }
    }
    for (key, value) in object {
        undescribed(value, &format!("{path}/{key}"), missing);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let first = Policy::parse(&bytes);
        proptest::prop_assert_eq!(first, Policy::parse(&bytes));
    }

    #[test]
    fn any_value_of_any_known_key_ends_in_an_answer(
        table in "(limits|agent|scope|check|delivery|workspace|gates|review|schedule|disk|ledger)",
        key in "(max_tokens|sandbox|forbidden|name|mode|branch|setup|tdd|block_on|pick|min_free|dir|soft|config|env)",
        value in "(1|-1|0.5|true|\"[a-z*/.{}\\[\\]-]{0,12}\"|\\[\"[a-z*/.{}!-]{0,12}\"\\]|\\{ a = 1 \\}|nan|1979-05-27)",
    ) {
        let text = format!("[{table}]\n{key} = {value}\n");
        let first = Policy::parse(text.as_bytes());
        proptest::prop_assert_eq!(first, Policy::parse(text.as_bytes()));
    }
}
