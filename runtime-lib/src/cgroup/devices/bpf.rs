//! bpf(2), which no crate in use wraps: five of its commands, for programs of one type.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::program::Insn;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const PROG_QUERY: libc::c_long = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
/// Since Linux 5.6.
const REPLACE: u32 = 1 << 2;

/// BPF_CGROUP_MAX_PROGS of include/linux/bpf-cgroup-defs.h.
const MAX_PROGRAMS: u32 = 64;
/// The verifier gives up with EAGAIN when a signal is pending (since Linux 4.20).
const LOAD_ATTEMPTS: u32 = 16;

/// The parts of union bpf_attr (include/uapi/linux/bpf.h). The kernel takes what is behind the size
/// that it is told as zero.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target_fd: RawFd,
    attach_bpf_fd: RawFd,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: RawFd,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: RawFd,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    /// Linux 6.17 and newer write it whatever size they are told.
    revision: u64,
}

#[repr(C)]
struct GetFd {
    prog_id: u32,
}

/// # Safety
/// `attr` must be what the command takes, and every address in it valid for what the command does
/// with it.
unsafe fn bpf<T>(command: libc::c_long, attr: &mut T) -> Result<i32, Errno> {
    // SAFETY: the kernel reads and writes at most `size` bytes of `attr`; for the rest see above.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    Errno::result(result).map(|n| i32::try_from(n).unwrap_or_default())
}

/// Loads a program. `log`: where the verifier may explain itself.
pub(super) fn load(insns: &[Insn], name: &CStr, log: Option<&mut [u8]>) -> Result<OwnedFd, Errno> {
    let mut attr = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(insns.len()).map_err(|_| Errno::E2BIG)?,
        insns: insns.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    // The last byte stays 0.
    for (to, from) in attr.prog_name.iter_mut().take(15).zip(name.to_bytes()) {
        *to = *from;
    }
    if let Some(log) = log {
        attr.log_level = 1;
        attr.log_size = u32::try_from(log.len()).map_err(|_| Errno::E2BIG)?;
        attr.log_buf = log.as_mut_ptr() as u64;
    }
    let mut attempts = 0..LOAD_ATTEMPTS;
    loop {
        // SAFETY: `insns` is as long as it says and of struct bpf_insn's layout, the licence ends
        // with a NUL, and the log, borrowed for the call, is written within its size.
        match unsafe { bpf(PROG_LOAD, &mut attr) } {
            Err(Errno::EAGAIN) if attempts.next().is_some() => {}
            // SAFETY: a new descriptor that nobody else owns. It is close-on-exec.
            done => return done.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }
}

/// Attaches a program to a cgroup beside those that are there, or in the place of one of them.
pub(super) fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd(),
        attach_bpf_fd: program.as_raw_fd(),
        attach_type: CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI | replaced.map_or(0, |_| REPLACE),
        replace_bpf_fd: replaced.map_or(0, |fd| fd.as_raw_fd()),
    };
    // SAFETY: takes numbers only; the descriptors are borrowed, hence open.
    unsafe { bpf(PROG_ATTACH, &mut attr) }.map(drop)
}

/// Detaches a program from a cgroup.
pub(super) fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd(),
        attach_bpf_fd: program.as_raw_fd(),
        attach_type: CGROUP_DEVICE,
        ..Attach::default()
    };
    // SAFETY: as above.
    unsafe { bpf(PROG_DETACH, &mut attr) }.map(drop)
}

/// The ids of the device programs that are attached to this cgroup itself.
pub(super) fn attached(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![0_u32; MAX_PROGRAMS as usize];
    let mut attr = Query {
        target_fd: cgroup.as_raw_fd(),
        attach_type: CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MAX_PROGRAMS,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `prog_cnt` numbers to `ids`, which has so many.
    unsafe { bpf(PROG_QUERY, &mut attr) }?;
    ids.truncate(attr.prog_cnt as usize);
    Ok(ids)
}

/// Opens a program. ENOENT: it is gone.
pub(super) fn open(id: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes a number only.
    let fd = unsafe { bpf(PROG_GET_FD_BY_ID, &mut GetFd { prog_id: id }) }?;
    // SAFETY: a new descriptor that nobody else owns. It is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
