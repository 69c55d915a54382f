//! A directory of this process's own, in memory.

use std::path::PathBuf;

/// What is written to it by one run of the fuzzer is overwritten by the next.
pub fn scratch() -> PathBuf {
    let dir = PathBuf::from(format!("/dev/shm/teu-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
