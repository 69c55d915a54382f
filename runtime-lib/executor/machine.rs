//! The loop: takes step after step, keeps the descriptors, reports.

use core::ffi::CStr;

use crate::op::{Bytes, OnError, Op, Slot, Step, Text, signal};
use crate::record::{Header, MAGIC, Record};
use crate::sys::{self, Fd, Result, errno};
use crate::{copy, files, ids, mounts, process, root, terminal};

/// Everything the executor knows.
pub struct Machine {
    /// The plan, copy on write: exec's pointer arrays are made in place.
    pub plan: &'static mut [u8],
    /// For the time at which each step begins; empty if nobody wants to know.
    times: &'static mut [u8],
    steps_at: usize,
    steps: usize,
    fds: [Fd; Slot::COUNT],
    /// What the kernel said about a failed mount, or other text for the report.
    pub detail: Detail,
    /// Set by ops whose failure needs a number to be told well.
    pub aux: u32,
    /// The working directory is set (the first of two tries worked).
    pub cwd_set: bool,
    /// The last `Target` had to be made.
    pub target_is_new: bool,
    /// The empty directory for masks is attached somewhere, so that it can be cloned.
    pub empty_attached: bool,
    /// So many descriptors of ops that are done may still be left to `CloseRest`.
    pub left_open: u32,
    /// Offset of the path that `Lookup` found.
    pub program: usize,
    /// What a failure ends this process with.
    status: i32,
}

/// Text that goes behind a failure record.
pub struct Detail {
    bytes: [u8; Record::DETAIL],
    len: usize,
}

impl Detail {
    /// Takes what can be read from `fd` now.
    pub fn read_from(&mut self, fd: Fd) {
        self.len = sys::read(fd, &mut self.bytes).unwrap_or(0);
    }

    /// Takes a name, in the form of the kernel's own messages, unless there is something already.
    pub fn say_once(&mut self, name: &[u8]) {
        if self.len == 0 {
            for (to, from) in self.bytes.iter_mut().zip(b"e ".iter().chain(name)) {
                *to = *from;
                self.len += 1;
            }
        }
    }
}

impl Machine {
    /// Checks the plan's head and takes over the prepared descriptors.
    pub fn new(plan: &'static mut [u8], times: &'static mut [u8]) -> Option<Self> {
        let word = |plan: &[u8], at: usize| -> Option<u32> {
            Some(u32::from_ne_bytes(plan.get(at..at.checked_add(4)?)?.try_into().ok()?))
        };
        let head = |i: usize| word(plan, i * 4);
        if plan.len() < Header::SIZE || head(0)? != MAGIC || head(1)? as usize != Step::SIZE {
            return None;
        }
        let mut fds = [-1; Slot::COUNT];
        let (fds_at, count) = (head(4)? as usize, head(5)? as usize);
        for i in 0..count {
            let slot = word(plan, fds_at + i * 8)? as usize;
            *fds.get_mut(slot)? = word(plan, fds_at + i * 8 + 4)? as Fd;
        }
        let (steps_at, steps) = (head(2)? as usize, head(3)? as usize);
        Some(Self {
            plan,
            times,
            steps_at,
            steps,
            fds,
            detail: Detail { bytes: [0; Record::DETAIL], len: 0 },
            aux: 0,
            cwd_set: false,
            target_is_new: false,
            empty_attached: false,
            left_open: 48,
            program: 0,
            status: 1,
        })
    }

    fn step(&self, index: usize) -> Option<Step> {
        if index >= self.steps {
            return None;
        }
        Step::decode(self.plan.get(self.steps_at + index * Step::SIZE..)?)
    }

    /// Walks until a step ends this process.
    pub fn walk(mut self) -> ! {
        let mut index = 0;
        loop {
            let Some(Step { op, on_error }) = self.step(index) else {
                self.fail(index, errno::EPROTO);
            };
            self.note_time(index);
            let has_alternative = on_error.action == OnError::ELSE;
            index += match self.perform(op) {
                Ok(()) => 1 + usize::from(has_alternative),
                Err(e) if on_error.covers(e) => 1,
                Err(e) => self.fail(index, e),
            };
        }
    }

    fn note_time(&mut self, index: usize) {
        if let Some(place) = self.times.get_mut(index * 8..index * 8 + 8) {
            place.copy_from_slice(&sys::ticks().to_ne_bytes());
        }
    }

    /// Reports the failed step and exits.
    fn fail(&mut self, index: usize, errno: i32) -> ! {
        let record = Record { kind: Record::FAILURE, number: index as u32, errno, aux: self.aux };
        let mut packet = [0u8; Record::SIZE + Record::DETAIL];
        let text = self.detail.bytes.iter().take(self.detail.len);
        let bytes = record.to_bytes();
        let mut len = 0;
        for (to, from) in packet.iter_mut().zip(bytes.iter().chain(text)) {
            *to = *from;
            len += 1;
        }
        let _ = sys::write(self.fd_or_none(Slot::CONTROL), packet.get(..len).unwrap_or(&bytes));
        sys::exit(self.status)
    }

    fn perform(&mut self, op: Op) -> Result<()> {
        match op {
            Op::Prctl { option, arg, arg2 } => process::prctl(option, arg, arg2),
            Op::ResetSignals {} => process::reset_signals(),
            Op::EndBySignals {} => process::end_by_signals(),
            Op::Umask { mask } => {
                sys::umask(mask);
                Ok(())
            }
            Op::Setsid {} => sys::setsid(),
            Op::Affinity { cpus } => sys::set_affinity(self.bytes(cpus)?),
            Op::Personality { persona } => sys::personality(persona),
            Op::MemoryPolicy { mode, nodes } => sys::set_memory_policy(mode, self.bytes(nodes)?),
            Op::Setns { ns, flags } => sys::setns(self.fd(ns)?, flags),
            Op::Unshare { flags } => sys::unshare(flags),
            Op::Clone { cgroup, flags } => self.clone(cgroup, flags),
            Op::Signal { number } => self.signal(number, 0),
            Op::Wait { number } => self.wait(number),
            Op::Offer { number, slot } => self.signal(number, self.fd(slot)? as u32),
            Op::HandOver { number, slot } => self.hand_over(number, 0, self.fd(slot)?),
            Op::AwaitStart { fifo } => self.await_start(fifo),
            Op::Close { slot } => self.close(slot),
            Op::Dup { slot, to } => sys::dup3(self.fd(slot)?, to),
            Op::CloseRest { keep, second, third, from } => {
                self.close_rest([keep, second, third], from)
            }
            Op::Open { dir, out, path, flags } => {
                let fd = sys::openat(self.fd(dir)?, self.text(path)?, flags)?;
                self.set(out, fd)
            }
            Op::Write { file, data } => sys::write(self.fd(file)?, self.bytes(data)?),
            Op::WriteFile { dir, path, data } => files::write_file(self, dir, path, data),
            Op::Resolve { root, out, path } => {
                let fd = files::resolve(self.fd(root)?, self.text(path)?)?;
                self.set(out, fd)
            }
            Op::Target { root, out, like, kind, path } => {
                files::target(self, root, out, like, kind, path)
            }
            Op::VerifyFilesystem { slot, magic } => files::verify_filesystem(self.fd(slot)?, magic),
            Op::VerifyDevice { slot, file_type, dev } => {
                files::verify_device(self.fd(slot)?, c"", file_type, dev)
            }
            Op::Mknod { dir, name, mode, uid, gid, dev } => {
                files::mknod(self.fd(dir)?, self.text(name)?, mode, dev, uid, gid)
            }
            Op::Symlink { dir, name, target } => {
                files::symlink(self.fd(dir)?, self.text(name)?, self.text(target)?)
            }
            Op::SymlinkOrSame { dir, name, target } => {
                files::symlink_or_same(self.fd(dir)?, self.text(name)?, self.text(target)?)
            }
            Op::ReplaceWithSymlink { dir, name, target } => {
                files::replace_with_symlink(self.fd(dir)?, self.text(name)?, self.text(target)?)
            }
            Op::OpenTree { dir, out, path, flags } => {
                let fd = sys::open_tree(self.fd(dir)?, self.text(path)?, flags)?;
                self.set(out, fd)
            }
            Op::OpenSource { out, number, flags, path: _ } => {
                mounts::open_source(self, out, number, flags)
            }
            Op::Fsopen { out, fstype } => {
                let fd = sys::fsopen(self.text(fstype)?)?;
                self.set(out, fd)
            }
            Op::FsconfigString { fs, key, value } => {
                let done = sys::fsconfig_string(self.fd(fs)?, self.text(key)?, self.text(value)?);
                self.explained_by(fs, done)
            }
            Op::FsconfigMode { fs, from } => copy::mode_option(self, fs, from),
            Op::FsconfigFlag { fs, key } => {
                let done = sys::fsconfig_flag(self.fd(fs)?, self.text(key)?);
                self.explained_by(fs, done)
            }
            Op::Fsmount { fs, out, attributes } => mounts::fsmount(self, fs, out, attributes),
            Op::MountSetattr { mount, userns, flags, set, clear, propagation } => {
                mounts::setattr(self, mount, userns, flags, [set, clear, propagation])
            }
            Op::RootPropagation { propagation } => mounts::root_propagation(propagation),
            Op::PrivateParent { path } => mounts::private_parent(self.text(path)?),
            Op::SetLabel { mount, label } => mounts::set_label(self.fd(mount)?, self.bytes(label)?),
            Op::CopyMode { from, to } => copy::mode(self, from, to),
            Op::CopyTree { from, to } => copy::tree(self, from, to),
            Op::MoveMount { mount, target } => files::attach(self.fd(mount)?, self.fd(target)?),
            Op::MountInto { mount, dir, name } => {
                mounts::mount_into(self.fd(mount)?, self.fd(dir)?, self.text(name)?)
            }
            Op::MaskPath { root, null, empty, path } => mounts::mask(self, root, null, empty, path),
            Op::ReadonlyPath { root, path } => mounts::readonly(self, root, path),
            Op::PivotRoot { root } => root::pivot(self.fd(root)?),
            Op::ChangeRoot { root, proc } => root::change(self, root, proc),
            Op::Chroot { root } => root::chroot(self.fd(root)?),
            Op::OpenTerminal { root, out, path } => {
                let fd = terminal::open(self.fd(root)?, self.text(path)?)?;
                self.set(out, fd)
            }
            Op::TerminalPeer { terminal, out } => {
                let fd = sys::terminal_peer(self.fd(terminal)?)?;
                self.set(out, fd)
            }
            Op::WindowSize { terminal, rows, columns } => {
                sys::set_window_size(self.fd(terminal)?, rows, columns)
            }
            Op::PlainLineFeeds { terminal } => sys::plain_line_feeds(self.fd(terminal)?),
            Op::ControllingTerminal { terminal } => {
                sys::set_controlling_terminal(self.fd(terminal)?)
            }
            Op::SendDescriptor { socket, descriptor, name } => {
                sys::send_descriptor(self.fd(socket)?, self.fd(descriptor)?, self.bytes(name)?)
            }
            Op::SessionKeyring { name } => sys::join_session_keyring(self.text(name)?),
            Op::ReopenNull { path } => files::reopen_null(self.text(path)?),
            Op::OwnStreams { uid } => files::own_streams(uid),
            Op::Sethostname { name } => sys::sethostname(self.bytes(name)?),
            Op::Setdomainname { name } => sys::setdomainname(self.bytes(name)?),
            Op::LoopbackUp {} => sys::loopback_up(),
            Op::Setgroups { groups } => sys::setgroups(self.plan, groups),
            Op::Setresgid { gid } => sys::setresgid(gid),
            Op::Setresuid { uid } => sys::setresuid(uid),
            Op::BoundingSet { keep } => ids::bounding_set(keep),
            Op::Capset { effective, permitted, inheritable } => {
                sys::capset(effective, permitted, inheritable)
            }
            Op::AmbientSet { raise } => ids::ambient_set(raise),
            Op::Seccomp { out, flags, program } => {
                let listener = sys::seccomp(flags, self.bytes(program)?)?;
                if out == Slot::NONE { Ok(()) } else { self.set(out, listener) }
            }
            Op::Chdir { again, path } => process::chdir(self, again != 0, path),
            Op::Home { uid, value } => ids::home(self, uid, value),
            Op::Lookup { candidates } => process::lookup(self, candidates),
            Op::Exit {} => sys::exit(0),
            Op::Exec { argv, envp, tell } => {
                let refusal = sys::execve(self.plan, self.program, argv, envp);
                if tell != 0 {
                    process::tell_refusal(self, refusal);
                    self.status = 255; // runc's
                }
                Err(refusal)
            }
        }
    }

    /// The descriptor in a slot.
    pub fn fd(&self, slot: Slot) -> Result<Fd> {
        match self.fd_or_none(slot) {
            -1 => Err(errno::EBADF),
            fd => Ok(fd),
        }
    }

    fn fd_or_none(&self, slot: Slot) -> Fd {
        if slot == Slot::CWD {
            sys::CWD
        } else {
            self.fds.get(usize::from(slot.0)).copied().unwrap_or(-1)
        }
    }

    /// Puts a descriptor into a slot.
    pub fn set(&mut self, slot: Slot, fd: Fd) -> Result<()> {
        *self.fds.get_mut(usize::from(slot.0)).ok_or(errno::EBADF)? = fd;
        Ok(())
    }

    /// Closes a slot.
    pub fn close(&mut self, slot: Slot) -> Result<()> {
        sys::close(self.fd(slot)?);
        self.set(slot, -1)
    }

    /// For a descriptor that no slot knows and no step needs any more: the first ones are closed with
    /// all others at once.
    pub fn done(&mut self, fd: Fd) {
        match self.left_open.checked_sub(1) {
            Some(left) => self.left_open = left,
            None => sys::close(fd),
        }
    }

    /// Closes the gaps between the kept descriptors, in whatever order they are.
    fn close_rest(&mut self, keep: [Slot; 3], from: u32) -> Result<()> {
        let kept = keep.map(|slot| match slot {
            Slot::NONE => u32::MAX,
            slot => self.fd_or_none(slot) as u32,
        });
        sys::close_on_exec_from(from)?;
        self.left_open = 0;
        let mut start = from;
        // Not more often than there are kept ones, whatever their numbers.
        for _ in keep {
            let next = kept.into_iter().filter(|fd| *fd >= start).min().unwrap_or(u32::MAX);
            if next == u32::MAX {
                break;
            }
            if next > start {
                sys::close_range(start, next.saturating_sub(1))?;
            }
            start = next.saturating_add(1);
        }
        sys::close_range(start, u32::MAX)
    }

    /// A string of the plan.
    pub fn text(&self, text: Text) -> Result<&CStr> {
        let tail = self.plan.get(text.0 as usize..).ok_or(errno::EINVAL)?;
        CStr::from_bytes_until_nul(tail).map_err(|_| errno::EINVAL)
    }

    /// A run of bytes of the plan.
    pub fn bytes(&self, bytes: Bytes) -> Result<&[u8]> {
        let at = bytes.at as usize;
        self.plan.get(at..at + bytes.len as usize).ok_or(errno::EINVAL)
    }

    /// On an error, keeps what the kernel wrote about it into the filesystem context's log.
    pub fn explained_by<T>(&mut self, fs: Slot, done: Result<T>) -> Result<T> {
        if done.is_err() {
            let fs = self.fd(fs)?;
            self.detail.read_from(fs);
        }
        done
    }

    fn signal(&self, number: u16, aux: u32) -> Result<()> {
        sys::write(self.fd(Slot::CONTROL)?, &signal_record(number, aux))
    }

    fn hand_over(&self, number: u16, aux: u32, descriptor: Fd) -> Result<()> {
        let record = signal_record(number, aux);
        sys::send_descriptor(self.fd(Slot::CONTROL)?, descriptor, &record)
    }

    /// The runtime opens its source of that number below `root`, and sends it.
    pub fn source(&self, number: u16, root: Fd) -> Result<Fd> {
        self.hand_over(signal::SOURCE, u32::from(number), root)?;
        let mut answer = [0u8; 4];
        match sys::receive_descriptor(self.fd(Slot::CONTROL)?, &mut answer)? {
            (0, _) => sys::exit(1),
            (4, Some(source)) => Ok(source),
            (4, None) if answer != [0; 4] => Err(i32::from_ne_bytes(answer)),
            _ => Err(errno::EPROTO),
        }
    }

    /// The answer is the signal's number. If the runtime is gone there is nobody to report to.
    fn wait(&self, number: u16) -> Result<()> {
        let mut answer = [0u8; 2];
        match sys::read_whole(self.fd(Slot::CONTROL)?, &mut answer)? {
            2 if u16::from_ne_bytes(answer) == number => Ok(()),
            0 => sys::exit(1),
            _ => Err(errno::EPROTO),
        }
    }

    /// The old control socket goes first: while a container is `created` it holds nothing of the
    /// runtime's. `create` has ended by then, so there is nobody to hear of a failure here.
    ///
    /// A seccomp filter is in force by now. Hence a write that blocks: every profile that runc can
    /// work with allows write, but not every one allows accept, or even read.
    fn await_start(&mut self, fifo: Slot) -> Result<()> {
        self.close(Slot::CONTROL)?;
        let started = self.fd(fifo)?;
        while let Err(e) = sys::write(started, b"1") {
            if e != errno::EINTR {
                return Err(e);
            }
        }
        self.set(fifo, -1)?;
        self.set(Slot::CONTROL, started)
    }

    fn clone(&mut self, cgroup: Slot, flags: u64) -> Result<()> {
        const CLONE_PARENT: u64 = 0x8000;
        // NEWTIME, NEWNS, NEWCGROUP to NEWNET. Shared memory would be two processes on one stack.
        const NAMESPACES: u64 = 0x80 | 0x2_0000 | 0x7e00_0000;
        if flags & !NAMESPACES != 0 {
            return Err(errno::EINVAL);
        }
        let cgroup = if cgroup == Slot::NONE { None } else { Some(self.fd(cgroup)?) };
        match sys::clone3(flags | CLONE_PARENT, cgroup)? {
            0 => Ok(()),
            pid => {
                let _ = self.signal(signal::BORN, pid as u32);
                sys::exit(0)
            }
        }
    }
}

fn signal_record(number: u16, aux: u32) -> [u8; Record::SIZE] {
    Record { kind: Record::SIGNAL, number: u32::from(number), errno: 0, aux }.to_bytes()
}
