//! The vocabulary of plans: what the executor can do, one op for one family of system calls.
//!
//! This file is compiled twice: into the executor, which walks the steps, and into libteu, which
//! writes them. A step travels as a tag and up to six words, so that decoding needs no `unsafe` and
//! an unknown tag is simply refused. Nothing here is a language: no jumps, no expressions.

/// Number of a descriptor in the executor's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

impl Slot {
    /// The control socket: reports go there.
    pub const CONTROL: Self = Self(0);
    /// AT_FDCWD: paths are then those of the process itself.
    pub const CWD: Self = Self(u16::MAX - 1);
    /// No descriptor.
    pub const NONE: Self = Self(u16::MAX);
    /// Size of the table; a plan that needs more is refused when it is compiled.
    pub const COUNT: usize = 1024;
}

/// A NUL-terminated string: its offset in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub u32);

/// A run of bytes in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Offset in the plan.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
}

/// An array of words in the plan, 8-byte aligned: string offsets (for argv and envp, with one spare
/// zero word behind them, which becomes the null pointer) or plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Offset in the plan.
    pub at: u32,
    /// Number of words, the spare one not counted.
    pub len: u32,
}

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnError {
    /// One of [`OnError::FAIL`], [`OnError::SKIP`], [`OnError::ELSE`].
    pub action: u8,
    /// The errnos it is about (0: unused entry).
    pub errnos: [u8; 3],
}

impl OnError {
    /// Report and exit.
    pub const FAIL: u8 = 0;
    /// Go on with the next step.
    pub const SKIP: u8 = 1;
    /// The next step is the alternative: done instead if this one fails, passed over if it works.
    pub const ELSE: u8 = 2;

    /// The usual: every error ends the start.
    pub const fn fail() -> Self {
        Self { action: Self::FAIL, errnos: [0; 3] }
    }

    /// Whether `errno` is one this rule is about.
    pub fn covers(&self, errno: i32) -> bool {
        self.action != Self::FAIL && self.errnos.iter().any(|e| *e != 0 && i32::from(*e) == errno)
    }
}

/// One line of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub op: Op,
    /// What a failure means.
    pub on_error: OnError,
}

impl Step {
    /// Size of an encoded step in bytes.
    pub const SIZE: usize = 8 + 8 * Op::OPERANDS;

    /// As it lies in a plan: tag, error rule, operands.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let [low, high] = self.op.tag().to_ne_bytes();
        let OnError { action, errnos: [a, b, c] } = self.on_error;
        let head = [low, high, action, a, b, c, 0, 0];
        let mut words = bytes.chunks_exact_mut(8);
        let mut put = |word: [u8; 8]| {
            if let Some(place) = words.next() {
                place.copy_from_slice(&word);
            }
        };
        put(head);
        self.op.operands(&mut |_, operand| put(operand.to_word().to_ne_bytes()));
        bytes
    }

    /// Reads a step; `None` if there are too few bytes or the tag is unknown.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::SIZE)?;
        let (head, operands) = bytes.split_first_chunk::<8>()?;
        let [low, high, action, a, b, c, ..] = *head;
        let mut words = [0; Op::OPERANDS];
        for (word, bytes) in words.iter_mut().zip(operands.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
        let op = Op::decode(u16::from_ne_bytes([low, high]), &words)?;
        Some(Self { op, on_error: OnError { action, errnos: [a, b, c] } })
    }
}

/// Kinds of object that [`Op::Target`] creates.
pub mod kind {
    /// A directory.
    pub const DIRECTORY: u16 = 0;
    /// A directory, reached without following any symlink (CVE-2019-16884: /proc and /sys).
    pub const REAL_DIRECTORY: u16 = 1;
    /// An empty regular file.
    pub const FILE: u16 = 2;
    /// What the `like` slot refers to: a directory for a directory, a file for all else.
    pub const LIKE: u16 = 3;
    /// Whatever is there already, a final symlink itself; not on a filesystem that the runtime trusts.
    pub const EXISTING: u16 = 4;
    /// An empty regular file, or what is there, reached without following any symlink (CVE-2026-88264).
    pub const REAL_FILE: u16 = 5;
}

/// Numbers of the meeting points between the executor and the runtime.
pub mod signal {
    /// The stage has cloned the init (its pid is in the record's `aux`).
    pub const BORN: u16 = 1;
    /// The init has made a time namespace and waits for its offsets, before it enters it.
    pub const CLOCKS: u16 = 2;
    /// The init waits for its uid and gid maps.
    pub const MAPS: u16 = 3;
    /// The init is in its network namespace and waits for interfaces.
    pub const NETWORK: u16 = 4;
    /// Mounts are in place, the root not yet switched: the moment for hooks.
    pub const HOOKS: u16 = 5;
    /// The last moment before the ids change: the process is still root of its user namespace.
    pub const LIMITS: u16 = 6;
    /// All is done but the exec.
    pub const READY: u16 = 7;
    /// Before anything that counts: systemd makes the container's cgroup around this process.
    pub const CGROUP: u16 = 8;
    /// The seccomp filter has a listener (its number is in the record's `aux`).
    pub const LISTENER: u16 = 9;
    /// The seccomp filter is in force, of a process that goes on to wait for `start`.
    pub const CONFINED: u16 = 10;
    /// The init asks for the source of a mount (its number is in the record's `aux`). Answered with
    /// an errno and, if that is 0, a descriptor.
    pub const SOURCE: u16 = 11;
    /// A mount is handed over that wants its ids mapped.
    pub const IDS: u16 = 12;
}

/// An operand of any op, for the tools that look at whole plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A descriptor.
    Slot(Slot),
    /// A string.
    Text(Text),
    /// A run of bytes.
    Bytes(Bytes),
    /// An array of words.
    List(List),
    /// Flags, ids, sizes.
    Number(u64),
}

impl Operand {
    /// As it travels.
    pub fn to_word(self) -> u64 {
        let pair = |at: u32, len: u32| u64::from(at) | u64::from(len) << 32;
        match self {
            Self::Slot(slot) => u64::from(slot.0),
            Self::Text(text) => u64::from(text.0),
            Self::Bytes(Bytes { at, len }) | Self::List(List { at, len }) => pair(at, len),
            Self::Number(number) => number,
        }
    }
}

/// The other direction, by the operand's declared type. High bits that the type has no room for are
/// dropped: the words come from a sealed plan of the same build.
trait FromWord {
    fn from_word(word: u64) -> Self;
}

macro_rules! operand {
    ($($type:ty: |$value:ident| $operand:expr, |$word:ident| $decoded:expr;)*) => {$(
        impl From<$type> for Operand {
            fn from($value: $type) -> Self {
                $operand
            }
        }

        impl FromWord for $type {
            #[allow(clippy::cast_possible_truncation)]
            fn from_word($word: u64) -> Self {
                $decoded
            }
        }
    )*};
}

operand! {
    Slot: |slot| Self::Slot(slot), |word| Self(word as u16);
    Text: |text| Self::Text(text), |word| Self(word as u32);
    Bytes: |bytes| Self::Bytes(bytes), |word| Self { at: word as u32, len: (word >> 32) as u32 };
    List: |list| Self::List(list), |word| Self { at: word as u32, len: (word >> 32) as u32 };
    u16: |number| Self::Number(u64::from(number)), |word| word as u16;
    u32: |number| Self::Number(u64::from(number)), |word| word as u32;
    u64: |number| Self::Number(number), |word| word;
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        /// One thing the executor can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op {
            $($(#[$doc])* #[allow(missing_docs)] $name { $($field: $type),* },)*
        }

        impl Op {
            /// Names of all ops; an op's tag is its index.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The most operands an op has.
            pub const OPERANDS: usize = 6;

            /// The op's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                }
            }

            /// Shows every operand with its name, in the order of the vocabulary.
            pub fn operands(&self, show: &mut dyn FnMut(&'static str, Operand)) {
                match *self {
                    $(Self::$name { $($field),* } => { $(show(stringify!($field), $field.into());)* })*
                }
                let _ = show;
            }

            /// The op's tag: its place in the vocabulary.
            pub fn tag(&self) -> u16 {
                #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
                enum Tag { $($name),* }
                match self {
                    $(Self::$name { .. } => Tag::$name as u16,)*
                }
            }

            /// The op with that tag and these operands; `None` if there is no such op.
            pub fn decode(tag: u16, words: &[u64; Self::OPERANDS]) -> Option<Self> {
                #[allow(non_upper_case_globals)]
                mod tags {
                    #[allow(clippy::upper_case_acronyms)]
                    enum Tag { $($name),* }
                    $(pub const $name: u16 = Tag::$name as u16;)*
                }
                let mut words = words.iter().copied();
                let mut next = || words.next().unwrap_or(0);
                let _ = &mut next;
                match tag {
                    $(tags::$name => Some(Self::$name {
                        $($field: <$type as FromWord>::from_word(next())),*
                    }),)*
                    _ => None,
                }
            }
        }
    };
}

ops! {
    /// prctl(option, arg, arg2, 0, 0).
    Prctl { option: u32, arg: u64, arg2: u64 }
    /// SIGPIPE and SIGCHLD to their defaults (a Rust or Go caller ignores them), empty signal mask.
    ResetSignals {}
    /// Signals that ask a program to end do so, also to the init of a pid namespace.
    EndBySignals {}
    /// umask(mask).
    Umask { mask: u32 }
    /// setsid().
    Setsid {}
    /// sched_setaffinity(0, cpus): a bit for each processor; no bytes at all mean every processor.
    Affinity { cpus: Bytes }
    /// personality(persona).
    Personality { persona: u32 }
    /// set_mempolicy(mode, nodes): a bit for each node, a whole number of words, or nothing.
    MemoryPolicy { mode: u32, nodes: Bytes }
    /// setns(ns, flags): ns is a namespace file or a pidfd.
    Setns { ns: Slot, flags: u32 }
    /// unshare(flags).
    Unshare { flags: u32 }
    /// clone3(flags | CLONE_PARENT): the rest of the plan is for the child. This process reports
    /// the child's pid as signal BORN and exits. `cgroup`: CLONE_INTO_CGROUP.
    Clone { cgroup: Slot, flags: u64 }

    /// Tells the runtime that this point is reached.
    Signal { number: u16 }
    /// Waits until the runtime answers that signal; its death ends this process.
    Wait { number: u16 }
    /// Tells the runtime, which can take it from there, the number of a descriptor.
    Offer { number: u16, slot: Slot }
    /// Tells the runtime that this point is reached, and hands it a descriptor.
    HandOver { number: u16, slot: Slot }
    /// Waits until `start` empties the FIFO, which is full; from here on reports go there.
    AwaitStart { fifo: Slot }

    /// close(slot).
    Close { slot: Slot }
    /// dup3(slot, to, 0): a standard stream.
    Dup { slot: Slot, to: u32 }
    /// Closes every descriptor from `from` on but these, which the exec will close: nothing else can
    /// get in (CVE-2024-21626).
    CloseRest { keep: Slot, second: Slot, third: Slot, from: u32 }
    /// openat(dir, path, flags) in a tree no container can write: the host's, or a private procfs.
    Open { dir: Slot, out: Slot, path: Text, flags: u32 }
    /// write(file, data).
    Write { file: Slot, data: Bytes }
    /// Opens an existing file without following symlinks out of `dir`, writes, closes.
    WriteFile { dir: Slot, path: Text, data: Bytes }
    /// openat2(root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS).
    Resolve { root: Slot, out: Slot, path: Text }
    /// Resolves like `Resolve`, creating what is missing component by component.
    Target { root: Slot, out: Slot, like: Slot, kind: u16, path: Text }
    /// Fails with ENODEV unless the slot lies on a filesystem of that magic number: only a procfs may
    /// be bound over /proc (CVE-2019-16884).
    VerifyFilesystem { slot: Slot, magic: u64 }
    /// Fails with ENODEV unless the slot is a device of that type and number (CVE-2025-31133).
    VerifyDevice { slot: Slot, file_type: u32, dev: u64 }
    /// mknodat, fchownat; an existing node of the same type and number is accepted.
    Mknod { dir: Slot, name: Text, mode: u32, uid: u32, gid: u32, dev: u64 }
    /// symlinkat; an existing entry is left alone.
    Symlink { dir: Slot, name: Text, target: Text }
    /// symlinkat; an existing entry has to be a symlink of the same content.
    SymlinkOrSame { dir: Slot, name: Text, target: Text }
    /// unlinkat, then symlinkat: /dev/ptmx of an image is not to be trusted.
    ReplaceWithSymlink { dir: Slot, name: Text, target: Text }

    /// open_tree(dir, path, flags).
    OpenTree { dir: Slot, out: Slot, path: Text, flags: u32 }
    /// The same of what the runtime opens: `path`, its source of that number, as this process would find
    /// it if it had the runtime's permissions.
    OpenSource { out: Slot, path: Text, number: u16, flags: u32 }
    /// fsopen(fstype).
    Fsopen { out: Slot, fstype: Text }
    /// fsconfig(fs, FSCONFIG_SET_STRING, key, value).
    FsconfigString { fs: Slot, key: Text, value: Text }
    /// fsconfig(fs, FSCONFIG_SET_FLAG, key).
    FsconfigFlag { fs: Slot, key: Text }
    /// The option `mode=` of a new tmpfs: the permissions of the directory that it will cover, if that
    /// was there.
    FsconfigMode { fs: Slot, from: Slot }
    /// fsconfig(fs, FSCONFIG_CMD_CREATE), fsmount(fs, attributes).
    Fsmount { fs: Slot, out: Slot, attributes: u32 }
    /// mount_setattr(mount, "", AT_EMPTY_PATH | flags, ...). `userns` for MOUNT_ATTR_IDMAP.
    MountSetattr { mount: Slot, userns: Slot, flags: u32, set: u64, clear: u64, propagation: u64 }
    /// mount_setattr("/", AT_RECURSIVE, propagation).
    RootPropagation { propagation: u64 }
    /// Makes the mount that holds `path` private, so that what is attached there does not propagate.
    PrivateParent { path: Text }
    /// fsetxattr(root of the mount, "security.selinux", label): for a filesystem that takes no context.
    SetLabel { mount: Slot, label: Bytes }
    /// Gives a new tmpfs the permissions of the directory that it will cover, if that was there.
    CopyMode { from: Slot, to: Slot }
    /// Copies what lies in a directory, without what is mounted there, into a new tmpfs.
    CopyTree { from: Slot, to: Slot }
    /// move_mount onto the object that `target` refers to.
    MoveMount { mount: Slot, target: Slot }
    /// mkdirat, then move_mount onto the new directory; `dir` is a mount of our own making.
    MountInto { mount: Slot, dir: Slot, name: Text }
    /// Hides a path of the container: a file under /dev/null, a directory under an empty tmpfs.
    /// The first directory takes `empty` itself, later ones clones of it. A missing path is fine.
    MaskPath { root: Slot, null: Slot, empty: Slot, path: Text }
    /// Bind-mounts a path of the container over itself, read-only. A missing path is fine.
    ReadonlyPath { root: Slot, path: Text }
    /// fchdir, pivot_root(".", "."), makes the old root private and detaches it, chdir("/").
    PivotRoot { root: Slot }
    /// The same, but where pivot_root(2) says EINVAL because "/" has no mount below it: moves the root
    /// onto "/", detaches every other mount there, chroot("."), chdir("/"). `proc` is a private procfs.
    ChangeRoot { root: Slot, proc: Slot }
    /// fchdir, chroot("."), chdir("/"): for a container without a mount namespace.
    Chroot { root: Slot }

    /// Opens a new terminal's master end in the devpts that is mounted at `path`, and unlocks it.
    /// Fails with ENODEV if something else is there (CVE-2025-52565).
    OpenTerminal { root: Slot, out: Slot, path: Text }
    /// ioctl(terminal, TIOCGPTPEER): the other end, reached without a path.
    TerminalPeer { terminal: Slot, out: Slot }
    /// ioctl(terminal, TIOCSWINSZ).
    WindowSize { terminal: Slot, rows: u16, columns: u16 }
    /// Takes ONLCR off the terminal's modes (TCGETS, TCSETS): line feeds come out as they went in.
    PlainLineFeeds { terminal: Slot }
    /// ioctl(terminal, TIOCSCTTY): the terminal becomes that of this session.
    ControllingTerminal { terminal: Slot }
    /// sendmsg(socket, name) with the descriptor as SCM_RIGHTS.
    SendDescriptor { socket: Slot, descriptor: Slot, name: Bytes }

    /// keyctl(KEYCTL_JOIN_SESSION_KEYRING, name), and lets its user search it, so that an exec can
    /// join the same one.
    SessionKeyring { name: Text }
    /// sethostname.
    Sethostname { name: Bytes }
    /// setdomainname.
    Setdomainname { name: Bytes }
    /// Sets IFF_UP on "lo".
    LoopbackUp {}
    /// setgroups(list).
    Setgroups { groups: List }
    /// setresgid(gid, gid, gid).
    Setresgid { gid: u32 }
    /// setresuid(uid, uid, uid).
    Setresuid { uid: u32 }
    /// Drops every capability outside `keep` from the bounding set.
    BoundingSet { keep: u64 }
    /// capset.
    Capset { effective: u64, permitted: u64, inheritable: u64 }
    /// Raises exactly these ambient capabilities.
    AmbientSet { raise: u64 }
    /// seccomp(SECCOMP_SET_MODE_FILTER, flags, program); `out` takes the listener if the flags ask for
    /// one. The filter is for what follows, too.
    Seccomp { out: Slot, flags: u32, program: Bytes }
    /// chdir(path), and proof that the result lies below the root (CVE-2024-21626). With `again` 0
    /// a permission error is kept for the second try, after the ids have changed (`again` 1).
    Chdir { again: u16, path: Text }

    /// Fills in the value of `HOME=` from the container's /etc/passwd; "/" if there is no entry.
    Home { uid: u32, value: Bytes }
    /// Standard streams that are the host's /dev/null become this file, which has to be a null device as
    /// well: fchmod(2) and fchown(2) of a root inside must not reach the host's node.
    ReopenNull { path: Text }
    /// Gives the standard streams to the user, who could not open /dev/stdout otherwise; not
    /// /dev/null, and not what cannot be given.
    OwnStreams { uid: u32 }
    /// Finds the first of the candidates that can be executed.
    Lookup { candidates: List }
    /// Ends without an exec: a container without a process.
    Exit {}
    /// execve(what Lookup found, argv, envp). `tell`: if the kernel refuses, standard error is told, too.
    Exec { argv: List, envp: List, tell: u32 }
}
