//! Inflate (RFC 1951) that can stop at any byte of its output and start again there:
//! between the symbols of a block, in a stored block, inside a match. It tells which
//! bytes before such a place are referred to after it, or asks for them.
//!
//! Works on a piece of the input and a buffer of output at a time. Knows no gzip and
//! no files.

#![allow(clippy::cast_possible_truncation, reason = "fields of a few bits, lengths of a buffer")]

mod bits;
#[cfg(target_arch = "x86_64")]
mod bmi2;
pub(crate) mod gzip;
mod header;
mod matches;
mod runs;
pub(crate) mod stream;
mod symbols;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use bits::Bits;
use tables::Tables;

/// How far back a match may reach.
pub(crate) const WINDOW: usize = 32 << 10;
/// Bytes of the output buffer after its limit that may be overwritten.
pub(crate) const SLACK: usize = 32;
/// No byte of the stream makes more bytes than this.
pub(crate) const MAX_EXPANSION: u64 = 1032;
/// The longest match.
pub(crate) const MAX_MATCH: usize = 258;

/// What is wrong with a stream, and the bit where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub reason: &'static str,
    /// Counted from the first bit of the piece of input.
    pub bit: usize,
}

/// Why inflating stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The output has reached its limit.
    Limit,
    /// What comes next does not lie in the piece of input whole.
    Input,
    /// The last block has ended.
    End,
}

/// What knows of the bytes before the guard.
pub(crate) trait History {
    /// A match puts `length` bytes at `at`, from `from` on, which lies before the guard.
    /// It may read or fill in bytes of `out` before the guard, or refuse.
    fn demand(
        &mut self,
        out: &mut [u8],
        at: usize,
        from: usize,
        length: usize,
    ) -> Result<(), &'static str>;
}

/// Nothing is before the guard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoHistory;

impl History for NoHistory {
    fn demand(&mut self, _: &mut [u8], _: usize, _: usize, _: usize) -> Result<(), &'static str> {
        Err("a match reaches back before the beginning")
    }
}

/// Where output goes: `out[at..limit]`. At least [`WINDOW`] bytes are before `at`, and
/// [`SLACK`] bytes after the limit, which are overwritten with anything.
pub(crate) struct Output<'a, H> {
    pub out: &'a mut [u8],
    pub at: usize,
    pub limit: usize,
    /// Matches that reach back before this are the history's business.
    pub guard: usize,
    pub history: &'a mut H,
}

/// A match of which only the beginning has been put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The bit where the match's code begins, in the whole stream.
    pub symbol_bit: u64,
    pub done: u32,
    pub left: u32,
    pub distance: u32,
}

/// What inflating is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// A block's header comes next.
    None,
    /// A stored block, of which so many bytes are left.
    Stored(u32),
    /// A block of codes. Its header is at this bit of the whole stream.
    Coded(u64),
    /// The last block is over.
    End,
}

/// An inflating stream between two calls.
#[derive(Debug, Clone)]
pub(crate) struct Inflater {
    tables: Box<Tables>,
    block: Block,
    is_last: bool,
    pending: Option<Pending>,
}

impl Inflater {
    pub fn new() -> Inflater {
        Inflater { tables: Tables::new(), block: Block::None, is_last: false, pending: None }
    }

    /// Forgets the stream: the header of a first block comes next.
    pub fn restart(&mut self) {
        (self.block, self.is_last, self.pending) = (Block::None, false, None);
    }

    /// Goes on in a stored block of which `left` bytes are left.
    pub fn resume_stored(&mut self, left: u32, is_last: bool) {
        (self.block, self.is_last, self.pending) = (Block::Stored(left), is_last, None);
    }

    /// The last block is over.
    pub fn resume_end(&mut self) {
        (self.block, self.is_last, self.pending) = (Block::End, true, None);
    }

    pub fn block(&self) -> Block {
        self.block
    }

    pub fn is_last(&self) -> bool {
        self.is_last
    }

    pub fn pending(&self) -> Option<Pending> {
        self.pending
    }

    /// Takes up a match that had been put out in part.
    pub fn set_pending(&mut self, pending: Option<Pending>) {
        self.pending = pending;
    }

    /// Reads a block's header, so that its symbols can be read from any of them on.
    /// `bit` is where it is in `bytes`, `base` where the bytes are in the stream.
    pub fn read_header(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        base: u64,
    ) -> Result<Stop, Broken> {
        let mut bits = Bits::at(bytes, *bit);
        match header::read(&mut bits, &mut self.tables) {
            Ok((is_last, block)) => {
                self.is_last = is_last;
                self.block = match block {
                    header::Kind::Stored(length) => Block::Stored(length),
                    header::Kind::Coded => Block::Coded(base + *bit as u64),
                };
                *bit = bits.position();
                Ok(Stop::Limit)
            }
            Err(None) => Ok(Stop::Input),
            Err(Some(reason)) => Err(Broken { reason, bit: *bit }),
        }
    }

    /// Inflates from `*bit` of `bytes` on, whose first bit is number `base` of the
    /// stream, until the output's limit, the end of the piece or that of the stream.
    pub fn run<H: History>(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        base: u64,
        output: &mut Output<'_, H>,
    ) -> Result<Stop, Broken> {
        loop {
            if self.pending.is_some() {
                symbols::finish_match(&mut self.pending, output)
                    .map_err(|reason| Broken { reason, bit: *bit })?;
            }
            if output.at == output.limit {
                return Ok(Stop::Limit);
            }
            let stop = match self.block {
                Block::End => Some(Stop::End),
                Block::None => {
                    Some(self.read_header(bytes, bit, base)?).filter(|stop| *stop == Stop::Input)
                }
                Block::Stored(left) => self.copy_stored(bytes, bit, left as usize, output),
                Block::Coded(_) => self.run_coded(bytes, bit, base, output)?,
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    fn end_block(&mut self) {
        self.block = if self.is_last { Block::End } else { Block::None };
    }

    fn copy_stored<H>(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        left: usize,
        output: &mut Output<'_, H>,
    ) -> Option<Stop> {
        if left == 0 {
            self.end_block();
            return None;
        }
        let rest = bytes.get(*bit / 8..).unwrap_or_default();
        let count = left.min(rest.len()).min(output.limit - output.at);
        if count == 0 {
            return Some(Stop::Input);
        }
        output.out[output.at..output.at + count].copy_from_slice(&rest[..count]);
        output.at += count;
        *bit += count * 8;
        self.block = Block::Stored((left - count) as u32);
        None
    }

    fn run_coded<H: History>(
        &mut self,
        bytes: &[u8],
        bit: &mut usize,
        base: u64,
        output: &mut Output<'_, H>,
    ) -> Result<Option<Stop>, Broken> {
        let mut bits = Bits::at(bytes, *bit);
        let ended = symbols::run(&self.tables, &mut bits, output);
        *bit = bits.position();
        match ended {
            Ok(symbols::Ended::Block) => {
                self.end_block();
                Ok(None)
            }
            Ok(symbols::Ended::Limit) => Ok(Some(Stop::Limit)),
            Ok(symbols::Ended::Input) => Ok(Some(Stop::Input)),
            Ok(symbols::Ended::InMatch { symbol, done, left, distance }) => {
                let symbol_bit = base + symbol as u64;
                self.pending = Some(Pending { symbol_bit, done, left, distance });
                Ok(Some(Stop::Limit))
            }
            Err(reason) => Err(Broken { reason, bit: *bit }),
        }
    }
}
