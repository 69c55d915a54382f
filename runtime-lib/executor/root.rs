//! Switching the root.

use core::ffi::CStr;

use crate::machine::Machine;
use crate::op::Slot;
use crate::sys::{self, Fd, Result, errno};

const O_PATH_DIRECTORY: u32 = sys::O_PATH | sys::O_CLOEXEC | sys::O_DIRECTORY;
const O_PATH_NOFOLLOW: u32 = sys::O_PATH | sys::O_CLOEXEC | sys::O_NOFOLLOW;
const AT_EMPTY_PATH: u32 = 0x1000;
const AT_RECURSIVE: u32 = 0x8000;
const MS_PRIVATE: u64 = 1 << 18;
const PRIVATE: [u64; 4] = [0, 0, MS_PRIVATE, 0];

/// Old and new root share one directory, so no place for the old one is needed (pivot_root(2),
/// "pivot_root(".", ".")").
pub fn pivot(root: Fd) -> Result<()> {
    let old = sys::openat(sys::CWD, c"/", O_PATH_DIRECTORY)?;
    sys::fchdir(root)?;
    sys::pivot_root_here()?;
    leave(old)
}

/// The old root must not propagate its unmounting.
fn leave(old: Fd) -> Result<()> {
    sys::mount_setattr(old, c"", AT_EMPTY_PATH | AT_RECURSIVE, PRIVATE)?;
    sys::fchdir(old)?;
    sys::close(old);
    sys::detach_here()?;
    sys::chdir(c"/")
}

/// For a container that shares the mount namespace.
pub fn chroot(root: Fd) -> Result<()> {
    sys::fchdir(root)?;
    sys::chroot_here()?;
    sys::chdir(c"/")
}

/// For a root that pivot_root(2) cannot replace, since nothing is below it: that of an initramfs. Every
/// other mount goes, the host's procfs above all: as long as one is there that nothing covers, anybody
/// with a user namespace can mount another (kernel: mnt_already_visible). Then the container's root
/// covers the old one, as it covers the empty initial one elsewhere: neither `..` nor a further
/// namespace leads below it.
///
/// The caller has entered its own mount namespace: a runtime in a chroot would otherwise put the new
/// root where `..` of a process that breaks out of a chroot ends in the host.
pub fn change(machine: &Machine, root: Slot, proc: Slot) -> Result<()> {
    let (root, proc) = (machine.fd(root)?, machine.fd(proc)?);
    let old = sys::openat(sys::CWD, c"/", O_PATH_DIRECTORY)?;
    sys::fchdir(root)?;
    match sys::pivot_root_here() {
        Ok(()) => return leave(old),
        Err(errno::EINVAL) => {}
        Err(e) => return Err(e),
    }
    let ground = sys::mount_id(old)?;
    if Mounts::open(proc)?.parent_of(ground)? != Some(ground) {
        return Err(errno::EINVAL);
    }
    sys::mount_setattr(old, c"", AT_EMPTY_PATH, PRIVATE)?;
    sys::move_mount(root, old)?;
    sys::close(old);
    detach_all_but(root, ground, proc)?;
    chroot(root)
}

/// The last one first, for it may cover others. Paths count from the old root.
///
/// Of mounts on top of each other a path leads to the last alone. To take that away would be told to whom the
/// ones below are shared with, the host.
fn detach_all_but(root: Fd, ground: u32, proc: Fd) -> Result<()> {
    const MOST: u32 = 100_000; // fs.mount-max
    let kept = sys::mount_id(root)?;
    for _ in 0..MOST {
        let mut place = Place { bytes: [0; 4096], len: 0, mount: 0, shared: false };
        if !Mounts::open(proc)?.last_on(ground, kept, &mut place)? {
            return Ok(());
        }
        let path = place.path()?;
        let mount = sys::openat(sys::CWD, path, O_PATH_NOFOLLOW)?;
        if place.shared && sys::mount_id(mount)? != place.mount {
            return Err(errno::EBUSY);
        }
        sys::mount_setattr(mount, c"", AT_EMPTY_PATH | AT_RECURSIVE, PRIVATE)?;
        sys::close(mount);
        sys::detach(path)?;
    }
    Err(errno::ELOOP)
}

/// Where something is mounted, with a NUL behind it, and what.
struct Place {
    bytes: [u8; 4096],
    len: usize,
    mount: u32,
    shared: bool,
}

impl Place {
    fn push(&mut self, byte: u8) -> Result<()> {
        *self.bytes.get_mut(self.len).ok_or(errno::ENAMETOOLONG)? = byte;
        self.len += 1;
        Ok(())
    }

    fn path(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| errno::ENAMETOOLONG)
    }
}

/// /proc/self/mountinfo as a stream of bytes (proc_pid_mountinfo(5)).
struct Mounts {
    file: Fd,
    buffer: [u8; 1024],
    at: usize,
    len: usize,
}

impl Mounts {
    fn open(proc: Fd) -> Result<Self> {
        let file = sys::openat(proc, c"self/mountinfo", sys::O_CLOEXEC)?;
        Ok(Self { file, buffer: [0; 1024], at: 0, len: 0 })
    }

    /// The mount below a mount; itself if there is none.
    fn parent_of(mut self, mount: u32) -> Result<Option<u32>> {
        let mut parent = None;
        while let Some((id, below)) = self.ids()? {
            if id == mount {
                parent = Some(below);
            }
            self.skip_to(b'\n')?;
        }
        self.done(parent)
    }

    /// Finds the last of the mounts on `ground`, itself and `kept` aside.
    fn last_on(mut self, ground: u32, kept: u32, place: &mut Place) -> Result<bool> {
        let mut found = false;
        while let Some((id, below)) = self.ids()? {
            if below == ground && id != ground && id != kept {
                self.skip_to(b' ')?; // device
                self.skip_to(b' ')?; // root of the mount in its filesystem
                self.read_place(place)?;
                self.skip_to(b' ')?; // options
                place.mount = id;
                // The first of the optional fields, if it is there; no other word begins with an s.
                place.shared = self.next()? == Some(b's');
                found = true;
            }
            self.skip_to(b'\n')?;
        }
        self.done(found)
    }

    fn done<T>(self, value: T) -> Result<T> {
        sys::close(self.file);
        Ok(value)
    }

    /// The first two fields of a line; `None` at the end.
    fn ids(&mut self) -> Result<Option<(u32, u32)>> {
        match self.number(None)? {
            None => Ok(None),
            Some(id) => Ok(self.number(Some(0))?.map(|below| (id, below))),
        }
    }

    fn number(&mut self, mut value: Option<u32>) -> Result<Option<u32>> {
        loop {
            match self.next()? {
                Some(digit @ b'0'..=b'9') => {
                    let digit = u32::from(digit - b'0');
                    value = Some(value.unwrap_or(0).wrapping_mul(10).wrapping_add(digit));
                }
                _ => return Ok(value),
            }
        }
    }

    /// A path in which some bytes stand as `\ooo`.
    fn read_place(&mut self, place: &mut Place) -> Result<()> {
        place.len = 0;
        loop {
            match self.next()? {
                None | Some(b' ') => return place.push(0),
                Some(b'\\') => {
                    let mut byte = 0u8;
                    for _ in 0..3 {
                        let digit = self.next()?.unwrap_or(b'0').wrapping_sub(b'0');
                        byte = byte.wrapping_mul(8).wrapping_add(digit);
                    }
                    place.push(byte)?;
                }
                Some(byte) => place.push(byte)?,
            }
        }
    }

    fn skip_to(&mut self, end: u8) -> Result<()> {
        while self.next()?.is_some_and(|byte| byte != end) {}
        Ok(())
    }

    fn next(&mut self) -> Result<Option<u8>> {
        if self.at == self.len {
            self.len = sys::read(self.file, &mut self.buffer)?;
            self.at = 0;
        }
        let byte = self.buffer.get(..self.len).and_then(|read| read.get(self.at)).copied();
        self.at += usize::from(byte.is_some());
        Ok(byte)
    }
}
