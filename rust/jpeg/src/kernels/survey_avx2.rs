//! [`super::survey`] for AVX2: one MCU in the eight lanes of a register.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::{load_i16x8, load_u32x8, store_i16x8};

use super::Neighbors;
use super::survey::{LANES, McuKind, Survey};
use crate::flat::NONE;
use crate::macro_row::{Block, DC_ONLY};

/// See [`super::Kernels::survey`]. `LUMA`: how many blocks of luma an MCU has.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub(super) fn survey<const LUMA: usize>(
    kind: &McuKind,
    sums: &[u8],
    blocks: &mut [Block],
    predictions: &mut [i16; 4],
    found: &mut Survey<'_>,
) {
    let count = LUMA + 2;
    let component = |lane: usize| (lane + 1).saturating_sub(LUMA);
    let of_lanes = |value: &dyn Fn(usize) -> i16| -> __m128i {
        load_i16x8(&std::array::from_fn(|lane| if lane < count { value(lane) } else { 0 }))
    };
    let factors = of_lanes(&|lane| kind.factors[component(lane)].wrapping_mul(4));
    let after_one = of_lanes(&|lane| -i16::from((1..LUMA).contains(&lane)));
    let after_two = of_lanes(&|lane| -i16::from((2..LUMA).contains(&lane)));
    // Each lane gets the last one of its component.
    let last = of_lanes(&|lane| {
        let lane = 2 * lane.max(LUMA - 1) as i16;
        lane | (lane + 1) << 8
    });
    let is_lane = of_lanes(&|_| -1);
    let (half, center) = (_mm_set1_epi16(16), _mm_set1_epi16(128));
    let dc_only = DC_ONLY.map(|sum| _mm_set1_epi8(sum.cast_signed()));
    let all_blocks = (1_u32 << count) - 1;
    let luma_blocks = (1_u32 << LUMA) - 1;
    let luma_bytes = (1_u64 << (8 * LUMA)) - 1;
    let own_sums = u64::MAX >> (64 - 8 * count);

    let mut carry = of_lanes(&|lane| predictions[component(lane)]);
    let mcus = found.pixels.iter_mut().zip(&mut *found.coded);
    let mcus = mcus.zip(found.luma.iter_mut().zip(&mut *found.chroma));
    let inputs = blocks.chunks_exact_mut(count).zip(sums.windows(8).step_by(count));
    for (((pixels, coded), (luma, chroma)), (blocks, sums)) in mcus.zip(inputs) {
        let sums = sums.first_chunk::<8>().map_or(0, |sums| u64::from_le_bytes(*sums));
        let mut values = carry;
        if sums & own_sums != 0 {
            let first = |lane: usize| blocks[lane.min(count - 1)].0[0];
            let differences = _mm_setr_epi16(
                first(0),
                first(1),
                first(2),
                if LUMA > 1 { first(3) } else { 0 },
                if LUMA > 2 { first(4) } else { 0 },
                if LUMA > 2 { first(5) } else { 0 },
                0,
                0,
            );
            let one = _mm_and_si128(_mm_slli_si128::<2>(differences), after_one);
            let pairs = _mm_add_epi16(differences, one);
            let two = _mm_and_si128(_mm_slli_si128::<4>(pairs), after_two);
            values = _mm_add_epi16(_mm_add_epi16(pairs, two), carry);
            carry = _mm_and_si128(_mm_shuffle_epi8(values, last), is_lane);
            let mut dc = [0; LANES];
            store_i16x8(&mut dc, values);
            for (block, dc) in blocks.iter_mut().zip(dc) {
                block.0[0] = dc;
            }
        }
        // Where the sum saturates, so does the pixel.
        let scaled = _mm_adds_epi16(_mm_mullo_epi16(values, factors), half);
        let centered = _mm_add_epi16(_mm_srai_epi16::<5>(scaled), center);
        let flat = _mm_cvtsi128_si64(_mm_packus_epi16(centered, centered)).cast_unsigned();
        *pixels = flat.to_le_bytes();
        let sums = _mm_cvtsi64_si128(sums.cast_signed());
        let equal = dc_only.map(|sum| _mm_cmpeq_epi8(sums, sum));
        let any = _mm_or_si128(_mm_or_si128(equal[0], equal[1]), equal[2]);
        let more = !_mm_movemask_epi8(any).cast_unsigned() & all_blocks;
        *coded = more as u8;
        let one_value = (flat & 255) * (u64::MAX / 255);
        let is_luma_flat = (flat ^ one_value) & luma_bytes | u64::from(more & luma_blocks) == 0;
        *luma = if is_luma_flat { flat as u32 & 255 } else { NONE };
        let chroma_value = (flat >> (8 * LUMA)) as u32 & 0xffff;
        *chroma = if more & !luma_blocks == 0 { chroma_value } else { NONE };
    }
    let mut values = [0; LANES];
    store_i16x8(&mut values, carry);
    for (number, value) in values[..count].iter().enumerate() {
        predictions[component(number)] = *value;
    }
}

/// See [`super::Kernels::compare_neighbors`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
pub(super) fn compare_neighbors(values: &[u32], found: &mut Neighbors) {
    let words = found.is_none.iter_mut().zip(&mut found.is_as_next);
    for ((is_none, is_as_next), first) in words.zip((0..).step_by(64)) {
        let values = values[first..first + 72].first_chunk::<72>().expect("a slice this long");
        (*is_none, *is_as_next) = (0, 0);
        for at in (0..64).step_by(8) {
            let [own, next] = [at, at + 1]
                .map(|at| load_u32x8(values[at..at + 8].first_chunk().expect("a slice this long")));
            let bits = |vector: __m256i| {
                u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(vector)).cast_unsigned()) << at
            };
            *is_none |= bits(own);
            *is_as_next |= bits(_mm256_cmpeq_epi32(own, next));
        }
    }
}
