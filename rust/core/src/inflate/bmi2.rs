//! The loop over symbols with BMI2, whose shifts take their count from any register.
#![allow(unsafe_code, reason = "a call of a function with CPU features")]

use std::arch::asm;

use textbook_simd::Avx2;

use super::bits::Bits;
use super::runs::{self, Pass, Run};
use super::symbols::{Ended, run_all};
use super::tables::Tables;
use super::{History, Output};

pub(super) fn run<H: History>(
    _proof: Avx2,
    tables: &Tables,
    bits: &mut Bits<'_>,
    output: &mut Output<'_, H>,
) -> Result<Ended, &'static str> {
    #[target_feature(enable = "bmi1,bmi2,lzcnt,avx2")]
    fn inner<H: History>(
        tables: &Tables,
        bits: &mut Bits<'_>,
        output: &mut Output<'_, H>,
    ) -> Result<Ended, &'static str> {
        run_all(tables, bits, output, |run| take(run))
    }
    // SAFETY: the token proves that the CPU has the features.
    unsafe { inner(tables, bits, output) }
}

/// A function of its own, so that its loop has all registers.
#[target_feature(enable = "bmi1,bmi2,lzcnt,avx2")]
#[inline(never)]
fn take(run: &mut Run<'_>) {
    runs::take::<Bmi2>(run);
}

/// Named only where the CPU has BMI2.
struct Bmi2;

impl Pass for Bmi2 {
    #[inline(always)]
    fn pass(ahead: u64, ends: [u64; 2], shifts: [u32; 2]) -> u64 {
        let [by_short, by_long] = shifts.map(u64::from);
        let rest;
        // SAFETY: it works on registers alone, with instructions that the CPU has.
        unsafe {
            asm!(
                "shlx {short}, {ahead}, {by_short}",
                "shlx {rest}, {ahead}, {by_long}",
                "cmp {ahead}, {end0}",
                "lea {longest}, [{rest} + {rest}]",
                "cmovb {rest}, {short}",
                "cmp {ahead}, {end1}",
                "cmovae {rest}, {longest}",
                ahead = in(reg) ahead,
                end0 = in(reg) ends[0],
                end1 = in(reg) ends[1],
                by_short = in(reg) by_short,
                by_long = in(reg) by_long,
                short = out(reg) _,
                longest = out(reg) _,
                rest = out(reg) rest,
                options(pure, nomem, nostack),
            );
        }
        rest
    }

    #[inline(always)]
    fn refill(rest: u64, next: u64, consumed: u64) -> u64 {
        let ahead;
        // SAFETY: as above.
        unsafe {
            asm!(
                "not {consumed}",
                "blsr {rest}, {rest}",
                "shrx {next}, {next}, {consumed}",
                "or {rest}, 1",
                "or {rest}, {next}",
                rest = inout(reg) rest => ahead,
                next = inout(reg) next => _,
                consumed = inout(reg) consumed => _,
                options(pure, nomem, nostack),
            );
        }
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_symbols_are() {
        // That a level is missing is a failure where it has to be there: see textbook_simd.
        if Avx2::get().is_some() {
            // SAFETY: the token proves that the CPU has the features.
            runs::tests::runs_are_what_symbols_are(|run| unsafe { take(run) });
        }
    }
}
