//! Freezing: `freezer.state` of v1, `cgroup.freeze` of v2.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use super::paths::Paths;
use super::tree::is_gone;
use crate::error::{Error, Result};
use crate::fdio;

/// How a cgroup comes to be frozen, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freeze {
    No,
    /// It was told to freeze.
    Own,
    /// Only an ancestor was.
    Inherited,
}

/// Between the order and the second look. Most processes are stopped by then.
const FIRST_PAUSE: Duration = Duration::from_micros(50);

enum Freezer {
    V1(PathBuf),
    V2(PathBuf),
}

fn freezer(paths: &Paths) -> Option<Freezer> {
    let v1 = paths.v1_dir("freezer").map(|dir| Freezer::V1(dir.to_owned()));
    v1.or_else(|| paths.unified.as_ref().map(|place| Freezer::V2(place.dir.clone())))
}

impl Paths {
    /// Whether the container was paused. Frozen with an ancestor does not count: its own `resume`
    /// could not end that.
    pub(crate) fn is_frozen(&self) -> Result<bool> {
        Ok(state(self)? == Freeze::Own)
    }
}

pub(super) fn state(paths: &Paths) -> Result<Freeze> {
    match freezer(paths) {
        None => Ok(Freeze::No),
        Some(Freezer::V1(dir)) => state_v1(&dir),
        Some(Freezer::V2(dir)) => state_v2(&dir),
    }
}

fn state_v1(dir: &Path) -> Result<Freeze> {
    // FREEZING passes. Where it does not (a process that cannot be stopped), the container is as
    // good as frozen, and must count so: only `resume` gets it out.
    for _ in 0..10 {
        match word(dir, "freezer.state")?.as_deref() {
            Some("FREEZING") => sleep(Duration::from_millis(1)),
            Some("FROZEN") => break,
            _ => return Ok(Freeze::No),
        }
    }
    let own = word(dir, "freezer.self_freezing")?.as_deref() == Some("1");
    Ok(if own { Freeze::Own } else { Freeze::Inherited })
}

fn state_v2(dir: &Path) -> Result<Freeze> {
    if word(dir, "cgroup.freeze")?.as_deref() == Some("1") {
        return Ok(Freeze::Own);
    }
    Ok(if is_frozen_v2(dir)? { Freeze::Inherited } else { Freeze::No })
}

fn is_frozen_v2(dir: &Path) -> Result<bool> {
    let events = word(dir, "cgroup.events")?.unwrap_or_default();
    Ok(events.lines().any(|line| line.trim() == "frozen 1"))
}

/// The file's text without the end of the line; `None` if the cgroup or the file is gone.
fn word(dir: &Path, name: &str) -> Result<Option<String>> {
    let file = dir.join(name);
    match fdio::read_short(AT_FDCWD, &file) {
        Ok(data) => Ok(Some(String::from_utf8_lossy(&data).trim_end().to_owned())),
        Err(e) if is_gone(e) => Ok(None),
        Err(e) => Err(Error::system("read", file.display(), e)),
    }
}

/// Freezes all processes, or none: if it cannot be done in time, the cgroup is thawed again.
pub(super) fn freeze(paths: &Paths, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    let done = match freezer(paths) {
        None => {
            let text = "cannot toggle freezer: cgroups not configured for container";
            return Err(Error::WrongStatus(text.into()));
        }
        Some(Freezer::V1(dir)) => freeze_v1(&dir, deadline),
        Some(Freezer::V2(dir)) => freeze_v2(&dir, deadline),
    };
    done.inspect_err(|_| drop(thaw(paths)))
}

/// A v1 cgroup in which processes keep appearing may stay FREEZING for ever; writing the state
/// again catches the new ones, and a short thaw lets stuck ones get on. The kernel's documentation
/// of v1 leaves this to userspace.
fn freeze_v1(dir: &Path, deadline: Instant) -> Result<()> {
    let file = dir.join("freezer.state");
    let mut pause = FIRST_PAUSE;
    let mut round: u32 = 0;
    loop {
        put(&file, "FROZEN")?;
        match word(dir, "freezer.state")?.as_deref() {
            Some("FROZEN") => return Ok(()),
            None => return Err(Error::system("freeze", dir.display(), Errno::ENOENT)),
            Some(_) if Instant::now() > deadline => return Err(unable(dir)),
            Some(_) => {}
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
        round = round.wrapping_add(1);
        if round.is_multiple_of(32) {
            put(&file, "THAWED")?;
            sleep(Duration::from_millis(10));
        }
    }
}

fn freeze_v2(dir: &Path, deadline: Instant) -> Result<()> {
    put(&dir.join("cgroup.freeze"), "1")?;
    let mut pause = FIRST_PAUSE;
    while !is_frozen_v2(dir)? {
        if Instant::now() > deadline {
            return Err(unable(dir));
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    Ok(())
}

fn unable(dir: &Path) -> Error {
    Error::system("unable to freeze", dir.display(), Errno::ETIMEDOUT)
        .with_hint("a process in it cannot be stopped, or new ones keep appearing")
}

/// Lets the processes run on. A cgroup that is gone has none.
pub(super) fn thaw(paths: &Paths) -> Result<()> {
    let (file, text) = match freezer(paths) {
        None => return Ok(()),
        Some(Freezer::V1(dir)) => (dir.join("freezer.state"), "THAWED"),
        Some(Freezer::V2(dir)) => (dir.join("cgroup.freeze"), "0"),
    };
    match fdio::write(&file, text.as_bytes()) {
        Err(e) if !is_gone(e) => Err(Error::system("write", file.display(), e)),
        _ => Ok(()),
    }
}

fn put(file: &Path, text: &str) -> Result<()> {
    let written = fdio::write(file, text.as_bytes());
    written.map_err(|e| Error::system("write", file.display(), e))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::layout::Mode;
    use super::super::paths::Place;
    use super::*;

    fn paths(dir: &Path, controllers: &[&str]) -> Paths {
        let place = Place {
            controllers: controllers.iter().map(|&s| s.to_owned()).collect(),
            mount: "/".into(),
            dir: dir.to_owned(),
        };
        if controllers.is_empty() {
            Paths { mode: Mode::V2, unified: Some(place), ..Paths::default() }
        } else {
            Paths { v1: vec![place], ..Paths::default() }
        }
    }

    #[test]
    fn v1_counts_only_its_own_freezing_as_paused() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path(), &["freezer"]);
        assert_eq!(state(&paths).unwrap(), Freeze::No);
        for (text, own, expected) in [
            ("THAWED\n", "0\n", Freeze::No),
            ("FROZEN\n", "1\n", Freeze::Own),
            ("FROZEN\n", "0\n", Freeze::Inherited),
            ("FREEZING\n", "1\n", Freeze::Own),
        ] {
            fs::write(dir.path().join("freezer.state"), text).unwrap();
            fs::write(dir.path().join("freezer.self_freezing"), own).unwrap();
            assert_eq!(state(&paths).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn v2_reads_the_order_and_the_event() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path(), &[]);
        assert_eq!(state(&paths).unwrap(), Freeze::No);
        for (order, events, expected) in [
            ("0\n", "populated 1\nfrozen 0\n", Freeze::No),
            ("1\n", "populated 1\nfrozen 0\n", Freeze::Own),
            ("0\n", "populated 0\nfrozen 1\n", Freeze::Inherited),
        ] {
            fs::write(dir.path().join("cgroup.freeze"), order).unwrap();
            fs::write(dir.path().join("cgroup.events"), events).unwrap();
            assert_eq!(state(&paths).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_freeze_in_time_is_thawed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.freeze"), "0").unwrap();
        fs::write(dir.path().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let e = freeze(&paths(dir.path(), &[]), Duration::from_millis(5)).unwrap_err();
        assert!(e.to_string().starts_with("unable to freeze "), "{e}");
        assert_eq!(fs::read_to_string(dir.path().join("cgroup.freeze")).unwrap(), "0");
    }

    #[test]
    fn without_a_cgroup_nothing_is_frozen_and_nothing_can_be() {
        let none = Paths::default();
        assert!(!none.is_frozen().unwrap());
        assert!(freeze(&none, Duration::ZERO).is_err());
        thaw(&none).unwrap();
    }
}
