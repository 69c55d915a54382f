//! Files as `lstat` shows them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use serde_json::{Value, json};

/// Name -> `stat` for every entry of a directory.
pub fn list(dir: &str) -> Option<Value> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let map: BTreeMap<String, Value> = entries
        .filter_map(|e| Some((e.file_name().to_string_lossy().into_owned(), stat(&e.path()).ok()?)))
        .collect();
    Some(json!(map))
}

/// What `lstat` and `readlink` say.
pub fn stat(path: &Path) -> std::io::Result<Value> {
    let mut value = described(&std::fs::symlink_metadata(path)?);
    value["target"] = json!(std::fs::read_link(path).ok());
    Ok(value)
}

/// What `fstat` says of descriptors 0, 1 and 2.
pub fn streams() -> Value {
    let of = |fd: BorrowedFd<'_>| {
        let meta = fd.try_clone_to_owned().and_then(|fd| std::fs::File::from(fd).metadata());
        meta.map_or(Value::Null, |meta| described(&meta))
    };
    json!([
        of(std::io::stdin().as_fd()),
        of(std::io::stdout().as_fd()),
        of(std::io::stderr().as_fd())
    ])
}

fn described(meta: &std::fs::Metadata) -> Value {
    let kind = meta.file_type();
    let name = match () {
        () if kind.is_dir() => "dir",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () => "socket",
    };
    let device = (kind.is_char_device() || kind.is_block_device())
        .then(|| format!("{}:{}", major(meta.rdev()), minor(meta.rdev())));
    json!({
        "type": name,
        "mode": meta.mode() & 0o7777,
        "uid": meta.uid(),
        "gid": meta.gid(),
        "size": meta.size(),
        "ino": meta.ino(),
        "dev": meta.dev(),
        "device": device,
    })
}
