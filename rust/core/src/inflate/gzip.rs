//! gzip around deflate (RFC 1952): headers and trailers of one member or many, zeros
//! after the last. Checks no checksum: it hands out what the trailers say.
#![deny(clippy::indexing_slicing)]

use super::{Broken, History, Inflater, Output, Stop};

/// A member's header begins so.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// A header longer than this is refused: names and comments are short.
pub(crate) const MAX_HEADER: usize = 64 << 10;

/// Why inflating stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The output has reached its limit.
    Limit,
    /// More input is needed. At the stream's end: it is over, or cut.
    Input,
    /// A member has ended; this is what its trailer says. Another may follow.
    Member { crc: u32, length: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A member's header comes next. `is_first`: none has been read yet.
    Header {
        is_first: bool,
    },
    Body,
    Trailer,
}

/// A gzip stream between two calls.
#[derive(Debug, Clone)]
pub(crate) struct Gzip {
    pub inflater: Inflater,
    state: State,
}

impl Gzip {
    /// From the beginning.
    pub fn new() -> Gzip {
        Gzip { inflater: Inflater::new(), state: State::Header { is_first: true } }
    }

    /// In the middle of a member, where the inflater stands.
    pub fn in_body(inflater: Inflater) -> Gzip {
        Gzip { inflater, state: State::Body }
    }

    /// Goes on in the middle of a member, wherever it stood.
    pub fn resume_body(&mut self) {
        self.state = State::Body;
    }

    /// Whether the stream may end here.
    pub fn is_between_members(&self) -> bool {
        self.state == State::Header { is_first: false }
    }

    /// Inflates from `*bit` of `bytes` on; see [`Inflater::run`].
    pub fn run<H: History>(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        base: u64,
        output: &mut Output<'_, H>,
    ) -> Result<Event, Broken> {
        loop {
            match self.state {
                State::Header { is_first } => {
                    let rest = bytes.get(*bit / 8..).unwrap_or_default();
                    let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
                    if !is_first && zeros > 0 {
                        *bit += zeros * 8;
                        continue;
                    }
                    match header_length(rest) {
                        Ok(Some(length)) => *bit += length * 8,
                        Ok(None) => return Ok(Event::Input),
                        Err(_) if !is_first && !rest.starts_with(&MAGIC) => {
                            let reason = "bytes that are no gzip follow the stream's end: \
                                          perhaps another file was put behind it";
                            return Err(Broken { reason, bit: *bit });
                        }
                        Err(reason) => return Err(Broken { reason, bit: *bit }),
                    }
                    self.inflater.restart();
                    self.state = State::Body;
                }
                State::Body => match self.inflater.run(bytes, bit, base, output)? {
                    Stop::Limit => return Ok(Event::Limit),
                    Stop::Input => return Ok(Event::Input),
                    Stop::End => {
                        *bit = bit.next_multiple_of(8);
                        self.state = State::Trailer;
                    }
                },
                State::Trailer => {
                    let rest = bytes.get(*bit / 8..).unwrap_or_default();
                    let Some(trailer) = rest.first_chunk() else { return Ok(Event::Input) };
                    let trailer = u64::from_le_bytes(*trailer);
                    *bit += 64;
                    self.state = State::Header { is_first: false };
                    let (crc, length) = (trailer as u32, (trailer >> 32) as u32);
                    return Ok(Event::Member { crc, length });
                }
            }
        }
    }
}

/// The length of the header that `bytes` begin with; `None` where it is not there whole.
pub(crate) fn header_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    const HAS_CRC: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    let known = bytes.len().min(MAGIC.len());
    if bytes.get(..known) != MAGIC.get(..known) {
        return Err("no gzip header: it begins with 1f 8b 08");
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    if flags & 0xe0 != 0 {
        return Err("a gzip header with flags that do not exist");
    }
    let mut length = 10;
    if flags & HAS_EXTRA != 0 {
        let Some(field) = bytes.get(length..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        length += 2 + usize::from(u16::from_le_bytes(*field));
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            let rest = bytes.get(length..).unwrap_or_default();
            match memchr::memchr(0, rest) {
                Some(end) => length += end + 1,
                None if bytes.len() > MAX_HEADER => {
                    return Err("a gzip header whose name or comment does not end");
                }
                None => return Ok(None),
            }
        }
    }
    if flags & HAS_CRC != 0 {
        length += 2;
    }
    Ok((bytes.len() >= length).then_some(length))
}
