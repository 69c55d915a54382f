//! The notice that memory has run out: an eventfd of cgroup v1, inotify on `memory.events` of v2.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode as FileMode;

use super::files::Files;
use super::layout::Mode;
use super::paths::Paths;
use crate::error::{Error, Result};
use crate::fdio;

const CONTROL: &str = "memory.oom_control";
const EVENTS: &str = "memory.events";

/// Its descriptor becomes readable when there may be something to [take](OomWatch::take).
#[derive(Debug)]
pub(crate) struct OomWatch {
    source: Source,
    files: Files,
}

#[derive(Debug)]
enum Source {
    V1(EventFd),
    /// With the number of kills that were told already.
    V2(Inotify, u64),
}

impl OomWatch {
    pub(crate) fn open(paths: &Paths) -> Result<Self> {
        match paths.mode {
            Mode::V1 => Self::open_v1(paths.v1_dir("memory").ok_or_else(missing)?),
            Mode::V2 => Self::open_v2(&paths.unified.as_ref().ok_or_else(missing)?.dir),
        }
    }

    /// Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control". Closing the eventfd ends it.
    fn open_v1(dir: &Path) -> Result<Self> {
        let failed = |action, name: &str, e| Error::system(action, dir.join(name).display(), e);
        let files = Files::open(dir)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let eventfd = EventFd::from_flags(flags).map_err(|e| failed("eventfd for", CONTROL, e))?;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let control: OwnedFd = openat(&files, CONTROL, flags, FileMode::empty())
            .map_err(|e| failed("open", CONTROL, e))?;
        let order = format!("{} {}", eventfd.as_fd().as_raw_fd(), control.as_raw_fd());
        let name = "cgroup.event_control";
        fdio::write(&dir.join(name), order.as_bytes()).map_err(|e| failed("write", name, e))?;
        Ok(Self { source: Source::V1(eventfd), files })
    }

    fn open_v2(dir: &Path) -> Result<Self> {
        let file = dir.join(EVENTS);
        let failed = |e| {
            let error = Error::system("inotify_add_watch", file.display(), e);
            match e {
                Errno::ENOENT => error.with_hint("the memory controller is not enabled for it"),
                Errno::EMFILE | Errno::ENOSPC => error.with_hint("see /proc/sys/fs/inotify"),
                _ => error,
            }
        };
        let files = Files::open(dir)?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        let inotify = inotify.map_err(failed)?;
        inotify.add_watch(&file, AddWatchFlags::IN_MODIFY).map_err(failed)?;
        let kills = kills(&files)?.unwrap_or_default();
        Ok(Self { source: Source::V2(inotify, kills), files })
    }

    /// Whether memory has run out since the last time this was asked.
    pub(crate) fn take(&mut self) -> Result<bool> {
        match &mut self.source {
            Source::V1(eventfd) => match eventfd.read() {
                // The removal of the cgroup raises it as well.
                Ok(_) => Ok(there(self.files.text(CONTROL))?.is_some()),
                Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
                Err(e) => Err(Error::system("read", "an eventfd", e)),
            },
            Source::V2(inotify, told) => {
                match inotify.read_events() {
                    Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Err(e) => return Err(Error::system("read", "an inotify descriptor", e)),
                }
                // The file also changes when memory is reclaimed, and when a limit is only hit.
                let now = kills(&self.files)?.unwrap_or(*told);
                Ok(std::mem::replace(told, now) < now)
            }
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1(eventfd) => eventfd.as_fd(),
            Source::V2(inotify, _) => inotify.as_fd(),
        }
    }
}

/// Processes that were killed for want of memory, in the cgroup and below it. `None` if it is gone.
fn kills(files: &Files) -> Result<Option<u64>> {
    let events = there(files.table(EVENTS))?;
    Ok(events.and_then(|events| events.get("oom_kill").copied()))
}

/// Whether a process of the container has been killed for want of memory. Not, if that is not known.
pub(super) fn has_killed(paths: &Paths) -> bool {
    let (dir, file) = match paths.mode {
        Mode::V1 => (paths.v1_dir("memory"), CONTROL),
        Mode::V2 => (paths.unified.as_ref().map(|place| place.dir.as_path()), EVENTS),
    };
    let table = dir.and_then(|dir| Files::open(dir).ok()?.table(file).ok()?);
    table.is_some_and(|table| table.get("oom_kill").is_some_and(|count| *count > 0))
}

/// A cgroup that goes away between open and read is as good as gone before.
fn there<T>(read: Result<Option<T>>) -> Result<Option<T>> {
    match read {
        Err(e) if e.errno() == Some(Errno::ENODEV) => Ok(None),
        other => other,
    }
}

/// In runc's words.
fn missing() -> Error {
    Error::unsupported("events", "memory controller missing")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::paths::Place;
    use super::*;

    fn v2(dir: &Path) -> Paths {
        let place = Place { controllers: vec![], mount: "/".into(), dir: dir.to_owned() };
        Paths { mode: Mode::V2, unified: Some(place), ..Paths::default() }
    }

    #[test]
    fn every_rise_of_the_count_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let put = |max: u32, kills: u32| {
            let text = format!("low 0\nmax {max}\noom 0\noom_kill {kills}\n");
            fs::write(dir.path().join(EVENTS), text).unwrap();
        };
        put(0, 3);
        let mut watch = OomWatch::open(&v2(dir.path())).unwrap();
        assert!(!watch.take().unwrap(), "kills before the watch");
        for (max, kills, told) in [(1, 3, false), (1, 4, true), (2, 4, false), (2, 9, true)] {
            put(max, kills);
            assert_eq!(watch.take().unwrap(), told, "max {max}, oom_kill {kills}");
            assert!(!watch.take().unwrap(), "twice");
        }
        fs::remove_file(dir.path().join(EVENTS)).unwrap();
        assert!(!watch.take().unwrap(), "gone");
    }

    #[test]
    fn a_kill_is_known_on_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let place =
            Place { controllers: vec!["memory".into()], mount: "/".into(), dir: dir.path().into() };
        let v1 = Paths { v1: vec![place], ..Paths::default() };
        assert!(!has_killed(&v1) && !has_killed(&v2(dir.path())) && !has_killed(&Paths::default()));
        for (kills, expected) in [(0, false), (2, true)] {
            let control = format!("oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n");
            fs::write(dir.path().join(CONTROL), control).unwrap();
            fs::write(dir.path().join(EVENTS), format!("max 1\noom_kill {kills}\n")).unwrap();
            assert_eq!((has_killed(&v1), has_killed(&v2(dir.path()))), (expected, expected));
        }
    }

    #[test]
    fn without_the_controller_there_is_nothing_to_watch() {
        let e = OomWatch::open(&Paths::default()).unwrap_err();
        assert_eq!(e.to_string(), "events: memory controller missing");
        let dir = tempfile::tempdir().unwrap();
        let e = OomWatch::open(&v2(dir.path())).unwrap_err().to_string();
        assert!(e.contains("the memory controller is not enabled"), "{e}");
    }
}
