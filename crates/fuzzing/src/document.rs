//! The files that people write in TOML: a round trip, and every error at its place.

use std::fmt::Debug;

use ledger_core::{
    Approval, Cancellation, DocumentError, MAX_DOCUMENT_BYTES, Package, SteeringPack, TicketFile, document_text,
};
use policy::Policy;

use crate::{chosen, is_one_of_eight};

/// `ticket.toml`.
pub fn ticket(data: &[u8]) {
    let read = document(data, TicketFile::parse, |ticket| toml::to_string(ticket).ok());
    let Some(ticket) = read else { return };
    assert!(!ticket.title.contains(['\n', '\r']) && (1..=200).contains(&ticket.title.chars().count()));
    let json = serde_json::to_string(&ticket).expect("a ticket has a JSON form");
    assert_eq!(
        serde_json::from_str::<TicketFile>(&json).expect("which is read again"),
        ticket
    );
}

/// `counterfoil.toml`.
pub fn policy_file(data: &[u8]) {
    document(data, Policy::parse, |policy| toml::to_string(policy).ok());
}

/// `approval.toml` and `canceled.toml`.
pub fn approval(data: &[u8]) {
    let read = document(data, Approval::parse, |approval| approval.to_toml().ok());
    if let Some(approval) = read {
        let mut paths: Vec<_> = approval.file.iter().map(|file| &file.path).collect();
        let covered = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), covered, "a file is covered once");
    }
    document(data, Cancellation::parse, |cancellation| cancellation.to_toml().ok());
}

/// A package of tickets.
pub fn package(data: &[u8]) {
    let read = document(data, Package::parse, |package| package.to_toml().ok());
    let Some(package) = read else { return };
    assert_eq!(
        package.lock_differences(&package.lock),
        [],
        "a lock is no different from itself"
    );
    assert_eq!(package.lock_differences(&[]).len(), package.lock.len());
}

/// A steering pack.
pub fn steering(data: &[u8]) {
    let read = document(data, SteeringPack::parse, |pack| {
        let head = toml::to_string(&pack.head).ok()?;
        // Nobody writes packs but people: a text of several lines that has the mark of the head's end has no form here.
        let is_plain = !head.lines().any(|line| line.trim_end() == "+++");
        is_plain.then(|| format!("+++\n{head}+++\n{}", pack.text))
    });
    let head = SteeringPack::head_document(data);
    let Some(pack) = read else { return };
    let text = document_text(data).expect("a pack is text");
    assert!(text.ends_with(&pack.text), "what is told is what stands at the end");
    assert!(
        head.len() + pack.text.len() <= text.len(),
        "a head ends before the text begins"
    );
    assert_eq!(
        toml::from_str::<ledger_core::SteeringHead>(&head).expect("the head is TOML"),
        pack.head
    );
}

/// Reads bytes as a document, and gives it where it is one. Its written form has to be read as the same, and whatever is refused has to be refused at its place.
fn document<T: PartialEq + Debug>(
    data: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, DocumentError>,
    render: impl Fn(&T) -> Option<String>,
) -> Option<T> {
    let read = parse(data);
    if is_one_of_eight(data) {
        assert_eq!(read, parse(data), "the same bytes are read as the same");
    }
    damage_is_told_at_its_place(data, &parse);
    if let Err(error) = &read {
        has_its_place(data, error);
    }
    let value = read.ok()?;
    let text = document_text(data).expect("a document is text");
    if !data.starts_with("\u{feff}".as_bytes()) {
        let marked = format!("\u{feff}{text}");
        assert_eq!(
            parse(marked.as_bytes()).as_ref(),
            Ok(&value),
            "a byte order mark changes nothing"
        );
    }
    if let Some(written) = render(&value).filter(|written| written.len() <= MAX_DOCUMENT_BYTES) {
        assert_eq!(parse(written.as_bytes()).as_ref(), Ok(&value), "{written}");
    }
    Some(value)
}

/// The bytes of an error lie in the text that it is about, and its line and column say the same as they do.
pub(crate) fn has_its_place(data: &[u8], error: &DocumentError) {
    assert!(
        !error.message.is_empty() && !error.message.contains(char::is_control),
        "{error:?}"
    );
    if data.len() > MAX_DOCUMENT_BYTES {
        assert_eq!((error.line, error.column, &error.span), (1, 1, &(0..0)));
        return;
    }
    // Where it is no text, places are those of what could be read.
    let text = document_text(data).unwrap_or_else(|_| readable(data));
    let span = error.span.clone();
    assert!(
        text.get(span.clone()).is_some(),
        "{error:?} is about bytes that are not there"
    );
    let before = &text[..span.start];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    assert_eq!(error.line, before.matches('\n').count() + 1, "{error:?}");
    assert_eq!(error.column, before[start..].chars().count() + 1, "{error:?}");
}

/// A byte that no text has is told where it stands, wherever that is in a document that is one.
pub(crate) fn damage_is_told_at_its_place<T>(data: &[u8], parse: &impl Fn(&[u8]) -> Result<T, DocumentError>) {
    if document_text(data).is_err() || data.len() >= MAX_DOCUMENT_BYTES {
        return;
    }
    let text = readable(data);
    let wanted = chosen(data, text.len() + 1);
    let at = (0..=wanted).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    for damage in [0xff, 0] {
        let damaged = [&data[..at], &[damage], &data[at..]].concat();
        let error = parse(&damaged).err().expect("what is no text is refused");
        assert_eq!(error.span.start, at, "{error:?}");
        has_its_place(&damaged, &error);
    }
}

/// The part of the bytes before the first that is no UTF-8.
fn readable(data: &[u8]) -> &str {
    data.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// The rules have to be such as can be broken.
    #[test]
    fn an_error_at_another_place_than_it_says_is_noticed() {
        let data = "title = \"é\"\nmode = 1\n".as_bytes();
        let right = TicketFile::parse(data).unwrap_err();
        has_its_place(data, &right);
        let wrong: [fn(&mut DocumentError); 5] = [
            |error| error.line += 1,
            |error| error.column -= 1,
            |error| error.span = 10..11,
            |error| error.span = 0..1000,
            |error| error.message = "two\nlines".to_owned(),
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let mut error = right.clone();
            change(&mut error);
            assert!(catch_unwind(|| has_its_place(data, &error)).is_err(), "{number}");
        }
    }

    #[test]
    fn a_reader_that_loses_something_is_noticed() {
        let forgetful = |ticket: &TicketFile| {
            let mut ticket = ticket.clone();
            ticket.title.push('!');
            toml::to_string(&ticket).ok()
        };
        let data = b"title = \"a\"\nmode = \"loop\"\n";
        assert!(catch_unwind(|| document(data, TicketFile::parse, forgetful)).is_err());
        let blind =
            |data: &[u8]| TicketFile::parse(data).or_else(|_| TicketFile::parse(b"title = \"a\"\nmode = \"loop\"\n"));
        assert!(catch_unwind(|| damage_is_told_at_its_place(data, &blind)).is_err());
    }
}
