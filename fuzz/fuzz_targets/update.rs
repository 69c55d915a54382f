//! The resources of `update --resources`.
#![no_main]

libfuzzer_sys::fuzz_target!(|json: &[u8]| libteu::fuzzing::update(json));
