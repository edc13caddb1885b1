//! What a policy says and cannot mean.

use ledger_core::{AgentKind, CheckCommand, DeliveryMode, DocumentError, Duration, locate};
use toml::de::{DeTable, DeValue};

use super::agent_settings::refused;
use super::requires::{FoilVersion, VersionRequirement};
use super::unsupported::unsupported;
use super::workspace::is_environment_name;
use super::{Baseline, Policy, WhenMoved};

/// The most tickets that run at the same time: each has its checkouts, an agent and checks.
const MAX_CONCURRENCY: u32 = 64;

/// Something wrong at a key path.
pub(super) struct Contradiction {
    path: Vec<String>,
    message: String,
    hint: Option<String>,
}

impl Contradiction {
    fn at(path: &[&str], message: impl Into<String>) -> Self {
        Self {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            message: message.into(),
            hint: None,
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error with its place in the text.
    pub(super) fn in_text(self, text: &str) -> DocumentError {
        let path: Vec<_> = self.path.iter().map(String::as_str).collect();
        let error = DocumentError::at(text, locate(text, &path), self.message);
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// What must be known before the keys are read: whether this version may read them at all, and which of them it would
/// have to ignore. What is not TOML is left to the reader.
pub(super) fn before_reading(text: &str, version: FoilVersion) -> Result<(), DocumentError> {
    let Ok(document) = DeTable::parse(text) else {
        return Ok(());
    };
    let document = document.get_ref();
    let requires = document.iter().find(|(key, _)| key.get_ref() == "requires");
    if let Some((_, value)) = requires
        && let DeValue::String(requirement) = value.get_ref()
    {
        let requirement: VersionRequirement = requirement
            .parse()
            .map_err(|error: super::InvalidText| DocumentError::at(text, value.span(), error.to_string()))?;
        if !requirement.is_met_by(version) {
            let message = format!("this policy needs foil {requirement}; this is foil {version}");
            return Err(DocumentError::at(text, value.span(), message).with_hint("use a version of foil that fits"));
        }
    }
    // This table holds prose for people who try the unsafe value; the reader would only say "unknown variant".
    let sandbox = document
        .iter()
        .find(|(key, _)| key.get_ref() == "agent")
        .and_then(|(_, agent)| {
            agent
                .get_ref()
                .as_table()?
                .iter()
                .find(|(key, _)| key.get_ref() == "sandbox")
        });
    if let Some((_, value)) = sandbox
        && let DeValue::String(name) = value.get_ref()
    {
        let reason = match name.as_ref() {
            "danger-full-access" => "without a sandbox the worker could write what it is judged by",
            "read-only" => "a worker that may write nothing can do no work",
            _ => "",
        };
        if !reason.is_empty() {
            let message = format!("`{name}` is not a sandbox for the worker: {reason}");
            return Err(DocumentError::at(text, value.span(), message).with_hint("only `workspace-write` is accepted"));
        }
    }
    match unsupported(document) {
        None => Ok(()),
        Some(key) => {
            let value = key.value.map(|value| format!(" = {value}")).unwrap_or_default();
            let message = format!("`{}{value}` is not supported by this version of foil", key.path);
            let hint = match key.allowed {
                [] => "leave it out".to_owned(),
                values => format!("leave it out, or set it to {}", values.join(" or ")),
            };
            Err(DocumentError::at(text, key.span, message).with_hint(hint))
        }
    }
}

/// The first thing that the policy says and cannot mean.
pub(super) fn contradiction(policy: &Policy) -> Option<Contradiction> {
    agent(policy)
        .or_else(|| setup(policy))
        .or_else(|| copies(policy))
        .or_else(|| checks(policy))
        .or_else(|| limits(policy))
        .or_else(|| delivery(policy))
        .or_else(|| prompts(policy))
        .or_else(|| hooks(policy))
        .or_else(|| notify(policy))
        .or_else(|| schedule(policy))
}

fn hooks(policy: &Policy) -> Option<Contradiction> {
    let mut commands = policy.hooks.commands();
    let (hook, _) = commands.find(|(_, command)| !is_command(command))?;
    Some(Contradiction::at(
        &["hooks", hook.as_str()],
        "a hook is a command that is not empty",
    ))
}

fn notify(policy: &Policy) -> Option<Contradiction> {
    let notify = &policy.notify;
    // Not at the key: the line of the key would be shown, and its value may be a secret.
    if let Some(problem) = notify.webhook.as_ref().and_then(super::Webhook::problem) {
        let message = format!("`webhook` cannot be used: {problem}");
        return Some(
            Contradiction::at(&["notify"], message).with_hint(
                "write `webhook = \"env:FOIL_WEBHOOK\"`, and put the address into that environment variable",
            ),
        );
    }
    if notify.command.as_deref().is_some_and(|command| !is_command(command)) {
        let message = "`command` is a command that is not empty";
        return Some(Contradiction::at(&["notify", "command"], message));
    }
    let has_channel = notify.webhook.is_some() || notify.command.is_some();
    (!has_channel && notify.on != super::NotifyPolicy::default().on).then(|| {
        Contradiction::at(
            &["notify", "on"],
            "nobody is told: there is neither a `webhook` nor a `command`",
        )
        .with_hint("name one of them, or leave `on` out")
    })
}

/// A shell takes what is before a NUL byte for the whole.
fn is_command(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0')
}

fn schedule(policy: &Policy) -> Option<Contradiction> {
    let schedule = &policy.schedule;
    if !(1..=MAX_CONCURRENCY).contains(&schedule.concurrency) {
        let message = format!("`concurrency` is between 1 and {MAX_CONCURRENCY}");
        return Some(Contradiction::at(&["schedule", "concurrency"], message));
    }
    if schedule.poll < Duration::seconds(1) {
        let found = Contradiction::at(
            &["schedule", "poll"],
            "looking more often than once a second finds nothing more",
        );
        return Some(found.with_hint("write `1s` or longer"));
    }
    None
}

/// The ledger is protected as a whole, so that no worker writes what the next one is told.
fn prompts(policy: &Policy) -> Option<Contradiction> {
    let folder = format!("{}/prompts/", policy.ledger.dir.path());
    let prompts = &policy.prompts;
    let keys = [
        ("writer", &prompts.writer),
        ("planner", &prompts.planner),
        ("repair", &prompts.repair),
        ("reviewer", &prompts.reviewer),
        ("curator", &prompts.curator),
    ];
    keys.into_iter().find_map(|(key, path)| {
        let path = path.as_ref()?;
        let is_there = path.as_bytes().starts_with(folder.as_bytes());
        (!is_there).then(|| {
            Contradiction::at(&["prompts", key], format!("`{path}` is not in `{folder}`")).with_hint(format!(
                "move it there, as in `{folder}{key}.md`: no worker can change it there"
            ))
        })
    })
}

fn delivery(policy: &Policy) -> Option<Contradiction> {
    let delivery = &policy.delivery;
    match (delivery.mode >= DeliveryMode::Push, &delivery.target) {
        (true, None) => Some(
            Contradiction::at(&["delivery", "mode"], "mode `push` needs the branch that is pushed to")
                .with_hint("name it, as in `target = \"main\"`: that is your consent to push there"),
        ),
        (false, Some(_)) => Some(
            Contradiction::at(
                &["delivery", "target"],
                format!("nothing is pushed in mode `{}`", delivery.mode.as_str()),
            )
            .with_hint("set `mode = \"push\"`, or leave the target out"),
        ),
        (false, None) if delivery.when_moved != WhenMoved::default() => Some(
            Contradiction::at(
                &["delivery", "when_moved"],
                format!("nothing is pushed in mode `{}`", delivery.mode.as_str()),
            )
            .with_hint("set `mode = \"push\"`, or leave it out"),
        ),
        _ => None,
    }
}

fn agent(policy: &Policy) -> Option<Contradiction> {
    let agent = &policy.agent;
    let one_word =
        |text: &str| !text.is_empty() && text.len() <= 200 && !text.chars().any(|c| c.is_control() || c == ' ');
    if agent.kind == AgentKind::External {
        let message = "an agent of kind `external` is brought by the program that embeds foil, not by a policy";
        return Some(Contradiction::at(&["agent", "kind"], message));
    }
    if agent.command.trim().is_empty() || agent.command.chars().any(char::is_control) {
        return Some(Contradiction::at(
            &["agent", "command"],
            "the command must be one line and not empty",
        ));
    }
    // A relative path with a slash would name a program that the worker can write.
    if agent.command.contains('/') && !agent.command.starts_with('/') {
        let message =
            "the command must be a program's name or an absolute path: a relative path lies where the worker writes";
        return Some(Contradiction::at(&["agent", "command"], message));
    }
    for (key, value) in [("model", &agent.model), ("reasoning_effort", &agent.reasoning_effort)] {
        if value
            .as_deref()
            .is_some_and(|value| !one_word(value) || value.starts_with('-'))
        {
            return Some(Contradiction::at(&["agent", key], format!("`{key}` must be one word")));
        }
    }
    if let Some(setting) = refused(&agent.config, agent.network) {
        let name = setting.keys.join(".");
        let mut contradiction = Contradiction::at(
            &["agent", "config"],
            format!("`{name}` may not be set in `[agent.config]`: {}", setting.reason),
        )
        .with_hint(setting.hint);
        contradiction.path.extend(setting.keys);
        return Some(contradiction);
    }
    agent.env.iter().find_map(|(name, value)| {
        let upper = name.to_ascii_uppercase();
        let reason = if !is_environment_name(name) {
            "it cannot name an environment variable"
        } else if upper == "CODEX_HOME" || upper == "HOME" || upper.starts_with("GIT_") {
            "the runner sets it"
        } else if value.contains('\0') {
            "its value holds a NUL byte"
        } else {
            return None;
        };
        Some(Contradiction::at(
            &["agent", "env", name],
            format!("`{name}` may not be set: {reason}"),
        ))
    })
}

fn setup(policy: &Policy) -> Option<Contradiction> {
    policy.workspace.setup.iter().enumerate().find_map(|(index, command)| {
        command.run.trim().is_empty().then(|| {
            let message = "a set-up command needs a `run` that is not empty";
            Contradiction::at(&["workspace", "setup", &index.to_string()], message)
        })
    })
}

fn copies(policy: &Policy) -> Option<Contradiction> {
    let copy = &policy.workspace.copy;
    copy.iter().enumerate().find_map(|(index, path)| {
        let message = if path.parts().any(|part| part.eq_ignore_ascii_case(b".git")) {
            format!("`{path}` lies in `.git`")
        } else {
            let other = copy[..index]
                .iter()
                .find(|other| path.is_within(other) || other.is_within(path))?;
            format!("`{path}` and `{other}` are the same, or one is in the other")
        };
        Some(Contradiction::at(&["workspace", "copy", &index.to_string()], message))
    })
}

fn checks(policy: &Policy) -> Option<Contradiction> {
    policy.check.iter().enumerate().find_map(|(index, check)| {
        let place = index.to_string();
        if let Err(error) = CheckCommand::new(check.run.as_deref(), check.argv.as_deref()) {
            return Some(Contradiction::at(&["check", &place], error.to_string()));
        }
        let name = &check.name;
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            let message = "a check's name must be one line of 1 to 100 characters";
            return Some(Contradiction::at(&["check", &place, "name"], message));
        }
        if policy.check[..index].iter().any(|earlier| earlier.name == *name) {
            let message = format!("check name `{name}` occurs twice");
            return Some(Contradiction::at(&["check", &place, "name"], message));
        }
        if check.baseline == Baseline::NoNewFailures && check.report.is_none() {
            let message = "`no_new_failures` needs a report that names the failing tests";
            return Some(
                Contradiction::at(&["check", &place, "baseline"], message)
                    .with_hint("set `report = \"junit:<path>\"`, or use `must_pass` or `off`"),
            );
        }
        None
    })
}

fn limits(policy: &Policy) -> Option<Contradiction> {
    let limits = &policy.limits;
    let counts = [
        ("max_iterations", limits.max_iterations, 1, 1000),
        ("max_repair_rounds", limits.max_repair_rounds, 0, 3),
        ("no_progress", limits.no_progress, 1, 1000),
        ("runner_failures", limits.runner_failures, 1, 1000),
        ("verification_failures", limits.verification_failures, 0, 1000),
        ("ticket_failures", limits.ticket_failures, 1, 1000),
    ];
    let wrong = counts
        .iter()
        .find(|(_, value, least, most)| value < least || value > most);
    if let Some((name, value, least, most)) = wrong {
        let message = format!("`{name}` must lie between {least} and {most}, not be {value}");
        return Some(Contradiction::at(&["limits", name], message));
    }
    if limits.max_tokens == 0 {
        return Some(Contradiction::at(
            &["limits", "max_tokens"],
            "`max_tokens` must be at least 1",
        ));
    }
    for (name, limit) in [
        ("turn_tokens", limits.turn_tokens),
        ("night_tokens", limits.night_tokens),
    ] {
        if limit == Some(0) {
            let message = format!("`{name}` must be at least 1");
            return Some(Contradiction::at(&["limits", name], message));
        }
    }
    None
}
