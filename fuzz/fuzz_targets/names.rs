//! Ids, users, signals, sizes, durations: what stands on a command line.
#![no_main]

#[path = "../../runtime-bin/src/cli/bytes.rs"]
mod bytes;
#[path = "../../runtime-bin/src/cli/duration.rs"]
mod duration;
#[path = "../../runtime-bin/src/cli/signal.rs"]
mod signal;
#[path = "../../runtime-bin/src/cli/user.rs"]
mod user;

libfuzzer_sys::fuzz_target!(|text: &str| {
    libteu::fuzzing::names(text);
    let _ = (bytes::parse(text), duration::parse(text), text.parse::<signal::SignalNumber>());
    if let Ok(user) = text.parse::<user::UserSpec>() {
        assert!(user.uid != u32::MAX && user.gid != Some(u32::MAX), "{user:?}");
    }
});
