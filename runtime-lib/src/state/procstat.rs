//! What `/proc/PID/stat` says of a process: whether it lives, and whether it is still the same.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};

/// The longest line's head up to the start time: `comm` is at most 64 bytes (kernel threads), each
/// number at most 20 digits.
const HEAD: usize = 1024;

/// Of include/linux/sched.h.
const PF_EXITING: u64 = 4;

/// The fields of `/proc/PID/stat` that tell processes apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcStat {
    /// The command name; any bytes, chosen by the process.
    pub(crate) comm: Vec<u8>,
    /// State character.
    pub(crate) state: u8,
    /// Session, in the reader's pid namespace.
    pub(crate) session: i32,
    /// The first thread is on its way out.
    pub(crate) exiting: bool,
    /// Threads that are left.
    pub(crate) threads: u64,
    /// Start time after boot in clock ticks. The kernel shifts it by the *reader's* time namespace:
    /// compare only values that were read in the same one.
    pub(crate) start_time: u64,
}

impl ProcStat {
    /// Reads the process's entry; `None` if there is none.
    pub(crate) fn read(pid: i32) -> Result<Option<Self>> {
        if pid <= 0 {
            return Ok(None);
        }
        let path = format!("/proc/{pid}/stat");
        let head = match read_head(Path::new(&path)) {
            Ok(head) => head,
            // ESRCH: reaped between open and read.
            Err(Errno::ENOENT | Errno::ESRCH) => return Ok(None),
            Err(e) => return Err(Error::system("read", path, e)),
        };
        let bad =
            || Error::State { file: path.into(), problem: "not in the form of proc(5)".into() };
        Self::parse(&head).map(Some).ok_or_else(bad)
    }

    /// Parses the line. `comm` may hold spaces and parentheses, so it ends at the *last* `)`.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let begin = line.iter().position(|&b| b == b'(')?;
        let end = line.iter().rposition(|&b| b == b')')?;
        let comm = line.get(begin.checked_add(1)?..end)?.to_vec();
        let rest = std::str::from_utf8(line.get(end.checked_add(1)?..)?).ok()?;
        // After comm comes field 3.
        let mut fields = rest.split_ascii_whitespace();
        let state = match fields.next()?.as_bytes() {
            [state] => *state,
            _ => return None,
        };
        let session = fields.nth(6 - 4)?.parse().ok()?;
        let flags: u64 = fields.nth(9 - 7)?.parse().ok()?;
        let threads = fields.nth(20 - 10)?.parse().ok()?;
        let start_time = fields.nth(22 - 21)?.parse().ok()?;
        let exiting = flags & PF_EXITING != 0;
        Some(Self { comm, state, session, exiting, threads, start_time })
    }

    /// Whether the process has not ended. A zombie has, unless it is only the first thread that
    /// ended: the others run on, in the same process, as long as they like.
    pub(crate) fn is_alive(&self) -> bool {
        match self.state {
            b'X' | b'x' => false,
            b'Z' => self.threads > 1,
            _ => true,
        }
    }
}

fn read_head(path: &Path) -> Result<Vec<u8>, Errno> {
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut head = vec![0; HEAD];
    loop {
        match nix::unistd::read(&file, &mut head) {
            Ok(n) => {
                head.truncate(n);
                return Ok(head);
            }
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = "1 1 9 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 123456 0 0 184467440";

    fn line(comm: &str, state: char) -> Vec<u8> {
        format!("42 ({comm}) {state} {TAIL}\n").into_bytes()
    }

    #[test]
    fn reads_the_fields_that_matter() {
        let stat = ProcStat::parse(&line("teu-init", 'S')).unwrap();
        let expected = ProcStat {
            comm: b"teu-init".to_vec(),
            state: b'S',
            session: 9,
            exiting: false,
            threads: 3,
            start_time: 123_456,
        };
        assert_eq!(stat, expected);
        assert!(stat.is_alive());
    }

    #[test]
    fn a_hostile_comm_cannot_forge_fields() {
        for comm in ["a) Z 1 1 1 (", ") Z 0 0", "((((", "))))", "x y z", "", ") R 1 1", "\n) X 1"] {
            let stat = ProcStat::parse(&line(comm, 'R')).unwrap();
            assert_eq!(stat.comm, comm.as_bytes(), "{comm:?}");
            assert_eq!((stat.state, stat.start_time), (b'R', 123_456), "{comm:?}");
        }
    }

    #[test]
    fn a_zombie_lives_while_it_has_threads() {
        let zombie = ProcStat::parse(&line("x", 'Z')).unwrap();
        assert!(zombie.is_alive());
        assert!(!ProcStat { threads: 1, ..zombie.clone() }.is_alive());
        assert!(!ProcStat { state: b'X', ..zombie }.is_alive());
    }

    #[test]
    fn reads_this_process_and_misses_an_impossible_one() {
        let me = ProcStat::read(nix::unistd::getpid().as_raw()).unwrap().unwrap();
        assert!(me.is_alive() && me.start_time > 0);
        assert_eq!(ProcStat::read(i32::MAX).unwrap(), None);
        assert_eq!(ProcStat::read(0).unwrap(), None);
        assert_eq!(ProcStat::read(-1).unwrap(), None);
    }

    #[test]
    fn sees_a_zombie() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let gone = || ProcStat::read(pid).unwrap().is_some_and(|s| !s.is_alive());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !gone() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(gone());
        child.wait().unwrap();
        assert_eq!(ProcStat::read(pid).unwrap(), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = ProcStat::parse(&bytes);
        }

        #[test]
        fn any_comm_is_taken_as_it_is(comm in "[^\0]{0,64}") {
            let stat = ProcStat::parse(&line(&comm, 'S')).unwrap();
            prop_assert_eq!(stat.comm, comm.into_bytes());
            prop_assert_eq!(stat.start_time, 123_456);
        }
    }
}
