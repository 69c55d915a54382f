//! All that there is to say about a tree of files, for comparison.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One line for each path below a directory: type, mode, owner, time, size, content or target, attributes,
/// and which paths are the same inode.
pub fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    let mut inodes = HashMap::new();
    walk(root, Path::new(""), &mut tree, &mut inodes);
    tree
}

/// Without attributes that tools leave behind for themselves.
fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = &names[..length];
    let mut lines: Vec<String> = names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty() && !name.starts_with(b"user.rootlesscontainers"))
        .map(|name| {
            let mut value = vec![0u8; 65536];
            let name = OsStr::from_bytes(name);
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            format!("{}={:02x?}", name.display(), &value[..length])
        })
        .collect();
    lines.sort();
    lines.join(",")
}

fn walk(
    root: &Path,
    path: &Path,
    tree: &mut BTreeMap<PathBuf, String>,
    inodes: &mut HashMap<u64, PathBuf>,
) {
    let full = root.join(path);
    let meta = fs::symlink_metadata(&full).unwrap();
    let kind = meta.file_type();
    let mut line = format!(
        "{:o} {}:{} {}.{} {}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
        attributes(&full),
    );
    if kind.is_char_device() || kind.is_block_device() {
        line += &format!(" device {:x}", meta.rdev());
    } else if kind.is_symlink() {
        line += &format!(" -> {}", fs::read_link(&full).unwrap().display());
    } else if kind.is_file() {
        line += &format!(" {} bytes {:x}", meta.len(), hash(&fs::read(&full).unwrap()));
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        let first = inodes.entry(meta.ino()).or_insert_with(|| path.to_owned());
        // Names that a higher layer deleted still count as links.
        if first != path {
            line += &format!(" same as {}", first.display());
        }
    }
    tree.insert(path.to_owned(), line);
    if kind.is_dir() {
        let mut names: Vec<_> =
            fs::read_dir(&full).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names.iter().for_each(|name| walk(root, &path.join(name), tree, inodes));
    }
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Says where two trees differ, path by path.
#[track_caller]
pub fn assert_same(ours: &BTreeMap<PathBuf, String>, theirs: &BTreeMap<PathBuf, String>) {
    let mut differences = Vec::new();
    for path in ours.keys().chain(theirs.keys().filter(|path| !ours.contains_key(*path))) {
        let (a, b) = (ours.get(path), theirs.get(path));
        if a != b {
            differences.push(format!("{}:\n  {a:?}\n  {b:?}", path.display()));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
