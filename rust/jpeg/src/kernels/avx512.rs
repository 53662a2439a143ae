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

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2")]
#[inline]
fn double_across(row: &[u8], start: usize) -> [__m512i; 2] {
    let row = row[start..].first_chunk().expect("whole vectors");
    let (last, this, next) = (widen(row, 0), widen(row, 1), widen(row, 2));
    let three = _mm512_add_epi16(_mm512_add_epi16(this, this), this);
    [_mm512_add_epi16(three, last), _mm512_add_epi16(three, next)]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn double_down(upper: [__m512i; 2], lower: [__m512i; 2]) -> [[__m512i; 2]; 2] {
    let mut pixels = [upper, lower];
    for (parity, round) in [8, 7].into_iter().enumerate() {
        let (upper, lower) = (upper[parity], lower[parity]);
        let bias = _mm512_set1_epi16(round - 16 * 128);
        let sum = _mm512_add_epi16(_mm512_add_epi16(upper, lower), bias);
        for (row, near) in [upper, lower].into_iter().enumerate() {
            let sum = _mm512_add_epi16(sum, _mm512_add_epi16(near, near));
            pixels[row][parity] = _mm512_srai_epi16::<4>(sum);
        }
    }
    pixels
}

/// For Cb and Cr, one after the other: -11277 and -23401, as in `avx2`.
const FACTORS: [u8; 4] = {
    let ([a, b], [c, d]) = ((-11277_i16).to_le_bytes(), (-23401_i16).to_le_bytes());
    [a, b, c, d]
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
    let half = _mm512_set1_epi32(1 << 14);
    let [low, high] = [_mm512_unpacklo_epi16(cb, cr), _mm512_unpackhi_epi16(cb, cr)].map(|pairs| {
        _mm512_srai_epi32::<15>(_mm512_add_epi32(_mm512_madd_epi16(pairs, factors), half))
    });
    [red, _mm512_add_epi16(y, _mm512_packs_epi32(low, high)), blue]
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
    for (part, out) in out.chunks_mut(64).take(3).enumerate() {
        let two = _mm512_permutex2var_epi8(red, load(&RED_AND_GREEN[part]), green);
        let all = _mm512_mask_permutexvar_epi8(two, IS_BLUE[part], load(&BLUE[part]), blue);
        let mask = u64::MAX >> (64 - out.len());
        // SAFETY: the mask has as many bits as `out` has bytes, 1 to 64, and what it leaves
        // out is not written.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, all) };
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
