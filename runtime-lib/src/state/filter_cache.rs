//! Compiled seccomp filters, kept beside the state root: `<root>.filters`.
//!
//! A cache, not a state: whatever is odd about it, the filter is compiled as if it were not there.
//! What keeps others from planting a filter in it are the owner and the mode of directory and file,
//! looked at on the open descriptors. An entry holds the whole of its key, so that neither a renamed
//! one nor two keys of the same checksum can be mistaken; the checksum tells a damaged one.
//!
//! There are so many files, each of a limited size, and no more: a key has its place by its checksum,
//! and takes it from whoever had it before.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::leftover::since;
use crate::fdio;

/// Hosts have few profiles, and engines one that nearly every container gets.
const PLACES: u32 = 16;
/// In bytes: the largest program has 32 KiB, docker's profile some 12.
const LARGEST: usize = 256 << 10;
/// Of the form that this program writes.
const MAGIC: u32 = 0x7465_7546;
/// Magic, checksum of what follows, flags, length of the key.
const HEAD: usize = 16;
/// No writer takes that long.
const WRITING: Duration = Duration::from_secs(60);
/// Of an entry that nobody has read or written in the meantime.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A file of the cache that no start will use again.
#[derive(Debug, Clone)]
pub(crate) struct StaleFilter {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) why: &'static str,
    /// Since it was last read or written.
    pub(crate) age: Duration,
}

/// The cache of one state root.
#[derive(Debug, Clone)]
pub(crate) struct FilterCache {
    dir: PathBuf,
}

impl FilterCache {
    /// Nothing is looked at yet. `None` for a root without a name, as `/`.
    pub(super) fn beside(root: &Path) -> Option<Self> {
        let mut name = root.file_name()?.to_owned();
        name.push(".filters");
        Some(Self { dir: root.with_file_name(name) })
    }

    /// The program that was kept under the key, and its flags for seccomp(2).
    pub(crate) fn find(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        let dir = self.open()?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(&dir, place(key).as_str(), flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        if !is_ours(&stat, SFlag::S_IFREG, 0o022) || usize::try_from(stat.st_size).ok()? > LARGEST {
            return None;
        }
        decode(&fdio::read_to_end(file.as_fd()).ok()?, key)
    }

    /// Keeps a program. If that cannot be done it is not.
    pub(crate) fn keep(&self, key: &[u8], program: &[u8], flags: u32) {
        let Some(entry) = encode(key, program, flags) else { return };
        let Some(dir) = self.open().or_else(|| self.make()) else { return };
        let (name, temporary) = (place(key), format!("{}.tmp", place(key)));
        let create = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        match openat(&dir, temporary.as_str(), create, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => {
                // What another writer does to the name meanwhile makes a damaged entry at worst.
                if std::fs::File::from(file).write_all(&entry).is_ok() {
                    let _ = renameat(&dir, temporary.as_str(), &dir, name.as_str());
                }
            }
            // Somebody is at it, or was killed at it: the next one will find it free.
            Err(Errno::EEXIST) => {
                let _ = unlinkat(&dir, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
            }
            Err(_) => {}
        }
    }

    /// What killed writers and other versions left, and what has not been used for a month. Only names
    /// and files of the cache's own are looked at.
    pub(crate) fn stale(&self) -> Vec<StaleFilter> {
        let Some(dir) = self.open() else { return Vec::new() };
        let names = (0..PLACES).map(|n| format!("{n:02}"));
        let names = names.flat_map(|name| [format!("{name}.tmp"), name]);
        names.filter_map(|name| self.judge(&dir, name)).collect()
    }

    fn judge(&self, dir: &OwnedFd, name: String) -> Option<StaleFilter> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        // To be looked at is not to be used.
        let flags = flags | OFlag::O_NOATIME;
        let file = openat(dir, name.as_str(), flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        let age = since(stat.st_mtime.max(stat.st_atime));
        if !is_ours(&stat, SFlag::S_IFREG, 0) || age < WRITING {
            return None;
        }
        let why = if name.ends_with(".tmp") {
            "its writer was killed"
        } else if usize::try_from(stat.st_size).ok()? > LARGEST
            || !is_whole(&fdio::read_to_end(file.as_fd()).ok()?)
        {
            "damaged, or of another version"
        } else if age >= UNUSED {
            "unused for 30 days"
        } else {
            return None;
        };
        Some(StaleFilter { path: self.dir.join(&name), name, why, age })
    }

    /// Removes such a file, unless it was written anew; whether it was there.
    pub(crate) fn remove(&self, filter: &StaleFilter) -> Result<bool, Errno> {
        let Some(dir) = self.open() else { return Ok(false) };
        if self.judge(&dir, filter.name.clone()).is_none() {
            return Ok(false);
        }
        match unlinkat(&dir, filter.name.as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn make(&self) -> Option<OwnedFd> {
        mkdirat(nix::fcntl::AT_FDCWD, &self.dir, Mode::S_IRWXU).ok()?;
        self.open()
    }

    fn open(&self) -> Option<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = open(&self.dir, flags, Mode::empty()).ok()?;
        let stat = fstat(&dir).ok()?;
        is_ours(&stat, SFlag::S_IFDIR, 0o077).then_some(dir)
    }
}

fn is_ours(stat: &FileStat, kind: SFlag, forbidden: libc::mode_t) -> bool {
    let is_kind = stat.st_mode & SFlag::S_IFMT.bits() == kind.bits();
    is_kind && stat.st_uid == geteuid().as_raw() && stat.st_mode & forbidden == 0
}

fn place(key: &[u8]) -> String {
    format!("{:02}", crc32fast::hash(key) % PLACES)
}

fn encode(key: &[u8], program: &[u8], flags: u32) -> Option<Vec<u8>> {
    let length = u32::try_from(key.len()).ok()?;
    let mut entry = Vec::with_capacity(HEAD + key.len() + program.len());
    for word in [MAGIC, 0, flags, length] {
        entry.extend_from_slice(&word.to_ne_bytes());
    }
    entry.extend_from_slice(key);
    entry.extend_from_slice(program);
    let checksum = crc32fast::hash(entry.get(8..)?);
    entry.get_mut(4..8)?.copy_from_slice(&checksum.to_ne_bytes());
    (entry.len() <= LARGEST).then_some(entry)
}

fn decode(entry: &[u8], key: &[u8]) -> Option<(Vec<u8>, u32)> {
    let program = entry.get(HEAD..)?.strip_prefix(key)?;
    let known = is_whole(entry) && usize::try_from(word(entry, 3)?) == Ok(key.len());
    known.then(|| (program.to_vec(), word(entry, 2).unwrap_or_default()))
}

fn is_whole(entry: &[u8]) -> bool {
    let checksum = entry.get(8..).map(crc32fast::hash);
    word(entry, 0) == Some(MAGIC) && checksum.is_some() && word(entry, 1) == checksum
}

fn word(entry: &[u8], i: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(entry.get(i * 4..i * 4 + 4)?.try_into().ok()?))
}

#[cfg(test)]
#[path = "filter_cache_tests.rs"]
mod tests;
