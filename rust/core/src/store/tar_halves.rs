//! A walk in two threads: one from the beginning, one from the middle. The second one's
//! members count only if the first one arrives exactly where the second one began: between
//! two members the place is all of a walk's state, so from there both would see the same.
//! A header that only looks like one (a tar inside a tar) is never arrived at.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::atomic::{AtomicBool, Ordering};

use super::tar_header::{BLOCK, is_ustar};
use super::tar_index::Builder;
use super::tar_scan::{End, Scan, Window};
use super::tar_walk::Member;
use crate::error::Result;
use crate::index::Progress;
use crate::source::Source;

/// Below this a second thread is not worth its start.
const WORTH_TWO: u64 = 64 << 20;
/// So far behind the middle a header is looked for. Members are smaller.
const REACH: u64 = 64 << 20;

/// Shows all members of an archive to a builder.
pub(super) fn walk(source: &Source, progress: &Progress) -> Result<(Builder, End)> {
    progress.begin(source.size());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if source.size() < WORTH_TWO || threads < 2 {
        return alone(source, progress);
    }
    in_halves(source, progress)
}

fn alone(source: &Source, progress: &Progress) -> Result<(Builder, End)> {
    let mut builder = Builder::new(source.size());
    let end = Scan::default().run(source, progress, None, |member: &Member<'_>| {
        builder.take(member);
        Ok(())
    })?;
    Ok((builder, end.unwrap_or(End::Unmarked)))
}

fn in_halves(source: &Source, progress: &Progress) -> Result<(Builder, End)> {
    let middle = source.size().midpoint(0).next_multiple_of(BLOCK as u64);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| second_half(source, progress, middle, &is_over));
        let mut first = Scan::default();
        let mut builder = Builder::new(source.size());
        let mut run = |until| {
            first.run(source, progress, until, |member: &Member<'_>| {
                builder.take(member);
                Ok(())
            })
        };
        let ended = run(Some(middle));
        if !matches!(ended, Ok(None)) {
            is_over.store(true, Ordering::Relaxed);
        }
        if let Some(end) = ended? {
            return Ok((builder, end));
        }
        // What went wrong over there, goes wrong here as well when the walk gets there.
        let half = second.join().ok().and_then(Result::ok).flatten();
        let begin = half.as_ref().map_or(middle, |half| half.begin);
        if let Some(end) = run(Some(begin))? {
            return Ok((builder, end));
        }
        match half {
            Some(half) if first.at() == half.begin => {
                builder.append(half.builder);
                Ok((builder, half.end))
            }
            _ => {
                let end = first.run(source, progress, None, |member: &Member<'_>| {
                    builder.take(member);
                    Ok(())
                })?;
                Ok((builder, end.unwrap_or(End::Unmarked)))
            }
        }
    })
}

struct Half {
    /// Where its first member's headers begin.
    begin: u64,
    builder: Builder,
    end: End,
}

/// The members behind the first one that is found after `middle`. That one is passed over:
/// what looks like its beginning may be the last block of its headers.
fn second_half(
    source: &Source,
    progress: &Progress,
    middle: u64,
    is_over: &AtomicBool,
) -> Result<Option<Half>> {
    let mut window = Window::large();
    let mut at = middle;
    let is_wanted = |at: u64| at.saturating_sub(middle) < REACH && !is_over.load(Ordering::Relaxed);
    while !window.block(source, at)?.is_some_and(is_ustar) {
        at = at.saturating_add(BLOCK as u64);
        if at >= source.size() || !is_wanted(at) {
            return Ok(None);
        }
    }
    let mut scan = Scan::resume(at);
    if scan.run(source, progress, Some(at.saturating_add(1)), |_| Ok(()))?.is_some() {
        return Ok(None);
    }
    let begin = scan.at();
    let mut builder = Builder::new(source.size());
    let mut until = begin;
    // In pieces, so that it ends soon after it is of no more use.
    let end = loop {
        // From where it stands: a hostile size leads far beyond the file.
        until = until.max(scan.at()).saturating_add(REACH);
        let end = scan.run(source, progress, Some(until), |member: &Member<'_>| {
            builder.take(member);
            Ok(())
        })?;
        if let Some(end) = end {
            break end;
        }
        if is_over.load(Ordering::Relaxed) {
            return Ok(None);
        }
    };
    Ok(Some(Half { begin, builder, end }))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "archives made here")]
mod tests {
    use super::super::tar_write::{END, file_header, pad};
    use super::*;
    use crate::source::Access;
    use crate::test_folder::TestFolder;

    fn archive(sizes: &[usize], prefix: &str, fill: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, &size) in sizes.iter().enumerate() {
            let name = format!("{prefix}/{number}.jpg");
            bytes.extend_from_slice(&file_header(name.as_bytes(), size as u64, 0));
            bytes.extend(fill.iter().cycle().take(size));
            pad(&mut bytes);
        }
        bytes.extend_from_slice(&END);
        bytes
    }

    fn agree(folder: &TestFolder, bytes: &[u8]) {
        let path = folder.write("x.tar", bytes);
        let source = Source::open(&path, Access::Read).expect("opened");
        let progress = Progress::default();
        let (one, end) = alone(&source, &progress).expect("walked");
        let (two, end_of_two) = in_halves(&source, &progress).expect("walked");
        assert_eq!(end_of_two, end);
        assert_eq!(two, one);
    }

    #[test]
    fn two_threads_see_what_one_sees() {
        let folder = TestFolder::new("tar_halves");
        let long = "n".repeat(300);
        let inner = archive(&[700, 5, 0, 3000], "inner", b"x");
        for sizes in [
            &[][..],
            &[0],
            &[10, 10],
            &[100_000, 10],
            &[10, 100_000],
            &[1000, 2000, 0, 513, 512, 511, 70_000, 3, 1, 0, 0, 9000],
            &[20_000; 30],
        ] {
            for prefix in ["v", &long] {
                // The second filling is full of headers: a tar inside a tar.
                for fill in [&b"JPEG data"[..], &inner] {
                    let bytes = archive(sizes, prefix, fill);
                    agree(&folder, &bytes);
                    for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 2 / 3] {
                        agree(&folder, &bytes[..cut]);
                    }
                    let mut broken = bytes.clone();
                    let at = (bytes.len() * 3 / 4) & !(BLOCK - 1);
                    broken[at] ^= 1;
                    agree(&folder, &broken);
                    let mut followed = bytes.clone();
                    followed.extend_from_slice(&bytes.repeat(2));
                    agree(&folder, &followed);
                }
            }
        }
    }

    #[test]
    fn a_hostile_size_ends_both() {
        let folder = TestFolder::new("tar_halves_hostile");
        for before in [1, 9] {
            let mut bytes = archive(&vec![20_000; before], "v", b"JPEG data");
            bytes.truncate(bytes.len() - END.len());
            bytes.extend_from_slice(&file_header(b"v/huge.jpg", 1 << 60, 0));
            bytes.resize(bytes.len() + 40_000, 1);
            agree(&folder, &bytes);
        }
    }

    #[test]
    fn the_second_half_is_used() {
        let folder = TestFolder::new("tar_halves_used");
        let path = folder.write("x.tar", &archive(&[20_000; 30], "v", b"JPEG data"));
        let source = Source::open(&path, Access::Read).expect("opened");
        let middle = (source.size() / 2) & !511;
        let half = second_half(&source, &Progress::default(), middle, &AtomicBool::new(false));
        let half = half.expect("walked").expect("found");
        assert!(half.begin > middle && half.begin < middle + 60_000);
        assert_eq!((half.begin % 20_992, half.end), (0, End::Marked));
        let over = second_half(&source, &Progress::default(), middle, &AtomicBool::new(true));
        assert!(over.expect("stopped").is_none());
    }
}
