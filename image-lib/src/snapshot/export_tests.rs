use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use proptest::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::*;
use crate::layer::{Flavor, Limits, Options, unpack};

/// Something in a directory.
#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>, Option<Vec<u8>>),
    Directory(Vec<(Vec<u8>, Inode)>),
    Symlink(Vec<u8>),
    Fifo,
    /// A further name of the file that came last.
    Link,
}

#[derive(Debug, Clone)]
struct Inode {
    node: Node,
    mode: u32,
    /// Seconds.
    time: i64,
}

/// Bytes without NUL and slash; such as mean something in archives among them.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no name has it", |byte| ![0, b'/'].contains(byte));
    let any = prop::collection::vec(byte, 1..120);
    let plain = "[a-c]{1,2}".prop_map(String::into_bytes);
    prop_oneof![plain, any].prop_filter("means something else", |name| {
        !name.starts_with(b".wh.") && !name.starts_with(b".")
    })
}

fn tree() -> impl Strategy<Value = Inode> {
    let value = prop::collection::vec(any::<u8>(), 1..40);
    let leaf = prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..2000), prop::option::of(value))
            .prop_map(|(data, xattr)| Node::File(data, xattr)),
        prop::collection::vec(1..=255u8, 1..300).prop_map(Node::Symlink),
        Just(Node::Fifo),
        Just(Node::Link),
    ];
    let inode = |node| {
        let times = prop_oneof![0..2_000_000_000i64, -1_000_000..0i64, Just(9_000_000_000)];
        // The owner can look into it, whoever runs this test.
        let mode = (0..0o1000u32, 0..8u32).prop_map(|(mode, special)| mode | 0o700 | special << 9);
        (node, mode, times).prop_map(|(node, mode, time)| Inode { node, mode, time })
    };
    let directory = inode(leaf.boxed()).prop_recursive(4, 24, 6, move |inner| {
        let entries = prop::collection::vec((name(), inner), 0..6).prop_map(Node::Directory);
        inode(entries.boxed())
    });
    let entries = prop::collection::vec((name(), directory), 0..6).prop_map(Node::Directory);
    inode(entries.boxed())
}

fn make(path: &Path, inode: &Inode, last_file: &mut Option<PathBuf>) {
    if fs::symlink_metadata(path).is_ok() && !path.is_dir() {
        return;
    }
    match &inode.node {
        Node::File(data, xattr) => {
            if path.exists() || fs::write(path, data).is_err() {
                return;
            }
            if let Some(value) = xattr {
                rustix::fs::lsetxattr(path, "user.x", value, XattrFlags::empty()).unwrap();
            }
            *last_file = Some(path.to_owned());
        }
        Node::Directory(entries) => {
            let _ = fs::create_dir(path);
            for (name, inner) in entries {
                make(&path.join(OsStr::from_bytes(name)), inner, last_file);
            }
        }
        Node::Symlink(target) => {
            let target = std::ffi::OsString::from_vec(target.clone());
            if symlink(target, path).is_err() {
                return;
            }
        }
        Node::Fifo => {
            let cwd = rustix::fs::CWD;
            if rustix::fs::mknodat(cwd, path, FileType::Fifo, Mode::RUSR, 0).is_err() {
                return;
            }
        }
        Node::Link => {
            if let Some(file) = last_file {
                let _ = fs::hard_link(file, path);
            }
            return;
        }
    }
    let time = Timespec { tv_sec: inode.time, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    if !matches!(inode.node, Node::Symlink(_)) {
        rustix::fs::chmod(path, Mode::from_raw_mode(inode.mode)).unwrap();
    }
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A line for each path: all that is to come back.
fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inodes: HashMap<u64, PathBuf> = HashMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        let mut line = format!("{path:?} {:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
        if !path.as_os_str().is_empty() {
            line += &format!(" {}", meta.mtime());
        }
        if meta.is_dir() {
            waiting.extend(
                fs::read_dir(&full).unwrap().map(|entry| path.join(entry.unwrap().file_name())),
            );
        } else {
            let first = inodes.entry(meta.ino()).or_insert_with(|| path.clone());
            line += &format!(" first {first:?}, {}", meta.nlink());
        }
        if meta.is_file() {
            let mut value = [0; 64];
            let length = rustix::fs::lgetxattr(&full, "user.x", &mut value[..]).unwrap_or(0);
            line += &format!(" {:?} {:?}", &value[..length], fs::read(&full).unwrap());
        } else if meta.is_symlink() {
            line += &format!(" -> {:?}", fs::read_link(&full).unwrap());
        }
        waiting.sort();
        lines.push(line);
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_packed_is_unpacked_the_same(tree in tree()) {
        let temporary = tempfile::tempdir().unwrap();
        let [before, after] = ["before", "after"].map(|name| temporary.path().join(name));
        make(&before, &tree, &mut None);
        fs::create_dir(&after).unwrap();
        let mut packer = Packer::new(Vec::new(), None);
        everything(&mut packer, &Dir::open(&before).unwrap(), Path::new("")).unwrap();
        let archive = packer.finish().unwrap();
        let squash = !rustix::process::geteuid().is_root();
        let options = Options { limits: Limits::default(), flavor: Flavor::User, squash };
        unpack(&archive[..], "test", &Dir::open(&after).unwrap(), options).unwrap();
        let (before, after) = (describe(&before), describe(&after));
        // The root has no entry.
        prop_assert_eq!(&before[1..], &after[1..]);
    }
}
