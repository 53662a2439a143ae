//! What AVX-512 does faster than AVX2: upsampling and color, 64 pixels at a time. Intrinsics
//! only; the definition is in `scalar`.
//!
//! ```text
//! chroma   bytes and their neighbors in pairs, 3 to 1: one multiplication makes 32 sums
//! color    32 pixels of red, green and blue in 16 bits, twice
//! bytes    red and green of 32 pixels in a vector, blue of all: a shuffle across two vectors
//!          makes the first third of the result, one the last, and two that in the middle
//! ```

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::load_u8x32;

use super::{Rows, RowsMut};

/// Pixels in a vector of 16-bit values.
const HALF: usize = 32;

/// Byte `byte` of 64 pixels of red, green and blue: its pixel and its channel.
const fn pixel_and_channel(byte: usize) -> (usize, usize) {
    (byte / 3, byte % 3)
}

/// Where packing puts value `place` of its first vector; of the second, 8 bytes later.
const fn packed(place: usize) -> u8 {
    (place / 8 * 16 + place % 8) as u8
}

/// For each byte of result `part` that is red or green of the 32 pixels from `first` on, or
/// blue, where it is: in red and green packed together, or after 64 bytes, in blue.
const fn mixed(part: usize, first: usize) -> [u8; 64] {
    let mut places = [0; 64];
    let mut place = 0;
    while place < 64 {
        let (pixel, channel) = pixel_and_channel(part * 64 + place);
        places[place] = match channel {
            2 => 64 + packed(pixel % HALF) + 8 * (pixel / HALF) as u8,
            _ if pixel / HALF * HALF == first => packed(pixel - first) + 8 * channel as u8,
            _ => 0,
        };
        place += 1;
    }
    places
}

/// Which bytes of result `part` are red or green of the pixels from 32 on.
const fn is_red_or_green_of_second(part: usize) -> u64 {
    let mut mask = 0;
    let mut place = 0;
    while place < 64 {
        let (pixel, channel) = pixel_and_channel(part * 64 + place);
        if pixel >= HALF && channel < 2 {
            mask |= 1 << place;
        }
        place += 1;
    }
    mask
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn load(from: &[u8; 64]) -> __m512i {
    // SAFETY: the reference proves 64 bytes readable; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// The bytes, and zeros. Takes longer.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[cold]
fn load_few(from: &[u8; 34]) -> __m512i {
    // SAFETY: the reference proves 34 bytes readable; no others are read, and no alignment is
    // asked for.
    unsafe { _mm512_maskz_loadu_epi8((1 << 34) - 1, from.as_ptr().cast()) }
}

/// For 32 pixels from `first` on, the places in a row of chroma of the sample that a pixel
/// lies in, and of the next one on its side. The row begins one sample before the pixels.
const fn neighbors(first: usize) -> [u8; 64] {
    let mut places = [0; 64];
    let mut pixel = 0;
    while pixel < HALF {
        let own = first / 2 + pixel / 2 + 1;
        places[2 * pixel] = own as u8;
        places[2 * pixel + 1] = if pixel % 2 == 0 { own - 1 } else { own + 1 } as u8;
        pixel += 1;
    }
    places
}

/// What is between the samples of a row of chroma, times 4, for two times 32 pixels.
#[derive(Clone, Copy)]
struct Doubled {
    once: [__m512i; 2],
    /// Three times as much, centered and rounded for the 16 parts that two rows make.
    thrice: [__m512i; 2],
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn double_across(row: &[u8]) -> Doubled {
    const NEIGHBORS: [[u8; 64]; 2] = [neighbors(0), neighbors(HALF)];
    let row = match row.first_chunk() {
        Some(row) => load(row),
        None => load_few(row.first_chunk().expect("whole vectors")),
    };
    let pairs = NEIGHBORS.map(|places| _mm512_permutexvar_epi8(load(&places), row));
    let bias = _mm512_set1_epi32((7 - 16 * 128) << 16 | (8 - 16 * 128) & 0xffff);
    Doubled {
        once: pairs.map(|pairs| _mm512_maddubs_epi16(pairs, _mm512_set1_epi16(1 << 8 | 3))),
        thrice: pairs.map(|pairs| {
            let sums = _mm512_maddubs_epi16(pairs, _mm512_set1_epi16(3 << 8 | 9));
            _mm512_add_epi16(sums, bias)
        }),
    }
}

/// The pixels of both rows between two rows of chroma, centered, times 2.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn double_down(upper: Doubled, lower: Doubled) -> [[__m512i; 2]; 2] {
    let mut pixels = [upper.once; 2];
    for (pixels, (near, far)) in pixels.iter_mut().zip([(upper, lower), (lower, upper)]) {
        for (half, pixels) in pixels.iter_mut().enumerate() {
            let sum = _mm512_add_epi16(near.thrice[half], far.once[half]);
            *pixels = _mm512_and_si512(_mm512_srai_epi16::<3>(sum), _mm512_set1_epi16(!1));
        }
    }
    pixels
}

/// For twice Cb and twice Cr, one after the other: -0.34414 and -0.71414 in 17 bits of
/// fraction.
const FACTORS: [u8; 4] = {
    let ([a, b], [c, d]) = ((-11277_i16).to_le_bytes(), (-23401_i16).to_le_bytes());
    [a, b, c, d]
};

/// The upper halves of 32-bit values in two vectors, as `unpack` took them apart.
const UPPER_HALVES: [u16; 32] = {
    let mut places = [0; 32];
    let mut place = 0;
    while place < 32 {
        let (lane, word) = (place / 8 * 8, place % 8);
        places[place] = (word / 4 * 32 + lane + word % 4 * 2 + 1) as u16;
        place += 1;
    }
    places
};

/// 32 pixels to red, green and blue. Chroma is centered, times 2.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn convert(y: __m512i, cb: __m512i, cr: __m512i) -> [__m512i; 3] {
    // Both products are rounded as their exact values would be: checked for each chroma.
    let red = _mm512_mulhrs_epi16(cr, _mm512_set1_epi16(22970));
    let blue = _mm512_mulhrs_epi16(cb, _mm512_set1_epi16(29033));
    let factors = _mm512_set1_epi32(i32::from_ne_bytes(FACTORS));
    let half = _mm512_set1_epi32(1 << 15);
    let [low, high] = [_mm512_unpacklo_epi16(cb, cr), _mm512_unpackhi_epi16(cb, cr)]
        .map(|pairs| _mm512_add_epi32(_mm512_madd_epi16(pairs, factors), half));
    // SAFETY: an array of the vector's size.
    let places = unsafe { _mm512_loadu_si512(UPPER_HALVES.as_ptr().cast()) };
    let green = _mm512_permutex2var_epi16(low, places, high);
    [red, green, blue].map(|shift| _mm512_add_epi16(y, shift))
}

/// 64 pixels to red, green and blue.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn to_rgb(y: &[u8; 64], cb: [__m512i; 2], cr: [__m512i; 2]) -> [__m512i; 3] {
    const FIRST: [[u8; 64]; 2] = [mixed(0, 0), mixed(1, 0)];
    const SECOND: [[u8; 64]; 2] = [mixed(1, HALF), mixed(2, HALF)];
    const IS_SECOND: u64 = is_red_or_green_of_second(1);
    let (y, _) = y.as_chunks::<32>();
    let y = [0, 1].map(|half| _mm512_cvtepu8_epi16(load_u8x32(&y[half])));
    let first = convert(y[0], cb[0], cr[0]);
    let second = convert(y[1], cb[1], cr[1]);
    let first_two = _mm512_packus_epi16(first[0], first[1]);
    let second_two = _mm512_packus_epi16(second[0], second[1]);
    let blue = _mm512_packus_epi16(first[2], second[2]);
    [
        _mm512_permutex2var_epi8(first_two, load(&FIRST[0]), blue),
        _mm512_mask_permutexvar_epi8(
            _mm512_permutex2var_epi8(first_two, load(&FIRST[1]), blue),
            IS_SECOND,
            load(&SECOND[0]),
            second_two,
        ),
        _mm512_permutex2var_epi8(second_two, load(&SECOND[1]), blue),
    ]
}

/// Stores 64 pixels, or as many of them as there is room for.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn store<const WHOLE: bool>(pixels: [__m512i; 3], out: &mut [u8]) {
    if WHOLE {
        // Stores with a mask take longer.
        let out = out.first_chunk_mut::<192>().expect("64 pixels");
        for (pixels, out) in pixels.into_iter().zip(out.as_chunks_mut::<64>().0) {
            // SAFETY: the reference proves 64 bytes; no alignment is asked for.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), pixels) };
        }
        return;
    }
    for (pixels, out) in pixels.into_iter().zip(out.chunks_mut(64)) {
        let mask = u64::MAX >> (64 - out.len());
        // SAFETY: the mask has as many bits as `out` has bytes, 1 to 64, and what it leaves
        // out is not written.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, pixels) };
    }
}

/// All rows of 64 pixels, or of less at the end: `length` bytes from `start` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn convert_columns<const WHOLE: bool>(
    [y, cb, cr]: [Rows<'_>; 3],
    out: &mut RowsMut<'_>,
    (start, length): (usize, usize),
) {
    let stride = out.stride;
    let mut y = y.bytes[start / 3..].chunks(y.stride);
    let cb = cb.bytes[start / 6..].chunks(cb.stride);
    let mut chroma = cb.zip(cr.bytes[start / 6..].chunks(cr.stride));
    let (cb, cr) = chroma.next().expect("a row of chroma");
    let mut upper = [double_across(cb), double_across(cr)];
    for out in out.bytes[start..].chunks_mut(2 * stride) {
        let (cb, cr) = chroma.next().expect("a row of chroma");
        let lower = [double_across(cb), double_across(cr)];
        let (cb, cr) = (double_down(upper[0], lower[0]), double_down(upper[1], lower[1]));
        upper = lower;
        for (row, out) in out.chunks_mut(stride).enumerate() {
            let y = y.next().and_then(|y| y.first_chunk()).expect("whole vectors");
            store::<WHOLE>(to_rgb(y, cb[row], cr[row]), &mut out[..length]);
        }
    }
}

/// See [`super::Kernels::ycc_h2v2_to_rgb`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
pub(super) fn ycc_h2v2_to_rgb(y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, mut out: RowsMut<'_>) {
    let whole = out.length / 192 * 192;
    for start in (0..whole).step_by(192) {
        convert_columns::<true>([y, cb, cr], &mut out, (start, 192));
    }
    if whole < out.length {
        let rest = out.length - whole;
        convert_columns::<false>([y, cb, cr], &mut out, (whole, rest));
    }
}
