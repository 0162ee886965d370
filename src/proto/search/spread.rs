//! No origin drowns the others: of the first ten results at most three are of one hub, as long as others have some (FEDERATION B.8).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Results that are shared out.
pub const FIRST: usize = 10;
/// Most of them that one origin has, while others have some.
pub const PER_ORIGIN: usize = 3;

/// Puts ranked results in an order in which [`FIRST`] hold at most [`PER_ORIGIN`] of each origin, as far as there are others. What has to wait
/// keeps its order and comes as soon as it may.
pub fn spread<T, O: Eq + Hash>(ranked: Vec<T>, origin: impl Fn(&T) -> O) -> Vec<T> {
    let mut first = Vec::with_capacity(ranked.len());
    let (mut rest, mut counts) = (VecDeque::new(), HashMap::new());
    for result in ranked {
        let count: &mut usize = counts.entry(origin(&result)).or_default();
        if first.len() < FIRST && *count < PER_ORIGIN {
            *count += 1;
            first.push(result);
        } else {
            rest.push_back(result);
        }
    }
    first.extend(rest);
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attack_one_origin_does_not_drown_the_others() {
        let ranked: Vec<(u8, u8)> = (0..50).map(|number| (1, number)).chain([(2, 0), (3, 0), (3, 1)]).collect();
        let shown = spread(ranked, |(origin, _)| *origin);
        assert_eq!(shown[..6], [(1, 0), (1, 1), (1, 2), (2, 0), (3, 0), (3, 1)]);
        assert_eq!(shown[6..9], [(1, 3), (1, 4), (1, 5)], "nobody else has more");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_origin_keeps_its_order(ranked in proptest::collection::vec(0..5u8, 0..40)) {
            let numbered: Vec<(u8, usize)> = ranked.iter().copied().zip(0..).collect();
            let shown = spread(numbered.clone(), |(origin, _)| *origin);
            let mut sorted = shown.clone();
            sorted.sort_by_key(|(_, number)| *number);
            prop_assert_eq!(sorted, numbered);
            for origin in 0..5 {
                let order: Vec<usize> = shown.iter().filter(|(of, _)| *of == origin).map(|(_, number)| *number).collect();
                prop_assert!(order.is_sorted());
                let early = shown.iter().take(FIRST).filter(|(of, _)| *of == origin).count();
                let others = shown.iter().skip(FIRST).any(|(of, _)| *of != origin && shown.iter().take(FIRST).filter(|(one, _)| one == of).count() < PER_ORIGIN);
                prop_assert!(early <= PER_ORIGIN || !others);
            }
        }
    }
}
