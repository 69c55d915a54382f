//! What tells a directory that a killed teu left from one that is somebody else's.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fstat};

use super::store::{
    CONFIG, CRIU_ROOT, Entry, FILTER, NOTIFY_DIR, NOTIFY_SOCKET, RECORD, START_FIFO,
};
use crate::error::{Error, Result};

/// The sticky bit, which mkdir(2) sets in the same step: a directory that looks like this was made as a
/// container's, also if nothing was written to it yet.
pub(super) const MARK: Mode = Mode::S_ISVTX;

impl Entry {
    /// Whether it was made as a container's directory.
    pub(crate) fn is_marked(&self) -> Result<bool> {
        Ok(self.stat()?.st_mode & MARK.bits() != 0)
    }

    /// Time since something in it was made, renamed or removed; zero if the clock was set back since.
    pub(crate) fn age(&self) -> Result<Duration> {
        self.stat().map(|stat| since(stat.st_mtime))
    }

    /// The first name in it that teu does not use.
    pub(crate) fn foreign_name(&self) -> Result<Option<String>> {
        Ok(match self.foreign_in(".", is_known)? {
            None => match self.foreign_in(NOTIFY_DIR, |name| name == NOTIFY_SOCKET)? {
                None => self.foreign_in(CRIU_ROOT, |_| false)?,
                found => found,
            },
            found => found,
        })
    }

    fn foreign_in(&self, dir: &str, known: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let failed = |e| Error::system("read directory", self.path().join(dir).display(), e);
        let mut list = match Dir::openat(self.dir(), dir, flags, Mode::empty()) {
            Ok(list) => list,
            Err(Errno::ENOENT) => return Ok(None),
            // A file or a link in its place.
            Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(Some(dir.to_owned())),
            Err(e) => return Err(failed(e)),
        };
        for item in list.iter() {
            let name = item.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." && !known(&name) {
                return Ok(Some(Path::new(dir).join(name).display().to_string()));
            }
        }
        Ok(None)
    }

    fn stat(&self) -> Result<FileStat> {
        fstat(self.dir().as_fd()).map_err(|e| Error::system("stat", self.path().display(), e))
    }
}

fn is_known(name: &str) -> bool {
    let file = name.strip_suffix(".tmp").unwrap_or(name);
    [RECORD, CONFIG, FILTER].contains(&file) || [START_FIFO, NOTIFY_DIR, CRIU_ROOT].contains(&name)
}

/// Since a time of the filesystem's clock, in seconds.
pub(super) fn since(seconds: i64) -> Duration {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0));
    time.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::store::Store;
    use super::*;

    fn entry() -> (tempfile::TempDir, Entry) {
        let dir = tempfile::tempdir().unwrap();
        let (entry, _) = Store::new(dir.path()).create(&"c".parse().unwrap()).unwrap();
        (dir, entry)
    }

    #[test]
    fn its_own_files_are_known() {
        let (_dir, entry) = entry();
        assert!(entry.is_marked().unwrap());
        for name in [RECORD, CONFIG, FILTER, START_FIFO, "state.json.tmp", "config.json.tmp"] {
            std::fs::write(entry.path().join(name), "").unwrap();
        }
        entry.make_notify_dir().unwrap();
        std::fs::write(entry.path().join(NOTIFY_DIR).join(NOTIFY_SOCKET), "").unwrap();
        entry.make_criu_root().unwrap();
        assert_eq!(entry.foreign_name().unwrap(), None);
    }

    #[test]
    fn others_are_named_wherever_they_are() {
        for name in ["passwd", "exec.fifo.tmp", ".hidden", "notify/x", "criu-root/x"] {
            let (_dir, entry) = entry();
            entry.make_notify_dir().unwrap();
            entry.make_criu_root().unwrap();
            std::fs::write(entry.path().join(name), "").unwrap();
            let found = entry.foreign_name().unwrap().unwrap();
            assert_eq!(found.trim_start_matches("./"), name);
        }
        for name in [NOTIFY_DIR, CRIU_ROOT] {
            let (_dir, entry) = entry();
            symlink("/", entry.path().join(name)).unwrap();
            assert_eq!(entry.foreign_name().unwrap().as_deref(), Some(name));
        }
    }

    #[test]
    fn a_directory_of_somebody_else_has_no_mark() {
        let (dir, _) = entry();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        let entry = Store::new(dir.path()).open(&"d".parse().unwrap()).unwrap();
        assert!(!entry.is_marked().unwrap());
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_old() {
        assert_eq!(since(i64::MAX / 4), Duration::ZERO);
        assert!(since(0) > Duration::from_secs(1 << 30));
        assert!(since(-1) > Duration::from_secs(1 << 30));
    }
}
