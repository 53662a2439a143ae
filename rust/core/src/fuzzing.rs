//! What the fuzz targets reach that is no public interface (feature `fuzzing`).

use crate::inflate::{History, Inflater, Output, SLACK, Stop, WINDOW};
pub use crate::store::page_round_trips;

/// How inflating ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With the stream, after so many bytes of it.
    Whole(usize),
    /// The stream is cut.
    Cut,
    /// The stream is broken.
    Broken,
    /// More came out than was asked for.
    Full,
}

struct Start(usize);

impl History for Start {
    fn demand(
        &mut self,
        _: &mut [u8],
        _: usize,
        from: usize,
        _: usize,
    ) -> Result<(), &'static str> {
        if from < self.0 { Err("before the beginning") } else { Ok(()) }
    }
}

/// Inflates a deflate stream: so many bytes of it are there at first, and so many more
/// each time; so many come out at a time; at most `most` in all.
#[must_use]
pub fn inflate(bytes: &[u8], input: usize, output: usize, most: usize) -> (Vec<u8>, Ended) {
    let mut inflater = Inflater::new();
    let mut out = vec![0xa5; WINDOW + output + SLACK];
    let mut found = Vec::new();
    let (mut at, mut bit, mut there) = (WINDOW, 0, input.min(bytes.len()));
    // Nothing of the stream comes before this place of the buffer.
    let mut start = Start(WINDOW);
    loop {
        let before = at;
        let limit = out.len() - SLACK;
        let guard = start.0;
        let mut target = Output { out: &mut out, at, limit, guard, history: &mut start };
        let stop = inflater.run(&bytes[..there], &mut bit, 0, &mut target);
        at = target.at;
        found.extend_from_slice(&out[before..at]);
        match stop {
            Ok(Stop::End) => return (found, Ended::Whole(bit.div_ceil(8))),
            Err(_) => return (found, Ended::Broken),
            Ok(Stop::Input) if there == bytes.len() => return (found, Ended::Cut),
            Ok(Stop::Input) => there = bytes.len().min(there + input),
            Ok(Stop::Limit) if found.len() >= most => return (found, Ended::Full),
            Ok(Stop::Limit) => {
                let by = at - WINDOW;
                out.copy_within(by..at, 0);
                at = WINDOW;
                start.0 = start.0.saturating_sub(by);
            }
        }
    }
}
