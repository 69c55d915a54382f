//! Device rules in the v1 devices controller.
//!
//! Rules are not written as they stand. The listed order is played through on a model of the
//! controller, as runc does, and what comes out is written: the same state in the fewest writes,
//! and a rule that the kernel would silently not apply is refused.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as FileMode;

use super::FIELD;
use super::model::Model;
use crate::error::{Error, Result};
use crate::fdio;

pub(super) fn write(model: &Model, dir: &Path) -> Result<()> {
    let (base, rest) = match model.allow {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    let base = dir.join(base);
    fdio::write(&base, b"a").map_err(|e| refused(FIELD.to_owned(), "a", &base, e))?;
    if model.exceptions.is_empty() {
        return Ok(());
    }
    let rest = dir.join(rest);
    let file = open(&rest, OFlag::O_WRONLY | OFlag::O_CLOEXEC, FileMode::empty())
        .map_err(|e| Error::system("open", rest.display(), e))?;
    for exception in &model.exceptions {
        let text = format!("{} {}", exception.devices, exception.access);
        fdio::write_once(file.as_fd(), text.as_bytes())
            .map_err(|e| refused(exception.source.to_string(), &text, &rest, e))?;
    }
    Ok(())
}

fn refused(rule: String, text: &str, file: &Path, errno: Errno) -> Error {
    let e = Error::system("write", format!("{rule}: {text:?} to {}", file.display()), errno);
    match errno {
        Errno::EPERM => e.with_hint("a parent cgroup does not allow it"),
        Errno::EINVAL => e.with_hint("the cgroup has cgroups below it"),
        _ => e,
    }
}
