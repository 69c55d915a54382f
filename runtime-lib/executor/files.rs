//! Paths inside the container's rootfs. Its content may belong to an attacker and may change while
//! we look: every object is reached by a descriptor, relative to the rootfs descriptor.

use core::ffi::CStr;

use crate::machine::Machine;
use crate::op::{Bytes, Slot, Text, kind};
use crate::sys::{self, Fd, Result, errno};

const O_WRONLY: u64 = 1;
const O_PATH_CLOEXEC: u64 = (sys::O_PATH | sys::O_CLOEXEC) as u64;
const O_CLOEXEC: u64 = sys::O_CLOEXEC as u64;
const O_DIRECTORY: u64 = sys::O_DIRECTORY as u64;
const RESOLVE_NO_XDEV: u64 = 0x01;
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_BENEATH: u64 = 0x08;
const RESOLVE_IN_ROOT: u64 = 0x10;

const PROC_SUPER_MAGIC: u64 = 0x9fa0;
const S_IFDIR: u32 = 0o040000;
const PATH_MAX: usize = 4096;

/// Opens an object of the container with O_PATH, its symlinks meaning what they mean inside.
pub fn resolve(root: Fd, path: &CStr) -> Result<Fd> {
    sys::openat2(root, path, O_PATH_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
}

/// Opens a directory of the container with O_PATH.
pub fn directory(root: Fd, path: &CStr) -> Result<Fd> {
    let flags = O_PATH_CLOEXEC | O_DIRECTORY;
    sys::openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
}

/// Opens a device of the filesystem that `dir` lies on, without making it the controlling terminal.
pub fn open_device_in(dir: Fd, name: &CStr) -> Result<Fd> {
    const O_RDWR_NOCTTY: u64 = 2 | 0o400;
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    sys::openat2(dir, name, O_RDWR_NOCTTY | O_CLOEXEC, resolve)
}

/// Writes to an existing file. Below a descriptor no symlink is followed; with the working
/// directory as base, the path is the host's own and trusted.
pub fn write_file(machine: &mut Machine, dir: Slot, path: Text, data: Bytes) -> Result<()> {
    let resolve = if dir == Slot::CWD { 0 } else { RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    let fd = sys::openat2(machine.fd(dir)?, machine.text(path)?, O_WRONLY | O_CLOEXEC, resolve)?;
    let done = sys::write(fd, machine.bytes(data)?);
    machine.done(fd);
    done
}

/// Fails with ENODEV unless the object has that type and device number.
pub fn verify_device(dir: Fd, name: &CStr, file_type: u32, dev: u64) -> Result<()> {
    let status = sys::stat(dir, name)?;
    if status.file_type == file_type && status.rdev == dev { Ok(()) } else { Err(errno::ENODEV) }
}

/// Fails with ENODEV unless the object lies on that kind of filesystem.
pub fn verify_filesystem(fd: Fd, magic: u64) -> Result<()> {
    if sys::filesystem_magic(fd)? == magic { Ok(()) } else { Err(errno::ENODEV) }
}

/// Makes a device node (or FIFO). One that is there already has to be the same one.
pub fn mknod(dir: Fd, name: &CStr, mode: u32, dev: u64, uid: u32, gid: u32) -> Result<()> {
    const S_IFMT: u32 = 0o170000;
    match sys::mknodat(dir, name, mode, dev) {
        Err(errno::EEXIST) => {
            return verify_device(dir, name, mode & S_IFMT, dev).map_err(|_| errno::EEXIST);
        }
        done => done?,
    }
    if uid == 0 && gid == 0 { Ok(()) } else { sys::fchownat(dir, name, uid, gid) }
}

const S_IFCHR: u32 = 0o020000;
const DEV_NULL: u64 = 0x103;

/// A root inside owns what it could open here, but the node that the runtime's caller has opened is the
/// host's.
pub fn reopen_null(path: &CStr) -> Result<()> {
    const O_RDWR: u32 = 2;
    let is_null = |stream| verify_device(stream, c"", S_IFCHR, DEV_NULL).is_ok();
    if !(0..3).any(is_null) {
        return Ok(());
    }
    // Before it is opened, which has effects with other devices; and after, for it may have been exchanged.
    verify_device(sys::CWD, path, S_IFCHR, DEV_NULL)?;
    let null = sys::openat(sys::CWD, path, O_RDWR | sys::O_NOFOLLOW | sys::O_CLOEXEC)?;
    verify_device(null, c"", S_IFCHR, DEV_NULL)?;
    for stream in (0..3).filter(|stream| is_null(*stream)) {
        sys::dup3(null, stream as u32)?;
    }
    sys::close(null);
    Ok(())
}

/// Best effort, as in runc: a stream may be a socket, on a read-only file system, or not ours.
pub fn own_streams(uid: u32) -> Result<()> {
    for stream in 0..3 {
        match sys::stat(stream, c"") {
            Ok(status) if status.uid == uid => {}
            Ok(status) if status.file_type == S_IFCHR && status.rdev == DEV_NULL => {}
            Ok(_) => _ = sys::fchown(stream, uid),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Makes a symlink unless the name is taken.
pub fn symlink(dir: Fd, name: &CStr, target: &CStr) -> Result<()> {
    match sys::symlinkat(target, dir, name) {
        Err(errno::EEXIST) => Ok(()),
        done => done,
    }
}

/// Makes a symlink; a name that is taken must be one of the same content.
pub fn symlink_or_same(dir: Fd, name: &CStr, target: &CStr) -> Result<()> {
    match sys::symlinkat(target, dir, name) {
        Err(errno::EEXIST) => {}
        done => return done,
    }
    let mut content = [0u8; PATH_MAX];
    let len = sys::readlinkat(dir, name, &mut content).map_err(|_| errno::EEXIST)?;
    if content.get(..len) == Some(target.to_bytes()) { Ok(()) } else { Err(errno::EEXIST) }
}

/// Makes a symlink, in the place of whatever file has the name.
pub fn replace_with_symlink(dir: Fd, name: &CStr, target: &CStr) -> Result<()> {
    match sys::symlinkat(target, dir, name) {
        Err(errno::EEXIST) => {
            sys::unlinkat(dir, name)?;
            sys::symlinkat(target, dir, name)
        }
        done => done,
    }
}

/// Opens a mount's target, creating what is missing.
pub fn target(
    machine: &mut Machine,
    root: Slot,
    out: Slot,
    like: Slot,
    wanted: u16,
    path: Text,
) -> Result<()> {
    if wanted == kind::EXISTING {
        let fd = existing(machine.fd(root)?, machine.text(path)?)?;
        return machine.set(out, fd);
    }
    let directory = match wanted {
        kind::LIKE => sys::stat(machine.fd(like)?, c"")?.file_type == S_IFDIR,
        other => !matches!(other, kind::FILE | kind::REAL_FILE),
    };
    let root = machine.fd(root)?;
    let mut walk = Walk::new(root, machine.text(path)?, directory)?;
    if matches!(wanted, kind::REAL_DIRECTORY | kind::REAL_FILE) {
        walk.resolve |= RESOLVE_NO_SYMLINKS;
    }
    let fd = walk.open_or_create()?;
    machine.target_is_new = walk.created;
    machine.set(out, fd)
}

/// A target that is not to be followed: where there is a symlink, the mount covers the link. A path
/// may lead anywhere in the container, but not to what the runtime trusts (EPERM).
fn existing(root: Fd, path: &CStr) -> Result<Fd> {
    const PROC_SYSFS_DEVPTS: [u64; 3] = [PROC_SUPER_MAGIC, 0x6265_6572, 0x1cd1];
    let flags = O_PATH_CLOEXEC | sys::O_NOFOLLOW as u64;
    let fd = sys::openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)?;
    let allowed = sys::filesystem_magic(fd).and_then(|magic| {
        if PROC_SYSFS_DEVPTS.contains(&magic) { Err(errno::EPERM) } else { Ok(fd) }
    });
    if allowed.is_err() {
        sys::close(fd);
    }
    allowed
}

/// move_mount. What mount(2) calls ENOTDIR is one of many reasons for EINVAL with it; people, and docker's hint
/// for them, know the former.
pub fn attach(mount: Fd, target: Fd) -> Result<()> {
    let is_directory = |fd| sys::stat(fd, c"").map(|status| status.file_type == S_IFDIR);
    match sys::move_mount(mount, target) {
        Err(errno::EINVAL) if is_directory(mount)? != is_directory(target)? => Err(errno::ENOTDIR),
        other => other,
    }
}

/// A path on its way to an existing object.
struct Walk {
    root: Fd,
    directory: bool,
    resolve: u64,
    /// The path as it is known by now, NUL-terminated: dangling symlinks get replaced by their
    /// content, because openat2 follows links but creates nothing below them.
    path: [u8; PATH_MAX],
    len: usize,
    substituted: bool,
    created: bool,
}

impl Walk {
    fn new(root: Fd, path: &CStr, directory: bool) -> Result<Self> {
        let resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        let mut walk = Self {
            root,
            directory,
            resolve,
            path: [0; PATH_MAX],
            len: 0,
            substituted: false,
            created: false,
        };
        walk.append(path.to_bytes())?;
        Ok(walk)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.len + bytes.len();
        if end >= PATH_MAX {
            return Err(errno::ENAMETOOLONG);
        }
        self.path.get_mut(self.len..end).ok_or(errno::ENAMETOOLONG)?.copy_from_slice(bytes);
        self.len = end;
        *self.path.get_mut(end).ok_or(errno::ENAMETOOLONG)? = 0;
        Ok(())
    }

    fn open_or_create(&mut self) -> Result<Fd> {
        const STEPS: u32 = 512; // components to make, plus symlinks to read
        for _ in 0..STEPS {
            match self.open_whole() {
                Err(errno::ENOENT) => self.create_one()?,
                other => return other,
            }
        }
        Err(errno::ELOOP)
    }

    /// Opens the whole path. A symlink must not lead a mount into /proc, where only few places are
    /// allowed and those were checked by name (CVE-2019-19921).
    fn open_whole(&mut self) -> Result<Fd> {
        let resolve = self.resolve;
        self.resolve |= RESOLVE_NO_SYMLINKS;
        let plain = self.open(self.len);
        self.resolve = resolve;
        match plain {
            Err(errno::ELOOP) if resolve & RESOLVE_NO_SYMLINKS == 0 => {}
            done if !self.substituted => return done,
            done => sys::close(done?),
        }
        let fd = self.open(self.len)?;
        if sys::filesystem_magic(fd)? == PROC_SUPER_MAGIC {
            sys::close(fd);
            return Err(errno::ELOOP);
        }
        Ok(fd)
    }

    /// Opens the first `len` bytes of the path, "" being the root.
    fn open(&mut self, len: usize) -> Result<Fd> {
        let directory = if len < self.len || self.directory { O_DIRECTORY } else { 0 };
        if len == 0 {
            return sys::openat2(self.root, c".", O_PATH_CLOEXEC | directory, self.resolve);
        }
        let end = self.path.get_mut(len).ok_or(errno::EINVAL)?;
        let after = core::mem::replace(end, 0);
        let prefix = CStr::from_bytes_until_nul(&self.path).map_err(|_| errno::EINVAL)?;
        let fd = sys::openat2(self.root, prefix, O_PATH_CLOEXEC | directory, self.resolve);
        if let Some(end) = self.path.get_mut(len) {
            *end = after;
        }
        fd
    }

    /// Creates the first missing component, or puts a dangling symlink's content in its place.
    fn create_one(&mut self) -> Result<()> {
        let mut end = self.len;
        loop {
            let start = self.component_before(end);
            if start == end {
                return Err(errno::ENOENT); // the root itself is missing
            }
            match self.open(start) {
                Ok(parent) => {
                    let done = self.create_in(parent, start, end);
                    sys::close(parent);
                    return done;
                }
                Err(errno::ENOENT) => end = start,
                Err(e) => return Err(e),
            }
        }
    }

    /// Where the last component of the first `end` bytes begins; its slashes belong to it.
    fn component_before(&self, end: usize) -> usize {
        let prefix = self.path.get(..end).unwrap_or(&[]);
        let name = prefix.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
        let slash = prefix.get(..name).and_then(|p| p.iter().rposition(|b| *b == b'/'));
        let before = slash.map_or(0, |i| i + 1);
        let parent = prefix.get(..before).and_then(|p| p.iter().rposition(|b| *b != b'/'));
        parent.map_or(0, |i| i + 1)
    }

    fn create_in(&mut self, parent: Fd, start: usize, end: usize) -> Result<()> {
        let mut buffer = [0u8; 256];
        let component = self.path.get(start..end).unwrap_or(&[]);
        let name = component.split(|b| *b == b'/').find(|part| !part.is_empty()).unwrap_or(&[]);
        if name == b".." || name == b"." || name.is_empty() {
            return Err(errno::ENOENT); // below a directory that does not exist
        }
        buffer
            .get_mut(..name.len())
            .filter(|_| name.len() < 256)
            .ok_or(errno::ENAMETOOLONG)?
            .copy_from_slice(name);
        let name = CStr::from_bytes_until_nul(&buffer).map_err(|_| errno::ENAMETOOLONG)?;
        let last = self.path.get(end..self.len).is_none_or(|rest| rest.iter().all(|b| *b == b'/'));
        let made = if last && !self.directory {
            sys::create_file(parent, name, 0o644).map(sys::close)
        } else {
            sys::mkdirat(parent, name, 0o755)
        };
        match made {
            Err(errno::EEXIST) => self.substitute_link(parent, name, start, end),
            done => {
                self.created = true;
                done
            }
        }
    }

    /// The name is taken and yet does not resolve: a dangling symlink, or it has just been made.
    fn substitute_link(&mut self, parent: Fd, name: &CStr, start: usize, end: usize) -> Result<()> {
        if self.resolve & RESOLVE_NO_SYMLINKS != 0 {
            return Err(errno::ELOOP);
        }
        let mut content = [0u8; PATH_MAX];
        let len = match sys::readlinkat(parent, name, &mut content) {
            Err(errno::EINVAL | errno::ENOENT) => return Ok(()), // no link (any more): look again
            other => other?,
        };
        let content = content.get(..len).ok_or(errno::ENAMETOOLONG)?;
        let mut rest = [0u8; PATH_MAX];
        let tail = self.path.get(end..self.len).unwrap_or(&[]);
        let tail_len = tail.len();
        rest.get_mut(..tail_len).ok_or(errno::ENAMETOOLONG)?.copy_from_slice(tail);
        self.substituted = true;
        self.len = if content.first() == Some(&b'/') { 0 } else { start };
        if self.len > 0 {
            self.append(b"/")?;
        }
        self.append(content)?;
        self.append(rest.get(..tail_len).unwrap_or(&[]))
    }
}
