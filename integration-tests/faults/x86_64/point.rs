//! One fault: where, and what happens there.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;

/// What happens at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed as it enters the call. Between two calls a process changes nothing but its own memory, so
    /// this is also a kill at the exit of the call before.
    Kill,
    /// teu is killed as an executor enters the call; the executor goes on once teu is gone.
    KillTeu,
    /// The call is not made and gives this error.
    Fail(Errno),
}

/// Where and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// 0 is teu, the others are executors in the order of their birth.
    pub process: usize,
    /// Of the process's calls since its first exec, from 0.
    pub index: usize,
    /// What happens.
    pub fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.process, self.index)?;
        match self.fault {
            Fault::Kill => write!(f, "kill"),
            Fault::KillTeu => write!(f, "kill-teu"),
            Fault::Fail(errno) => write!(f, "{errno:?}"),
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?}: not PROCESS/INDEX/FAULT");
        let mut words = text.split('/');
        let mut number = || words.next()?.parse().ok();
        let (process, index) = number().zip(number()).ok_or_else(bad)?;
        let fault = match words.next().ok_or_else(bad)? {
            "kill" => Fault::Kill,
            "kill-teu" => Fault::KillTeu,
            name => Fault::Fail(errno(name).ok_or_else(bad)?),
        };
        Ok(Self { process, index, fault })
    }
}

fn errno(name: &str) -> Option<Errno> {
    use Errno::{EAGAIN, EINTR, EIO, ENOMEM, ENOSPC, EPERM};
    [EAGAIN, EINTR, EIO, ENOMEM, ENOSPC, EPERM].into_iter().find(|e| format!("{e:?}") == name)
}
