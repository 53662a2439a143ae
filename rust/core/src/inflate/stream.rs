//! A compressed text: the members of gzip, or one deflate stream alone; and the points
//! at which either can be taken up again, given the 32 KiB before.

use super::gzip::{Event, Gzip};
use super::{Block, Broken, History, Inflater, Output, Pending, Stop};

/// What is around the deflate data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// gzip members, one or more.
    Gzip,
    /// Nothing; how long the text is and its CRC-32 are known from elsewhere (a zip's
    /// directory).
    Bare { crc: u32, length: u64 },
}

/// All of a stream's state beside the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// The bit of the file that comes next.
    pub bit: u64,
    pub block: Block,
    pub is_last: bool,
    pub pending: Option<Pending>,
}

/// A stream between two calls.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    gzip: Gzip,
    framing: Framing,
    /// The end of a bare stream was told of.
    is_over: bool,
}

impl Stream {
    pub fn new(framing: Framing) -> Stream {
        Stream { gzip: Gzip::new(), framing, is_over: false }
    }

    /// Makes it one of another file; it has to be resumed next.
    pub fn reframe(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Inflates from `*bit` of `bytes` on; see [`Gzip::run`]. A bare stream's end is that
    /// of its one member.
    pub fn run<H: History>(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        base: u64,
        output: &mut Output<'_, H>,
    ) -> Result<Event, Broken> {
        let Framing::Bare { crc, length } = self.framing else {
            return self.gzip.run(bytes, bit, base, output);
        };
        if self.is_over {
            return Ok(Event::Input);
        }
        Ok(match self.gzip.inflater.run(bytes, bit, base, output)? {
            Stop::Limit => Event::Limit,
            Stop::Input => Event::Input,
            Stop::End => {
                self.is_over = true;
                *bit = bit.next_multiple_of(8);
                Event::Member { crc, length: length as u32 }
            }
        })
    }

    /// Whether the file may end here.
    pub fn may_end(&self) -> bool {
        match self.framing {
            Framing::Gzip => self.gzip.is_between_members(),
            Framing::Bare { .. } => self.is_over,
        }
    }

    /// Where it stands, in the middle of a member; `bit` comes next.
    pub fn point(&self, bit: u64) -> Point {
        let inflater = &self.gzip.inflater;
        let (block, is_last) = (inflater.block(), inflater.is_last());
        Point { bit, block, is_last, pending: inflater.pending() }
    }

    /// Goes on at a point. `header` begins with the byte that the block's header is in,
    /// where the point is in a block of codes.
    pub fn resume(&mut self, point: &Point, header: &[u8]) -> Result<(), &'static str> {
        self.is_over = false;
        if self.framing == Framing::Gzip && point.bit == 0 {
            // The only point that is not in the middle of a member.
            self.gzip = Gzip::new();
            return Ok(());
        }
        self.gzip.resume_body();
        let inflater: &mut Inflater = &mut self.gzip.inflater;
        match point.block {
            Block::Coded(bit) => {
                let mut at = (bit % 8) as usize;
                match inflater.read_header(header, &mut at, bit / 8 * 8) {
                    Ok(Stop::Limit) => {}
                    Ok(_) => return Err("the stream is cut in a block's header"),
                    Err(broken) => return Err(broken.reason),
                }
                if !matches!(inflater.block(), Block::Coded(_)) {
                    return Err("the index does not fit: there is no block of codes");
                }
            }
            Block::Stored(left) => inflater.resume_stored(left, point.is_last),
            Block::None => inflater.restart(),
            Block::End => inflater.resume_end(),
        }
        inflater.set_pending(point.pending);
        Ok(())
    }
}
