//! Offsets of the clocks of a new time namespace (time_namespaces(7)).

use std::fmt::Write as _;

use nix::errno::Errno;

use super::Child;
use super::procfiles::ProcFiles;
use crate::error::{Error, Result};
use crate::plan::ClockOffset;

/// The child has unshared the namespace and is not in it yet.
pub(super) fn write(child: &Child, offsets: &[ClockOffset]) -> Result<()> {
    let lines = offsets.iter().fold(String::new(), |mut text, offset| {
        let _ = writeln!(text, "{} {} {}", offset.clock, offset.secs, offset.nanosecs);
        text
    });
    ProcFiles::of(child)?.write("timens_offsets", &lines).map_err(|errno| {
        let error = Error::system("write", "linux.timeOffsets: timens_offsets", errno);
        match errno {
            Errno::ERANGE => error.with_hint("a clock would be before 0 or too far in the future"),
            Errno::EPERM | Errno::EACCES => error.with_hint("it needs CAP_SYS_TIME"),
            _ => error,
        }
    })
}
