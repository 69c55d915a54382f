//! `exec --process`: a file, or the process of a config.
#![no_main]

#[path = "../src/scratch.rs"]
mod scratch;

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::Spec;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| scratch::scratch().join("process.json"));

fuzz_target!(|json: &[u8]| {
    std::fs::write(&*FILE, json).unwrap();
    match libteu::load_process(&FILE) {
        Ok((process, _)) => libteu::fuzzing::exec(&process),
        Err(e) => assert_eq!(e.to_string().lines().count(), 1, "{e}"),
    }
    let spec: Option<Spec> = serde_json::from_slice(json).ok();
    if let Some(process) = spec.as_ref().and_then(|spec| spec.process().as_ref()) {
        libteu::fuzzing::exec(process);
    }
});
