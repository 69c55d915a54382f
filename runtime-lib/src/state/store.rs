//! The directory of a container's state: `<root>/<id>`.
//!
//! ```text
//! state.json   the record       config.json   the config as it was at create
//! exec.fifo    there while the container waits for `start`
//! seccomp.bpf  the filter that every process of the container gets, if it has one
//! notify/      with the socket for sd_notify(3), if the process was told of one
//! criu-root/   there while CRIU restores the container
//! ```
//!
//! All of it is reached through the descriptor of the directory, which is taken once. The lock is
//! an flock of the directory itself, so a crash releases it and leaves no lock file behind.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::filter_cache::FilterCache;
use super::leftover::MARK;
use super::record::{Record, StoredFilter};
use crate::error::{Error, Result};
use crate::fdio;
use crate::id::ContainerId;

pub(super) const RECORD: &str = "state.json";
pub(super) const CONFIG: &str = "config.json";
pub(super) const FILTER: &str = "seccomp.bpf";
/// Present while the container waits for `start`.
pub(crate) const START_FIFO: &str = "exec.fifo";

/// What the container sees of its state directory, if it has a way to say that it is ready.
pub(crate) const NOTIFY_DIR: &str = "notify";
/// The socket in it.
pub(crate) const NOTIFY_SOCKET: &str = "notify.sock";

/// Where CRIU, in a mount namespace of its own, finds the container's root filesystem.
pub(super) const CRIU_ROOT: &str = "criu-root";

/// How long a verb waits for another one on the same container.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);
/// An entry holds six files at most; more than this is not ours to empty.
const MAX_FILES: usize = 64;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The state root.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

/// A container's directory, whether or not it is locked.
#[derive(Debug)]
pub(crate) struct Entry {
    root: OwnedFd,
    dir: OwnedFd,
    path: PathBuf,
    id: ContainerId,
}

/// Excludes every other holder, in this process too, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    dir: File,
}

/// Unlocked and not only closed: an executor that another thread starts at this moment has a copy of the
/// descriptor until its exec. (nix's lock panics if this fails, as it may on a network filesystem.)
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.dir.unlock();
    }
}

impl Store {
    /// Nothing is created or looked at yet.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a container's directory is, or will be: absolute.
    pub(crate) fn path_of(&self, id: &ContainerId) -> Result<PathBuf> {
        let path = self.root.join(id.as_str());
        std::path::absolute(&path).map_err(|e| Error::io("resolve", &path, &e))
    }

    /// The filters that were compiled for containers of this root.
    pub(crate) fn filter_cache(&self) -> Option<FilterCache> {
        FilterCache::beside(&self.root)
    }

    /// Makes the container's directory, and the root if it is missing. Of several that race for
    /// an id exactly one wins.
    pub(crate) fn create(&self, id: &ContainerId) -> Result<(Entry, Lock)> {
        let root = match self.open_root() {
            Err(Errno::ENOENT) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
                made.map_err(|e| Error::io("mkdir", &self.root, &e))?;
                self.open_root()
            }
            other => other,
        };
        let root = root.map_err(|e| Error::system("open", self.root.display(), e))?;
        match mkdirat(&root, id.as_str(), Mode::S_IRWXU | MARK) {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Err(Error::AlreadyExists),
            Err(e) => return Err(Error::system("mkdir", self.root.join(id.as_str()).display(), e)),
        }
        let path = self.root.join(id.as_str());
        let locked = self.open_in(root, id).and_then(|entry| Ok((entry.lock()?, entry)));
        locked.map(|(lock, entry)| (entry, lock)).inspect_err(|_| {
            // Empty, or somebody else's by now.
            let _ = std::fs::remove_dir(path);
        })
    }

    /// An existing container's directory.
    pub(crate) fn open(&self, id: &ContainerId) -> Result<Entry> {
        match self.open_root() {
            Ok(root) => self.open_in(root, id),
            Err(Errno::ENOENT) => Err(Error::NotFound),
            Err(e) => Err(Error::system("open", self.root.display(), e)),
        }
    }

    /// The ids under the root, sorted. What cannot be a container's directory is passed over.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        let failed = |e| Error::system("read directory", self.root.display(), e);
        let mut dir = match Dir::open(&self.root, DIRECTORY, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::ENOENT) => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut ids = Vec::new();
        for item in dir.iter() {
            let item = item.map_err(failed)?;
            // Filesystems that do not tell the type leave it to `open`.
            if item.file_type().is_none_or(|kind| kind == Type::Directory) {
                let name = item.file_name().to_str().ok();
                ids.extend(name.and_then(|name| name.parse::<ContainerId>().ok()));
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn open_root(&self) -> Result<OwnedFd, Errno> {
        // The root itself may be a symbolic link: it is the administrator's.
        open(&self.root, DIRECTORY.difference(OFlag::O_NOFOLLOW), Mode::empty())
    }

    fn open_in(&self, root: OwnedFd, id: &ContainerId) -> Result<Entry> {
        let path = self.root.join(id.as_str());
        match openat(&root, id.as_str(), DIRECTORY, Mode::empty()) {
            Ok(dir) => {
                refuse_foreign(&dir, &path)?;
                Ok(Entry { root, dir, path, id: id.clone() })
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Err(Error::NotFound),
            Err(e) => Err(Error::system("open", path.display(), e)),
        }
    }
}

/// What is in a container's directory is believed: whom to kill, which hooks to run. Only its owner may
/// have written there, and that has to be the caller.
fn refuse_foreign(dir: &OwnedFd, path: &Path) -> Result<()> {
    let stat = fstat(dir).map_err(|e| Error::system("stat", path.display(), e))?;
    let problem = if stat.st_uid != geteuid().as_raw() {
        format!("belongs to uid {}", stat.st_uid)
    } else if stat.st_mode & 0o022 != 0 {
        "may be written to by others".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::State { file: path.to_owned(), problem })
}

impl Entry {
    /// Where it is, for messages and for what can only take a path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Waits, but not for ever, until nobody else holds the lock. [`Error::NotFound`] if the
    /// directory was removed meanwhile.
    pub(crate) fn lock(&self) -> Result<Lock> {
        self.lock_within(LOCK_DEADLINE)
    }

    /// Whether someone holds the lock now. True also for the caller's own.
    pub(crate) fn is_locked(&self) -> Result<bool> {
        match Self::try_lock(self.reopen()?) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, e)) => Err(self.failed("flock", e)),
        }
    }

    /// Waits for nobody: `None` if someone holds the lock, or the directory is gone.
    pub(crate) fn lock_if_free(&self) -> Result<Option<Lock>> {
        match self.lock_within(Duration::ZERO) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::NotFound) => Ok(None),
            Err(e) if e.errno() == Some(Errno::EWOULDBLOCK) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn lock_within(&self, patience: Duration) -> Result<Lock> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(200);
        let mut dir = self.reopen()?;
        loop {
            match Self::try_lock(dir) {
                // A directory that was removed while we waited can still be locked.
                Ok(lock) if self.is_removed()? => {
                    drop(lock);
                    return Err(Error::NotFound);
                }
                Ok(lock) => return Ok(lock),
                Err((again, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < deadline => {
                    dir = again;
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(Error::system("lock", &self.id, Errno::EWOULDBLOCK)
                        .with_hint("another operation on this container has not finished"));
                }
                Err((_, e)) => return Err(self.failed("flock", e)),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// flock belongs to the open file description: only a fresh one excludes other threads of
    /// this process.
    fn reopen(&self) -> Result<File> {
        openat(&self.dir, ".", DIRECTORY, Mode::empty()).map(File::from).map_err(|e| match e {
            Errno::ENOENT => Error::NotFound,
            e => self.failed("open", e),
        })
    }

    fn try_lock(dir: File) -> Result<Lock, (File, Errno)> {
        match dir.try_lock() {
            Ok(()) => Ok(Lock { dir }),
            Err(TryLockError::WouldBlock) => Err((dir, Errno::EWOULDBLOCK)),
            Err(TryLockError::Error(e)) => {
                Err((dir, Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))))
            }
        }
    }

    fn is_removed(&self) -> Result<bool> {
        fstat(&self.dir).map(|stat| stat.st_nlink == 0).map_err(|e| self.failed("stat", e))
    }

    /// Replaces the record, all or nothing. The caller holds the lock.
    pub(crate) fn write_record(&self, record: &Record) -> Result<()> {
        self.replace(RECORD, &record.to_json(&self.path.join(RECORD))?)
    }

    /// The record; `None` if none was written yet.
    pub(crate) fn read_record(&self) -> Result<Option<Record>> {
        let data = self.read_file(RECORD)?;
        data.map(|data| Record::parse(&data, &self.path.join(RECORD))).transpose()
    }

    /// Keeps the config as later verbs shall see it. The caller holds the lock.
    pub(crate) fn write_config(&self, json: &[u8]) -> Result<()> {
        self.replace(CONFIG, json)
    }

    /// The config; `None` if none was written yet.
    pub(crate) fn read_config(&self) -> Result<Option<Vec<u8>>> {
        self.read_file(CONFIG)
    }

    /// Keeps the program of the seccomp filter. Without a rename: the record, which is written later,
    /// says what the file has to be. The caller holds the lock.
    pub(crate) fn write_filter(&self, program: &[u8]) -> Result<()> {
        self.write_new(FILTER, program)
    }

    /// The program of the filter that the record tells of.
    pub(crate) fn read_filter(&self, stored: &StoredFilter) -> Result<Vec<u8>> {
        let damaged = |problem: &str| Error::State {
            file: self.path.join(FILTER),
            problem: problem.to_owned(),
        };
        let program = self.read_file(FILTER)?.ok_or_else(|| damaged("is missing"))?;
        let whole = stored.matches(&program);
        whole.then_some(program).ok_or_else(|| damaged("is not what was stored at create"))
    }

    /// Makes the directory that the container's socket for sd_notify(3) will be in. Everybody inside
    /// has to get through it, whatever the caller's umask.
    pub(crate) fn make_notify_dir(&self) -> Result<()> {
        let mode = Mode::from_bits_truncate(0o755);
        mkdirat(&self.dir, NOTIFY_DIR, mode)
            .and_then(|()| fchmod(self.open_notify_dir()?, mode))
            .map_err(|e| self.failed_at("mkdir", NOTIFY_DIR, e))
    }

    /// That directory; `None` if the container has none.
    pub(crate) fn notify_dir(&self) -> Result<Option<OwnedFd>> {
        match self.open_notify_dir() {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.failed_at("open", NOTIFY_DIR, e)),
        }
    }

    fn open_notify_dir(&self) -> Result<OwnedFd, Errno> {
        openat(&self.dir, NOTIFY_DIR, DIRECTORY, Mode::empty())
    }

    fn remove_notify_dir(&self) -> Result<()> {
        let Some(dir) = self.notify_dir()? else { return Ok(()) };
        match unlinkat(&dir, NOTIFY_SOCKET, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(self.failed_at("unlink", NOTIFY_SOCKET, e)),
        }
        unlinkat(&self.dir, NOTIFY_DIR, UnlinkatFlags::RemoveDir)
            .map_err(|e| self.failed_at("rmdir", NOTIFY_DIR, e))
    }

    /// Makes the empty directory that CRIU's view of the root filesystem is mounted on; its path, without
    /// symlinks.
    pub(crate) fn make_criu_root(&self) -> Result<PathBuf> {
        mkdirat(&self.dir, CRIU_ROOT, Mode::S_IRWXU)
            .map_err(|e| self.failed_at("mkdir", CRIU_ROOT, e))?;
        let path = self.path.join(CRIU_ROOT);
        path.canonicalize().map_err(|e| Error::io("resolve", &path, &e))
    }

    /// The directory is gone afterwards, if it was there.
    pub(crate) fn remove_criu_root(&self) -> Result<()> {
        match unlinkat(&self.dir, CRIU_ROOT, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(self.failed_at("rmdir", CRIU_ROOT, e)),
        }
    }

    /// Whether the container still waits for `start`.
    pub(crate) fn has_start_fifo(&self) -> Result<bool> {
        match fstatat(&self.dir, START_FIFO, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(self.failed_at("stat", START_FIFO, e)),
        }
    }

    /// Removes the directory and the files in it. The caller holds the lock and drops it after;
    /// what is gone already is no error.
    pub(crate) fn remove(self) -> Result<()> {
        for name in [RECORD, CONFIG, FILTER] {
            self.unlink(name)?;
        }
        if self.is_removed()? {
            // Whoever removed it made room for a new one of the same name: leave that alone.
            return Ok(());
        }
        let remove = || unlinkat(&self.root, self.id.as_str(), UnlinkatFlags::RemoveDir);
        match remove() {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {
                self.remove_files()?;
                remove()
            }
            other => other,
        }
        .or_else(|e| if e == Errno::ENOENT { Ok(()) } else { Err(self.failed("rmdir", e)) })
    }

    fn remove_files(&self) -> Result<()> {
        self.remove_notify_dir()?;
        self.remove_criu_root()?;
        let failed = |e| self.failed("read directory", e);
        let mut dir = match Dir::openat(&self.dir, ".", DIRECTORY, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::ENOENT) => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        for item in dir.iter().take(MAX_FILES) {
            let item = item.map_err(failed)?;
            let name = item.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.unlink(&name.to_string_lossy())?;
        }
        Ok(())
    }

    fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(self.failed_at("unlink", name, e)),
        }
    }

    fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match fdio::read_short(&self.dir, Path::new(name)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.failed_at("read", name, e)),
        }
    }

    /// Readers see the old file or the new one. The temporary name is fixed, so that one left by
    /// a crash is overwritten; the lock keeps two writers apart.
    fn replace(&self, name: &str, data: &[u8]) -> Result<()> {
        let temporary = format!("{name}.tmp");
        self.write_new(&temporary, data)?;
        renameat(&self.dir, temporary.as_str(), &self.dir, name)
            .map_err(|e| self.failed_at("rename", &temporary, e))
    }

    fn write_new(&self, name: &str, data: &[u8]) -> Result<()> {
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|e| self.failed_at("create", name, e))?;
        std::io::Write::write_all(&mut std::fs::File::from(file), data)
            .map_err(|e| Error::io("write", self.path.join(name), &e))
    }

    fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::system(action, self.path.display(), errno)
    }

    fn failed_at(&self, action: &'static str, name: &str, errno: Errno) -> Error {
        Error::system(action, self.path.join(name).display(), errno)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
