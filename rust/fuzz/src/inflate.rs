//! Deflate against zlib-rs: the same bytes come out, streams end and break alike, in
//! whatever pieces they come and go.

use flate2::{Decompress, FlushDecompress, Status};
use textbook_core::fuzzing::{Ended, inflate};

/// No more than this comes out.
const MOST: usize = 1 << 20;

/// What zlib-rs makes of the stream.
fn expected(stream: &[u8]) -> (Vec<u8>, Ended) {
    let mut decoder = Decompress::new(false);
    let mut found = vec![0; MOST + (64 << 10)];
    let mut length = 0;
    loop {
        let (read, room) = (decoder.total_in() as usize, &mut found[length..]);
        let before = (read, length);
        let status = decoder.decompress(&stream[read..], room, FlushDecompress::None);
        length = decoder.total_out() as usize;
        let ended = match status {
            Err(_) => Ended::Broken,
            Ok(Status::StreamEnd) => Ended::Whole(decoder.total_in() as usize),
            _ if length >= MOST => Ended::Full,
            _ if (decoder.total_in() as usize, length) == before => Ended::Cut,
            _ => continue,
        };
        found.truncate(length);
        return (found, ended);
    }
}

/// Whether zlib-rs refuses the stream whatever follows.
fn is_beyond_help(stream: &[u8]) -> bool {
    [0x00, 0xff, 0x55].iter().all(|&more| {
        let longer = [stream, &[more; 4096]].concat();
        expected(&longer).1 == Ended::Broken
    })
}

/// The first two bytes say in which pieces the rest comes and goes.
pub fn check(data: &[u8]) {
    let Some((&[input, output], stream)) = data.split_first_chunk::<2>() else { return };
    let (expected, end) = expected(stream);
    let pieces = [(usize::MAX, 300 << 10), (1 + usize::from(input), 1 + usize::from(output) * 97)];
    for (input, output) in pieces {
        let (found, ended) = inflate(stream, input.min(stream.len() + 1), output, MOST);
        let both = found.len().min(expected.len());
        assert_eq!(found[..both], expected[..both], "{input} {output}");
        match (ended, end) {
            // How much came out before is another matter.
            (Ended::Full, Ended::Full) => {}
            (Ended::Full, _) | (_, Ended::Full) => assert!(both + (512 << 10) >= MOST),
            // A code without symbols is told at once here, and when it is used there.
            (Ended::Broken, Ended::Cut) => assert!(is_beyond_help(stream), "{stream:02x?}"),
            (ended, end) => assert_eq!(ended, end, "{input} {output}: {}", stream.escape_ascii()),
        }
        if matches!(ended, Ended::Whole(_)) {
            assert_eq!(found.len(), expected.len());
        }
    }
}
