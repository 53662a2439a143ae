//! Shuffling by arithmetic: which item stands at which place of an epoch, for any place
//! at once and without a table. Depends on seed, epoch and length alone. Knows no data.
//!
//! # Swap-or-not
//!
//! A round pairs each place `x` with `key - x` (modulo the length) and swaps the two, or
//! does not, as a keyed coin of the pair decides (Hoang, Morris, Rogaway: "An Enciphering
//! Scheme Based on a Card Shuffle", 2012). It works on any length as it is, so that no
//! walk out of a larger domain is needed, and a round is its own inverse.
//!
//! # Blocks
//!
//! For disks and archives, that are read best in runs: whole blocks of neighbors change
//! places, and the items of each block among themselves. The last block may be shorter;
//! where it comes to stand, what follows moves up.

/// Neighbors that stay together in [`Shuffle::Block`].
pub const BLOCK: u64 = 64;

/// Rounds for each binary digit of the length. Six are enough for a proof against an
/// observer of most of the permutation.
const ROUNDS_PER_BIT: u32 = 8;
/// Short lengths need more than their few digits ask for.
const LEAST_ROUNDS: u32 = 48;

/// How the items of an epoch are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shuffle {
    /// As they are.
    None,
    /// Any item anywhere.
    All,
    /// Blocks of neighbors anywhere, and their items among themselves.
    Block,
}

/// 64 bits that all depend on all bits of `value` (the finalizer of SplitMix64, Steele,
/// Lea, Flood 2014).
const fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// A key from parts: another for each order and value of them.
fn derive(parts: &[u64]) -> u64 {
    let step = |key: u64, &part: &u64| mix(key.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ mix(part));
    parts.iter().fold(0x7465_7874_626f_6f6b, step)
}

/// A keyed permutation of `0..length`.
#[derive(Debug, Clone)]
struct SwapOrNot {
    length: u64,
    /// Of each round: the sum of a pair, and the key of its coins.
    rounds: Vec<(u64, u64)>,
}

impl SwapOrNot {
    fn new(length: u64, key: u64) -> SwapOrNot {
        let bits = u64::BITS - length.saturating_sub(1).leading_zeros();
        let count = (ROUNDS_PER_BIT * bits).max(LEAST_ROUNDS);
        let count = if length < 2 { 0 } else { count };
        let round = |number: u32| {
            let number = u64::from(number);
            (bounded(derive(&[key, number, 0]), length), derive(&[key, number, 1]))
        };
        SwapOrNot { length, rounds: (0..count).map(round).collect() }
    }

    fn step(&self, x: u64, &(sum, key): &(u64, u64)) -> u64 {
        // Both are below the length, which is below 2^63.
        let partner = if sum >= x { sum - x } else { sum + self.length - x };
        // The upper bit of the product that ends the mix is its best.
        let coin = mix(key ^ x.max(partner)) >> 63;
        if coin == 1 { partner } else { x }
    }

    /// The item at `place`.
    fn forward(&self, place: u64) -> u64 {
        self.rounds.iter().fold(place, |x, round| self.step(x, round))
    }

    /// The place of `item`.
    fn backward(&self, item: u64) -> u64 {
        self.rounds.iter().rev().fold(item, |x, round| self.step(x, round))
    }
}

/// A number below `length` from 64 random bits; a bias of length / 2^64 is left.
fn bounded(random: u64, length: u64) -> u64 {
    let product = u128::from(random) * u128::from(length);
    u64::try_from(product >> 64).unwrap_or(0)
}

/// The order of one epoch.
#[derive(Debug, Clone)]
pub struct Permutation {
    length: u64,
    key: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Identity,
    All(SwapOrNot),
    Block {
        blocks: SwapOrNot,
        /// Where the block that may be short comes to stand.
        short_at: u64,
        /// How many items it has.
        short: u64,
    },
}

impl Permutation {
    /// The order of `length` items (below 2^63) in `epoch`.
    #[must_use]
    pub fn new(shuffle: Shuffle, seed: u64, epoch: u64, length: u64) -> Permutation {
        let length = length.min(u64::MAX >> 1);
        let key = derive(&[seed, epoch, length]);
        let kind = match shuffle {
            _ if length < 2 => Kind::Identity,
            Shuffle::None => Kind::Identity,
            Shuffle::All => Kind::All(SwapOrNot::new(length, key)),
            Shuffle::Block => {
                let count = length.div_ceil(BLOCK);
                let blocks = SwapOrNot::new(count, derive(&[key, 2]));
                let short_at = blocks.backward(count - 1);
                Kind::Block { blocks, short_at, short: length - (count - 1) * BLOCK }
            }
        };
        Permutation { length, key, kind }
    }

    /// The item at `place`, which has to be below the length.
    #[must_use]
    pub fn at(&self, place: u64) -> u64 {
        self.range(place..place + 1).next().unwrap_or(place)
    }

    /// The items at these places, which have to be below the length.
    pub fn range(&self, places: std::ops::Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let mut last: Option<(u64, SwapOrNot)> = None;
        places.take_while(|&place| place < self.length).map(move |place| match &self.kind {
            Kind::Identity => place,
            Kind::All(permutation) => permutation.forward(place),
            Kind::Block { blocks, short_at, short } => {
                let before = short_at * BLOCK;
                let (at, offset) = if place < before {
                    (place / BLOCK, place % BLOCK)
                } else if place < before + short {
                    (*short_at, place - before)
                } else {
                    let moved = place + (BLOCK - short);
                    (moved / BLOCK, moved % BLOCK)
                };
                if last.as_ref().is_none_or(|(of, _)| *of != at) {
                    let length = if at == *short_at { *short } else { BLOCK };
                    last = Some((at, SwapOrNot::new(length, derive(&[self.key, 3, at]))));
                }
                let inside = last.as_ref().map_or(offset, |(_, inside)| inside.forward(offset));
                blocks.forward(at) * BLOCK + inside
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(shuffle: Shuffle, seed: u64, epoch: u64, length: u64) -> Vec<u64> {
        Permutation::new(shuffle, seed, epoch, length).range(0..length).collect()
    }

    #[test]
    fn every_order_is_a_permutation_and_any_place_alone_agrees() {
        for shuffle in [Shuffle::None, Shuffle::All, Shuffle::Block] {
            let lengths = (0..300).chain([1000, 4095, 4096, 4097, 10_000]);
            for length in lengths {
                let order = order(shuffle, length, 3, length);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..length), "{shuffle:?} of {length}");
                let permutation = Permutation::new(shuffle, length, 3, length);
                for place in (0..length).step_by(7) {
                    assert_eq!(
                        permutation.at(place),
                        order[usize::try_from(place).expect("small")]
                    );
                }
            }
        }
    }

    #[test]
    fn the_inverse_is_the_inverse() {
        for length in [1, 2, 3, 17, 64, 1000, 610_000] {
            let permutation = SwapOrNot::new(length, 5);
            for place in (0..length).step_by(97) {
                assert_eq!(permutation.backward(permutation.forward(place)), place);
            }
        }
    }

    #[test]
    fn seed_epoch_and_length_each_change_the_order() {
        for shuffle in [Shuffle::All, Shuffle::Block] {
            let first = order(shuffle, 0, 0, 5000);
            assert_eq!(first, order(shuffle, 0, 0, 5000));
            for other in [order(shuffle, 1, 0, 5000), order(shuffle, 0, 1, 5000)] {
                let same = first.iter().zip(&other).filter(|(a, b)| a == b).count();
                assert!(same < 60, "{shuffle:?}: {same} of 5000 places agree");
            }
            let longer = order(shuffle, 0, 0, 5001);
            assert!(first.iter().zip(&longer).filter(|(a, b)| a == b).count() < 60);
        }
    }

    #[test]
    fn blocks_stay_together() {
        for length in [64, 65, 127, 128, 1000, 6401] {
            let order = order(Shuffle::Block, 9, 2, length);
            let mut blocks: Vec<u64> = order.iter().map(|item| item / BLOCK).collect();
            blocks.dedup();
            assert_eq!(blocks.len() as u64, length.div_ceil(BLOCK));
        }
    }

    /// Sum over the cells of (count - expected)² / expected.
    fn chi_square(counts: &[u64], expected: f64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "counts are small")]
        let term = |&count: &u64| (count as f64 - expected).powi(2) / expected;
        counts.iter().map(term).sum()
    }

    /// The bound is six standard deviations above a chi-square's mean.
    fn limit(cells: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "cells are few")]
        let freedom = (cells - 1) as f64;
        freedom + 6.0 * (2.0 * freedom).sqrt()
    }

    #[test]
    fn all_orders_of_few_items_are_equally_frequent() {
        for (length, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
            let mut counts = std::collections::BTreeMap::new();
            let trials = orders * 400;
            for seed in 0..trials {
                *counts.entry(order(Shuffle::All, seed, 0, length)).or_insert(0) += 1;
            }
            let counts: Vec<u64> = counts.into_values().collect();
            assert_eq!(counts.len() as u64, orders);
            assert!(chi_square(&counts, 400.0) < limit(counts.len()), "{length}: {counts:?}");
        }
    }

    #[test]
    fn places_and_neighbors_are_uniform() {
        // Where items go over many epochs, and how far apart neighbors come to stand.
        let (length, epochs) = (48, 24_000);
        let mut places = vec![0; 48 * 48];
        let mut steps = vec![0; 48];
        for epoch in 0..epochs {
            let order = order(Shuffle::All, 7, epoch, length);
            for (place, &item) in order.iter().enumerate() {
                places[place * 48 + usize::try_from(item).expect("small")] += 1;
            }
            for pair in order.windows(2) {
                steps[usize::try_from((pair[1] + length - pair[0]) % length).expect("small")] += 1;
            }
        }
        assert!(chi_square(&places, 500.0) < limit(places.len()));
        assert_eq!(steps[0], 0);
        let expected = 24_000.0;
        assert!(chi_square(&steps[1..], expected) < limit(47), "{steps:?}");
    }

    #[test]
    fn a_long_order_has_no_drift() {
        // Each sixteenth of the places holds items of each sixteenth in equal parts.
        let length: u64 = 1 << 16;
        for shuffle in [Shuffle::All, Shuffle::Block] {
            let mut cells = vec![0; 256];
            for (place, item) in order(shuffle, 11, 5, length).into_iter().enumerate() {
                cells[(place >> 12) << 4 | usize::try_from(item >> 12).expect("small")] += 1;
            }
            // Blocks move as wholes: their counts vary by whole blocks.
            let scale = if shuffle == Shuffle::Block { 64.0 } else { 1.0 };
            assert!(chi_square(&cells, 256.0) / scale < limit(256), "{shuffle:?}: {cells:?}");
        }
    }
}
