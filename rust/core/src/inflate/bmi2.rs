//! The loop over symbols with BMI2, whose shifts take their count from any register.
#![allow(unsafe_code, reason = "a call of a function with CPU features")]

use textbook_simd::Avx2;

use super::bits::Bits;
use super::symbols::{Ended, run_all};
use super::tables::Tables;
use super::{History, Output};

pub(super) fn run<H: History>(
    _proof: Avx2,
    tables: &Tables,
    bits: &mut Bits<'_>,
    output: &mut Output<'_, H>,
) -> Result<Ended, &'static str> {
    #[target_feature(enable = "bmi1,bmi2,lzcnt")]
    fn inner<H: History>(
        tables: &Tables,
        bits: &mut Bits<'_>,
        output: &mut Output<'_, H>,
    ) -> Result<Ended, &'static str> {
        run_all(tables, bits, output)
    }
    // SAFETY: the token proves that the CPU has the features.
    unsafe { inner(tables, bits, output) }
}
