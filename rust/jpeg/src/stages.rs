//! Where the time goes: a clock that benchmarks read. Without the feature `stages` it is
//! nothing at all.

/// What decoding consists of, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Segments, quantization and Huffman tables.
    Tables,
    /// The coded bytes without stuffing.
    Unstuff,
    /// Coded bits to coefficients.
    Entropy,
    /// What is flat, and the pixels of blocks with a DC coefficient only.
    Flat,
    /// Inverse transform of the other blocks.
    Idct,
    /// Upsampling, color and the stores of the result.
    Color,
}

#[cfg(feature = "stages")]
mod clock {
    use super::Stage;
    use std::time::{Duration, Instant};

    /// The time spent in each stage since [`Clock::start`].
    #[derive(Debug, Default)]
    pub struct Clock {
        spent: [Duration; 6],
        last: Option<Instant>,
    }

    impl Clock {
        pub(crate) fn start(&mut self) {
            self.spent = [Duration::ZERO; 6];
            self.last = Some(Instant::now());
        }

        /// The time since the last mark was spent in this stage.
        pub(crate) fn mark(&mut self, stage: Stage) {
            let now = Instant::now();
            if let Some(last) = self.last.replace(now) {
                self.spent[stage as usize] += now - last;
            }
        }

        /// The time spent in a stage.
        #[must_use]
        pub fn spent(&self, stage: Stage) -> Duration {
            self.spent[stage as usize]
        }
    }
}

#[cfg(not(feature = "stages"))]
mod clock {
    #[derive(Default)]
    pub(crate) struct Clock;

    impl Clock {
        #[inline(always)]
        #[expect(clippy::unused_self, reason = "the same as with the feature")]
        pub(crate) fn start(&mut self) {}

        #[inline(always)]
        #[expect(clippy::unused_self, reason = "the same as with the feature")]
        pub(crate) fn mark(&mut self, _: super::Stage) {}
    }
}

#[cfg(feature = "stages")]
pub use clock::Clock;
#[cfg(not(feature = "stages"))]
pub(crate) use clock::Clock;
