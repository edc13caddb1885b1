//! `[notify]`: who is told how a run ended.

use ledger_core::{NotificationChannel, NotificationEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workspace::is_environment_name;

/// `[notify]`: who is told how a run ended. Nobody is told twice, and a notification that fails changes nothing about the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyPolicy {
    /// Where an address is found that gets a POST: `env:FOIL_…`, the name of an environment variable of the runner's that holds it. Who knows such an
    /// address can use it, so that only one of this machine may be written out
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// A line for `sh -c` that gets the message on its standard input. It runs with the rights of whoever runs foil, without a sandbox
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What is told
    pub on: Vec<NotificationEvent>,
}

impl Default for NotifyPolicy {
    fn default() -> Self {
        Self {
            webhook: None,
            command: None,
            on: vec![
                NotificationEvent::Done,
                NotificationEvent::Blocked,
                NotificationEvent::NeedsPerson,
                NotificationEvent::NightOver,
            ],
        }
    }
}

impl NotifyPolicy {
    /// The ways on which this is told, in their order; none where nobody is to be told.
    pub fn channels(&self, about: NotificationEvent) -> Vec<NotificationChannel> {
        let is_wanted = self.on.contains(&about);
        let is_used = |by: &NotificationChannel| match by {
            NotificationChannel::Webhook => self.webhook.is_some(),
            NotificationChannel::Command => self.command.is_some(),
        };
        NotificationChannel::ALL
            .into_iter()
            .filter(|by| is_wanted && is_used(by))
            .collect()
    }
}

/// Where the address of a webhook is found.
///
/// It is read as it is written and judged with the whole policy, because the usual error would repeat what may be a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("examples" = ["env:FOIL_WEBHOOK"]))]
pub struct Webhook(String);

impl Webhook {
    /// The variable of the runner's environment that holds it, where it is in one.
    pub fn variable(&self) -> Option<&str> {
        self.0.strip_prefix("env:")
    }

    /// The address, where the policy writes it out. In a policy that was read it is one of this machine.
    pub fn address(&self) -> Option<&str> {
        self.variable().is_none().then_some(&*self.0)
    }

    /// What is wrong with it, never with its text.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match self.variable() {
            // The agent is never handed such variables.
            Some(name) if is_environment_name(name) && name.starts_with("FOIL_") => None,
            Some(name) if is_environment_name(name) => {
                Some("the name of its variable must begin with `FOIL_`, because the worker is handed others")
            }
            Some(_) => Some("what follows `env:` cannot name an environment variable"),
            None => match webhook_host(&self.0) {
                Ok(WebhookHost::OfThisMachine) => None,
                Ok(WebhookHost::Elsewhere) => Some("an address is a secret: who reads the policy could use it"),
                Err(reason) => Some(reason),
            },
        }
    }
}

/// An address that is written out may be a secret also where it should not be.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.variable() {
            Some(_) => write!(f, "{:?}", self.0),
            None => f.write_str("\"[address]\""),
        }
    }
}

/// Where the host of a webhook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookHost {
    /// The machine that foil runs on.
    OfThisMachine,
    /// Anywhere else.
    Elsewhere,
}

/// Where a webhook goes. Refuses, in words without the address, what is no plain `https` address, or goes elsewhere without encryption.
///
/// ```
/// use counterfoil_policy::config::{WebhookHost, webhook_host};
/// assert_eq!(webhook_host("https://hooks.example.com/x"), Ok(WebhookHost::Elsewhere));
/// assert_eq!(webhook_host("http://127.0.0.1:8080/x"), Ok(WebhookHost::OfThisMachine));
/// assert!(webhook_host("http://hooks.example.com/x").is_err());
/// assert!(webhook_host("http://127.0.0.1@hooks.example.com/x").is_err());
/// ```
pub fn webhook_host(address: &str) -> Result<WebhookHost, &'static str> {
    let (is_encrypted, rest) = match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("an address begins with `https://`"),
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['"', '\\', '{', '}']) {
        return Err("an address has no blanks, quotes, braces, backslashes or letters beyond ASCII");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("an address names no user");
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host {
        "" => Err("an address names a host"),
        "127.0.0.1" | "localhost" | "::1" => Ok(WebhookHost::OfThisMachine),
        _ if is_encrypted => Ok(WebhookHost::Elsewhere),
        _ => Err("an address of another machine begins with `https://`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_only_looks_like_one_of_this_machine_goes_elsewhere_or_nowhere() {
        for address in [
            "https://127.0.0.1.example.com/",
            "https://localhost.example.com",
            "https://a/127.0.0.1",
        ] {
            assert_eq!(webhook_host(address), Ok(WebhookHost::Elsewhere), "{address}");
        }
        for address in [
            "",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "https://",
            "http:///x",
            "http://127.0.0.1.example.com/",
            "https://localhost@example.com/",
            "https://a b/",
            "https://a/\n",
            "https://a/\"b",
            "https://a/{1,2}",
            "HTTPS://a/",
        ] {
            assert!(webhook_host(address).is_err(), "{address}");
        }
        for address in ["http://localhost/", "http://[::1]:80/x?y", "https://127.0.0.1"] {
            assert_eq!(webhook_host(address), Ok(WebhookHost::OfThisMachine), "{address}");
        }
    }

    #[test]
    fn a_written_out_address_is_not_shown() {
        let webhook = Webhook("https://hooks.example.com/T0/secret".to_owned());
        assert_eq!(format!("{webhook:?}"), "\"[address]\"");
        assert!(webhook.problem().is_some_and(|problem| !problem.contains("example")));
    }
}
