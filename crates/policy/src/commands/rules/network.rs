//! Reaching other machines.

use std::net::{Ipv4Addr, Ipv6Addr};

use ledger_core::BlockerCode;

use super::{Found, is_help, short, verbs};
use crate::commands::words::Command;

/// Programs that do nothing but reach other machines. Those that only reach this one are the worker's business: it tests what
/// it writes. What cannot be told from the line, such as a variable, is left to the sandbox.
pub(super) fn reaches_out(command: &Command) -> Found {
    if is_help(command) {
        return None;
    }
    let host = match command.program() {
        "curl" => by_url(command, CURL),
        "wget" | "wget2" => by_url(command, WGET),
        "aria2c" => by_url(command, ARIA2),
        "http" | "https" | "xh" | "xhs" => by_request(command),
        "nc" | "ncat" | "netcat" if listens(command) => None,
        "nc" | "ncat" | "netcat" => by_host(command, NETCAT),
        "telnet" => by_host(command, TELNET),
        "ftp" | "lftp" | "tftp" => by_host(command, FTP),
        "git" => by_git(command),
        _ => None,
    }?;
    let program = command.program();
    let detail = format!(
        "reaches `{}` over the network with `{program}`, and the ticket has no `[grants] network`",
        short(host)
    );
    Some((BlockerCode::GrantMissing, detail))
}

/// The options of a program that take a value.
#[derive(Clone, Copy)]
struct Options {
    /// One letter each.
    short: &'static str,
    /// In words.
    long: &'static [&'static str],
    /// Those by which a request for one host goes to another.
    detours: &'static [&'static str],
}

const CURL: Options = Options {
    short: "AbcCdDeEFHKmoPQrtTuUwxXyYz",
    long: &[
        "--cacert",
        "--cert",
        "--config",
        "--connect-timeout",
        "--connect-to",
        "--cookie",
        "--cookie-jar",
        "--data",
        "--data-ascii",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--dump-header",
        "--expand-data",
        "--form",
        "--form-string",
        "--header",
        "--interface",
        "--json",
        "--key",
        "--limit-rate",
        "--max-filesize",
        "--max-redirs",
        "--max-time",
        "--noproxy",
        "--output",
        "--output-dir",
        "--proxy",
        "--range",
        "--referer",
        "--request",
        "--request-target",
        "--resolve",
        "--retry",
        "--retry-delay",
        "--retry-max-time",
        "--unix-socket",
        "--upload-file",
        "--url-query",
        "--user",
        "--user-agent",
        "--variable",
        "--write-out",
    ],
    detours: &["-x", "--proxy"],
};

const WGET: Options = Options {
    short: "aABDeiIloOPQRtTUwX",
    long: &[
        "--body-data",
        "--body-file",
        "--directory-prefix",
        "--header",
        "--input-file",
        "--method",
        "--output-document",
        "--output-file",
        "--password",
        "--post-data",
        "--post-file",
        "--timeout",
        "--tries",
        "--user",
        "--user-agent",
        "--wait",
        "--waitretry",
    ],
    detours: &[],
};

const ARIA2: Options = Options {
    short: "dijkmosx",
    long: &["--dir", "--input-file", "--out", "--split"],
    detours: &["--all-proxy", "--http-proxy", "--https-proxy"],
};

const NETCAT: Options = Options {
    short: "eiIoOpqsTwxX",
    long: &["--idle-timeout", "--source", "--source-port", "--wait"],
    detours: &["-x", "--proxy"],
};

const TELNET: Options = Options {
    short: "belnS",
    long: &[],
    detours: &[],
};

const FTP: Options = Options {
    short: "cefpu",
    long: &[],
    detours: &[],
};

/// The first host elsewhere that one of the program's URLs names.
fn by_url(command: &Command, options: Options) -> Option<&str> {
    targets(command, options).into_iter().find_map(elsewhere)
}

/// `nc -z host port`.
fn by_host(command: &Command, options: Options) -> Option<&str> {
    elsewhere(targets(command, options).first()?)
}

/// Where the program is to go to, in the order of its words.
fn targets(command: &Command, options: Options) -> Vec<&str> {
    let mut arguments = command.arguments().iter().map(String::as_str);
    let mut targets = Vec::new();
    while let Some(word) = arguments.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value)),
            _ => (word, None),
        };
        if options.detours.contains(&name) || name == "--url" {
            targets.extend(value.or_else(|| arguments.next()));
        } else if takes_value(name, options) && value.is_none() {
            arguments.next();
        } else if !word.starts_with('-') {
            targets.push(word);
        }
    }
    targets
}

/// Whether the word behind this option is its value. In a cluster of letters the first that takes one takes what follows it there.
fn takes_value(option: &str, options: Options) -> bool {
    match option.strip_prefix('-') {
        None => false,
        Some(name) if name.starts_with('-') => options.long.contains(&option),
        Some(letters) => {
            let at = letters.find(|letter| options.short.contains(letter));
            at.is_some_and(|at| at + 1 == letters.len())
        }
    }
}

/// `http POST :8080/x a=b`: after the method comes the URL, which is of this machine where it begins with the port.
fn by_request(command: &Command) -> Option<&str> {
    let is_method = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    let target = command.plain_arguments().find(|word| !is_method(word))?;
    elsewhere(target)
}

/// One that listens reaches nobody.
fn listens(command: &Command) -> bool {
    let is_asked_to = |word: &String| {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        word == "--listen" || letters.is_some_and(|letters| letters.contains('l'))
    };
    command.arguments().iter().any(is_asked_to)
}

/// Only what names another repository by a URL: a place has no remotes.
fn by_git(command: &Command) -> Option<&str> {
    let words = verbs(command, &["-C", "-c", "-b", "--branch", "--depth", "-o", "--origin"], 4);
    let ["clone" | "fetch" | "pull" | "ls-remote" | "submodule", rest @ ..] = words.as_slice() else {
        return None;
    };
    rest.iter().copied().find_map(|word| match word.split_once("://") {
        Some(_) => elsewhere(word),
        None => {
            let (user, path) = word.split_once('@')?;
            let (host, _) = path.split_once(':')?;
            (!user.contains('/')).then(|| elsewhere(host))?
        }
    })
}

/// The host of a URL, with or without a scheme, where it is plain to see and another machine.
fn elsewhere(url: &str) -> Option<&str> {
    let rest = match url.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest,
        None => url,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let with_port = authority.rsplit('@').next().unwrap_or_default();
    let host = match with_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => with_port.split(':').next().unwrap_or_default(),
    };
    let is_plain = host.contains(|c: char| c.is_ascii_alphanumeric()) && !host.contains(['$', '{', '*', '(']);
    (is_plain && !is_here(host)).then_some(host)
}

fn is_here(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    if let Ok(address) = name.parse::<Ipv6Addr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    name == "localhost" || name.ends_with(".localhost")
}
