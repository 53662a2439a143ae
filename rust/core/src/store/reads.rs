//! Images that are read in an order that is known beforehand: the system is asked for what
//! comes next before it is wanted, and for neighbors in an archive in one call. Each image
//! is still read by itself, by any thread, and its error is its own.
//!
//! ```text
//! archive  ─[ 4 ][ 5 ][ 6 ]───────────[ 0 ][ 1 ][ 2 ][ 3 ]─    (images by their order)
//!           run 1                      run 0
//! ```

use std::ops::Range;
use std::sync::Arc;

use super::span::{GAP, LONGEST_RUN, Span};
use super::{StoreError, Stores};

/// The system is asked for so many runs before they are wanted.
const AHEAD: usize = 8;

/// Images in the order in which they are read.
#[derive(Debug)]
pub struct Reads {
    stores: Arc<Stores>,
    paths: Vec<String>,
    places: Vec<Option<(usize, Span)>>,
    runs: Vec<Run>,
}

/// A stretch of an archive that holds images which lie near each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The first image of the order that lies in it.
    first: usize,
    store: usize,
    pub archive: u16,
    pub range: Range<u64>,
}

impl Reads {
    /// The images of these paths.
    #[must_use]
    pub fn new(stores: &Arc<Stores>, paths: Vec<String>) -> Reads {
        let places: Vec<_> = paths.iter().map(|path| stores.locate(path)).collect();
        // One image alone is read at once.
        let runs = if places.len() > 1 { runs(&places) } else { Vec::new() };
        Reads { stores: Arc::clone(stores), paths, places, runs }
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The path of an image.
    #[must_use]
    pub fn path(&self, number: usize) -> &str {
        &self.paths[number]
    }

    /// Reads an image by its place in the order into `bytes`, whose content is replaced.
    pub fn read(&self, number: usize, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        for run in &self.runs[wanted_ahead(&self.runs, number)] {
            self.stores.will_need(run.store, run);
        }
        let path = &self.paths[number];
        match &self.places[number] {
            Some((store, span)) => self.stores.read_located(path, (*store, span), bytes),
            None => self.stores.read(path, bytes),
        }
    }
}

/// The runs that the system is to be asked for when an image is read: with the first of a
/// run comes the one that is so many runs ahead, and with the very first all until then.
fn wanted_ahead(runs: &[Run], number: usize) -> Range<usize> {
    match runs.binary_search_by_key(&number, |run| run.first) {
        Ok(0) => 0..runs.len().min(AHEAD + 1),
        Ok(at) => (at + AHEAD).min(runs.len())..(at + AHEAD + 1).min(runs.len()),
        Err(_) => 0..0,
    }
}

/// The runs that images lie in, in the order in which they are wanted.
fn runs(places: &[Option<(usize, Span)>]) -> Vec<Run> {
    let known = places.iter().enumerate().filter_map(|(first, place)| {
        let (store, span) = place.as_ref()?;
        Some(Run { first, store: *store, archive: span.archive, range: span.start..span.end })
    });
    let mut sorted: Vec<Run> = known.collect();
    sorted.sort_unstable_by_key(|run| (run.store, run.archive, run.range.start));
    let mut runs: Vec<Run> = Vec::new();
    for next in sorted {
        match runs.last_mut() {
            Some(run) if run.takes(&next) => {
                run.first = run.first.min(next.first);
                run.range.end = run.range.end.max(next.range.end);
            }
            _ => runs.push(next),
        }
    }
    runs.sort_unstable_by_key(|run| run.first);
    runs
}

impl Run {
    /// Whether what comes after it in the archive is near enough to be of the same run.
    fn takes(&self, next: &Run) -> bool {
        let end = self.range.end.max(next.range.end);
        (self.store, self.archive) == (next.store, next.archive)
            && next.range.start <= self.range.end.saturating_add(GAP)
            && end.saturating_sub(self.range.start) <= LONGEST_RUN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::span::InArchive;
    use crate::store::tar_index::{Entry, State};

    #[allow(clippy::unnecessary_wraps, reason = "as places are told of")]
    fn place(store: usize, archive: u16, range: Range<u64>) -> Option<(usize, Span)> {
        let member =
            InArchive::Plain { entry: Entry::new(0, 0, 0, (1, 0), State::Own), name: Vec::new() };
        let Range { start, end } = range;
        Some((store, Span { archive, start, end, size: end - start, member }))
    }

    fn found(places: &[Option<(usize, Span)>]) -> Vec<(usize, Range<u64>)> {
        runs(places).into_iter().map(|run| (run.first, run.range)).collect()
    }

    #[test]
    fn neighbors_are_one_run_and_what_is_far_or_elsewhere_is_another() {
        let far = 300 + GAP + 1;
        let places = [
            place(0, 0, far..far + 10),
            None,
            place(0, 0, 200..300),
            place(0, 0, 0..100),
            place(0, 1, 0..100),
            place(1, 0, 0..100),
            place(0, 0, 90..210),
        ];
        let expected = [(0, far..far + 10), (2, 0..300), (4, 0..100), (5, 0..100)];
        assert_eq!(found(&places), expected);
        assert_eq!(found(&[place(0, 0, 0..100), place(0, 0, 100 + GAP..101 + GAP)]).len(), 1);
        let most = LONGEST_RUN;
        assert_eq!(found(&[place(0, 0, 0..most - 1), place(0, 0, most - 1..most)]), [(0, 0..most)]);
        assert_eq!(found(&[place(0, 0, 0..most), place(0, 0, most..most + 1)]).len(), 2);
        assert_eq!(found(&[place(0, 0, 5..u64::MAX), place(0, 0, 0..1)]).len(), 2);
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn each_run_is_asked_for_once_and_not_too_early() {
        for count in [0, 1, 2, AHEAD, AHEAD + 1, AHEAD + 2, 50] {
            let places: Vec<_> = (0..count as u64)
                .flat_map(|at| {
                    let start = at * 10 * LONGEST_RUN;
                    [place(0, 0, start..start + 9), None, place(0, 0, start + 20..start + 50)]
                })
                .collect();
            let runs = runs(&places);
            assert_eq!(runs.len(), count);
            let mut asked = 0;
            for number in 0..places.len() {
                let ahead = wanted_ahead(&runs, number);
                if !ahead.is_empty() {
                    assert_eq!(ahead.start, asked);
                    asked = ahead.end;
                }
                let begun = number / 3 + 1;
                assert!((begun..=begun + AHEAD).contains(&asked) || asked == count);
            }
            assert_eq!(asked, count);
        }
    }
}
