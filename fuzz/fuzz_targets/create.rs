//! A config, from bytes to plans.
#![no_main]

libfuzzer_sys::fuzz_target!(|json: &[u8]| libteu::fuzzing::create(json));
