//! The floor's mounts, by mount(2): one call for each, two where a bind mount gets attributes.
//! All paths are relative to the root filesystem, which is the working directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, pivot_root};

use super::{Floor, Step, at, write};
use crate::config::{Config, ETC, MASKED, READONLY, SYSCTLS};

const NODES: [(&str, u64, u64); 6] = [
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/tty", 5, 0),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
];

const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("pts/ptmx", "dev/ptmx"),
    ("/proc/kcore", "dev/core"),
];

const NONE: Option<&str> = None;
const HARMLESS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

pub(super) fn make(floor: &Floor) -> Step {
    call("/", mount(NONE, "/", NONE, MsFlags::MS_SLAVE | MsFlags::MS_REC, NONE))?;
    let root = floor.rootfs.as_path();
    call("rootfs", mount(Some(root), root, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))?;
    chdir(root).map_err(at("chdir"))?;
    filesystem("proc", "proc", HARMLESS, "")?;
    let dev = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    filesystem("tmpfs", "dev", dev, "mode=755,size=65536k")?;
    if floor.config == Config::Docker {
        docker(floor)?;
    }
    devices()?;
    if floor.config == Config::Docker {
        for (name, value) in SYSCTLS {
            write(Path::new(&format!("proc/sys/{}", name.replace('.', "/"))), value)?;
        }
        READONLY.into_iter().try_for_each(make_readonly)?;
        MASKED.into_iter().try_for_each(mask)?;
    }
    Ok(())
}

fn docker(floor: &Floor) -> Step {
    ["dev/pts", "dev/mqueue", "dev/shm"].into_iter().try_for_each(directory)?;
    let pts = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    filesystem("devpts", "dev/pts", pts, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    filesystem("sysfs", "sys", HARMLESS | MsFlags::MS_RDONLY, "")?;
    cgroups(floor)?;
    filesystem("mqueue", "dev/mqueue", HARMLESS, "")?;
    filesystem("tmpfs", "dev/shm", HARMLESS, "mode=1777,size=67108864")?;
    let bundle = floor.rootfs.parent().unwrap_or(Path::new("/"));
    for name in ETC {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        let target = format!("etc/{name}");
        call(name, mount(Some(&bundle.join(name)), target.as_str(), NONE, flags, NONE))?;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        call(name, mount(NONE, target.as_str(), NONE, private, NONE))?;
    }
    Ok(())
}

fn cgroups(floor: &Floor) -> Step {
    let base = Path::new("sys/fs/cgroup");
    let readonly = HARMLESS | MsFlags::MS_RDONLY;
    if floor.v1.is_empty() {
        return filesystem("cgroup2", "sys/fs/cgroup", readonly, "");
    }
    filesystem("tmpfs", "sys/fs/cgroup", HARMLESS, "mode=755")?;
    for dir in &floor.v1 {
        let hierarchy = dir.ancestors().nth(2).and_then(Path::file_name).unwrap_or_default();
        let target = base.join(hierarchy);
        fs::create_dir(&target).map_err(|e| format!("mkdir {}: {e}", target.display()))?;
        call("cgroup", mount(Some(dir.as_path()), &target, NONE, MsFlags::MS_BIND, NONE))?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | readonly;
        call("cgroup", mount(NONE, &target, NONE, flags, NONE))?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | readonly;
    call("cgroup", mount(NONE, base, NONE, flags, NONE))
}

/// The caller's umask is left as it is: it costs modes, not time.
fn devices() -> Step {
    for (path, major, minor) in NODES {
        let mode = Mode::from_bits_truncate(0o666);
        mknod(path, SFlag::S_IFCHR, mode, makedev(major, minor)).map_err(at(path))?;
    }
    LINKS.into_iter().try_for_each(|(to, at)| symlink(to, at).map_err(|e| format!("{at}: {e}")))
}

fn make_readonly(path: &str) -> Step {
    let path = path.trim_start_matches('/');
    match mount(Some(path), path, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE) {
        Err(Errno::ENOENT) => return Ok(()),
        other => call(path, other)?,
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | HARMLESS;
    call(path, mount(NONE, path, NONE, flags, NONE))
}

fn mask(path: &str) -> Step {
    let path = path.trim_start_matches('/');
    match mount(Some("/dev/null"), path, NONE, MsFlags::MS_BIND, NONE) {
        Err(Errno::ENOENT) => Ok(()),
        Err(Errno::ENOTDIR) => filesystem("tmpfs", path, HARMLESS | MsFlags::MS_RDONLY, ""),
        other => call(path, other),
    }
}

pub(super) fn pivot() -> Step {
    pivot_root(".", ".").map_err(at("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(at("umount2"))?;
    chdir("/").map_err(at("chdir"))
}

fn filesystem(kind: &str, target: &str, flags: MsFlags, data: &str) -> Step {
    call(target, mount(Some(kind), target, Some(kind), flags, Some(data)))
}

fn directory(path: &str) -> Step {
    fs::create_dir(path).map_err(|e| format!("mkdir {path}: {e}"))
}

fn call(target: &str, result: nix::Result<()>) -> Step {
    result.map_err(|e| format!("mount {target}: {e}"))
}
