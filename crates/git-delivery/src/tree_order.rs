//! The order of a tree's entries. Git writes no other, and reads what is in another in more than one way: by what it goes through a tree, a name may be
//! found or not.

/// Looks at the entries of one tree, one after another.
#[derive(Debug, Default)]
pub(crate) struct TreeOrder {
    last: Vec<u8>,
    /// Files whose name the entries since then begin with: a folder of the same name may still follow.
    files: Vec<Vec<u8>>,
}

impl TreeOrder {
    /// Why the next entry may not stand where it does, or may not have its name.
    pub(crate) fn refuses(&mut self, name: &[u8], is_folder: bool) -> Option<&'static str> {
        if name.is_empty() || name.contains(&b'/') {
            return Some("a name of it is empty or has a slash");
        }
        // A folder stands where its name would stand with a slash.
        let key = match is_folder {
            true => [name, b"/"].concat(),
            false => name.to_vec(),
        };
        if !self.last.is_empty() && self.last >= key {
            return Some("its names are not in their order, or one is there twice");
        }
        while self.files.last().is_some_and(|file| !name.starts_with(file)) {
            self.files.pop();
        }
        match is_folder {
            true if self.files.last().is_some_and(|file| file == name) => {
                return Some("a file and a folder of it have one name");
            }
            true => {}
            false => self.files.push(name.to_vec()),
        }
        self.last = key;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(entries: &[(&str, bool)]) -> Option<&'static str> {
        let mut order = TreeOrder::default();
        entries
            .iter()
            .find_map(|(name, is_folder)| order.refuses(name.as_bytes(), *is_folder))
    }

    #[test]
    fn what_git_writes_is_in_order() {
        assert_eq!(
            refused(&[("a", false), ("a-b", true), ("a.b", false), ("a0", true), ("b", true)]),
            None
        );
        assert_eq!(refused(&[("a-b", false), ("a", true), ("a0", false)]), None);
        assert_eq!(refused(&[("a", false), ("a-", false), ("ab", true)]), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for entries in [
            &[("a/b", false)][..],
            &[("", false)],
            &[("b", false), ("a", false)],
            &[("a", false), ("a", false)],
            &[("a", true), ("a", true)],
            &[("a", true), ("a-b", false)],
            &[("a", false), ("a", true)],
            &[("a", false), ("a-b", false), ("a-b-c", true), ("a", true)],
        ] {
            assert!(refused(entries).is_some(), "{entries:?}");
        }
    }
}
