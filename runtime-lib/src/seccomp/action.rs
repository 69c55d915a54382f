//! What a filter says about a call: the kernel's return values (seccomp(2)).

use std::fmt;

use nix::errno::Errno;
use oci_spec::runtime::LinuxSeccompAction;

use super::Problem;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// The kernel takes larger errnos for this one (MAX_ERRNO, seccomp(2)).
const ERRNO_MAX: u32 = 4095;
const DATA_MAX: u32 = 0xffff;

/// A return value of a filter: the action and its 16 bits of data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(u32);

impl Action {
    /// For architectures that the profile does not list; libseccomp's, which runc leaves as it is.
    pub const FOREIGN: Self = Self(KILL_THREAD);
    /// For calls newer than what the profile knows.
    pub const ENOSYS: Self = Self(ERRNO | libc::ENOSYS.cast_unsigned());

    /// The action of an entry with its `errnoRet`, which only ERRNO and TRACE have (config-linux.md).
    pub(super) fn new(
        action: LinuxSeccompAction,
        errno: Option<u32>,
        errno_field: impl FnOnce() -> String,
    ) -> Result<Self, Problem> {
        use LinuxSeccompAction as Spec;
        let (value, most) = match action {
            Spec::ScmpActKill | Spec::ScmpActKillThread => (KILL_THREAD, None),
            Spec::ScmpActKillProcess => (KILL_PROCESS, None),
            Spec::ScmpActTrap => (TRAP, None),
            Spec::ScmpActErrno => (ERRNO, Some(ERRNO_MAX)),
            Spec::ScmpActNotify => (USER_NOTIF, None),
            Spec::ScmpActTrace => (TRACE, Some(DATA_MAX)),
            Spec::ScmpActLog => (LOG, None),
            Spec::ScmpActAllow => (ALLOW, None),
        };
        match (errno, most) {
            (Some(errno), Some(most)) if errno > most => {
                let problem = format!("must be at most {most} with {action}, is {errno}");
                Err(Problem::new(errno_field(), problem))
            }
            (Some(_), None) => {
                Err(Problem::new(errno_field(), format!("{action} does not take one")))
            }
            (errno, Some(_)) => Ok(Self(value | errno.unwrap_or(libc::EPERM.cast_unsigned()))),
            (None, None) => Ok(Self(value)),
        }
    }

    /// As a program returns it.
    pub fn value(self) -> u32 {
        self.0
    }

    pub(super) fn is_notify(self) -> bool {
        self.0 == USER_NOTIF
    }

    /// The call is carried out, or a tracer decides. ENOSYS for new calls would then be a
    /// restriction that nobody asked for.
    pub(super) fn is_permissive(self) -> bool {
        matches!(self.0 & 0xffff_0000, ALLOW | LOG | TRACE)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.0 & DATA_MAX;
        match self.0 & 0xffff_0000 {
            KILL_PROCESS => f.write_str("kill the process"),
            KILL_THREAD => f.write_str("kill the thread"),
            TRAP => f.write_str("signal SIGSYS"),
            ERRNO => write!(f, "fail with {}", ErrnoName(data)),
            USER_NOTIF => f.write_str("ask the listener"),
            TRACE => write!(f, "ask the tracer (message {data})"),
            LOG => f.write_str("allow and log"),
            ALLOW => f.write_str("allow"),
            _ => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

struct ErrnoName(u32);

impl fmt::Display for ErrnoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i32::try_from(self.0).map(Errno::from_raw) {
            Ok(errno) if errno != Errno::UnknownErrno => write!(f, "{errno:?}"),
            _ => write!(f, "errno {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(action: LinuxSeccompAction, errno: Option<u32>) -> Result<Action, Problem> {
        Action::new(action, errno, || "errnoRet".into())
    }

    #[test]
    fn values_are_the_kernels() {
        use LinuxSeccompAction as Spec;
        for (action, errno, value, text) in [
            (Spec::ScmpActKill, None, 0, "kill the thread"),
            (Spec::ScmpActKillThread, None, 0, "kill the thread"),
            (Spec::ScmpActKillProcess, None, libc::SECCOMP_RET_KILL_PROCESS, "kill the process"),
            (Spec::ScmpActTrap, None, libc::SECCOMP_RET_TRAP, "signal SIGSYS"),
            (Spec::ScmpActErrno, None, libc::SECCOMP_RET_ERRNO | 1, "fail with EPERM"),
            (Spec::ScmpActErrno, Some(0), libc::SECCOMP_RET_ERRNO, "fail with errno 0"),
            (Spec::ScmpActErrno, Some(38), libc::SECCOMP_RET_ERRNO | 38, "fail with ENOSYS"),
            (Spec::ScmpActNotify, None, libc::SECCOMP_RET_USER_NOTIF, "ask the listener"),
            (Spec::ScmpActTrace, None, libc::SECCOMP_RET_TRACE | 1, "ask the tracer (message 1)"),
            (Spec::ScmpActLog, None, libc::SECCOMP_RET_LOG, "allow and log"),
            (Spec::ScmpActAllow, None, libc::SECCOMP_RET_ALLOW, "allow"),
        ] {
            let made = new(action, errno).unwrap();
            assert_eq!((made.value(), made.to_string().as_str()), (value, text));
        }
    }

    #[test]
    fn an_errno_needs_an_action_that_takes_one() {
        use LinuxSeccompAction as Spec;
        for (action, errno) in [
            (Spec::ScmpActAllow, 0),
            (Spec::ScmpActKillProcess, 1),
            (Spec::ScmpActNotify, 1),
            (Spec::ScmpActErrno, 4096),
            (Spec::ScmpActTrace, 0x1_0000),
        ] {
            let problem = new(action, Some(errno)).unwrap_err();
            assert_eq!(problem.field, "errnoRet", "{action}: {errno}");
        }
    }
}
