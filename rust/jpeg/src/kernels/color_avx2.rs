//! Upsampling and color for AVX2: even and odd pixels apart (16-bit lanes for nothing), put
//! together again by the byte shuffle that interleaves red, green and blue.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::{load_u8x16, load_u8x32, store_u8x32};

use super::idct_avx2::multiply_add;
use super::{Rows, RowsMut};

/// 16 bytes as 16-bit values.
#[target_feature(enable = "avx2")]
#[inline]
fn widen(bytes: &[u8], at: usize) -> __m256i {
    bytes[at..]
        .first_chunk::<16>()
        .map_or_else(|| _mm256_setzero_si256(), |bytes| _mm256_cvtepu8_epi16(load_u8x16(bytes)))
}

/// Three times `a` plus `b`.
#[target_feature(enable = "avx2")]
#[inline]
fn three_to_one(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi16(_mm256_add_epi16(a, _mm256_slli_epi16::<1>(a)), b)
}

/// Returns how many pixels of the row it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn upsample_h2v1(row: &[u8], out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(row.len().saturating_sub(2) / 16);
    let (one, two) = (_mm256_set1_epi16(1), _mm256_set1_epi16(2));
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let at = step * 16;
        let (last, this, next) = (widen(row, at), widen(row, at + 1), widen(row, at + 2));
        let even = _mm256_add_epi16(three_to_one(this, last), one);
        let odd = _mm256_add_epi16(three_to_one(this, next), two);
        let (even, odd) = (_mm256_srli_epi16::<2>(even), _mm256_srli_epi16::<2>(odd));
        store_u8x32(out, _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)));
    }
    count * 16
}

/// Returns how many pixels of the rows it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn upsample_h2v2(near: &[u8], far: &[u8], out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(near.len().min(far.len()).saturating_sub(2) / 16);
    let (seven, eight) = (_mm256_set1_epi16(7), _mm256_set1_epi16(8));
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let at = step * 16;
        let last = three_to_one(widen(near, at), widen(far, at));
        let this = three_to_one(widen(near, at + 1), widen(far, at + 1));
        let next = three_to_one(widen(near, at + 2), widen(far, at + 2));
        let even = _mm256_add_epi16(three_to_one(this, last), eight);
        let odd = _mm256_add_epi16(three_to_one(this, next), seven);
        let (even, odd) = (_mm256_srli_epi16::<4>(even), _mm256_srli_epi16::<4>(odd));
        store_u8x32(out, _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)));
    }
    count * 16
}

/// Returns how many pixels of the rows it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn upsample_h1v2(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(near.len().min(far.len()) / 32);
    let bias = _mm256_set1_epi16(bias.cast_signed());
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let [low, high] = [0, 16].map(|shift| {
            let sum = three_to_one(widen(near, step * 32 + shift), widen(far, step * 32 + shift));
            _mm256_srli_epi16::<2>(_mm256_add_epi16(sum, bias))
        });
        let packed = _mm256_packus_epi16(low, high);
        store_u8x32(out, _mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
    }
    count * 32
}

/// Where byte `position` of the interleaved pixels comes from, for one channel: a mask
/// for the byte shuffle of pixels 0, 1, … 15, or with `halves` of 0, 2, … 14, 1, 3, … 15. One shuffle serves all three
/// vectors of the result, for no two of them want the channel at the same position.
const fn interleave(channel: usize, halves: bool) -> [u8; 32] {
    let mut mask = [0; 32];
    let mut byte = 0;
    while byte < 48 {
        if byte % 3 == channel {
            let pixel = byte / 3;
            let place = if !halves {
                pixel
            } else if pixel % 2 == 1 {
                pixel / 2 + 8
            } else {
                pixel / 2
            };
            mask[byte % 16] = place as u8;
            mask[16 + byte % 16] = place as u8;
        }
        byte += 1;
    }
    mask
}

/// Which bytes of result `part` are of the channel: all bits set.
const fn select(part: usize, channel: usize) -> [u8; 32] {
    let mut mask = [0; 32];
    let mut byte = 0;
    while byte < 32 {
        if (part * 16 + byte % 16) % 3 == channel {
            mask[byte] = 0xff;
        }
        byte += 1;
    }
    mask
}

/// 16 values of each channel to red, green and blue. Chroma is centered: 128 less.
#[target_feature(enable = "avx2")]
#[inline]
fn convert(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 3] {
    // 1.402 - 1 in 15 and 1.772 in 14 bits; equal to the 16-bit table for every byte.
    let red = _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(13173));
    let red = _mm256_add_epi16(_mm256_add_epi16(y, cr), red);
    let blue = _mm256_mulhrs_epi16(_mm256_add_epi16(cb, cb), _mm256_set1_epi16(29033));
    let blue = _mm256_add_epi16(y, blue);
    // -22554, -46802, 1 / 2 and 16 bits of fraction: all even, so halved.
    let half = _mm256_set1_epi32(1 << 14);
    let [low, high] = multiply_add(cb, cr, -11277, -23401);
    let green = _mm256_packs_epi32(
        _mm256_srai_epi32::<15>(_mm256_add_epi32(low, half)),
        _mm256_srai_epi32::<15>(_mm256_add_epi32(high, half)),
    );
    [red, _mm256_add_epi16(y, green), blue]
}

/// 32 pixels, chroma of the even and of the odd ones.
#[target_feature(enable = "avx2")]
#[inline]
fn convert_32(y: &[u8; 32], cb: [__m256i; 2], cr: [__m256i; 2]) -> [__m256i; 3] {
    const INTERLEAVE: [[u8; 32]; 3] =
        [interleave(0, true), interleave(1, true), interleave(2, true)];
    let y = load_u8x32(y);
    let even = convert(_mm256_and_si256(y, _mm256_set1_epi16(0xff)), cb[0], cr[0]);
    let odd = convert(_mm256_srli_epi16::<8>(y), cb[1], cr[1]);
    let mut channels = even;
    for (channel, own) in channels.iter_mut().enumerate() {
        let packed = _mm256_packus_epi16(even[channel], odd[channel]);
        *own = _mm256_shuffle_epi8(packed, load_u8x32(&INTERLEAVE[channel]));
    }
    channels
}

/// 32 bytes of chroma: the even and the odd ones, centered.
#[target_feature(enable = "avx2")]
#[inline]
fn centered(bytes: &[u8; 32]) -> [__m256i; 2] {
    let (bytes, center) = (load_u8x32(bytes), _mm256_set1_epi16(128));
    let even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
    [even, _mm256_srli_epi16::<8>(bytes)].map(|values| _mm256_sub_epi16(values, center))
}

/// The even and the odd pixels between those of half the width, times 4. `row` begins one
/// pixel before.
#[target_feature(enable = "avx2")]
#[inline]
fn double_across(row: &[u8; 18]) -> [__m256i; 2] {
    let (last, this, next) = (widen(row, 0), widen(row, 1), widen(row, 2));
    let three = _mm256_add_epi16(_mm256_add_epi16(this, this), this);
    [_mm256_add_epi16(three, last), _mm256_add_epi16(three, next)]
}

/// From what [`double_across`] makes of two rows: the pixels of both rows between them,
/// centered.
#[target_feature(enable = "avx2")]
#[inline]
fn double_down(upper: [__m256i; 2], lower: [__m256i; 2]) -> [[__m256i; 2]; 2] {
    let mut pixels = [upper, lower];
    for (parity, round) in [8, 7].into_iter().enumerate() {
        let (upper, lower) = (upper[parity], lower[parity]);
        let bias = _mm256_set1_epi16(round - 16 * 128);
        let sum = _mm256_add_epi16(_mm256_add_epi16(upper, lower), bias);
        for (row, near) in [upper, lower].into_iter().enumerate() {
            let sum = _mm256_add_epi16(sum, _mm256_add_epi16(near, near));
            pixels[row][parity] = _mm256_srai_epi16::<4>(sum);
        }
    }
    pixels
}

/// Stores 32 pixels at this step, or as many of them as there is room for.
#[target_feature(enable = "avx2")]
#[inline]
fn store_step(channels: [__m256i; 3], out: &mut [u8], step: usize) {
    let out = &mut out[step * 96..];
    if let Some(out) = out.first_chunk_mut::<96>() {
        store_interleaved(channels, out);
        return;
    }
    let mut pixels = [0; 96];
    store_interleaved(channels, &mut pixels);
    match <&mut [u8; 48]>::try_from(&mut *out) {
        // One MCU, where another span begins.
        Ok(out) => out.copy_from_slice(&pixels[..48]),
        Err(_) => out.copy_from_slice(&pixels[..out.len()]),
    }
}

/// The vectors of a row that this step looks at.
#[inline(always)]
fn window<const LENGTH: usize>(row: &[u8], start: usize) -> &[u8; LENGTH] {
    row[start..start + LENGTH].first_chunk().expect("a slice of this length")
}

/// The same to write to.
#[inline(always)]
fn window_mut<const LENGTH: usize>(row: &mut [u8], start: usize) -> &mut [u8; LENGTH] {
    row[start..start + LENGTH].first_chunk_mut().expect("a slice of this length")
}

/// The end of a row as a whole vector.
#[cold]
fn padded(rest: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn ycc_h2v1_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for step in 0..out.len().div_ceil(96) {
        let [cb, cr] = [cb, cr].map(|row| {
            let [even, odd] = double_across(window(row, step * 16));
            [(even, 1), (odd, 2)].map(|(sum, round)| {
                let bias = _mm256_set1_epi16(round - 4 * 128);
                _mm256_srai_epi16::<2>(_mm256_add_epi16(sum, bias))
            })
        });
        store_step(convert_32(window(y, step * 32), cb, cr), out, step);
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn ycc_h2v2_to_rgb(y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>) {
    let RowsMut { bytes, stride, length } = out;
    // Column after column, so that what is made of a row of chroma serves twice.
    for step in 0..length.div_ceil(96) {
        let at = step * 16;
        let mut upper =
            [double_across(window(cb.from(0), at)), double_across(window(cr.from(0), at))];
        for (pair, out) in bytes.chunks_mut(2 * stride).enumerate() {
            let next = pair + 1;
            let lower = [
                double_across(window(cb.from(next), at)),
                double_across(window(cr.from(next), at)),
            ];
            let (cb, cr) = (double_down(upper[0], lower[0]), double_down(upper[1], lower[1]));
            upper = lower;
            for (row, out) in out.chunks_mut(stride).enumerate() {
                let y = window(y.from(2 * pair + row), step * 32);
                store_step(convert_32(y, cb[row], cr[row]), &mut out[..length], step);
            }
        }
    }
}

/// Stores 32 pixels of three channels that are shuffled as [`interleave`] says.
#[target_feature(enable = "avx2")]
#[inline]
fn store_interleaved(channels: [__m256i; 3], out: &mut [u8; 96]) {
    const GREEN: [[u8; 32]; 3] = [select(0, 1), select(1, 1), select(2, 1)];
    const BLUE: [[u8; 32]; 3] = [select(0, 2), select(1, 2), select(2, 2)];
    let mut parts = channels;
    for (part, own) in parts.iter_mut().enumerate() {
        let two = _mm256_blendv_epi8(channels[0], channels[1], load_u8x32(&GREEN[part]));
        *own = _mm256_blendv_epi8(two, channels[2], load_u8x32(&BLUE[part]));
    }
    let whole = [
        _mm256_permute2x128_si256::<0x20>(parts[0], parts[1]),
        _mm256_permute2x128_si256::<0x30>(parts[2], parts[0]),
        _mm256_permute2x128_si256::<0x31>(parts[1], parts[2]),
    ];
    let (out, _) = out.as_chunks_mut::<32>();
    for (out, vector) in out.iter_mut().zip(whole) {
        store_u8x32(out, vector);
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn fill(color: [u8; 3], mut out: RowsMut<'_>) {
    let mut memory = [0; 102];
    memory.as_chunks_mut::<3>().0.fill(color);
    for out in out.each() {
        // Stores within a line of the cache are cheaper than those across two.
        let head = out.as_ptr().align_offset(32);
        let last = out.len().saturating_sub(32);
        if head >= last {
            out.as_chunks_mut::<3>().0.fill(color);
            continue;
        }
        store_u8x32(window_mut(out, 0), load_u8x32(window(&memory, 0)));
        store_u8x32(window_mut(out, last), load_u8x32(window(&memory, last % 3)));
        let vectors = [0, 32, 64].map(|at| load_u8x32(window(&memory, at + head % 3)));
        let (threes, rest) = out[head..].as_chunks_mut::<96>();
        for three in threes {
            for (part, vector) in three.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
                store_u8x32(part, vector);
            }
        }
        for (part, vector) in rest.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
            store_u8x32(part, vector);
        }
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn shift_to_rgb(y: Rows<'_>, shift: [i16; 3], mut out: RowsMut<'_>) {
    const INTERLEAVE: [[u8; 32]; 3] =
        [interleave(0, false), interleave(1, false), interleave(2, false)];
    let byte = |value: i16| _mm256_set1_epi8(value.clamp(0, 255) as u8 as i8);
    let more = shift.map(byte);
    let less = shift.map(|shift| byte(-shift));
    for (row, out) in out.each().enumerate() {
        for step in 0..out.len().div_ceil(96) {
            let y = &y.from(row)[step * 32..];
            let y = match y.first_chunk() {
                Some(y) => load_u8x32(y),
                None => load_u8x32(&padded(y)),
            };
            let mut channels = more;
            for (channel, own) in channels.iter_mut().enumerate() {
                let value = _mm256_subs_epu8(_mm256_adds_epu8(y, more[channel]), less[channel]);
                *own = _mm256_shuffle_epi8(value, load_u8x32(&INTERLEAVE[channel]));
            }
            store_step(channels, out, step);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn ycc_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for step in 0..out.len() / 96 {
        let [cb, cr] = [cb, cr].map(|row| centered(window(row, step * 32)));
        store_step(convert_32(window(y, step * 32), cb, cr), out, step);
    }
    let done = out.len() / 96 * 32;
    let rest = out.len() / 3 - done;
    if rest > 0 {
        // The rows may end here.
        let [y, cb, cr] = [y, cb, cr].map(|row| padded(&row[done..done + rest]));
        store_step(convert_32(&y, centered(&cb), centered(&cr)), out, done / 32);
    }
}
