//! The inner loops, one family with a member for each instruction set. Kernels see bytes
//! and weights, never sizes of pictures.
//!
//! `scalar` is the definition; every other member gives the same bytes for all input.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls code of a level whose proof is a token")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls code of a level whose proof is a token")]
pub(crate) mod avx512;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

use textbook_simd::Level;

use super::coefficients::Axis;
use super::values::{Arithmetic, Float};

/// So many rows are resized horizontally at once: the lanes of a register.
pub(crate) const BAND: usize = 16;

/// Memory that a band needs, used again.
#[derive(Debug, Default)]
pub(crate) struct BandMemory {
    /// Two neighboring pixels of one channel in all rows, by pixel pair and channel.
    pub columns: Vec<[u8; 2 * BAND]>,
    /// One byte of an output row in all rows.
    pub output: Vec<[u8; BAND]>,
}

/// Sixteen output rows, `stride` bytes from one to the next, which is a multiple of 16.
#[derive(Debug)]
pub(crate) struct BandMut<'a> {
    pub bytes: &'a mut [u8],
    pub stride: usize,
}

/// The inner loops of one instruction set.
pub(crate) trait Kernels: Copy {
    /// Resizes rows of RGB pixels horizontally. `rows` hold exactly the axis's input; output
    /// rows may be written up to their stride. `ahead` are bytes that will be needed next.
    fn horizontal(
        self,
        rows: &[&[u8]; BAND],
        axis: &Axis,
        ahead: &[u8],
        memory: &mut BandMemory,
        out: BandMut<'_>,
    );

    /// Makes row `place` of rows: each byte is the weighted sum of those at its place. There
    /// are two rows for each pair of weights, or one for the last; each is `stride` bytes
    /// after the one before, and at least as long as `out`.
    fn vertical(self, rows: &[u8], stride: usize, axis: &Axis, place: usize, out: &mut [u8]);

    /// RGB pixels to a row for each channel.
    fn to_planes(self, row: &[u8], planes: [&mut [u8]; 3]);

    /// Bytes to floats. The constants of `arithmetic` repeat every 3 numbers at most.
    fn to_floats(self, bytes: &[u8], arithmetic: &Arithmetic, float: Float, out: &mut [u8]);
}

/// An algorithm over kernels.
pub(crate) trait Algorithm {
    type Output;

    fn run<K: Kernels>(self, kernels: K) -> Self::Output;
}

/// Runs an algorithm with the kernels of a level, or of the best one below it that there is.
pub(crate) fn run<A: Algorithm>(level: Level, algorithm: A) -> A::Output {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx512
        && let Some(token) = textbook_simd::Avx512::get()
        && let Some(avx2) = textbook_simd::Avx2::get()
    {
        return algorithm.run(avx512::Kernels::new(token, avx2));
    }
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2
        && let Some(token) = textbook_simd::Avx2::get()
    {
        return algorithm.run(avx2::Kernels::new(token));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = level;
    algorithm.run(scalar::Scalar)
}
