//! What a ticket asks for and a run would not keep, such as limits looser than the policy's. A contract that is silently ignored is worse than
//! none.

use ledger_core::TicketFile;

use crate::config::{IndependentReview, Policy};

/// A key of a ticket that a run would not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnkeptKey {
    /// The keys that lead to it in `ticket.toml`, for `ledger_core::locate`.
    pub path: &'static [&'static str],
    /// Why, in lower case and without a final period.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl UnkeptKey {
    fn new(path: &'static [&'static str], why: &str, hint: impl Into<String>) -> Self {
        Self {
            path,
            message: format!("`{}` {why}", path.join(".")),
            hint: hint.into(),
        }
    }
}

/// The limits of a ticket that are looser than the policy's: a run keeps the policy's.
pub fn looser_limits(policy: &Policy, ticket: &TicketFile) -> Vec<UnkeptKey> {
    let (least, asked) = (&policy.limits, &ticket.limits);
    let mut looser = Vec::new();
    let mut compare = |path: &'static [&'static str], is_looser: bool, of_policy: &dyn std::fmt::Display| {
        if is_looser {
            let why = format!("is looser than the policy's {of_policy}, and a ticket may only be tighter");
            looser.push(UnkeptKey::new(
                path,
                &why,
                format!("use at most {of_policy}, or leave it out"),
            ));
        }
    };
    compare(
        &["limits", "max_iterations"],
        asked.max_iterations.is_some_and(|asked| asked > least.max_iterations),
        &least.max_iterations,
    );
    compare(
        &["limits", "max_tokens"],
        asked.max_tokens.is_some_and(|asked| asked > least.max_tokens),
        &least.max_tokens,
    );
    compare(
        &["limits", "max_wall"],
        asked.max_wall.is_some_and(|asked| asked > least.max_wall),
        &least.max_wall,
    );
    compare(
        &["limits", "turn_timeout"],
        asked.turn_timeout.is_some_and(|asked| asked > least.turn_timeout),
        &least.turn_timeout,
    );
    looser
}

/// The experts that a ticket names where nobody is asked, because the policy switches reviews off in its mode.
pub fn unasked_experts(policy: &Policy, ticket: &TicketFile) -> Option<UnkeptKey> {
    let is_off = policy.review.independent == IndependentReview::Off && ticket.mode.discipline().review_may_be_off;
    (is_off && !ticket.experts.is_empty()).then(|| {
        let why = format!(
            "names experts, and the policy switches reviews off in mode `{}`",
            ticket.mode.as_str()
        );
        UnkeptKey::new(
            &["experts"],
            &why,
            "use another mode, such as `standard`, or leave it out",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(more: &str) -> TicketFile {
        TicketFile::parse(format!("title = \"x\"\nmode = \"loop\"\n{more}").as_bytes()).unwrap()
    }

    #[test]
    fn experts_are_named_in_vain_only_where_nobody_reviews() {
        let off = Policy::parse(b"[review]\nindependent = \"off\"\n").unwrap();
        let message =
            |policy: &Policy| unasked_experts(policy, &ticket("experts = [\"test\"]\n")).map(|key| key.message);
        assert_eq!(message(&Policy::default()), None);
        assert_eq!(
            message(&off).unwrap(),
            "`experts` names experts, and the policy switches reviews off in mode `loop`"
        );
    }

    #[test]
    fn a_looser_limit_is_named_and_a_tighter_one_is_not() {
        let policy = Policy::default();
        let loose =
            "[limits]\nmax_iterations = 31\nmax_tokens = 5_000_001\nmax_wall = \"9h\"\nturn_timeout = \"31m\"\n";
        assert_eq!(looser_limits(&policy, &ticket(loose)).len(), 4);
        let tight =
            "[limits]\nmax_iterations = 30\nmax_tokens = 5_000_000\nmax_wall = \"8h\"\nturn_timeout = \"30m\"\n";
        assert_eq!(looser_limits(&policy, &ticket(tight)), []);
    }
}
