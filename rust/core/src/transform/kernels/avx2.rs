//! The kernels for AVX2. Intrinsics only; the definition is in `scalar`.
//!
//! ```text
//! horizontal   lanes are rows: 16 rows are transposed, so that a register holds two
//!              neighboring pixels of one channel in all of them
//!                  x0 y0 | x1 y1 | ... | x15 y15      x, y: the pixels, 0..15: the rows
//!              and a pair of weights is broadcast to all lanes; the results are
//!              transposed back to rows
//! vertical     lanes are columns: bytes of two rows are interleaved to the same picture
//! weights      weight = high * 65536 + low. The bytes' products with `high` are added in
//!              16 bits (only their lowest 16 matter: they are shifted up by 16), those
//!              with `low` in 32 bits. Both wrap as the whole 32-bit sum would.
//! ```

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;
use std::slice::Chunks;

use textbook_simd::Avx2;
use textbook_simd::x86::{load_f32x8, load_u8x16, load_u8x32, store_u8x16, store_u8x32};

use super::scalar::Scalar;
use super::{BAND, BandMemory, BandMut};
use crate::transform::coefficients::{Axis, PRECISION, Pair};
use crate::transform::values::{Arithmetic, Float, LANES};

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Proof that the CPU has AVX2, and the kernels that need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels(Avx2);

impl Kernels {
    pub(crate) fn new(token: Avx2) -> Kernels {
        Kernels(token)
    }
}

/// Calls a function of this level. The token inside of `Kernels` is the proof.
macro_rules! with_avx2 {
    ($call:expr) => {
        // SAFETY: `self` holds an `Avx2` token, which exists only where the CPU has all
        // features that the functions in this file enable.
        unsafe { $call }
    };
}

impl super::Kernels for Kernels {
    fn horizontal(
        self,
        rows: &[&[u8]; BAND],
        axis: &Axis,
        ahead: &[u8],
        memory: &mut BandMemory,
        mut out: BandMut<'_>,
    ) {
        with_avx2!({
            transpose(rows, &mut memory.columns);
            resize_columns(axis, &memory.columns, ahead, &mut memory.output);
            transpose_back(&memory.output, &mut out);
        });
    }

    fn vertical(self, rows: &[u8], stride: usize, axis: &Axis, place: usize, out: &mut [u8]) {
        if out.len() < 32 {
            return Scalar.vertical(rows, stride, axis, place, out);
        }
        with_avx2!(vertical(rows, stride, axis.window(place).1, out));
    }

    fn to_planes(self, row: &[u8], planes: [&mut [u8]; 3]) {
        if row.len() < 48 {
            return Scalar.to_planes(row, planes);
        }
        with_avx2!(to_planes(row, planes));
    }

    fn to_floats(self, bytes: &[u8], arithmetic: &Arithmetic, float: Float, out: &mut [u8]) {
        match float {
            _ if bytes.len() < LANES => Scalar.to_floats(bytes, arithmetic, float, out),
            Float::F32 => with_avx2!(to_f32(bytes, arithmetic, out)),
            Float::F16 => with_avx2!(to_f16(bytes, arithmetic, out)),
        }
    }
}

/// Where steps of this width over a length begin, which is at least one step long. The
/// last step ends at the end, so it may overlap the one before: the same comes out again.
pub(super) fn steps(length: usize, width: usize) -> impl Iterator<Item = usize> {
    let last = length - width;
    (0..last).step_by(width).chain([last])
}

/// Bytes that are fetched into the cache little by little, in so many steps.
pub(super) struct Ahead<'a>(Chunks<'a, u8>);

impl Ahead<'_> {
    #[inline(always)]
    pub fn new(bytes: &[u8], steps: usize) -> Ahead<'_> {
        let lines = bytes.len().div_ceil(LINE).div_ceil(steps).max(1);
        Ahead(bytes.chunks(lines * LINE))
    }

    #[inline(always)]
    pub fn fetch_some(&mut self) {
        for line in self.0.next().unwrap_or_default().chunks(LINE) {
            // SAFETY: a prefetch is a hint: no address faults, nothing is read or written
            // that the program can see. Every x86-64 CPU has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
        }
    }
}

/// The 8 x 8 transpose of 16-bit numbers, in both halves of the registers.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_words(r: [__m256i; 8]) -> [__m256i; 8] {
    let low = |a: usize| _mm256_unpacklo_epi16(r[a], r[a + 1]);
    let high = |a: usize| _mm256_unpackhi_epi16(r[a], r[a + 1]);
    let (a, b) = ([low(0), low(2), low(4), low(6)], [high(0), high(2), high(4), high(6)]);
    let half = |x: [__m256i; 4]| {
        let (first, second) =
            (_mm256_unpacklo_epi32(x[0], x[1]), _mm256_unpackhi_epi32(x[0], x[1]));
        let (third, fourth) =
            (_mm256_unpacklo_epi32(x[2], x[3]), _mm256_unpackhi_epi32(x[2], x[3]));
        [
            _mm256_unpacklo_epi64(first, third),
            _mm256_unpackhi_epi64(first, third),
            _mm256_unpacklo_epi64(second, fourth),
            _mm256_unpackhi_epi64(second, fourth),
        ]
    };
    let ([c0, c1, c2, c3], [c4, c5, c6, c7]) = (half(a), half(b));
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Sixteen rows of pixels to columns: for each pair of pixels three, one a channel.
#[target_feature(enable = "avx2")]
fn transpose(rows: &[&[u8]; BAND], columns: &mut Vec<[u8; 2 * BAND]>) {
    let length = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == length), "rows of one length");
    let pairs = length.div_ceil(6);
    // Blocks are four pixels; the last one may be half beyond the row.
    columns.resize(pairs.next_multiple_of(2) * 3, [0; 2 * BAND]);
    let (blocks, _) = columns.as_chunks_mut::<6>();
    for (number, block) in blocks.iter_mut().enumerate() {
        let at = number * 12;
        if at + 16 <= length {
            // SAFETY: each row is `length` long, so 16 bytes from `at` on are inside of it.
            transpose_block(|row| unsafe { &*rows[row].as_ptr().add(at).cast() }, block);
        } else {
            let padded = padded(rows, at);
            transpose_block(|row| &padded[row], block);
        }
    }
}

/// Four pixels of sixteen rows, or as many as are left from `at` on, and zeros.
pub(super) fn padded(rows: &[&[u8]; BAND], at: usize) -> [[u8; 16]; BAND] {
    rows.map(|row| {
        let mut padded = [0; 16];
        let rest = &row[at..];
        let rest = &rest[..rest.len().min(12)];
        padded[..rest.len()].copy_from_slice(rest);
        padded
    })
}

/// Four pixels of sixteen rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_block<'a>(bytes: impl Fn(usize) -> &'a [u8; 16], block: &mut [[u8; 2 * BAND]; 6]) {
    // Each channel of two neighboring pixels side by side, as one 16-bit number.
    let pairs = _mm256_setr_epi8(
        0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1, 0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11,
        -1, -1, -1, -1,
    );
    let load = |row: usize| {
        let both = _mm256_set_m128i(load_u8x16(bytes(row + 8)), load_u8x16(bytes(row)));
        _mm256_shuffle_epi8(both, pairs)
    };
    let rows = [load(0), load(1), load(2), load(3), load(4), load(5), load(6), load(7)];
    let columns = transpose_words(rows);
    for (out, column) in block.iter_mut().zip(columns) {
        store_u8x32(out, column);
    }
}

/// Sums of products so far, for 16 (`high`) and twice 8 lanes.
#[derive(Clone, Copy)]
struct Sums {
    high: __m256i,
    low: [__m256i; 2],
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new() -> Sums {
        let half = _mm256_set1_epi32(1 << (PRECISION - 1));
        Sums { high: _mm256_setzero_si256(), low: [half; 2] }
    }

    /// Adds two products in each lane. `bytes` has the two factors side by side.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&mut self, bytes: __m256i, high: __m256i, low: __m256i) {
        let zero = _mm256_setzero_si256();
        self.high = _mm256_add_epi16(self.high, _mm256_maddubs_epi16(bytes, high));
        let first = _mm256_madd_epi16(_mm256_unpacklo_epi8(bytes, zero), low);
        let second = _mm256_madd_epi16(_mm256_unpackhi_epi8(bytes, zero), low);
        self.low = [_mm256_add_epi32(self.low[0], first), _mm256_add_epi32(self.low[1], second)];
    }

    /// The sums, rounded and shifted, as 16 numbers of 16 bits that saturate.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn finish(self) -> __m256i {
        let zero = _mm256_setzero_si256();
        let first = _mm256_add_epi32(self.low[0], _mm256_unpacklo_epi16(zero, self.high));
        let second = _mm256_add_epi32(self.low[1], _mm256_unpackhi_epi16(zero, self.high));
        _mm256_packs_epi32(
            _mm256_srai_epi32::<{ PRECISION as i32 }>(first),
            _mm256_srai_epi32::<{ PRECISION as i32 }>(second),
        )
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(pair: Pair) -> (__m256i, __m256i) {
    (_mm256_set1_epi32(pair.high), _mm256_set1_epi32(pair.low))
}

#[target_feature(enable = "avx2")]
fn resize_columns(
    axis: &Axis,
    columns: &[[u8; 2 * BAND]],
    ahead: &[u8],
    output: &mut Vec<[u8; BAND]>,
) {
    output.resize((axis.len() * 3).next_multiple_of(BAND), [0; BAND]);
    let mut ahead = Ahead::new(ahead, axis.len());
    let (pairs_of_columns, _) = columns.as_chunks::<3>();
    let (pixels, _) = output.as_chunks_mut::<3>();
    for ((start, pairs), pixel) in axis.windows().zip(pixels) {
        let mut sums = [Sums::new(), Sums::new(), Sums::new()];
        for (pair, columns) in pairs.iter().zip(&pairs_of_columns[start / 2..]) {
            let (high, low) = broadcast(*pair);
            for (sums, column) in sums.iter_mut().zip(columns) {
                sums.add(load_u8x32(column), high, low);
            }
        }
        ahead.fetch_some();
        let [red, green, blue] = sums.map(|sums| sums.finish());
        // Packing leaves the halves of both apart; put them together.
        let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(red, green));
        let last = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(blue, blue));
        store_u8x16(&mut pixel[0], _mm256_castsi256_si128(both));
        store_u8x16(&mut pixel[1], _mm256_extracti128_si256::<1>(both));
        store_u8x16(&mut pixel[2], _mm256_castsi256_si128(last));
    }
}

/// Columns of sixteen rows back to rows.
#[target_feature(enable = "avx2")]
pub(super) fn transpose_back(columns: &[[u8; BAND]], out: &mut BandMut<'_>) {
    // Bytes of two rows, interleaved, apart again.
    let apart = _mm256_setr_epi8(
        0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5,
        7, 9, 11, 13, 15,
    );
    let (blocks, _) = columns.as_chunks::<16>();
    for (number, block) in blocks.iter().enumerate() {
        let load = |at: usize| _mm256_set_m128i(load_u8x16(&block[at + 8]), load_u8x16(&block[at]));
        let columns = [load(0), load(1), load(2), load(3), load(4), load(5), load(6), load(7)];
        let row_pairs = transpose_words(columns);
        let rows = out.bytes.chunks_exact_mut(2 * out.stride);
        for (two, pair) in rows.zip(row_pairs) {
            let pair = _mm256_shuffle_epi8(pair, apart);
            let pair = _mm256_permute4x64_epi64::<0b11_01_10_00>(pair);
            let (first, second) = two.split_at_mut(out.stride);
            if let Some(to) = first[number * 16..].first_chunk_mut() {
                store_u8x16(to, _mm256_castsi256_si128(pair));
            }
            if let Some(to) = second[number * 16..].first_chunk_mut() {
                store_u8x16(to, _mm256_extracti128_si256::<1>(pair));
            }
        }
    }
}

/// For at least 32 columns.
#[target_feature(enable = "avx2")]
fn vertical(rows: &[u8], stride: usize, pairs: &[Pair], out: &mut [u8]) {
    let count = rows.len() / stride;
    assert!(count + 1 >= 2 * pairs.len() && stride >= out.len(), "two rows for each pair");
    for at in steps(out.len(), 32) {
        let mut sums = [Sums::new(), Sums::new()];
        let mut row = at;
        for (number, pair) in pairs.iter().enumerate() {
            let (high, low) = broadcast(*pair);
            // Of the last pair there may be one row only; the other one's weight is 0.
            let other = if 2 * number + 1 < count { stride } else { 0 };
            // SAFETY: both are rows below `count`, of at least `out.len()` bytes, of which
            // 32 are left from `at` on.
            let load = |at: usize| unsafe { load_u8x32(&*rows.as_ptr().add(at).cast()) };
            let (first, second) = (load(row), load(row + other));
            sums[0].add(_mm256_unpacklo_epi8(first, second), high, low);
            sums[1].add(_mm256_unpackhi_epi8(first, second), high, low);
            row += 2 * stride;
        }
        let [first, second] = sums.map(|sums| sums.finish());
        if let Some(to) = out[at..].first_chunk_mut() {
            store_u8x32(to, _mm256_packus_epi16(first, second));
        }
    }
}

/// For at least 16 pixels.
#[target_feature(enable = "avx2")]
fn to_planes(row: &[u8], planes: [&mut [u8]; 3]) {
    // Which byte of a third of 48 bytes goes where in each plane; -1 is none.
    let masks: [[__m128i; 3]; 3] = [
        [
            _mm_setr_epi8(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13),
        ],
        [
            _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14),
        ],
        [
            _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1),
            _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15),
        ],
    ];
    let [red, green, blue] = planes;
    for at in steps(row.len() / 3, 16) {
        let (thirds, _) = row[at * 3..at * 3 + 48].as_chunks();
        let thirds = [load_u8x16(&thirds[0]), load_u8x16(&thirds[1]), load_u8x16(&thirds[2])];
        for (plane, masks) in [&mut *red, &mut *green, &mut *blue].into_iter().zip(masks) {
            let pick = |at: usize| _mm_shuffle_epi8(thirds[at], masks[at]);
            if let Some(to) = plane[at..].first_chunk_mut() {
                store_u8x16(to, _mm_or_si128(pick(0), _mm_or_si128(pick(1), pick(2))));
            }
        }
    }
}

/// Eight bytes as floats, through the constants of eight lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn apply(bytes: [u8; 8], arithmetic: &Arithmetic, register: usize) -> __m256 {
    let load = |lanes: &[f32; LANES]| load_f32x8(&lanes.as_chunks().0[register]);
    let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
    let x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    let low = _mm256_mul_ps(x, load(&arithmetic.factor_low));
    let scaled = _mm256_fmadd_ps(x, load(&arithmetic.factor_high), low);
    let centered = _mm256_sub_ps(scaled, load(&arithmetic.mean));
    let low = _mm256_mul_ps(centered, load(&arithmetic.inverse_low));
    _mm256_fmadd_ps(centered, load(&arithmetic.inverse_high), low)
}

/// For at least 24 numbers.
#[target_feature(enable = "avx2,fma")]
fn to_f32(bytes: &[u8], arithmetic: &Arithmetic, out: &mut [u8]) {
    for at in steps(bytes.len(), LANES) {
        let (block, _) = bytes[at..at + LANES].as_chunks();
        let (out, _) = out[at * 4..(at + LANES) * 4].as_chunks_mut();
        for (register, (bytes, out)) in block.iter().zip(out).enumerate() {
            store_u8x32(out, _mm256_castps_si256(apply(*bytes, arithmetic, register)));
        }
    }
}

/// For at least 24 numbers.
#[target_feature(enable = "avx2,fma,f16c")]
fn to_f16(bytes: &[u8], arithmetic: &Arithmetic, out: &mut [u8]) {
    for at in steps(bytes.len(), LANES) {
        let (block, _) = bytes[at..at + LANES].as_chunks();
        let (out, _) = out[at * 2..(at + LANES) * 2].as_chunks_mut();
        for (register, (bytes, out)) in block.iter().zip(out).enumerate() {
            let value = apply(*bytes, arithmetic, register);
            store_u8x16(out, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value));
        }
    }
}
