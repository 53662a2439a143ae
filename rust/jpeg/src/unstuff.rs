//! Takes a scan's coded bytes out of the file: without stuffing, cut at restart markers
//! (T.81 B.1.1.5). Knows bytes, not codes.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;

use crate::JpegError;

/// Zero bytes after the coded ones, so that reading ahead needs no care.
const PADDING: usize = 64;

/// The coded bytes of one scan.
#[derive(Default)]
pub(crate) struct Coded {
    /// All bytes, and then padding.
    pub bytes: Vec<u8>,
    /// Where the bytes of each restart interval are.
    pub intervals: Vec<Range<usize>>,
}

impl Coded {
    /// Takes the coded bytes from `start` on, up to the next marker that is no restart
    /// marker. Returns the place of that marker's FF, or that of the restart markers before
    /// it: those that nothing coded follows belong to no interval, whatever their numbers.
    pub(crate) fn fill(&mut self, data: &[u8], start: usize) -> Result<usize, JpegError> {
        self.bytes.clear();
        self.intervals.clear();
        self.bytes.reserve(data.len().saturating_sub(start).saturating_add(PADDING));
        let (mut at, mut interval) = (start, 0);
        // The first restart marker after the last coded byte, and how many intervals are
        // before it.
        let mut last = None;
        let mut out_of_turn = None;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            let Some(plain) = memchr::memchr(0xff, rest) else { return Err(cut(data)) };
            self.bytes.extend_from_slice(rest.get(..plain).unwrap_or_default());
            if self.bytes.len() > interval {
                last = None;
                if let Some(error) = out_of_turn {
                    return Err(error);
                }
            }
            let ff = at.saturating_add(plain);
            // Several FF in a row are fill bytes before the last of them.
            let mut next = ff.saturating_add(1);
            while data.get(next) == Some(&0xff) {
                next = next.saturating_add(1);
            }
            at = next.saturating_add(1);
            match data.get(next) {
                None => return Err(cut(data)),
                // Fill bytes are for markers (T.81 B.1.1.2). libjpeg-turbo takes them for
                // nothing here, or makes noise of the block, as its buffer happens to be.
                Some(0) if next > ff.saturating_add(1) => {
                    let reason = "fill bytes before a stuffed zero".to_owned();
                    return Err(JpegError::Corrupt { offset: next, reason });
                }
                Some(0) => self.bytes.push(0xff),
                Some(&marker @ 0xd0..=0xd7) => {
                    let expected = 0xd0 | (self.intervals.len() & 7) as u8;
                    if marker != expected && out_of_turn.is_none() {
                        let reason = format!("RST{} comes out of turn", marker & 7);
                        out_of_turn = Some(JpegError::Corrupt { offset: next, reason });
                    }
                    self.intervals.push(interval..self.bytes.len());
                    interval = self.bytes.len();
                    last = last.or(Some((ff, self.intervals.len())));
                }
                Some(_) => {
                    self.intervals.push(interval..self.bytes.len());
                    self.bytes.extend_from_slice(&[0; PADDING]);
                    let (end, intervals) = last.unwrap_or((ff, self.intervals.len()));
                    self.intervals.truncate(intervals);
                    return Ok(end);
                }
            }
        }
    }

    /// The place in the file of a coded byte: for messages, since it walks again.
    pub(crate) fn offset_in_file(data: &[u8], start: usize, place: usize) -> usize {
        let (mut at, mut seen) = (start, 0_usize);
        while seen < place && at < data.len() {
            let step = match (data.get(at), data.get(at.saturating_add(1))) {
                (Some(0xff), Some(0)) => 2,
                (Some(0xff), Some(0xff)) => {
                    at = at.saturating_add(1);
                    continue;
                }
                (Some(0xff), Some(_)) => {
                    at = at.saturating_add(2);
                    continue;
                }
                _ => 1,
            };
            at = at.saturating_add(step);
            seen = seen.saturating_add(1);
        }
        at.min(data.len())
    }
}

fn cut(data: &[u8]) -> JpegError {
    JpegError::Truncated { offset: data.len(), inside: "inside the coded data of a scan" }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a panic is a failed test")]
    use super::*;

    #[test]
    fn restart_markers_after_the_last_coded_byte_end_no_interval() {
        let coded = [1, 0xff, 0xd0, 2];
        for (markers, decoded) in [
            (&[0xff, 0xd1][..], true),
            (&[0xff, 0xd5], true),
            (&[0xff, 0xff, 0xd1, 0xff, 0xd1, 0xff, 0xd2], true),
            (&[0xff, 0xd1, 0xff, 0xd2, 3], false),
            (&[0xff, 0xd5, 0xff, 0], false),
        ] {
            let data = [&coded, markers, &[0xff, 0xd9]].concat();
            let mut found = Coded::default();
            let end = found.fill(&data, 0);
            if decoded {
                assert_eq!((end, &found.intervals[..]), (Ok(4), &[0..1, 1..2][..]), "{data:?}");
            } else {
                assert!(end.is_err() || found.intervals.len() > 2, "{data:?}");
            }
        }
        let mut found = Coded::default();
        assert_eq!(found.fill(&[0xff, 0xd0, 0xff, 0xd1, 0xff, 0xd9], 0), Ok(0));
        assert_eq!(found.intervals.len(), 1);
    }

    #[test]
    fn stuffing_and_fill_bytes_go_and_intervals_are_cut() {
        let data =
            [1, 0xff, 0, 2, 0xff, 0xff, 0xd0, 3, 0xff, 0, 0xff, 0xff, 0xd1, 4, 0xff, 0xff, 0xd9];
        let mut coded = Coded::default();
        assert_eq!(coded.fill(&data, 0), Ok(14));
        assert_eq!(coded.intervals, [0..3, 3..5, 5..6]);
        assert_eq!(coded.bytes[..6], [1, 0xff, 2, 3, 0xff, 4]);
        assert!(coded.bytes[6..].iter().all(|&byte| byte == 0));
        for (place, expected) in [(0, 0), (1, 1), (2, 3), (3, 4), (4, 8), (5, 10)] {
            assert_eq!(Coded::offset_in_file(&data, 0, place), expected);
        }
        for length in 0..15 {
            assert!(matches!(coded.fill(&data[..length], 0), Err(JpegError::Truncated { .. })));
        }
        for (data, place) in [([1, 0xff, 0xd1, 2, 0xff], 2), ([1, 0xff, 0xff, 0, 0xff], 3)] {
            let error = coded.fill(&data, 0);
            assert!(matches!(error, Err(JpegError::Corrupt { offset, .. }) if offset == place));
        }
    }
}
