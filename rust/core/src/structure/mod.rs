//! Where JSON's structure is, 64 bytes at a time: the kernels that the offset
//! index's scan and the record's pass share. Knows no records.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(test)]
mod tests;

use textbook_simd::Level;

/// The masks of a block of 64 bytes: bit k is byte k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    pub quotes: u64,
    pub backslashes: u64,
    /// `[` and `{`.
    pub open: u64,
    /// `]` and `}`.
    pub close: u64,
}

impl Masks {
    /// Those of the first `length` bytes, fewer than 64, as if spaces followed.
    #[inline(always)]
    pub fn first(self, length: usize) -> Masks {
        let keep = (1 << length) - 1;
        Masks {
            quotes: self.quotes & keep,
            backslashes: self.backslashes & keep,
            open: self.open & keep,
            close: self.close & keep,
        }
    }
}

/// What an instruction set has to offer.
pub(crate) trait Kernel: Copy {
    fn masks(self, block: &[u8; 64]) -> Masks;

    /// The bytes that end a run of plain text in a string: quotes, backslashes, and
    /// control characters, which JSON forbids there.
    fn stops(self, block: &[u8; 64]) -> u64;

    /// Bit k of the result is the XOR of the bits 0 to k.
    fn prefix_xor(self, bits: u64) -> u64;

    /// The bits of `bits` at which `mask` has ones, moved together at the low end.
    fn extract(self, bits: u64, mask: u64) -> u64;

    /// Asks the memory for the cache line at `address`, which need not be readable.
    fn prefetch(self, address: *const u8);

    /// Glances at 128 bytes: those of `window` after its first one.
    fn glance(self, window: &[u8; 129]) -> Glance;
}

/// What a glance at 128 bytes shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glance {
    /// No bracket is in them, not even in a string, and no quote comes right after a
    /// backslash, so every quote begins or ends a string.
    pub is_plain: bool,
    /// The number of quotes is odd.
    pub has_odd_quotes: bool,
}

/// A block of a window.
#[inline(always)]
fn half<const START: usize>(window: &[u8; 129]) -> &[u8; 64] {
    const { assert!(START + 64 <= 129) };
    window[START..].first_chunk::<64>().unwrap_or(&[0; 64])
}

/// An algorithm over a kernel. `run` has to be `#[inline(always)]`, so that the
/// kernel's instructions are inlined into it at its level's entry.
pub(crate) trait Algorithm {
    type Output;

    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// Runs an algorithm with the kernel of a level, or of the best one below it that
/// this CPU has.
#[inline]
pub(crate) fn run<A: Algorithm>(level: Level, algorithm: A) -> A::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if level == Level::Avx512
            && let Some(token) = textbook_simd::Avx512::get()
        {
            return avx512::run(token, algorithm);
        }
        if level >= Level::Avx2
            && let Some(token) = textbook_simd::Avx2::get()
        {
            return avx2::run(token, algorithm);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
    algorithm.run(scalar::Scalar)
}

/// The block at `at`, and how many of its bytes are there; the rest are spaces.
#[inline(always)]
pub(crate) fn block_at<'a>(
    bytes: &'a [u8],
    at: usize,
    padded: &'a mut [u8; 64],
) -> (&'a [u8; 64], usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(block) = rest.first_chunk::<64>() {
        return (block, 64);
    }
    *padded = [b' '; 64];
    if let Some(start) = padded.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    (padded, rest.len())
}

/// Which bytes are strings' (from the opening quote to before the closing one), and
/// what is carried from block to block to know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    /// The next byte is inside a string.
    pub inside: bool,
    /// The next byte is escaped.
    pub escaped: bool,
}

impl Strings {
    /// The mask of the strings in the next block, of whose bytes `length` are there.
    #[inline(always)]
    pub fn advance<K: Kernel>(&mut self, kernel: K, masks: &Masks, length: usize) -> u64 {
        let (escapes, next) = escaped_bytes(masks.backslashes, self.escaped);
        let quotes = masks.quotes & !escapes;
        // The byte after the last real one, not after the padding.
        self.escaped = if length < 64 { escapes >> length & 1 == 1 } else { next };
        let strings = kernel.prefix_xor(quotes) ^ 0u64.wrapping_sub(u64::from(self.inside));
        self.inside = strings >> 63 == 1;
        strings
    }
}

/// Which bytes are escaped by a backslash before them, and whether the one after the
/// block is.
///
/// Runs of backslashes that begin at an odd bit are moved by an addition's carry to
/// their end, where the parity of their length shows (as simdjson does it,
/// arXiv:1902.08318 section 3.1).
fn escaped_bytes(backslashes: u64, escaped: bool) -> (u64, bool) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let first = u64::from(escaped);
    let active = backslashes & !first;
    let follows = active << 1 | first;
    let odd_starts = active & !EVEN & !follows;
    let (sequences, overflow) = odd_starts.overflowing_add(active);
    ((EVEN ^ sequences << 1) & follows, overflow)
}
