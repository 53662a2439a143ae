//! What AVX-512 does faster than AVX2: upsampling and color, 64 pixels at a time, red, green
//! and blue put together by shuffles of bytes across whole vectors. Intrinsics only; the
//! definition is in `scalar`, and how it is done is explained in `avx2`.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::load_u8x32;

use super::{Rows, RowsMut};

/// Which byte of a channel, after packing, byte `byte` of result `part` is.
const fn source(part: usize, byte: usize) -> u8 {
    let pixel = (part * 64 + byte) / 3;
    // Packing puts the even pixels of each lane of 16 before the odd ones.
    (pixel / 16 * 16 + pixel % 2 * 8 + pixel % 16 / 2) as u8
}

/// For each byte of result `part`, where it comes from if it is red or green.
const fn red_and_green(part: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut byte = 0;
    while byte < 64 {
        let is_green = (part * 64 + byte) % 3 == 1;
        bytes[byte] = source(part, byte) + if is_green { 64 } else { 0 };
        byte += 1;
    }
    bytes
}

/// The same if it is blue.
const fn blue(part: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut byte = 0;
    while byte < 64 {
        bytes[byte] = source(part, byte);
        byte += 1;
    }
    bytes
}

/// Which bytes of result `part` are blue.
const fn is_blue(part: usize) -> u64 {
    let mut mask = 0;
    let mut byte = 0;
    while byte < 64 {
        if (part * 64 + byte) % 3 == 2 {
            mask |= 1 << byte;
        }
        byte += 1;
    }
    mask
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn load(from: &[u8; 64]) -> __m512i {
    // SAFETY: the reference proves 64 bytes readable; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// 32 bytes as 16-bit values.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn widen(bytes: &[u8; 34], at: usize) -> __m512i {
    let bytes = bytes[at..].first_chunk().expect("a place up to 2");
    _mm512_cvtepu8_epi16(load_u8x32(bytes))
}

/// What is between the pixels of a row of chroma, at the even and the odd places, times 4.
#[derive(Clone, Copy)]
struct Doubled {
    once: [__m512i; 2],
    /// Three times as much, centered and rounded for the 16 parts that two rows make.
    thrice: [__m512i; 2],
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn double_across(row: &[u8], start: usize) -> Doubled {
    let row = row[start..].first_chunk().expect("whole vectors");
    let (last, this, next) = (widen(row, 0), widen(row, 1), widen(row, 2));
    let three = _mm512_add_epi16(_mm512_add_epi16(this, this), this);
    let once = [_mm512_add_epi16(three, last), _mm512_add_epi16(three, next)];
    let mut thrice = once;
    for (thrice, round) in thrice.iter_mut().zip([8, 7]) {
        let bias = _mm512_set1_epi16(round - 16 * 128);
        *thrice =
            _mm512_add_epi16(_mm512_add_epi16(*thrice, *thrice), _mm512_add_epi16(*thrice, bias));
    }
    Doubled { once, thrice }
}

/// The pixels of both rows between two rows of chroma, centered.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn double_down(upper: Doubled, lower: Doubled) -> [[__m512i; 2]; 2] {
    let mut pixels = [upper.once; 2];
    for (pixels, (near, far)) in pixels.iter_mut().zip([(upper, lower), (lower, upper)]) {
        for (parity, pixels) in pixels.iter_mut().enumerate() {
            let sum = _mm512_add_epi16(near.thrice[parity], far.once[parity]);
            *pixels = _mm512_srai_epi16::<4>(sum);
        }
    }
    pixels
}

/// For Cb and Cr, one after the other, in 16 bits of fraction: -0.34414 and 1 - 0.71414.
const FACTORS: [u8; 4] = {
    let ([a, b], [c, d]) = ((-22554_i16).to_le_bytes(), (18734_i16).to_le_bytes());
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

/// 32 values of each channel to red, green and blue. Chroma is centered.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn convert(y: __m512i, cb: __m512i, cr: __m512i) -> [__m512i; 3] {
    let red = _mm512_mulhrs_epi16(cr, _mm512_set1_epi16(13173));
    let red = _mm512_add_epi16(_mm512_add_epi16(y, cr), red);
    let blue = _mm512_mulhrs_epi16(cb, _mm512_set1_epi16(-7471));
    let blue = _mm512_add_epi16(_mm512_add_epi16(y, _mm512_add_epi16(cb, cb)), blue);
    let factors = _mm512_set1_epi32(i32::from_ne_bytes(FACTORS));
    let half = _mm512_set1_epi32(1 << 15);
    let [low, high] = [_mm512_unpacklo_epi16(cb, cr), _mm512_unpackhi_epi16(cb, cr)]
        .map(|pairs| _mm512_add_epi32(_mm512_madd_epi16(pairs, factors), half));
    // SAFETY: an array of the vector's size.
    let places = unsafe { _mm512_loadu_si512(UPPER_HALVES.as_ptr().cast()) };
    let green = _mm512_permutex2var_epi16(low, places, high);
    [red, _mm512_add_epi16(_mm512_sub_epi16(y, cr), green), blue]
}

/// Converts 64 pixels and stores as many of them as there is room for.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn convert_and_store(y: &[u8], cb: [__m512i; 2], cr: [__m512i; 2], out: &mut [u8]) {
    const RED_AND_GREEN: [[u8; 64]; 3] = [red_and_green(0), red_and_green(1), red_and_green(2)];
    const BLUE: [[u8; 64]; 3] = [blue(0), blue(1), blue(2)];
    const IS_BLUE: [u64; 3] = [is_blue(0), is_blue(1), is_blue(2)];
    let y = load(y.first_chunk().expect("whole vectors"));
    let even = convert(_mm512_and_si512(y, _mm512_set1_epi16(0xff)), cb[0], cr[0]);
    let odd = convert(_mm512_srli_epi16::<8>(y), cb[1], cr[1]);
    let red = _mm512_packus_epi16(even[0], odd[0]);
    let green = _mm512_packus_epi16(even[1], odd[1]);
    let blue = _mm512_packus_epi16(even[2], odd[2]);
    let mix = |part: usize| {
        let two = _mm512_permutex2var_epi8(red, load(&RED_AND_GREEN[part]), green);
        _mm512_mask_permutexvar_epi8(two, IS_BLUE[part], load(&BLUE[part]), blue)
    };
    if let Some(out) = out.first_chunk_mut::<192>() {
        // Stores with a mask take longer.
        for (part, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            // SAFETY: the reference proves 64 bytes; no alignment is asked for.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), mix(part)) };
        }
        return;
    }
    for (part, out) in out.chunks_mut(64).enumerate() {
        let mask = u64::MAX >> (64 - out.len());
        // SAFETY: the mask has as many bits as `out` has bytes, 1 to 64, and what it leaves
        // out is not written.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, mix(part)) };
    }
}

/// See [`super::Kernels::ycc_h2v2_to_rgb`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
pub(super) fn ycc_h2v2_to_rgb(y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>) {
    let RowsMut { bytes, stride, length } = out;
    for step in 0..length.div_ceil(192) {
        let at = step * 32;
        let mut upper = [double_across(cb.from(0), at), double_across(cr.from(0), at)];
        for (pair, out) in bytes.chunks_mut(2 * stride).enumerate() {
            let next = pair + 1;
            let lower = [double_across(cb.from(next), at), double_across(cr.from(next), at)];
            let (cb, cr) = (double_down(upper[0], lower[0]), double_down(upper[1], lower[1]));
            upper = lower;
            for (row, out) in out.chunks_mut(stride).enumerate() {
                let y = &y.from(2 * pair + row)[step * 64..];
                convert_and_store(y, cb[row], cr[row], &mut out[step * 192..length]);
            }
        }
    }
}
