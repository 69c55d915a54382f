//! What a failed step means: the record of the executor turned into an error a person can use.

use nix::errno::Errno;

use super::Plan;
use super::display::snake_case;
use super::op::{Op, Operand, Text, kind};
use super::record::Record;
use crate::error::{ErrnoText, Error};

const MOUNT_ATTR_IDMAP: u64 = libc::MOUNT_ATTR_IDMAP;
const AT_RECURSIVE: u32 = 0x8000;

impl Plan {
    /// The error for a failure record. The record came through a socket that the container's
    /// processes may have got hold of: nothing in it is trusted.
    pub fn failure(&self, record: Record, detail: &[u8]) -> Error {
        let errno = Errno::from_raw(record.errno);
        let Some(planned) = self.steps.get(record.number as usize) else {
            return Error::ExecutorDied(format!(
                "reported step {}, which is not there",
                record.number
            ));
        };
        let op = &planned.step.op;
        if let Op::Exec { tell, .. } = op {
            return exec_refused(&self.program_name(), errno, *tell != 0);
        }
        let what = self.program_problem(op, errno).unwrap_or_else(|| {
            let call = self.call(op);
            let said = kernel_said(detail);
            let hint = hint(op, errno).map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{call}: {}{said}{hint}", ErrnoText(errno))
        });
        Error::Step { field: field(&planned.origin), what, errno }
    }

    /// The call and the object it was about: `move_mount`, `open_tree "/data"`.
    fn call(&self, op: &Op) -> String {
        let mut call = snake_case(op.name());
        op.operands(&mut |_, operand| {
            if let Operand::Text(text) = operand {
                call.push_str(&format!(" {:?}", self.shown(text)));
            }
        });
        call
    }

    fn shown(&self, text: Text) -> String {
        String::from_utf8_lossy(self.text_at(text.0)).into_owned()
    }

    fn program_name(&self) -> String {
        let argv = |index: usize| {
            let exec = self.steps.iter().find_map(|p| match p.step.op {
                Op::Exec { argv, .. } => Some(argv),
                _ => None,
            })?;
            let at = *self.list_words(exec).get(index)?;
            Some(self.shown(Text(u32::try_from(at).ok()?)))
        };
        argv(0).unwrap_or_default()
    }

    /// Programs that cannot be run, in the words of Go's os/exec, which engines match on.
    fn program_problem(&self, op: &Op, errno: Errno) -> Option<String> {
        match op {
            Op::Lookup { .. } => Some(lookup_problem(&self.program_name(), errno)),
            Op::Chdir { path, .. } => {
                let path = self.shown(*path);
                Some(format!("chdir to cwd ({path:?}) set in config.json failed: {}", lower(errno)))
            }
            _ => None,
        }
    }
}

/// The words are runc's.
fn field(origin: &str) -> String {
    let mounting = origin.starts_with("mounts[");
    let prefix = if mounting { "error during container init: error mounting " } else { "" };
    format!("{prefix}{origin}")
}

/// Why a mount's ids could not be mapped by the runtime.
pub(crate) fn id_map_failure(origin: &str, errno: Errno) -> Error {
    let hint = id_map_hint(errno).map(|hint| format!(" ({hint})")).unwrap_or_default();
    let what = format!("mount_setattr: {}{hint}", ErrnoText(errno));
    Error::Step { field: field(origin), what, errno }
}

/// Why an exec that should have worked did not.
pub(crate) fn exec_refused(name: &str, errno: Errno, told: bool) -> Error {
    let what = format!("exec {}: {}", name.escape_debug(), lower(errno));
    Error::ExecRefused { what, hint: exec_hint(errno), errno, told }
}

fn lookup_problem(name: &str, errno: Errno) -> String {
    match errno {
        Errno::ENOENT if !name.contains('/') => {
            format!("exec: {name:?}: executable file not found in $PATH")
        }
        Errno::ENOENT => format!("exec: {name:?}: stat {name}: no such file or directory"),
        // Docker 20.10 gives status 126 for the second half (what execve itself says), newer ones for the first.
        Errno::EISDIR => format!("exec: {name:?}: is a directory: permission denied"),
        other => format!("exec: {name:?}: {}", lower(other)),
    }
}

fn exec_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOEXEC => " (built for another architecture, or a script without #!)",
        Errno::ENOENT => " (the script's interpreter or the program's dynamic loader is missing)",
        _ => "",
    }
}

fn lower(errno: Errno) -> String {
    let text = ErrnoText(errno).to_string();
    text.split_once(": ").map_or(text.clone(), |(_, words)| words.to_owned())
}

/// Lines of a file system context's log begin with "e ", "w " or "i ".
fn kernel_said(detail: &[u8]) -> String {
    let text = String::from_utf8_lossy(detail);
    let line = text.lines().next().unwrap_or_default().trim();
    let line = line.split_once(' ').map_or(line, |(_, message)| message);
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// Of clone3(2) with new namespaces into a cgroup.
pub(crate) fn clone_hint(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOSPC => "too many namespaces, see /proc/sys/user/max_*_namespaces",
        Errno::EPERM => "new namespaces need CAP_SYS_ADMIN or a user namespace",
        Errno::EAGAIN => "process limit reached",
        Errno::ENOMEM => "memory limit too low?",
        Errno::EOPNOTSUPP => "a cgroup above the container's has processes in it",
        Errno::EBUSY => "the cgroup has controllers enabled for its children",
        _ => return None,
    })
}

fn hint(op: &Op, errno: Errno) -> Option<&'static str> {
    match (op, errno) {
        (Op::Fsopen { .. }, Errno::ENODEV) => Some("the kernel has no such filesystem"),
        (Op::Fsmount { .. }, Errno::EPERM) => Some(
            "in a user namespace proc and sysfs can be mounted only if the host's are not masked, \
             and only in new pid and network namespaces",
        ),
        (Op::MountSetattr { set, .. }, errno) if *set & MOUNT_ATTR_IDMAP != 0 => id_map_hint(errno),
        (Op::MountSetattr { .. }, Errno::EPERM) => {
            Some("a flag of the source is locked: its mount belongs to an outer user namespace")
        }
        (Op::MoveMount { .. }, Errno::ENOTDIR) => {
            Some("of source and destination one is a directory and the other is not")
        }
        (Op::SymlinkOrSame { .. }, Errno::EEXIST) => {
            Some("the destination exists and is not a symlink with the source's content")
        }
        (Op::CopyTree { .. }, Errno::EINVAL) => {
            Some("an owner is not mapped in the user namespace")
        }
        (Op::CopyTree { .. }, Errno::ELOOP) => Some("directories are nested too deeply"),
        (Op::CopyTree { .. }, Errno::ENOSPC) => Some("the tmpfs is too small"),
        (Op::Target { .. }, Errno::EPERM) => {
            Some("dest-nofollow does not reach into proc, sysfs and devpts")
        }
        (Op::Setns { .. }, Errno::EINVAL) => Some("not a namespace of that type, or already in it"),
        (Op::PivotRoot { .. }, Errno::EINVAL) => {
            Some("is the host's root an initramfs, or the runtime in a chroot? then use --no-pivot")
        }
        (Op::ChangeRoot { .. }, Errno::EINVAL) => {
            Some("in a user namespace the host's mounts cannot be taken away")
        }
        (Op::ChangeRoot { .. }, Errno::EBUSY) => {
            Some("a mount of the host's covers another, and linux.rootfsPropagation shares both")
        }
        (Op::ReopenNull { .. }, _) => {
            Some("the container's own is to take the place of the host's")
        }
        (Op::Clone { .. }, errno) => clone_hint(errno),
        (Op::Target { kind: kind::REAL_DIRECTORY, .. }, Errno::ELOOP | Errno::ENOTDIR) => {
            Some("it must be mounted on ordinary directory, not a symlink or file of the rootfs")
        }
        (Op::Target { .. } | Op::Resolve { .. }, Errno::ELOOP) => {
            Some("a symlink in the rootfs is in the way")
        }
        (Op::OpenTree { .. } | Op::OpenSource { .. }, Errno::ENOENT) => {
            Some("the source does not exist")
        }
        (Op::OpenTree { flags, .. } | Op::OpenSource { flags, .. }, Errno::EINVAL)
            if *flags & AT_RECURSIVE == 0 =>
        {
            Some(
                "in a user namespace what is mounted below the source comes along with rbind, or not at all",
            )
        }
        (Op::OpenTerminal { .. }, Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR) => {
            Some("a terminal needs a mount of type devpts there")
        }
        (Op::OpenTerminal { .. }, Errno::ENOSPC) => {
            Some("no terminal is free, see kernel.pty.max and the mount's option max=")
        }
        (Op::SendDescriptor { .. }, Errno::EPIPE | Errno::ECONNRESET) => {
            Some("nobody listens on the console socket any more")
        }
        (Op::Target { .. }, Errno::ENOTDIR) => Some(
            "a part of the destination is a file; are source and destination of the same kind?",
        ),
        (Op::Seccomp { .. }, Errno::EACCES) => {
            Some("without noNewPrivileges a filter needs CAP_SYS_ADMIN")
        }
        (Op::Seccomp { .. }, Errno::EINVAL) => Some("a flag that this kernel does not know?"),
        (Op::Seccomp { .. }, Errno::EBUSY) => Some("another filter has a listener already"),
        (Op::Setgroups { .. }, Errno::EPERM) => Some("setgroups is denied in this user namespace"),
        (Op::Setresuid { .. } | Op::Setresgid { .. }, Errno::EINVAL) => {
            Some("the id is not mapped in the user namespace")
        }
        (Op::WriteFile { .. }, Errno::ENOSPC) => Some("the cpuset has no cpus or mems"),
        (Op::Capset { .. } | Op::AmbientSet { .. }, Errno::EPERM) => {
            Some("more capabilities than the runtime has itself")
        }
        _ => None,
    }
}

fn id_map_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EINVAL => Some(
            "the filesystem does not support id-mapped mounts on this kernel, or the mapping is \
             the filesystem's own",
        ),
        Errno::EPERM => Some(
            "the source is id-mapped already, or its filesystem belongs to another user namespace \
             than the runtime's",
        ),
        _ => None,
    }
}
