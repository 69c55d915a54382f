//! /dev: the default nodes, linux.devices, the links.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::makedev;
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Spec};

use super::Compiler;
use super::namespaces::CLONE_NEWUSER;
use super::rootfs::OPEN_TREE_CLONE_CLOEXEC;
use crate::error::Result;
use crate::plan::op::{Op, Slot, kind};
use crate::spec::{MountOptions, clean, destination, is_bind};

const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFIFO: u32 = 0o010_000;
const DEFAULT_MODE: u32 = 0o666;

/// Name, major, minor (runtime-spec, config-linux.md, "Default Devices").
const DEFAULTS: [(&str, u64, u64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

struct Node {
    path: PathBuf,
    mode: u32,
    dev: u64,
    uid: u32,
    gid: u32,
    origin: String,
}

/// A host's /dev that is bind-mounted is left as it is (as runc does).
pub(super) fn populate(c: &mut Compiler<'_>) -> Result<()> {
    if are_hosts(c.request.spec) {
        return Ok(());
    }
    c.plan.origin("default devices");
    let dev = target(c, Path::new("/dev"));
    for node in nodes(c) {
        c.plan.origin(node.origin.clone());
        make(c, dev, &node);
    }
    c.plan.origin("default symlinks");
    let core = c.request.host.kcore.then_some(("core", "/proc/kcore"));
    for (name, to) in LINKS.into_iter().chain(core) {
        let (name, target) = (c.plan.text(name), c.plan.text(to));
        c.plan.push(Op::Symlink { dir: dev, name, target });
    }
    let (name, to) = (c.plan.text("ptmx"), c.plan.text("pts/ptmx"));
    c.plan.push(Op::ReplaceWithSymlink { dir: dev, name, target: to });
    c.plan.done(dev);
    c.plan.origin("");
    Ok(())
}

/// Whether /dev is a bind mount; then there is nothing to make. Without a mount namespace the rootfs
/// is the host's business as well.
pub(super) fn are_hosts(spec: &Spec) -> bool {
    spec.mounts().iter().flatten().any(|mount| {
        let options = MountOptions::parse(mount.options().as_deref().unwrap_or_default());
        let bind = options.is_ok_and(|options| is_bind(mount, &options));
        bind && clean(&destination(mount)).as_os_str() == "/dev"
    })
}

fn target(c: &mut Compiler<'_>, directory: &Path) -> Slot {
    let out = c.plan.slot();
    let path = c.plan.text(directory.as_os_str().as_bytes());
    c.plan.push(Op::Target { root: c.root, out, like: Slot::NONE, kind: kind::DIRECTORY, path });
    out
}

/// The defaults, except where linux.devices says otherwise, then linux.devices.
fn nodes(c: &Compiler<'_>) -> Vec<Node> {
    let linux = c.request.spec.linux().as_ref();
    let configured: Vec<Node> = linux
        .and_then(|linux| linux.devices().as_ref())
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, device)| Node::of(index, device))
        // That is the container's own devpts (engines pass the host's node along with all others).
        .filter(|node| node.path.as_os_str() != "/dev/ptmx")
        .collect();
    let defaults = DEFAULTS.iter().map(|(path, major, minor)| Node {
        path: PathBuf::from(path),
        mode: S_IFCHR | DEFAULT_MODE,
        dev: makedev(*major, *minor),
        uid: 0,
        gid: 0,
        origin: "default devices".into(),
    });
    let overridden = |node: &Node| configured.iter().any(|other| other.path == node.path);
    let defaults: Vec<Node> = defaults.filter(|node| !overridden(node)).collect();
    defaults.into_iter().chain(configured).collect()
}

impl Node {
    fn of(index: usize, device: &LinuxDevice) -> Self {
        let typ = match device.typ() {
            LinuxDeviceType::B => S_IFBLK,
            LinuxDeviceType::P => S_IFIFO,
            _ => S_IFCHR,
        };
        // `validate` has refused negative numbers.
        let number = |n: i64| u64::try_from(n).unwrap_or_default();
        let dev = if typ == S_IFIFO {
            0
        } else {
            makedev(number(device.major()), number(device.minor()))
        };
        Self {
            path: clean(device.path()),
            mode: typ | device.file_mode().unwrap_or(DEFAULT_MODE) & 0o7777,
            dev,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
            origin: format!("linux.devices[{index}] ({})", device.path().display()),
        }
    }
}

/// A user namespace may not make device nodes: there the host's are bound (mknod(2), EPERM).
fn make(c: &mut Compiler<'_>, dev: Slot, node: &Node) {
    let fifo = node.mode & 0o170_000 == S_IFIFO;
    if !fifo && (c.namespaces.has(CLONE_NEWUSER) || c.request.host.in_user_namespace) {
        return bind(c, node);
    }
    let parent = node.path.parent().unwrap_or(Path::new("/"));
    let below = parent.as_os_str() != "/dev";
    let dir = if below { target(c, parent) } else { dev };
    let name = c.plan.text(node.path.file_name().unwrap_or_default().as_bytes());
    let Node { mode, dev: number, uid, gid, .. } = *node;
    c.plan.push(Op::Mknod { dir, name, mode, uid, gid, dev: number });
    if below {
        c.plan.done(dir);
    }
}

fn bind(c: &mut Compiler<'_>, node: &Node) {
    let path = c.plan.text(node.path.as_os_str().as_bytes());
    let mount = c.plan.slot();
    c.plan.push(Op::OpenTree { dir: Slot::CWD, out: mount, path, flags: OPEN_TREE_CLONE_CLOEXEC });
    let file_type = node.mode & 0o170_000;
    c.plan.push(Op::VerifyDevice { slot: mount, file_type, dev: node.dev });
    let target = c.plan.slot();
    let none = Slot::NONE;
    c.plan.push(Op::Target { root: c.root, out: target, like: none, kind: kind::FILE, path });
    c.plan.push(Op::MoveMount { mount, target });
    c.plan.done(target);
    c.plan.done(mount);
}
