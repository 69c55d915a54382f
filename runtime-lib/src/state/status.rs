//! A container's status, as the kernel and the state directory tell it now.

use super::Status;
use super::procstat::ProcStat;
use super::record::Record;
use super::store::{Entry, Lock};
use crate::error::Result;

/// The executor's name while it waits for `start`; exec of the user's program replaces it.
pub(crate) const INIT_COMM: &str = "teu-init";

/// The status now. `lock` is the caller's own lock of the entry, if it has one: without it, a
/// locked entry that has no process yet belongs to a `create` that is under way.
pub(crate) fn status(
    entry: &Entry,
    record: Option<&Record>,
    lock: Option<&Lock>,
) -> Result<Status> {
    let Some(record) = record.filter(|record| record.pid > 0) else {
        let creating = lock.is_none() && entry.is_locked()?;
        return Ok(if creating { Status::Creating } else { Status::Stopped });
    };
    let Some(init) = find_init(record)? else {
        return Ok(Status::Stopped);
    };
    if record.cgroup.is_frozen()? {
        return Ok(Status::Paused);
    }
    // A `start` that was killed half way may have left the FIFO behind.
    let waits = init.comm == INIT_COMM.as_bytes() && entry.has_start_fifo()?;
    Ok(if waits { Status::Created } else { Status::Running })
}

/// The container's init, if it has not ended and its pid has not gone to another process.
pub(crate) fn find_init(record: &Record) -> Result<Option<ProcStat>> {
    // Start times count from the boot: after another one pid and start time may well be somebody's.
    if record.origin.is_earlier_boot() {
        return Ok(None);
    }
    let stat = ProcStat::read(record.pid)?;
    let same = stat.filter(|stat| stat.start_time == record.start_time && stat.is_alive());
    Ok(same.filter(|stat| !(stat.exiting && has_left(record.pid))))
}

/// The init has given back all that it had and is no zombie yet: the kernel keeps it until every
/// process of its pid namespace is reaped, and that of an exec is for its own parent to reap.
fn has_left(pid: i32) -> bool {
    let mounts = std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
    mounts.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::super::record::sample;
    use super::super::store::{START_FIFO, Store};
    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        entry: Entry,
        lock: Lock,
        record: Record,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let (entry, lock) = Store::new(dir.path()).create(&"c".parse().unwrap()).unwrap();
        Fixture { _dir: dir, entry, lock, record: sample("c") }
    }

    fn of_this_process(record: Record) -> Record {
        let pid = nix::unistd::getpid().as_raw();
        let start_time = ProcStat::read(pid).unwrap().unwrap().start_time;
        Record { pid, start_time, ..record }
    }

    #[test]
    fn without_a_process_the_lock_decides() {
        let f = fixture();
        let of = |lock| status(&f.entry, Some(&f.record), lock).unwrap();
        assert_eq!(of(None), Status::Creating);
        assert_eq!(of(Some(&f.lock)), Status::Stopped);
        assert_eq!(status(&f.entry, None, None).unwrap(), Status::Creating);
        drop(f.lock);
        assert_eq!(status(&f.entry, Some(&f.record), None).unwrap(), Status::Stopped);
        assert_eq!(status(&f.entry, None, None).unwrap(), Status::Stopped);
    }

    #[test]
    fn a_pid_that_went_to_another_process_is_not_the_init() {
        let f = fixture();
        let record = of_this_process(f.record);
        assert_eq!(status(&f.entry, Some(&record), None).unwrap(), Status::Running);
        let older = Record { start_time: record.start_time - 1, ..record };
        assert_eq!(status(&f.entry, Some(&older), None).unwrap(), Status::Stopped);
    }

    #[test]
    fn a_fifo_left_by_a_killed_start_does_not_hide_that_it_runs() {
        let f = fixture();
        let record = of_this_process(f.record);
        std::fs::write(f.entry.path().join(START_FIFO), "").unwrap();
        assert_eq!(status(&f.entry, Some(&record), None).unwrap(), Status::Running);
    }

    #[test]
    fn the_executor_with_its_fifo_is_created() {
        let f = fixture();
        let script = f.entry.path().join(INIT_COMM);
        std::os::unix::fs::symlink("/bin/sleep", &script).unwrap();
        let mut child = std::process::Command::new(&script).arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start_time = ProcStat::read(pid).unwrap().unwrap().start_time;
        let record = Record { pid, start_time, ..f.record };
        let of = || status(&f.entry, Some(&record), None).unwrap();
        let without = of();
        std::fs::write(f.entry.path().join(START_FIFO), "").unwrap();
        let with = of();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((without, with, of()), (Status::Running, Status::Created, Status::Stopped));
    }
}
