//! libteu as a part of a program: many threads, signals, descriptors, and nothing of the caller's changed.
//!
//! Every test runs in a process of its own (see `alone`), for it looks at or changes what all threads share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::exit, reason = "tests")]

mod alone;
mod caller;
mod descriptors;
mod drive;
mod events;
mod executor_killed;
mod hammer;
mod limits;
mod load;
mod races;
mod reaping;
mod roots;
mod runtime_tokio;
mod signals;
mod soak;
mod threads;
mod traces;
mod untouched;
