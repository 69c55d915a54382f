//! Drives teu-image against the kernel, and against the tools that it shares images with: what they wrote
//! it reads, and what it wrote they read, with the same digests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod awkward;
mod build;
mod build_oracles;
mod containers;
mod crashes;
mod fake;
mod interop;
mod place;
mod protocol;
mod registry;
mod rootless;
mod tree;
