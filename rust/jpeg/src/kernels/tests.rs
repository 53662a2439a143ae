//! Every kernel of every level against the definition, over the full range of values.

use super::scalar::Scalar;
use super::survey::{LANES, McuKind, Survey};
use super::{Job, Kernels, Neighbors, PlaneMut, Rows, RowsMut, VECTOR};
use crate::flat::NONE;
use crate::macro_row::{Block, DC_ONLY, UNCHANGED};

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| match self.next() % 4 {
                0 => 0,
                1 => 255,
                _ => self.next() as u8,
            })
            .collect()
    }
}

/// Runs a check for each level but the definition.
macro_rules! for_each_level {
    ($check:ident) => {
        #[cfg(target_arch = "x86_64")]
        match textbook_simd::Avx2::get() {
            Some(token) => {
                $check(super::avx2::Kernels::new(token, None));
                match textbook_simd::Avx512::get() {
                    Some(more) => $check(super::avx2::Kernels::new(token, Some(more))),
                    None => println!("not tested: this CPU lacks AVX-512"),
                }
            }
            None => println!("not tested: this CPU lacks AVX2"),
        }
    };
}

/// The transforms of all sizes, one below the other.
fn run_idct(kernels: impl Kernels, blocks: &[Block], table: &[i16; 64], corner: bool) -> Vec<u8> {
    let stride = blocks.len() * 8 + 5;
    let mut pixels = vec![9; stride * 8];
    let jobs: Vec<_> =
        (0..blocks.len() as u32).map(|block| Job { block, pixel: block * 8 }).collect();
    let plane = PlaneMut { pixels: &mut pixels, stride };
    let mut used = blocks.to_vec();
    if corner {
        kernels.idct_corner(&jobs, &mut used, table, plane);
    } else {
        kernels.idct(&jobs, &mut used, table, plane);
    }
    assert!(used.iter().all(|block| block.0 == [0; 64]));
    let mut smaller = vec![9; stride * 6];
    let (four, two) = smaller.split_at_mut(stride * 4);
    let four = PlaneMut { pixels: four, stride };
    if corner {
        kernels.idct_4x4_corner(&jobs, blocks, table, four);
    } else {
        kernels.idct_4x4(&jobs, blocks, table, four);
    }
    kernels.idct_2x2(&jobs, blocks, table, PlaneMut { pixels: two, stride });
    pixels.extend(smaller);
    pixels
}

#[test]
fn idct_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(0x1234_5678_9abc_def1);
        for round in 0..3000 {
            let count = 1 + round % 7;
            let corner = round % 2 == 1;
            let bits = 1 + numbers.next() % 16;
            let filled = 1 + numbers.next() % 64;
            let value = |numbers: &mut Numbers| {
                let value = numbers.next() as i16 >> (16 - bits);
                if numbers.next().is_multiple_of(9) { i16::MIN } else { value }
            };
            let mut blocks = vec![Block([0; 64]); count];
            for block in &mut blocks {
                for _ in 0..filled {
                    let mut place = (numbers.next() % 64) as usize;
                    if corner {
                        place &= 0b01_1011;
                    }
                    if round % 5 == 0 {
                        place &= 0b00_0111;
                    }
                    block.0[place] = value(&mut numbers);
                }
            }
            let mut table = [1; 64];
            if round % 3 == 0 {
                table = std::array::from_fn(|_| value(&mut numbers));
            }
            let expected = run_idct(Scalar, &blocks, &table, corner);
            assert_eq!(run_idct(kernels, &blocks, &table, corner), expected, "round {round}");
        }
    }
    for_each_level!(check);
}

#[test]
fn surveys_equal_the_definition() {
    /// All that is found: DC coefficients, pixels, coded blocks, flat luma and chroma, and the
    /// last predictions.
    type Found = (Vec<i16>, Vec<[u8; LANES]>, Vec<u8>, [Vec<u32>; 2], [i16; 4]);

    fn run(kernels: impl Kernels, kind: &McuKind, sums: &[u8], blocks: &[Block]) -> Found {
        let mcus = blocks.len() / kind.count();
        let (mut blocks, mut pixels) = (blocks.to_vec(), vec![[1; LANES]; mcus]);
        let (mut coded, mut luma, mut chroma) = (vec![1; mcus], vec![1; mcus], vec![1; mcus]);
        let mut predictions = [7, -300, 12, 0];
        let mut found =
            Survey { pixels: &mut pixels, coded: &mut coded, luma: &mut luma, chroma: &mut chroma };
        kernels.survey(kind, sums, &mut blocks, &mut predictions, &mut found);
        let dc = blocks.iter().map(|block| block.0[0]).collect();
        (dc, pixels, coded, [luma, chroma], predictions)
    }

    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(0x9876_5432_1fed_cba9);
        let mut flat = [0; 2];
        for round in 0..3000 {
            let mut kind = McuKind { luma: [1, 2, 4][round % 3], factors: [0; 3] };
            kind.factors = kind.factors.map(|_| match numbers.next() % 4 {
                0 => numbers.next() as i16,
                _ => 1 + numbers.next() as i16 % 32,
            });
            let mcus = 1 + numbers.next() as usize % 20;
            let bits = 1 + numbers.next() % 16;
            let mut blocks = vec![Block([0; 64]); mcus * kind.count()];
            let mut sums = vec![UNCHANGED; blocks.len() + 8];
            let mcu_sums = sums.chunks_exact_mut(kind.count());
            for (blocks, sums) in blocks.chunks_exact_mut(kind.count()).zip(mcu_sums) {
                // What an unchanged MCU holds is old.
                let is_changed = !numbers.next().is_multiple_of(3);
                for (block, sum) in blocks.iter_mut().zip(sums) {
                    block.0[0] = match numbers.next() % 3 {
                        0 => numbers.next() as i16 >> (16 - bits),
                        _ => 0,
                    };
                    if is_changed {
                        *sum = match numbers.next() % 9 {
                            0 => numbers.next() as u8 | 1,
                            other => DC_ONLY[1 + other as usize % 2],
                        };
                    }
                }
            }
            let expected = run(Scalar, &kind, &sums, &blocks);
            assert_eq!(run(kernels, &kind, &sums, &blocks), expected, "round {round}");
            for (count, values) in flat.iter_mut().zip(&expected.3) {
                *count += values.iter().filter(|value| **value != NONE).count();
            }
        }
        assert!(flat.iter().all(|&count| count > 5000), "{flat:?}");
    }
    for_each_level!(check);
}

#[test]
fn comparisons_of_neighbors_equal_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(0x0f1e_2d3c_4b5a_6978);
        for words in 1..5 {
            let values: Vec<u32> = (0..words * 64 + 8)
                .map(|_| match numbers.next() % 4 {
                    0 => NONE,
                    1 => numbers.next() as u32,
                    other => other as u32,
                })
                .collect();
            let run = |kernels: &dyn Fn(&mut Neighbors)| {
                let mut found = Neighbors { is_none: vec![7; words], is_as_next: vec![7; words] };
                kernels(&mut found);
                (found.is_none, found.is_as_next)
            };
            let expected = run(&|found| Scalar.compare_neighbors(&values, found));
            assert_eq!(run(&|found| kernels.compare_neighbors(&values, found)), expected);
        }
    }
    for_each_level!(check);
}

#[test]
fn a_flat_block_is_its_idct() {
    for dc in i16::MIN..=i16::MAX {
        for factor in [1, 3, 16, 255, -1] {
            let mut block = Block([0; 64]);
            block.0[0] = dc;
            let pixel = super::scalar::flat_pixel(dc, factor);
            let expected = super::scalar::idct_block(&block, &[factor; 64]);
            assert_eq!([[pixel; 8]; 8], expected, "{dc} x {factor}");
            let pixel = super::reduced::flat_pixel_of_size(4, dc, factor);
            let expected = super::reduced::idct_4x4_block(&block, &[factor; 64]);
            assert_eq!([[pixel; 4]; 4], expected, "{dc} x {factor}");
            let pixel = super::reduced::flat_pixel_of_size(2, dc, factor);
            let expected = super::reduced::idct_2x2_block(&block, &[factor; 64]);
            assert_eq!([[pixel; 2]; 2], expected, "{dc} x {factor}");
        }
    }
}

#[test]
fn colors_equal_the_definition_for_every_color() {
    fn check(kernels: impl Kernels) {
        let chroma: Vec<u8> = (0..=255).collect();
        let mut expected = [0; 768];
        let mut found = [0; 768];
        for y in 0..=255 {
            for cb in 0..=255 {
                let (y, cb) = ([y; 256], [cb; 256]);
                Scalar.ycc_to_rgb(&y, &cb, &chroma, &mut expected);
                kernels.ycc_to_rgb(&y, &cb, &chroma, &mut found);
                assert_eq!(found, expected);
            }
        }
        let mut numbers = Numbers(77);
        for length in 0..200 {
            let [y, cb, cr] = [0; 3].map(|_| numbers.bytes(length));
            let (mut found, mut expected) = (vec![0; length * 3], vec![1; length * 3]);
            kernels.ycc_to_rgb(&y, &cb, &cr, &mut found);
            Scalar.ycc_to_rgb(&y, &cb, &cr, &mut expected);
            assert_eq!(found, expected, "{length} pixels");
        }
    }
    for_each_level!(check);
}

#[test]
fn upsampling_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(99);
        for length in 1..150 {
            for _ in 0..20 {
                let (near, far) = (numbers.bytes(length + 2), numbers.bytes(length + 2));
                let mut found = vec![0; 2 * length];
                let mut expected = vec![1; 2 * length];
                kernels.upsample_h2v2(&near, &far, &mut found);
                Scalar.upsample_h2v2(&near, &far, &mut expected);
                assert_eq!(found, expected, "h2v2, {length} pixels");
                kernels.upsample_h2v1(&near, &mut found);
                Scalar.upsample_h2v1(&near, &mut expected);
                assert_eq!(found, expected, "h2v1, {length} pixels");
                for bias in [1, 2] {
                    kernels.upsample_h1v2(&near, &far, bias, &mut found[..length]);
                    Scalar.upsample_h1v2(&near, &far, bias, &mut expected[..length]);
                    assert_eq!(found, expected, "h1v2, {length} pixels");
                }
            }
        }
    }
    for_each_level!(check);
}

#[test]
fn shifting_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let y: Vec<u8> = (0..=255).collect();
        for shift in -255..=255 {
            let shift = [shift, -shift, shift / 2];
            for length in [256, 255, 97, 31, 16, 1] {
                let shifted = |is_expected: bool, luma: &[u8]| {
                    let (length, stride) = (length * 3, length * 3 + 7);
                    let mut out = vec![9; stride + length];
                    let rows = Rows { bytes: luma, stride: luma.len() - length / 3 };
                    let to = RowsMut { bytes: &mut out, stride, length };
                    if is_expected {
                        Scalar.shift_to_rgb(rows, shift, to);
                    } else {
                        kernels.shift_to_rgb(rows, shift, to);
                    }
                    out
                };
                // Exactly as much luma as is needed, and more.
                for luma in [&y[..], &y.repeat(2)] {
                    assert_eq!(shifted(false, luma), shifted(true, luma));
                }
            }
        }
        for chroma in 0..=0xffff_u16 {
            let [cb, cr] = chroma.to_le_bytes();
            assert!(super::scalar::shift_of(cb, cr).iter().all(|shift| shift.abs() <= 255));
        }
    }
    for_each_level!(check);
}

#[test]
fn upsampling_with_color_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(0x0123_4567_89ab_cdef);
        for length in 1..=140_usize {
            for _ in 0..8 {
                let pixels = length.next_multiple_of(VECTOR);
                let rows = 2 * (1 + length % 3);
                let luma = numbers.bytes(pixels * rows);
                let [cb, cr] = [0, 1].map(|_| numbers.bytes((pixels / 2 + 2) * (rows / 2 + 1)));
                let of = |bytes, stride| Rows { bytes, stride };
                let stride = length * 3 + length % 5;
                let mut found = vec![7; stride * rows];
                let mut expected = found.clone();
                for (out, is_expected) in [(&mut found, false), (&mut expected, true)] {
                    let (y, narrow) = (of(&luma, pixels), pixels / 2 + 2);
                    let (cb, cr) = (of(&cb, narrow), of(&cr, narrow));
                    let out = RowsMut { bytes: out, stride, length: length * 3 };
                    if is_expected {
                        Scalar.ycc_h2v2_to_rgb(y, cb, cr, out);
                    } else {
                        kernels.ycc_h2v2_to_rgb(y, cb, cr, out);
                    }
                }
                assert_eq!(found, expected, "h2v2, {length} pixels");
                kernels.ycc_h2v1_to_rgb(&luma, &cb, &cr, &mut found[..length * 3]);
                Scalar.ycc_h2v1_to_rgb(&luma, &cb, &cr, &mut expected[..length * 3]);
                assert_eq!(found, expected, "h2v1, {length} pixels");
            }
        }
    }
    for_each_level!(check);
}

#[test]
fn filling_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        for offset in 0..67 {
            for pixels in (0..=140).chain([1280]) {
                let (length, stride) = (pixels * 3, pixels * 3 + 1 + offset % 40);
                let mut found = vec![9; offset + stride + length + 40];
                let mut expected = found.clone();
                let color = [1, 2, 250];
                let area = |out: &mut Vec<u8>, fill: &dyn Fn(RowsMut<'_>)| {
                    let bytes = &mut out[offset..offset + stride + length];
                    fill(RowsMut { bytes, stride, length });
                };
                area(&mut expected, &|out| Scalar.fill(color, out));
                area(&mut found, &|out| kernels.fill(color, out));
                assert_eq!(found, expected, "{pixels} pixels, offset {offset}");
            }
        }
    }
    for_each_level!(check);
}
