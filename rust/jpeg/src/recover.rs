//! Takes a scan's coded bytes out of a file that may be cut or broken, and finds its way at
//! restart markers, as libjpeg-turbo does (`jdmarker.c`). Knows bytes, not codes.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::frame::Interval;
use crate::markers::EOI;

/// The coded bytes of one scan, and what is between its restart markers.
#[derive(Default)]
pub(crate) struct Recovered {
    pub bytes: Vec<u8>,
    pub intervals: Vec<Interval>,
}

impl Recovered {
    /// Takes the coded bytes from `start` on, for so many restart intervals. Returns the
    /// place of the FF of the marker where it stopped; at the end of the data there is an
    /// EOI in spirit.
    pub(crate) fn fill(&mut self, data: &[u8], start: usize, intervals: usize) -> usize {
        self.bytes.clear();
        self.intervals.clear();
        let mut at = start;
        let (mut first, mut marker) = (0, self.copy_to_marker(data, &mut at));
        self.intervals.push(Interval { range: first..self.bytes.len(), is_fresh: true });
        let mut expected = 0_u8;
        while self.intervals.len() < intervals {
            first = self.bytes.len();
            let is_fresh = loop {
                match choose(marker, expected) {
                    Choice::GoOn => break true,
                    Choice::Skip => marker = next_marker(data, &mut at),
                    Choice::Wait => break false,
                }
            };
            if is_fresh {
                marker = self.copy_to_marker(data, &mut at);
            }
            self.intervals.push(Interval { range: first..self.bytes.len(), is_fresh });
            if !is_fresh && !matches!(marker, 0xd0..=0xd7) {
                // The scan is over, whatever is missing.
                break;
            }
            expected = expected.wrapping_add(1) & 7;
        }
        at.saturating_sub(2).max(start)
    }

    /// Copies up to the next marker, and returns it; `at` is then behind it.
    fn copy_to_marker(&mut self, data: &[u8], at: &mut usize) -> u8 {
        loop {
            let rest = data.get(*at..).unwrap_or_default();
            let plain = memchr::memchr(0xff, rest).unwrap_or(rest.len());
            self.bytes.extend_from_slice(rest.get(..plain).unwrap_or_default());
            *at = at.saturating_add(plain);
            match marker_here(data, at) {
                0 => self.bytes.push(0xff),
                marker => return marker,
            }
        }
    }
}

/// What is after an FF and the FFs that follow it, 0 for a stuffed FF; at the end an EOI.
fn marker_here(data: &[u8], at: &mut usize) -> u8 {
    while data.get(*at) == Some(&0xff) {
        *at = at.saturating_add(1);
    }
    let Some(&code) = data.get(*at) else {
        *at = data.len().saturating_add(2);
        return EOI;
    };
    *at = at.saturating_add(1);
    code
}

/// Goes on to the next marker.
fn next_marker(data: &[u8], at: &mut usize) -> u8 {
    loop {
        let rest = data.get(*at..).unwrap_or_default();
        let skipped = memchr::memchr(0xff, rest).unwrap_or(rest.len());
        *at = at.saturating_add(skipped);
        match marker_here(data, at) {
            0 => {}
            marker => return marker,
        }
    }
}

/// What is done about a marker where another one is expected.
enum Choice {
    /// It is the expected one, or it is no use: decode what follows it.
    GoOn,
    /// It is of no meaning here or comes too late.
    Skip,
    /// It is one of the next two, or ends the scan: what is before it is missing.
    Wait,
}

fn choose(marker: u8, expected: u8) -> Choice {
    match marker {
        0xd0..=0xd7 => match marker.wrapping_sub(expected) & 7 {
            1 | 2 => Choice::Wait,
            6 | 7 => Choice::Skip,
            _ => Choice::GoOn,
        },
        0..0xc0 => Choice::Skip,
        _ => Choice::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(data: &[u8], intervals: usize) -> (Vec<(&'static str, Vec<u8>)>, usize) {
        let mut recovered = Recovered::default();
        let at = recovered.fill(data, 0, intervals);
        let parts = recovered.intervals.iter().map(|interval| {
            let bytes = recovered.bytes.get(interval.range.clone()).unwrap_or_default();
            (if interval.is_fresh { "fresh" } else { "missing" }, bytes.to_vec())
        });
        (parts.collect(), at)
    }

    #[test]
    fn a_whole_scan_is_what_it_is() {
        let data = [1, 0xff, 0, 2, 0xff, 0xff, 0xd0, 3, 0xff, 0xd1, 4, 0xff, 0xd9];
        let expected = vec![("fresh", vec![1, 0xff, 2]), ("fresh", vec![3]), ("fresh", vec![4])];
        assert_eq!(parts(&data, 3), (expected, 11));
    }

    #[test]
    fn a_lost_marker_is_an_empty_interval_and_a_late_one_is_passed_over() {
        let lost = [1, 0xff, 0xd1, 2, 0xff, 0xd9];
        let expected = vec![("fresh", vec![1]), ("missing", vec![]), ("fresh", vec![2])];
        assert_eq!(parts(&lost, 3), (expected, 4));
        let late = [1, 0xff, 0xd7, 9, 0xff, 0xd0, 2, 0xff, 0xd9];
        assert_eq!(parts(&late, 2), (vec![("fresh", vec![1]), ("fresh", vec![2])], 7));
        let strange = [1, 0xff, 0xd4, 2, 0xff, 0xd9];
        assert_eq!(parts(&strange, 2), (vec![("fresh", vec![1]), ("fresh", vec![2])], 4));
    }

    #[test]
    fn the_end_of_the_data_is_the_end_of_the_scan() {
        for data in [&[1_u8][..], &[1, 0xff], &[1, 0xff, 0xff]] {
            let expected = vec![("fresh", vec![1]), ("missing", vec![])];
            assert_eq!(parts(data, 1000), (expected, data.len()));
        }
        assert_eq!(parts(&[], 1), (vec![("fresh", vec![])], 0));
    }
}
