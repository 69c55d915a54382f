//! Files of cgroups and of /proc: a name in the first line, the content behind it.
#![no_main]

#[path = "../src/scratch.rs"]
mod scratch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = scratch::scratch();
    for kind in ["v1", "v2", "proc"] {
        fs::create_dir_all(dir.join(kind)).unwrap();
    }
    for file in ["self_cgroup", "mountinfo"] {
        fs::write(dir.join("proc").join(file), "1:cpu:/\n").unwrap();
    }
    dir
});

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (name, content) = (&data[..end], &data[end + 1..]);
    let Some((kind, file)) = std::str::from_utf8(name).ok().and_then(known) else { return };
    let path = DIR.join(kind).join(file);
    fs::write(&path, content).unwrap();
    if kind == "proc" {
        let dir = DIR.join("proc");
        libteu::fuzzing::layout(&dir.join("self_cgroup"), &dir.join("mountinfo"));
    } else {
        libteu::fuzzing::stats(&DIR.join(kind), kind == "v2");
        fs::remove_file(path).unwrap();
    }
});

/// A kind and a plain name.
fn known(name: &str) -> Option<(&str, &str)> {
    let (kind, file) = name.split_once('/')?;
    let plain = Path::new(file).file_name().is_some_and(|name| name == file) && file.len() < 64;
    let proc = matches!(file, "self_cgroup" | "mountinfo");
    (plain && !file.contains('\0') && matches!((kind, proc), ("v1" | "v2", false) | ("proc", true)))
        .then_some((kind, file))
}
