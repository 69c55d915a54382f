//! A container start as a value: what the executor does, what the runtime does beside it, and which
//! descriptors have to be there. Data only; `compile` makes it, `prepare` and `launch` carry it out.

mod builder;
mod check;
mod display;
mod encode;
mod failure;

#[allow(dead_code, reason = "shared with the executor, which has its own half")]
#[path = "../../executor/op.rs"]
pub(crate) mod op;
#[allow(dead_code, clippy::cast_sign_loss, reason = "shared with the executor")]
#[path = "../../executor/record.rs"]
pub(crate) mod record;

use std::path::PathBuf;

pub(crate) use builder::Builder;
pub(crate) use failure::{clone_hint, exec_refused, id_map_failure};
use op::{Slot, Step};

/// Everything about one start, exec or hook in a container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The executor's steps; those before a `Clone` are the stage's, the others the init's.
    pub steps: Vec<PlannedStep>,
    /// The runtime's own steps, in order, with the meeting points between the two.
    pub runtime: Vec<RuntimeStep>,
    /// Descriptors that must be in their slots when the executor begins.
    pub inputs: Vec<Input>,
    /// What the executor may ask to have opened for it, by number.
    pub sources: Vec<MountSource>,
    /// Descriptors from 3 on that stay open across the exec.
    pub preserve_fds: u32,
    /// So many numbers from 3 on are for what the program is given: no other input may have one.
    pub given: u32,
    /// The encoded plan's bytes behind the header: strings and lists.
    arena: Vec<u8>,
}

/// A step and the part of the config it comes from.
#[derive(Debug, Clone)]
pub(crate) struct PlannedStep {
    pub step: Step,
    /// `mounts[3] (/data)`; empty for steps that every container has.
    pub origin: String,
}

/// A descriptor the plan needs, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub slot: Slot,
    pub source: Source,
    /// The config field that asks for it.
    pub origin: String,
}

/// A place of the host that the executor may not be able to reach by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountSource {
    pub path: PathBuf,
    /// A symlink at its end is what is meant.
    pub nofollow: bool,
}

/// Where a prepared descriptor comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The executor's end of the control socket.
    Control,
    /// The FIFO that `start` empties.
    StartFifo,
    /// The socket that a new terminal's master end is sent to.
    Console,
    /// The caller's stdin, stdout or stderr, if it gave its own.
    Stdio(usize),
    /// The container's cgroup v2 directory.
    Cgroup,
    /// A pidfd of the container's init: the handle to its namespaces.
    Pidfd,
    /// The root directory of the container's init.
    InitRoot,
    /// A namespace file, checked to be of the type.
    Namespace { path: PathBuf, flag: u64 },
    /// One of the descriptors that a program of the host's is given, in their order from 3 on.
    Given(usize),
    /// A user namespace that is there for its maps alone, which id-mapped mounts go by.
    UserNamespace(IdMaps),
}

/// What the runtime does, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RuntimeStep {
    /// clone3 of the executor with these namespace flags, into the cgroup where v2 allows it.
    Launch { flags: u64, into_cgroup: bool },
    /// Waits for the executor to get there. BORN also hands over the init's pid.
    Await(u16),
    /// Lets the executor go on.
    Answer(u16),
    /// systemd starts the container's transient unit with the process in it, which makes its cgroup;
    /// then limits are applied.
    StartUnit { name: String, slice: String },
    /// systemd moves the process of an exec into the unit, where the caller may not.
    AttachToUnit { name: String },
    /// /proc/PID/timens_offsets.
    WriteClockOffsets(Vec<ClockOffset>),
    /// /proc/PID/{uid_map,gid_map,setgroups}.
    WriteIdMaps(IdMaps),
    /// Takes a mount that the executor hands over, and has it show ids by that user namespace's maps.
    MapIds { userns: Slot, recursive: bool, origin: String },
    /// Network interfaces of the runtime's namespace go to the init's.
    MoveInterfaces(Vec<NetDevice>),
    /// Runs the hooks of one kind, in the runtime's or the container's namespaces.
    Hooks(HookKind),
    /// prlimit on the init: raising needs the runtime's privileges.
    Rlimit { name: String, resource: u32, soft: u64, hard: u64, index: usize },
    /// sched_setattr on the init.
    Scheduler(SchedAttr),
    /// ioprio_set on the init: class and level, and the class by name.
    IoPriority { name: String, value: u16 },
    /// The state file is written with the init's pid: the container is created.
    SaveState,
    /// Takes the seccomp listener that the executor offers, and sends it to the profile's agent.
    SendListener,
    /// Waits until the control socket closes, which is a successful exec, or for a failure.
    AwaitExec,
}

/// How far a clock of a time namespace is ahead of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    pub secs: i64,
    pub nanosecs: u32,
}

/// A network interface, and what it is called in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetDevice {
    pub host: String,
    /// `%d` in it is a number of the runtime's choice.
    pub name: String,
}

/// What sched_setattr(2) is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchedAttr {
    /// The policy's name.
    pub name: String,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// These three in nanoseconds.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Kinds of hooks that run while a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl HookKind {
    /// In the order in which they run.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// The config's name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}

/// Uid and gid maps of a new user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMaps {
    pub uid: Vec<IdMap>,
    pub gid: Vec<IdMap>,
    pub method: MapMethod,
}

/// One line of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdMap {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

/// How the maps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapMethod {
    /// By a privileged runtime.
    Direct,
    /// By an ordinary user who maps only itself; setgroups(2) has to be given up first
    /// (user_namespaces(7)).
    DirectWithoutSetgroups,
    /// By newuidmap and newgidmap, with what /etc/subuid and /etc/subgid grant.
    Helpers,
}
