//! What a runtime must do, as seen from inside the container.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod bad_input;
mod bundles;
mod caps;
mod concurrency;
mod devices;
mod engines_docker;
mod events;
mod exec;
mod features;
mod hardening;
mod hooks;
mod ids;
mod kill;
mod lifecycle;
mod list;
mod masks;
mod mount_paths;
mod mounts;
mod namespaces;
mod not_yet;
mod pause;
mod pid_file;
mod ps;
mod regressions;
mod rlimits;
mod rootless;
mod run_exit_codes;
mod signals;
mod spec_cmd;
mod state;
mod stats;
mod sysctl;
mod table;
mod terminal;
mod userns;
