//! What `timeout` of the coreutils is started with.

/// How `timeout` starts a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Timeout<'a> {
    /// After how many seconds the command is over at the latest; none: it has no limit, or one that is not understood.
    pub(super) seconds: Option<u64>,
    /// The command.
    pub(super) behind: &'a [String],
}

impl<'a> Timeout<'a> {
    /// By the words behind `timeout`.
    pub(super) fn of(arguments: &'a [String]) -> Self {
        let mut rest = arguments;
        let mut next = || {
            let (first, others) = rest.split_first()?;
            rest = others;
            Some(first.as_str())
        };
        let mut kill_after = Some(0);
        let mut operand = next();
        while let Some(word) = operand.filter(|word| word.starts_with('-') && word.len() > 1) {
            operand = next();
            if word == "--" {
                break;
            }
            if let Some((option, value)) = option_with_value(word) {
                let value = value.or_else(|| std::mem::replace(&mut operand, next()));
                if option == 'k' {
                    kill_after = value.and_then(seconds);
                }
            }
        }
        let limit = operand.and_then(seconds).filter(|limit| *limit > 0);
        Self {
            seconds: limit
                .zip(kill_after)
                .map(|(limit, kill_after)| limit.saturating_add(kill_after)),
            behind: rest,
        }
    }
}

/// The option of a word that takes a value, by its letter, and the value where it stands in the same word.
fn option_with_value(word: &str) -> Option<(char, Option<&str>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        // The beginning of a name is enough.
        let is_name = |whole: &&str| !name.is_empty() && whole.starts_with(name);
        let whole = ["kill-after", "signal"].iter().find(|whole| is_name(whole))?;
        return Some((whole.chars().next()?, value));
    }
    let at = word.find(['k', 's'])?;
    let (_, from) = word.split_at(at);
    let mut letters = from.chars();
    let option = letters.next()?;
    Some((option, Some(letters.as_str()).filter(|value| !value.is_empty())))
}

/// `90`, `90s`, `5m`, `2h` or `1d`.
fn seconds(word: &str) -> Option<u64> {
    let (number, unit) = match word.find(|character: char| !character.is_ascii_digit()) {
        Some(at) => word.split_at(at),
        None => (word, "s"),
    };
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_options_are_neither_the_limit_nor_the_command() {
        for (line, expected) in [
            ("60 a", Some(60)),
            ("-k 1 600 a", Some(601)),
            ("-k1m 600 a", Some(660)),
            ("-vk 5 30m a", Some(1_805)),
            ("--kill-after 5 30m a", Some(1_805)),
            ("--kill-after=5 30m a", Some(1_805)),
            ("--kill 5 30m a", Some(1_805)),
            ("-s 9 300 a", Some(300)),
            ("-s9 300 a", Some(300)),
            ("--signal KILL 300 a", Some(300)),
            ("--sig=9 -k 10 300 a", Some(310)),
            ("--preserve-status -f -- 60 a", Some(60)),
            ("-k 0 60 a", Some(60)),
            ("0 a", None),
            ("-k 5 0 a", None),
            ("-k x 60 a", None),
            ("x a", None),
        ] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let timeout = Timeout::of(&words);
            assert_eq!(
                (timeout.seconds, timeout.behind),
                (expected, &["a".to_owned()][..]),
                "{line}"
            );
        }
        for short in [&[][..], &["-k".to_owned()], &["60".to_owned()]] {
            assert_eq!(Timeout::of(short).behind, &[] as &[String], "{short:?}");
        }
    }
}
