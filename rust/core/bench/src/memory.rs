//! What the memory gives: the bound that a pass over the bytes is held against, and
//! what the kernel says of pages. Knows no JSON.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_cvtsi128_si64, _mm_or_si128, _mm_unpackhi_epi64, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_setzero_si256,
    _mm512_loadu_si512, _mm512_or_si512, _mm512_reduce_or_epi64, _mm512_setzero_si512,
};

/// The OR of all bytes, eight at a time, by vectors of 64 or 32 bytes, unrolled.
pub fn or_of(bytes: &[u8]) -> u64 {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the CPU has the feature.
        unsafe { or_512(bytes) }
    } else {
        assert!(is_x86_feature_detected!("avx2"), "the bound is measured with AVX2");
        // SAFETY: the CPU has the feature.
        unsafe { or_256(bytes) }
    }
}

#[target_feature(enable = "avx512f")]
fn or_512(bytes: &[u8]) -> u64 {
    let mut sums = [_mm512_setzero_si512(); 8];
    let (blocks, rest) = bytes.as_chunks::<512>();
    for block in blocks {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let at = block[lane * 64..].as_ptr().cast::<__m512i>();
            // SAFETY: 64 bytes of the block's 512 begin at each of 8 lanes.
            *sum = _mm512_or_si512(*sum, unsafe { _mm512_loadu_si512(at) });
        }
    }
    let sum = sums.into_iter().fold(_mm512_setzero_si512(), |a, b| _mm512_or_si512(a, b));
    _mm512_reduce_or_epi64(sum).cast_unsigned() | rest.iter().fold(0, |a, &b| a | u64::from(b))
}

#[target_feature(enable = "avx2")]
fn or_256(bytes: &[u8]) -> u64 {
    let mut sums = [_mm256_setzero_si256(); 8];
    let (blocks, rest) = bytes.as_chunks::<256>();
    for block in blocks {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let at = block[lane * 32..].as_ptr().cast::<__m256i>();
            // SAFETY: 32 bytes of the block's 256 begin at each of 8 lanes.
            *sum = _mm256_or_si256(*sum, unsafe { _mm256_loadu_si256(at) });
        }
    }
    let sum = sums.into_iter().fold(_mm256_setzero_si256(), |a, b| _mm256_or_si256(a, b));
    let half = _mm_or_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    let all = _mm_or_si128(half, _mm_unpackhi_epi64(half, half));
    _mm_cvtsi128_si64(all).cast_unsigned() | rest.iter().fold(0, |a, &b| a | u64::from(b))
}

/// The same on several threads, each with its part.
pub fn or_by_threads(bytes: &[u8], threads: usize) -> u64 {
    if threads == 1 {
        return or_of(bytes);
    }
    std::thread::scope(|scope| {
        let parts = bytes.chunks(bytes.len().div_ceil(threads));
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || or_of(part))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).fold(0, |a, b| a | b)
    })
}

/// A number of kB from a file of /proc, summed over all lines that begin so.
fn proc_kib(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let values = text.lines().filter_map(|line| line.strip_prefix(name));
    values.filter_map(|rest| rest.trim_end_matches("kB").trim().parse::<u64>().ok()).sum()
}

/// How much of all mapped files is mapped in pages of 2 MB, in bytes.
pub fn huge_bytes() -> u64 {
    proc_kib("/proc/self/smaps", "FilePmdMapped:") * 1024
}

/// Memory of this process that is not a mapped file, in bytes.
pub fn anonymous_bytes() -> u64 {
    proc_kib("/proc/self/status", "RssAnon:") * 1024
}
