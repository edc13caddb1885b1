//! Taking out of a stream what must not leave, with bounded memory and without cutting a secret in two.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde_json::Value;

use crate::redact::Redactor;

/// About how much text is looked at at once.
const PART: usize = 256 * 1024;

/// Of a longer line, only the beginning is kept.
const LONGEST_LINE: usize = 1024 * 1024;

/// What is left out of the end of a line that was cut: it may hold the beginning of a secret.
const CUT: usize = 4096;

/// The longest JSON document that is read.
const LONGEST_DOCUMENT: u64 = 64 * 1024 * 1024;

/// How deep JSON in strings of JSON is looked into.
const DEEPEST: usize = 8;

/// A text, line by line.
pub(super) fn clean_text(redactor: &Redactor, source: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut source = BufReader::with_capacity(PART, source);
    let mut part = Vec::new();
    loop {
        let is_over = read_lines(&mut source, &mut part, out, redactor)?;
        let whole = if is_over { part.len() } else { end_of_whole(&part) };
        let rest = part.split_off(whole);
        out.write_all(redactor.text(&String::from_utf8_lossy(&part)).as_bytes())?;
        part = rest;
        if is_over {
            return Ok(());
        }
    }
}

/// Reads whole lines until there is enough to look at. Whether that is all.
fn read_lines(
    source: &mut impl BufRead,
    part: &mut Vec<u8>,
    out: &mut dyn Write,
    redactor: &Redactor,
) -> io::Result<bool> {
    let wanted = part.len() + PART;
    while part.len() < wanted {
        let begins = part.len();
        let longest = LONGEST_LINE as u64;
        if source.by_ref().take(longest).read_until(b'\n', part)? == 0 {
            return Ok(true);
        }
        if part.ends_with(b"\n") || part.len() - begins < LONGEST_LINE {
            continue;
        }
        let left_out = skip_line(source)?;
        let text = redactor.text(&String::from_utf8_lossy(part));
        let mut end = text.len().saturating_sub(CUT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let more = left_out.saturating_add((text.len() - end) as u64);
        writeln!(out, "{}… ({more} more bytes)", &text[..end])?;
        part.clear();
    }
    Ok(false)
}

/// Passes over the rest of a line. How many bytes that were.
fn skip_line(source: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0_u64;
    loop {
        let buffer = source.fill_buf()?;
        let (used, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        skipped = skipped.saturating_add(used as u64);
        source.consume(used);
        if ends {
            return Ok(skipped);
        }
    }
}

/// Where a part of a text may end: not within a block that is a secret as a whole, such as a key of several lines.
fn end_of_whole(part: &[u8]) -> usize {
    let last = |mark: &[u8]| part.windows(mark.len()).rposition(|window| window == mark);
    let Some(begins) = last(b"-----BEGIN") else {
        return part.len();
    };
    let is_open = last(b"-----END").is_none_or(|ends| ends < begins);
    let line = part[..begins]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    // A block without an end must not keep everything after it in memory.
    if is_open && part.len() - line < LONGEST_LINE {
        line
    } else {
        part.len()
    }
}

/// One JSON document. Where nothing is to be taken out it stays as it is, byte for byte.
pub(super) fn clean_json(redactor: &Redactor, source: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut document = Vec::new();
    source.take(LONGEST_DOCUMENT).read_to_end(&mut document)?;
    out.write_all(&cleaned(redactor, &document, true))
}

/// So many JSON documents, each of which is a line.
pub(super) fn clean_json_lines(
    redactor: &Redactor,
    source: &mut dyn Read,
    out: &mut dyn Write,
    lines: u64,
) -> io::Result<()> {
    let mut source = BufReader::with_capacity(PART, source);
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        if source.by_ref().take(LONGEST_DOCUMENT).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let document = line.strip_suffix(b"\n").unwrap_or(&line);
        out.write_all(&cleaned(redactor, document, false))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The document without what must not leave.
fn cleaned(redactor: &Redactor, document: &[u8], pretty: bool) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(document) else {
        return redactor.text(&String::from_utf8_lossy(document)).into_bytes();
    };
    if !clean_value(redactor, &mut value, 0) {
        return document.to_vec();
    }
    let text = if pretty {
        serde_json::to_vec_pretty(&value)
    } else {
        serde_json::to_vec(&value)
    };
    text.unwrap_or_default()
}

/// Whether anything was taken out.
fn clean_value(redactor: &Redactor, value: &mut Value, depth: usize) -> bool {
    match value {
        Value::String(text) => clean_string(redactor, text, depth),
        Value::Array(items) => {
            let mut changed = false;
            for item in items {
                changed |= clean_value(redactor, item, depth);
            }
            changed
        }
        Value::Object(entries) => {
            let mut changed = false;
            let mut clean = serde_json::Map::new();
            for (mut key, mut value) in std::mem::take(entries) {
                changed |= clean_string(redactor, &mut key, DEEPEST);
                changed |= clean_value(redactor, &mut value, depth);
                clean.insert(key, value);
            }
            *entries = clean;
            changed
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A string, which may be JSON again: what stands there in escapes would not be found as it stands.
fn clean_string(redactor: &Redactor, text: &mut String, depth: usize) -> bool {
    let may_be_json = depth < DEEPEST && text.starts_with(['{', '[']);
    let inner = may_be_json.then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    let mut changed = false;
    if let Some(mut inner) = inner
        && clean_value(redactor, &mut inner, depth + 1)
    {
        *text = inner.to_string();
        changed = true;
    }
    let clean = redactor.text(text);
    if clean != *text {
        *text = clean;
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use policy::Policy;

    use super::*;

    const SECRET: &str = "hunter2-hunter2";

    fn redactor() -> Redactor {
        Redactor::default()
            .secret(SECRET)
            .path("/home/ann", "~")
            .patterns_of(&Policy::default())
    }

    fn text(source: &str) -> String {
        let mut out = Vec::new();
        clean_text(&redactor(), &mut source.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json_lines(source: &str, lines: u64) -> String {
        let mut out = Vec::new();
        clean_json_lines(&redactor(), &mut source.as_bytes(), &mut out, lines).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_cleaned_wherever_its_parts_end() {
        assert_eq!(text(""), "");
        assert_eq!(text("no newline in /home/ann/x"), "no newline in ~/x");
        let line = format!("some words, {SECRET}, /home/ann/src\n");
        let long = line.repeat(3 * PART / line.len());
        assert_eq!(text(&long), long.replace(SECRET, "[secret]").replace("/home/ann", "~"));
    }

    #[test]
    fn a_key_of_several_lines_is_one_secret_wherever_a_part_ends() {
        let body = "MIIEpAIBAAKCAQEA7bq5Zt0vYwXK1n8JmE2cT4\n".repeat(30);
        let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n");
        for before in [0, PART - 1500, PART - 700, PART - 40, PART - 10, PART] {
            let filling = "x\n".repeat(before / 2);
            let cleaned = text(&format!("{filling}{key}after\n"));
            assert!(!cleaned.contains("MIIE"), "{before}");
            assert!(cleaned.ends_with("after\n"), "{before}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_no_part_of_a_secret_is_left_at_the_cut() {
        for before in (LONGEST_LINE - 20..LONGEST_LINE + 2).step_by(7) {
            let filling = "x".repeat(before);
            let cleaned = text(&format!("{filling}{SECRET}{filling}\nnext\n"));
            assert!(cleaned.len() < LONGEST_LINE && !cleaned.contains("hunt"), "{before}");
            assert!(cleaned.contains("more bytes)\nnext\n"));
        }
    }

    #[test]
    fn json_is_cleaned_in_its_strings_and_left_alone_where_there_is_nothing() {
        let harmless = "{\"b\":1.50,\"a\":\"\\u00e4\"}\n";
        assert_eq!(json_lines(harmless, 1), harmless);
        let nested = serde_json::json!({
            "line": serde_json::json!({"said": format!("{}\u{1b}[1m{} in /home/ann/x", &SECRET[..4], &SECRET[4..])}).to_string(),
            SECRET: [SECRET, {"x": "/home/ann"}],
        });
        let cleaned = json_lines(&format!("{nested}\nrubbish {SECRET}\nunder way"), 2);
        assert_eq!(
            cleaned,
            "{\"[secret]\":[\"[secret]\",{\"x\":\"~\"}],\"line\":\"{\\\"said\\\":\\\"[secret] in ~/x\\\"}\"}\nrubbish [secret]\n"
        );
    }

    #[test]
    fn json_in_json_without_end_is_looked_into_as_far_as_it_is_text() {
        let mut value = serde_json::json!({ "x": SECRET }).to_string();
        for _ in 0..12 {
            value = serde_json::json!({ "x": value }).to_string();
        }
        assert!(!json_lines(&value, 1).contains(SECRET));
        let mut out = Vec::new();
        clean_json(&redactor(), &mut value.as_bytes(), &mut out).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains(SECRET));
    }
}
