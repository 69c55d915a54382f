//! The state file, /proc/PID/stat, an executor's packets, systemd's messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libteu::fuzzing::state(data));
