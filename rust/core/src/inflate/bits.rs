//! The bits of deflate, least significant first, from bytes that may end anywhere.

/// A place in bytes. Beyond the last byte come zeros; [`Bits::is_beyond`] tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    pub bytes: &'a [u8],
    /// The byte that is loaded next; past the end once zeros have been loaded.
    pub next: usize,
    /// The bits ahead; `count` of them are there, or more.
    pub ahead: u64,
    pub count: u32,
}

impl<'a> Bits<'a> {
    pub fn at(bytes: &'a [u8], bit: usize) -> Bits<'a> {
        let mut bits = Bits { bytes, next: bit / 8, ahead: 0, count: 0 };
        bits.refill();
        bits.consume((bit % 8) as u32);
        bits.refill();
        bits
    }

    /// The bit that comes next, counted from the first byte's.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Whether bits were consumed that are not there.
    pub fn is_beyond(&self) -> bool {
        self.position() > self.bytes.len() * 8
    }

    /// Makes at least 56 bits be there.
    #[inline(always)]
    pub fn refill(&mut self) {
        let word = match self.bytes.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.last_word(),
        };
        self.add(word);
    }

    #[cold]
    fn last_word(&self) -> u64 {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    #[inline(always)]
    fn add(&mut self, word: u64) {
        self.ahead |= word << (self.count & 63);
        self.next += (63 - self.count as usize) >> 3;
        self.count |= 0x38; // 56: as if all bytes that fit had been counted
    }

    #[inline(always)]
    pub fn consume(&mut self, count: u32) {
        self.ahead >>= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// The next `count` bits, at most 32, as a number.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        let value = self.ahead & ((1 << count) - 1);
        self.consume(count);
        value as u32
    }
}
