//! What a runtime must do, as seen from inside the container.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod ids;
