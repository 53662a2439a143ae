#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| textbook_fuzz::inflate::check(data));
