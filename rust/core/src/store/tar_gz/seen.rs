//! Which bytes of the window before a member its symbols have referred to: each is written
//! down, and handed out, once.

use std::ops::Range;

use crate::inflate::WINDOW;

#[derive(Debug)]
pub(super) struct Seen([u64; WINDOW / 64]);

impl Seen {
    pub const NONE: Seen = Seen([0; WINDOW / 64]);

    /// The next places in a row, from `from` on and before `end`, that were not seen yet.
    /// They are then, and `from` is behind them.
    pub fn next_new(&mut self, from: &mut usize, end: usize) -> Option<Range<usize>> {
        while *from < end {
            let (word, bit) = (*from / 64, *from % 64);
            let room = (end - *from).min(64 - bit);
            let seen = self.0.get_mut(word)?;
            let new = (u64::MAX >> (64 - room) << bit) & !*seen;
            if new != 0 {
                let start = new.trailing_zeros() as usize;
                let count = (new >> start).trailing_ones() as usize;
                *seen |= u64::MAX >> (64 - count) << start;
                *from = word * 64 + start + count;
                return Some(*from - count..*from);
            }
            *from += room;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::tests::Random;

    #[test]
    fn each_place_is_new_once() {
        let mut random = Random(3);
        let mut seen = Seen::NONE;
        let mut expected = vec![false; WINDOW];
        for _ in 0..3000 {
            let start = random.below(WINDOW);
            let end = (start + 1 + random.below(300)).min(WINDOW);
            let mut found = Vec::new();
            let mut next = start;
            while let Some(new) = seen.next_new(&mut next, end) {
                assert!(!new.is_empty());
                found.extend(new);
            }
            let new: Vec<usize> = (start..end).filter(|&place| !expected[place]).collect();
            assert_eq!(found, new);
            expected[start..end].fill(true);
        }
        assert!(seen.next_new(&mut WINDOW.clone(), WINDOW + 5).is_none());
    }
}
