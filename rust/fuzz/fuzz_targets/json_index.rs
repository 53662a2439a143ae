#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| textbook_fuzz::json_index::check(data));
