//! Loads and stores of whole vectors as safe functions: the array's type is the proof
//! that the bytes are there. Knows nothing of what the vectors mean.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_storeu_ps, _mm256_storeu_si256,
};

macro_rules! vectors {
    ($($load:ident, $store:ident, $array:ty, $vector:ty, $load_intrinsic:ident, $store_intrinsic:ident;)*) => { $(
        /// A vector of the array's bytes, in memory order.
        ///
        /// # Safety
        ///
        /// Safe inside of functions that enable AVX2; anywhere else the caller has to
        /// know that the CPU has it (hold an [`Avx2`](crate::Avx2) token).
        #[must_use]
        #[inline]
        #[target_feature(enable = "avx2")]
        #[expect(unsafe_code, reason = "the array's type proves what the intrinsic needs")]
        pub fn $load(from: &$array) -> $vector {
            // SAFETY: the intrinsic reads as many bytes as the array has, which a
            // reference proves readable, and asks for no alignment.
            unsafe { $load_intrinsic(std::ptr::from_ref(from).cast()) }
        }

        /// Writes the vector's bytes, in memory order.
        ///
        /// # Safety
        ///
        /// Safe inside of functions that enable AVX2; anywhere else the caller has to
        /// know that the CPU has it (hold an [`Avx2`](crate::Avx2) token).
        #[inline]
        #[target_feature(enable = "avx2")]
        #[expect(unsafe_code, reason = "the array's type proves what the intrinsic needs")]
        pub fn $store(to: &mut $array, vector: $vector) {
            // SAFETY: the intrinsic writes as many bytes as the array has, which an
            // exclusive reference proves writable, and asks for no alignment.
            unsafe { $store_intrinsic(std::ptr::from_mut(to).cast(), vector) }
        }
    )* };
}

vectors! {
    load_u8x16, store_u8x16, [u8; 16], __m128i, _mm_loadu_si128, _mm_storeu_si128;
    load_i16x8, store_i16x8, [i16; 8], __m128i, _mm_loadu_si128, _mm_storeu_si128;
    load_u8x32, store_u8x32, [u8; 32], __m256i, _mm256_loadu_si256, _mm256_storeu_si256;
    load_i16x16, store_i16x16, [i16; 16], __m256i, _mm256_loadu_si256, _mm256_storeu_si256;
    load_u32x8, store_u32x8, [u32; 8], __m256i, _mm256_loadu_si256, _mm256_storeu_si256;
    load_i32x8, store_i32x8, [i32; 8], __m256i, _mm256_loadu_si256, _mm256_storeu_si256;
    load_f32x8, store_f32x8, [f32; 8], __m256, _mm256_loadu_ps, _mm256_storeu_ps;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[target_feature(enable = "avx2")]
    fn copies() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let mut copy = [0; 32];
        store_u8x32(&mut copy, load_u8x32(&bytes));
        assert_eq!(copy, bytes);
        let (half, _) = bytes.split_first_chunk::<16>().expect("long enough");
        let mut copy = [0; 16];
        store_u8x16(&mut copy, load_u8x16(half));
        assert_eq!(copy, *half);
        let words: [i16; 16] = std::array::from_fn(|at| i16::try_from(at).expect("small") - 8);
        let mut copy = [0; 16];
        store_i16x16(&mut copy, load_i16x16(&words));
        assert_eq!(copy, words);
        let (half, _) = words.split_first_chunk::<8>().expect("long enough");
        let mut copy = [0; 8];
        store_i16x8(&mut copy, load_i16x8(half));
        assert_eq!(copy, *half);
        let floats = [0.5, -1.0, 2.0, f32::MAX, 0.0, 1e-40, 7.0, f32::MIN];
        let mut copy = [0.0f32; 8];
        store_f32x8(&mut copy, load_f32x8(&floats));
        assert_eq!(copy.map(f32::to_bits), floats.map(f32::to_bits));
    }

    #[test]
    #[expect(unsafe_code, reason = "calls code of a level")]
    fn vectors_keep_their_bytes() {
        if crate::Avx2::get().is_some() {
            // SAFETY: the token proves AVX2.
            unsafe { copies() }
        }
    }
}
