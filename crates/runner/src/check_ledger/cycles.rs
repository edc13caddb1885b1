//! Tickets that depend on themselves.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::TicketId;

use super::Names;

/// The tickets that cannot be put into an order because they depend on themselves, through others or at once. Tickets that
/// merely depend on such a ticket are not among them. `after` has what each waits for besides. Takes time in proportion to the
/// tickets and their dependencies.
pub(super) fn in_a_circle(names: &[Names], after: &BTreeMap<TicketId, Vec<TicketId>>) -> BTreeSet<TicketId> {
    let index = |id: &TicketId| names.binary_search_by(|names| names.id.cmp(id)).ok();
    let needs: Vec<Vec<usize>> = names
        .iter()
        .map(|names| {
            let besides = after.get(&names.id).into_iter().flatten();
            names.depends_on.iter().chain(besides).filter_map(index).collect()
        })
        .collect();
    let mut needed_by = vec![Vec::new(); names.len()];
    for (ticket, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(ticket);
        }
    }
    // What is left after both ends were eaten up lies in a circle or on a way from one to another.
    let mut left = vec![true; names.len()];
    eat(&mut left, &needs, &needed_by);
    eat(&mut left, &needed_by, &needs);
    (0..names.len())
        .filter(|ticket| left[*ticket])
        .map(|ticket| names[ticket].id.clone())
        .collect()
}

/// Takes away every ticket that has no way forward to one that is left.
fn eat(left: &mut [bool], forward: &[Vec<usize>], backward: &[Vec<usize>]) {
    let mut open: Vec<usize> = forward
        .iter()
        .map(|next| next.iter().filter(|ticket| left[**ticket]).count())
        .collect();
    let mut free: Vec<usize> = (0..left.len())
        .filter(|ticket| left[*ticket] && open[*ticket] == 0)
        .collect();
    while let Some(ticket) = free.pop() {
        left[ticket] = false;
        for before in &backward[ticket] {
            if left[*before] {
                open[*before] -= 1;
                if open[*before] == 0 {
                    free.push(*before);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(tickets: &[(&str, &[&str])]) -> Vec<String> {
        ordered_circle(tickets, &[])
    }

    fn ordered_circle(tickets: &[(&str, &[&str])], order: &[&str]) -> Vec<String> {
        let mut names: Vec<_> = tickets
            .iter()
            .map(|(id, needs)| Names {
                id: id.parse().unwrap(),
                mode: None,
                parent: None,
                package: None,
                depends_on: needs.iter().map(|id| id.parse().unwrap()).collect(),
                prior_work: Vec::new(),
            })
            .collect();
        names.sort_by(|a, b| a.id.cmp(&b.id));
        let after = order
            .windows(2)
            .map(|pair| (pair[1].parse().unwrap(), vec![pair[0].parse().unwrap()]))
            .collect();
        in_a_circle(&names, &after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_tickets_in_a_circle_are_named() {
        assert_eq!(
            circle(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]),
            Vec::<String>::new()
        );
        assert_eq!(circle(&[("a", &["a"]), ("b", &["a"])]), ["a"]);
        assert_eq!(
            circle(&[
                ("a", &["b"]),
                ("b", &["c"]),
                ("c", &["b", "d"]),
                ("d", &[]),
                ("e", &["a", "nowhere"])
            ]),
            ["b", "c"]
        );
        assert_eq!(circle(&[("a", &["b", "b"]), ("b", &["a"])]), ["a", "b"]);
    }

    #[test]
    fn the_order_of_a_package_counts_too() {
        let tickets: &[(&str, &[&str])] = &[("a", &["x"]), ("b", &[]), ("c", &["a"]), ("x", &["b"])];
        assert_eq!(ordered_circle(tickets, &["b", "a", "c"]), Vec::<String>::new());
        // `a` waits for `x`, which is in no package and waits for `b`, which comes after `a`.
        assert_eq!(ordered_circle(tickets, &["a", "b", "c"]), ["a", "b", "x"]);
    }
}
