//! A kernel for the executor under test. It does nothing, answers as the fuzzer says, and touches all
//! memory that a real one would read or write: AddressSanitizer sees what is not the executor's.
//!
//! It keeps a table of descriptors, so that it can tell a use of one that is not open.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::record::Record;
use crate::sys::nr;

type Args = [usize; 6];

/// What the executor is answered where its input has run out: success, and nothing to read.
const ERRNOS: [u8; 16] = [1, 2, 4, 11, 12, 13, 16, 17, 20, 21, 22, 24, 28, 36, 40, 95];
const ENDED: u8 = 0;

/// How a walk has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exec,
    Exit(usize),
}

/// A walk that is over, and what was said in it.
pub struct Walked {
    pub end: End,
    /// The last thing that it did was to say why it fails.
    pub reported: bool,
    /// Descriptors that were used although they were not open.
    pub stray: Vec<(usize, i32)>,
}

struct Kernel {
    answers: std::vec::IntoIter<u8>,
    open: BTreeSet<i32>,
    next_fd: i32,
    control: i32,
    last_signal: u16,
    reported: bool,
    stray: Vec<(usize, i32)>,
}

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Lets the executor walk. `open`: the descriptors that it begins with, the control socket first.
pub fn walk(answers: &[u8], open: &[i32], executor: impl FnOnce()) -> Walked {
    let kernel = Kernel {
        answers: answers.to_vec().into_iter(),
        open: open.iter().copied().chain(0..3).collect(),
        next_fd: 5000,
        control: open.first().copied().unwrap_or(-1),
        last_signal: 0,
        reported: false,
        stray: Vec::new(),
    };
    KERNEL.set(Some(kernel));
    let ended = catch_unwind(AssertUnwindSafe(executor)).expect_err("the executor returned");
    let end = *ended.downcast::<End>().unwrap_or_else(|other| resume_unwind(other));
    let Some(Kernel { reported, stray, .. }) = KERNEL.take() else { unreachable!() };
    Walked { end, reported, stray }
}

/// The system call.
///
/// # Safety
/// As for the real one: this is what is being tested.
pub unsafe fn syscall(nr: usize, a: Args) -> isize {
    let answer = KERNEL.with_borrow_mut(|kernel| {
        let kernel = kernel.as_mut().expect("a walk");
        kernel.descriptors(nr, a);
        // SAFETY: the caller's promise; that it is kept is for AddressSanitizer to see.
        unsafe { kernel.memory(nr, a) };
        if nr == nr::EXIT_GROUP {
            return Err(End::Exit(a[0]));
        }
        kernel.reported = nr == nr::WRITE && kernel.is_report(a);
        if let Some(errno) = kernel.refuses(nr, a) {
            return Ok(-isize::from(errno));
        }
        // SAFETY: as above.
        unsafe { kernel.answer(nr, a) }
    });
    // `resume_unwind`: no panic, which libFuzzer would take for one of the executor's.
    answer.unwrap_or_else(|end| resume_unwind(Box::new(end)))
}

impl Kernel {
    fn byte(&mut self) -> u8 {
        self.answers.next().unwrap_or(ENDED)
    }

    fn refuses(&mut self, nr: usize, a: Args) -> Option<u8> {
        // Nobody would hear of a failing write of one byte into the FIFO of `start`.
        let never = [nr::CLOSE, nr::UMASK].contains(&nr) || (nr == nr::WRITE && a[2] == 1);
        let byte = if never { ENDED } else { self.byte() };
        (byte >= 0xc0).then(|| ERRNOS[usize::from(byte & 15)])
    }

    /// The descriptors that a call is about.
    fn descriptors(&mut self, nr: usize, a: Args) {
        const FROM_TO: [usize; 1] = [nr::SENDFILE];
        let fds: &[usize] = match nr {
            nr::READ | nr::WRITE | nr::CLOSE | nr::IOCTL | nr::FCHDIR => &a[..1],
            nr::SENDMSG | nr::RECVMSG => &a[..1],
            nr::FCHMOD | nr::FCHOWN | nr::FSTATFS | nr::FSETXATTR | nr::FGETXATTR => &a[..1],
            nr::FLISTXATTR | nr::GETDENTS64 | nr::OPENAT | nr::MKDIRAT | nr::MKNODAT => &a[..1],
            nr::FCHOWNAT | nr::UNLINKAT | nr::READLINKAT | nr::FCHMODAT | nr::STATX => &a[..1],
            nr::DUP3 | nr::SETNS | crate::sys::OPEN_TREE | crate::sys::OPENAT2 => &a[..1],
            crate::sys::FSCONFIG | crate::sys::FSMOUNT | crate::sys::MOUNT_SETATTR => &a[..1],
            nr::SYMLINKAT => &a[1..2],
            crate::sys::MOVE_MOUNT => &[a[0], a[2]],
            _ if FROM_TO.contains(&nr) => &a[..2],
            _ => &[],
        };
        for fd in fds.iter().map(|fd| *fd as i32) {
            if fd != crate::sys::CWD && fd > 2 && !self.open.contains(&fd) {
                self.stray.push((nr, fd));
            }
        }
    }

    fn new_fd(&mut self) -> isize {
        self.next_fd += 1;
        self.open.insert(self.next_fd);
        self.next_fd as isize
    }

    /// Reads what the kernel would read.
    unsafe fn memory(&mut self, nr: usize, a: Args) {
        // SAFETY: see `syscall`.
        unsafe {
            match nr {
                nr::WRITE => self.written(a[0] as i32, bytes(a[1], a[2])),
                nr::SETHOSTNAME | nr::SETDOMAINNAME => touch(bytes(a[0], a[1])),
                nr::SCHED_SETAFFINITY => touch(bytes(a[2], a[1])),
                nr::SET_MEMPOLICY if a[1] != 0 => touch(bytes(a[1], a[2] / 8)),
                nr::SETGROUPS => touch(bytes(a[1], a[0] * 4)),
                nr::RT_SIGACTION => touch(bytes(a[1], 32)),
                nr::RT_SIGPROCMASK => touch(bytes(a[1], 8)),
                nr::CAPSET => {
                    touch(bytes(a[0], 8));
                    touch(bytes(a[1], 24));
                }
                nr::PRCTL => match a[0] {
                    15 => touch(bytes(a[1], 16)),
                    4 | 8 | 24 | 38 | 47 => {}
                    option => panic!("prctl({option}) takes an address"),
                },
                nr::OPENAT | nr::MKDIRAT | nr::MKNODAT | nr::FCHOWNAT | nr::UNLINKAT => text(a[1]),
                nr::READLINKAT | nr::FCHMODAT | nr::STATX | nr::FGETXATTR => text(a[1]),
                nr::CHDIR | nr::CHROOT | nr::UMOUNT2 | crate::sys::FSOPEN => text(a[0]),
                crate::sys::OPEN_TREE | crate::sys::FACCESSAT2 => text(a[1]),
                nr::SYMLINKAT => (text(a[0]), text(a[2])).0,
                nr::PIVOT_ROOT => (text(a[0]), text(a[1])).0,
                crate::sys::MOVE_MOUNT => (text(a[1]), text(a[3])).0,
                nr::FSETXATTR => (text(a[1]), touch(bytes(a[2], a[3]))).0,
                crate::sys::OPENAT2 => (text(a[1]), touch(bytes(a[2], a[3]))).0,
                crate::sys::MOUNT_SETATTR => (text(a[1]), touch(bytes(a[3], a[4]))).0,
                crate::sys::FSCONFIG => match a[1] {
                    0 => text(a[2]),
                    1 => (text(a[2]), text(a[3])).0,
                    _ => {}
                },
                nr::KEYCTL if a[0] == 1 => text(a[1]),
                nr::SECCOMP => {
                    let program = words(a[2], 2);
                    touch(bytes(program[1], (program[0] & 0xffff) * 8));
                }
                nr::SENDMSG => {
                    let message = words(a[1], 7);
                    let vector = words(message[2], 2 * message[3]);
                    self.written(a[0] as i32, bytes(vector[0], vector[1]));
                    touch(bytes(message[4], message[5]));
                }
                nr::EXECVE => {
                    text(a[0]);
                    strings(a[1]);
                    strings(a[2]);
                }
                crate::sys::CLONE3 => {
                    let flags = words(a[0], 11)[0];
                    let shared = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000; // VM … THREAD
                    assert_eq!(flags & shared, 0, "clone3 with shared memory: {flags:#x}");
                }
                _ => {}
            }
        }
    }

    fn written(&mut self, fd: i32, data: &[u8]) {
        touch(data);
        match Record::from_bytes(data) {
            Some(record) if fd == self.control => self.last_signal = record.number as u16,
            _ => {}
        }
    }

    fn is_report(&self, a: Args) -> bool {
        // SAFETY: `memory` has found it to be readable.
        let record = Record::from_bytes(unsafe { bytes(a[1], a[2]) });
        let failure = record.is_some_and(|record| record.kind == Record::FAILURE);
        failure && self.open.contains(&(a[0] as i32))
    }

    /// Fills in what the kernel would, and says how it went.
    unsafe fn answer(&mut self, nr: usize, a: Args) -> Result<isize, End> {
        // SAFETY: see `syscall`.
        let done = unsafe {
            match nr {
                nr::EXECVE => return Err(End::Exec),
                nr::READ if a[0] as i32 == self.control && a[2] == 2 => {
                    room(a[1], 2).copy_from_slice(&self.last_signal.to_ne_bytes());
                    2
                }
                nr::READ | nr::GETDENTS64 => self.fill(a[1], a[2]),
                nr::READLINKAT | nr::FGETXATTR => self.fill(a[2], a[3]),
                nr::FLISTXATTR => self.fill(a[1], a[2]),
                nr::GETCWD => {
                    room(a[0], a[1])[0] = if self.byte() & 1 == 0 { b'/' } else { b'(' };
                    a[1] as isize
                }
                nr::STATX => (self.fill(a[4], 256), 0).1,
                nr::FSTATFS => (self.fill(a[1], 120), 0).1,
                nr::SENDFILE => (a[3] as isize).max(0) / (1 + isize::from(self.byte() & 1)),
                nr::WRITE => a[2] as isize,
                nr::SENDMSG => 1,
                nr::RECVMSG => {
                    let message = words(a[1], 7);
                    if self.byte() & 1 == 1 {
                        let rights = [20, 1 | 1 << 32, self.new_fd() as u64].map(u64::to_ne_bytes);
                        room(message[4], message[5]).copy_from_slice(rights.as_flattened());
                    }
                    let vector = words(message[2], 2);
                    self.fill(vector[0], vector[1])
                }
                nr::IOCTL => match a[1] {
                    0x5441 => self.new_fd(),
                    0x5401 => (self.fill(a[2], 36), 0).1,
                    0x8913 => (self.fill(a[2], 40), 0).1,
                    _ => 0,
                },
                nr::CLOSE => {
                    self.open.remove(&(a[0] as i32));
                    0
                }
                nr::DUP3 => {
                    self.open.insert(a[1] as i32);
                    a[1] as isize
                }
                crate::sys::CLOSE_RANGE => {
                    if a[2] == 0 {
                        self.open.retain(|fd| !(a[0]..=a[1]).contains(&(*fd as usize)));
                    }
                    0
                }
                nr::SECCOMP if a[1] & 8 != 0 => self.new_fd(),
                crate::sys::CLONE3 if self.byte() & 1 == 1 => 7, // the parent
                nr::SOCKET | nr::OPENAT | crate::sys::OPENAT2 | crate::sys::OPEN_TREE => {
                    self.new_fd()
                }
                crate::sys::FSOPEN | crate::sys::FSMOUNT => self.new_fd(),
                _ => 0,
            }
        };
        Ok(done)
    }

    /// Some of the buffer, by what the input has to say.
    unsafe fn fill(&mut self, at: usize, len: usize) -> isize {
        let wanted = usize::from(self.byte()).min(len);
        // SAFETY: see `syscall`; the whole buffer has to be there, however little goes into it.
        let room = unsafe { room(at, len) };
        if let Some(last) = room.last_mut() {
            *last = 0;
        }
        for byte in &mut room[..wanted] {
            *byte = self.answers.next().unwrap_or_default();
        }
        wanted as isize
    }
}

unsafe fn bytes<'a>(at: usize, len: usize) -> &'a [u8] {
    // SAFETY: the caller of the system call says so.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(at as *const u8, len) } }
}

unsafe fn room<'a>(at: usize, len: usize) -> &'a mut [u8] {
    // SAFETY: as above.
    if len == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(at as *mut u8, len) } }
}

unsafe fn words(at: usize, count: usize) -> Vec<usize> {
    // SAFETY: as above; any alignment.
    let bytes = unsafe { bytes(at, 8 * count) };
    bytes.chunks_exact(8).map(|word| usize::from_ne_bytes(word.try_into().unwrap())).collect()
}

unsafe fn text(at: usize) {
    // SAFETY: as above.
    touch(unsafe { CStr::from_ptr(at as *const c_char) }.to_bytes());
}

unsafe fn strings(mut at: usize) {
    // SAFETY: as above; ends with a null pointer.
    unsafe {
        while words(at, 1)[0] != 0 {
            text(words(at, 1)[0]);
            at += 8;
        }
    }
}

fn touch(data: &[u8]) {
    std::hint::black_box(data.iter().fold(0u8, |sum, byte| sum ^ byte));
}
