//! Whether two changes are the same but for layout and place.

use ledger_core::{Digest, TreeId};

use crate::diff::DiffError;
use crate::repository::Repository;

impl Repository {
    /// Whether two changes, each from one tree to another, are the same but for where in its file each hunk stands, space within and at
    /// the end of lines, and empty lines. How far a line is indented counts: in some languages it is all the difference. Changes whose
    /// patches have more than `limit` bytes are the same only where the trees are.
    pub fn is_same_change(
        &self,
        one: (TreeId, TreeId),
        other: (TreeId, TreeId),
        limit: u64,
    ) -> Result<bool, DiffError> {
        if one == other {
            return Ok(true);
        }
        let digest = |(before, after)| -> Result<Option<Digest>, DiffError> {
            let patch = self.patch(before, after, limit)?;
            Ok((!patch.truncated).then(|| normal_digest(&patch.bytes)))
        };
        Ok(match (digest(one)?, digest(other)?) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        })
    }
}

/// The digest of a patch without what does not count.
fn normal_digest(patch: &[u8]) -> Digest {
    let mut normal = Vec::new();
    let mut is_header = true;
    for line in patch.split(|byte| *byte == b'\n') {
        is_header = match line {
            [b'd', b'i', b'f', b'f', b' ', ..] => true,
            [b'@', b'@', ..] => false,
            _ => is_header,
        };
        // Which blobs it is about says again what the lines say, but where they are no text.
        let is_left_out = if is_header {
            line.starts_with(b"index ")
        } else {
            line.starts_with(b"@@") || line.get(1..).is_none_or(|text| text.trim_ascii().is_empty())
        };
        if !is_left_out {
            push_normal(&mut normal, line);
        }
    }
    Digest::of(&normal)
}

/// A line with its sign and its indentation as they are, and every other space as one.
fn push_normal(normal: &mut Vec<u8>, line: &[u8]) {
    let indentation = line
        .iter()
        .skip(1)
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
        + 1;
    let (start, rest) = line.split_at(indentation.min(line.len()));
    normal.extend(start);
    let words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            normal.push(b' ');
        }
        normal.extend(word);
    }
    normal.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(hunk: &str) -> String {
        format!(
            "diff --git a/a.py b/a.py\nindex {:040} {:040} 100644\n--- a/a.py\n+++ b/a.py\n{hunk}",
            hunk.len(),
            1
        )
    }

    #[test]
    fn place_and_space_do_not_count_and_indentation_does() {
        let same =
            |one: &str, other: &str| normal_digest(patch(one).as_bytes()) == normal_digest(patch(other).as_bytes());
        let one = "@@ -1,2 +1,3 @@ def f():\n     a()\n+    return 1\n";
        assert!(same(one, "@@ -8,2 +9,3 @@\n     a()\n+    return  1  \n"));
        assert!(same(one, "@@ -1,2 +1,4 @@\n     a()\n+    return 1\n+\n+  \n"));
        for other in [
            "@@ -1,2 +1,3 @@\n     a()\n+return 1\n",
            "@@ -1,2 +1,3 @@\n     a()\n+    return 11\n",
            "@@ -1,2 +1,3 @@\n     a()\n-    return 1\n",
            "@@ -1,2 +1,3 @@\n     b()\n+    return 1\n",
        ] {
            assert!(!same(one, other), "{other}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_apart_by_its_bytes() {
        let binary = |data: &str| {
            let patch = format!("diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\nliteral 3\n{data}\n\n");
            normal_digest(patch.as_bytes())
        };
        assert_eq!(binary("Kcmb"), binary("Kcmb"));
        assert_ne!(binary("Kcmb"), binary("Kcmc"));
    }
}
