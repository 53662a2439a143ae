//! What AVX-512 does faster than AVX2: both passes of a resize, with multiply-adds of four
//! bytes (VNNI). Intrinsics only; the definition is in `scalar`.
//!
//! ```text
//! horizontal   lanes are rows, as in `avx2`; a register holds four neighboring pixels of
//!              one channel in all of them
//! vertical     lanes are columns: bytes of four rows are interleaved to the same picture
//! weights      weight = (parts[0] * 256 + parts[1]) * 256 + parts[2], each of 8 bits, with
//!              a sum of 32 bits for each part
//! ```

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::{load_u8x16, store_u8x16};
use textbook_simd::{Avx2, Avx512};

use super::avx2::{self, Ahead, steps};
use super::{BAND, BandMemory, BandMut};
use crate::transform::coefficients::{Axis, PRECISION, Quad};
use crate::transform::values::{Arithmetic, Float};

/// Proof that the CPU has AVX-512, and the kernels that need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels {
    _token: Avx512,
    avx2: avx2::Kernels,
}

impl Kernels {
    pub(crate) fn new(token: Avx512, avx2: Avx2) -> Kernels {
        Kernels { _token: token, avx2: avx2::Kernels::new(avx2) }
    }
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
        // SAFETY: `self` holds the tokens of both levels, which exist only where the CPU has
        // all features that the functions enable.
        unsafe {
            transpose(rows, &mut memory.columns);
            resize_columns(axis, memory.columns.as_flattened(), ahead, &mut memory.output);
            avx2::transpose_back(&memory.output, &mut out);
        }
    }

    fn vertical(self, rows: &[u8], stride: usize, axis: &Axis, place: usize, out: &mut [u8]) {
        if out.len() < 64 {
            return self.avx2.vertical(rows, stride, axis, place, out);
        }
        // SAFETY: `self` holds the token of the level.
        unsafe { vertical(rows, stride, axis.window_of_quads(place).1, out) }
    }

    fn to_planes(self, row: &[u8], planes: [&mut [u8]; 3]) {
        self.avx2.to_planes(row, planes);
    }

    fn to_floats(self, bytes: &[u8], arithmetic: &Arithmetic, float: Float, out: &mut [u8]) {
        self.avx2.to_floats(bytes, arithmetic, float, out);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[u8; 64]) -> __m512i {
    // SAFETY: the reference proves 64 bytes readable; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [u8; 64], bytes: __m512i) {
    // SAFETY: the reference proves 64 bytes writable; no alignment is asked for.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), bytes) }
}

/// Sixteen rows of pixels to columns: for each four pixels three, one a channel.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn transpose(rows: &[&[u8]; BAND], columns: &mut Vec<[u8; 2 * BAND]>) {
    let length = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == length), "rows of one length");
    columns.resize(length.div_ceil(12) * 6, [0; 2 * BAND]);
    let (columns, _) = columns.as_flattened_mut().as_chunks_mut::<64>();
    let (blocks, _) = columns.as_chunks_mut::<3>();
    for (number, block) in blocks.iter_mut().enumerate() {
        let at = number * 12;
        if at + 16 <= length {
            // SAFETY: each row is `length` long, so 16 bytes from `at` on are inside of it.
            transpose_block(|row| unsafe { &*rows[row].as_ptr().add(at).cast() }, block);
        } else {
            let padded = avx2::padded(rows, at);
            transpose_block(|row| &padded[row], block);
        }
    }
}

/// Four pixels of sixteen rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn transpose_block<'a>(bytes: impl Fn(usize) -> &'a [u8; 16], block: &mut [[u8; 64]; 3]) {
    // Each channel of four neighboring pixels side by side, as one 32-bit number.
    let quads =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    // Rows `row`, `row + 4`, `row + 8` and `row + 12`.
    let load = |row: usize| {
        let all = _mm512_castsi128_si512(load_u8x16(bytes(row)));
        let all = _mm512_inserti32x4::<1>(all, load_u8x16(bytes(row + 4)));
        let all = _mm512_inserti32x4::<2>(all, load_u8x16(bytes(row + 8)));
        let all = _mm512_inserti32x4::<3>(all, load_u8x16(bytes(row + 12)));
        _mm512_shuffle_epi8(all, quads)
    };
    let rows = [load(0), load(1), load(2), load(3)];
    let first = _mm512_unpacklo_epi32(rows[0], rows[1]);
    let second = _mm512_unpacklo_epi32(rows[2], rows[3]);
    store(&mut block[0], _mm512_unpacklo_epi64(first, second));
    store(&mut block[1], _mm512_unpackhi_epi64(first, second));
    let first = _mm512_unpackhi_epi32(rows[0], rows[1]);
    let second = _mm512_unpackhi_epi32(rows[2], rows[3]);
    store(&mut block[2], _mm512_unpacklo_epi64(first, second));
}

/// Sums of products so far in 16 lanes, one for each part of the weights.
#[derive(Clone, Copy)]
struct Sums([__m512i; 3]);

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new() -> Sums {
        let zero = _mm512_setzero_si512();
        Sums([zero, zero, _mm512_set1_epi32(1 << (PRECISION - 1))])
    }

    /// Adds four products in each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn add(&mut self, bytes: __m512i, weights: [__m512i; 3]) {
        for (sum, weights) in self.0.iter_mut().zip(weights) {
            *sum = _mm512_dpbusd_epi32(*sum, bytes, weights);
        }
    }

    /// The sums, rounded and shifted.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish(self) -> __m512i {
        let [first, second, third] = self.0;
        let sum = _mm512_add_epi32(_mm512_slli_epi32::<8>(first), second);
        let sum = _mm512_add_epi32(_mm512_slli_epi32::<8>(sum), third);
        _mm512_srai_epi32::<PRECISION>(sum)
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(quad: Quad) -> [__m512i; 3] {
    let [first, second, third] = quad.parts;
    [_mm512_set1_epi32(first), _mm512_set1_epi32(second), _mm512_set1_epi32(third)]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
fn resize_columns(axis: &Axis, columns: &[u8], ahead: &[u8], output: &mut Vec<[u8; BAND]>) {
    output.resize((axis.len() * 3).next_multiple_of(BAND), [0; BAND]);
    let mut ahead = Ahead::new(ahead, axis.len());
    let (columns, _) = columns.as_chunks::<64>();
    let (columns, _) = columns.as_chunks::<3>();
    let (pixels, _) = output.as_chunks_mut::<3>();
    for (place, pixel) in (0..axis.len()).zip(pixels) {
        let (start, quads) = axis.window_of_quads(place);
        let mut sums = [Sums::new(); 3];
        for (quad, columns) in quads.iter().zip(&columns[start / 4..]) {
            let weights = broadcast(*quad);
            for (sums, column) in sums.iter_mut().zip(columns) {
                sums.add(load(column), weights);
            }
        }
        ahead.fetch_some();
        for (sums, out) in sums.iter().zip(pixel) {
            let sums = _mm512_max_epi32(sums.finish(), _mm512_setzero_si512());
            store_u8x16(out, _mm512_cvtusepi32_epi8(sums));
        }
    }
}

/// For at least 64 columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
fn vertical(rows: &[u8], stride: usize, quads: &[Quad], out: &mut [u8]) {
    let count = rows.len() / stride;
    assert!(count >= 1 && stride >= out.len(), "rows as long as the output");
    for at in steps(out.len(), 64) {
        let mut sums = [Sums::new(); 4];
        for (number, quad) in quads.iter().enumerate() {
            let weights = broadcast(*quad);
            let row = |at_quad: usize| {
                // The weights of rows that are not there are 0.
                let row = 4 * number + at_quad;
                let row = if row < count { row } else { 0 };
                // SAFETY: it is a row below `count`, of at least `out.len()` bytes, of which
                // 64 are left from `at` on.
                load(unsafe { &*rows.as_ptr().add(row * stride + at).cast() })
            };
            let rows = [row(0), row(1), row(2), row(3)];
            let first = _mm512_unpacklo_epi8(rows[0], rows[1]);
            let second = _mm512_unpacklo_epi8(rows[2], rows[3]);
            sums[0].add(_mm512_unpacklo_epi16(first, second), weights);
            sums[1].add(_mm512_unpackhi_epi16(first, second), weights);
            let first = _mm512_unpackhi_epi8(rows[0], rows[1]);
            let second = _mm512_unpackhi_epi8(rows[2], rows[3]);
            sums[2].add(_mm512_unpacklo_epi16(first, second), weights);
            sums[3].add(_mm512_unpackhi_epi16(first, second), weights);
        }
        let sums = sums.map(|sums| sums.finish());
        let first = _mm512_packs_epi32(sums[0], sums[1]);
        let second = _mm512_packs_epi32(sums[2], sums[3]);
        if let Some(to) = out[at..].first_chunk_mut() {
            store(to, _mm512_packus_epi16(first, second));
        }
    }
}
