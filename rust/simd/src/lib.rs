//! Proof of CPU features. A level token ([`Avx2`], [`Avx512`]) can only come
//! from [`Level::active`] and the tokens' `get`, so code that holds one may call
//! the instructions. Knows nothing of JPEG, JSON or files.
//!
//! The environment variable `TEXTBOOK_FAST_SIMD=scalar|avx2|avx512` lowers the
//! level of the whole process. It never invents one that the CPU lacks.

#[cfg(target_arch = "x86_64")]
pub mod x86;

use std::fmt;
use std::sync::OnceLock;

/// An instruction set that kernels are written for, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust: the definition that every other level is tested against.
    Scalar,
    /// x86-64-v3: AVX2, BMI1, BMI2, LZCNT, POPCNT, FMA, F16C, and PCLMULQDQ.
    Avx2,
    /// AVX-512 F, BW, CD, DQ, VL, VBMI, VBMI2 and VNNI, on top of AVX2.
    Avx512,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 3] = [Level::Scalar, Level::Avx2, Level::Avx512];

    /// The name used in `TEXTBOOK_FAST_SIMD` and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The level with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// The best level that this CPU has, whatever the environment says.
    #[must_use]
    pub fn of_cpu() -> Level {
        static OF_CPU: OnceLock<Level> = OnceLock::new();
        *OF_CPU.get_or_init(detect)
    }

    /// The level that this process uses: that of the CPU, or a lower one where
    /// `TEXTBOOK_FAST_SIMD` asks for it. Read once; unknown names are ignored
    /// here and reported by the caller that reads [`requested`].
    #[must_use]
    pub fn active() -> Level {
        static ACTIVE: OnceLock<Level> = OnceLock::new();
        *ACTIVE.get_or_init(|| match requested() {
            Some(Ok(level)) => level.min(Level::of_cpu()),
            _ => Level::of_cpu(),
        })
    }

    /// Every level that this CPU can run, lowest first: what tests iterate over.
    pub fn available() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|&level| level <= Level::of_cpu())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `TEXTBOOK_FAST_SIMD` asks for: `None` where it is unset or empty, the
/// text itself where it names no level.
#[must_use]
pub fn requested() -> Option<Result<Level, String>> {
    let text = std::env::var("TEXTBOOK_FAST_SIMD").ok()?;
    let name = text.trim().to_ascii_lowercase();
    (!name.is_empty()).then(|| Level::from_name(&name).ok_or(text))
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("pclmulqdq");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512vnni");
    match (avx512, avx2) {
        (true, _) => Level::Avx512,
        (false, true) => Level::Avx2,
        (false, false) => Level::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Scalar
}

/// Proof that the CPU has everything of [`Level::Avx2`].
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where the CPU has the level.
    #[must_use]
    pub fn get() -> Option<Avx2> {
        (Level::of_cpu() >= Level::Avx2).then_some(Avx2(()))
    }
}

/// Proof that the CPU has everything of [`Level::Avx512`].
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The token, where the CPU has the level.
    #[must_use]
    pub fn get() -> Option<Avx512> {
        (Level::of_cpu() >= Level::Avx512).then_some(Avx512(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
        assert_eq!(Level::from_name("sse9"), None);
    }

    #[test]
    fn tokens_follow_the_cpu() {
        assert_eq!(Avx2::get().is_some(), Level::of_cpu() >= Level::Avx2);
        assert_eq!(Avx512::get().is_some(), Level::of_cpu() >= Level::Avx512);
        assert!(Level::active() <= Level::of_cpu());
    }

    #[test]
    fn required_levels_are_here() {
        // TEXTBOOK_FAST_REQUIRE=avx2,... turns a missing level into a failure.
        let available: Vec<_> = Level::available().map(Level::name).collect();
        println!("levels tested on this CPU: {}", available.join(", "));
        for name in std::env::var("TEXTBOOK_FAST_REQUIRE").unwrap_or_default().split(',') {
            let name = name.trim();
            assert!(name.is_empty() || available.contains(&name), "this CPU lacks {name}");
        }
    }
}
