//! A plan as text for people: one line a step, flags by their names, environment values hidden.

use std::fmt::{self, Write as _};

use super::op::{List, OnError, Op, Operand, Slot, signal};
use super::{IdMaps, Plan, PlannedStep, RuntimeStep, SchedAttr, Source};

/// Bits and their names.
type Names = &'static [(u64, &'static str)];

const CLONE_FLAGS: Names = &[
    (0x0000_0080, "NEWTIME"),
    (0x0002_0000, "NEWNS"),
    (0x0200_0000, "NEWCGROUP"),
    (0x0400_0000, "NEWUTS"),
    (0x0800_0000, "NEWIPC"),
    (0x1000_0000, "NEWUSER"),
    (0x2000_0000, "NEWPID"),
    (0x4000_0000, "NEWNET"),
];
const ATTRIBUTES: Names = &[
    (0x01, "RDONLY"),
    (0x02, "NOSUID"),
    (0x04, "NODEV"),
    (0x08, "NOEXEC"),
    (0x10, "NOATIME"),
    (0x20, "STRICTATIME"),
    (0x70, "ATIME"),
    (0x80, "NODIRATIME"),
    (0x0010_0000, "IDMAP"),
    (0x0020_0000, "NOSYMFOLLOW"),
];
const PROPAGATION: Names =
    &[(1 << 17, "UNBINDABLE"), (1 << 18, "PRIVATE"), (1 << 19, "SLAVE"), (1 << 20, "SHARED")];
const TREE_FLAGS: Names = &[
    (1, "CLONE"),
    (0x100, "SYMLINK_NOFOLLOW"),
    (0x1000, "EMPTY_PATH"),
    (0x8000, "RECURSIVE"),
    (0o2_000_000, "CLOEXEC"),
];
const OPEN_FLAGS: Names = &[
    (1, "WRONLY"),
    (libc::O_DIRECTORY as u64, "DIRECTORY"),
    (libc::O_NOFOLLOW as u64, "NOFOLLOW"),
    (0o2_000_000, "CLOEXEC"),
    (0o10_000_000, "PATH"),
];
const FILTER_FLAGS: Names =
    &[(2, "LOG"), (4, "SPEC_ALLOW"), (8, "NEW_LISTENER"), (32, "WAIT_KILLABLE_RECV")];
const KINDS: [&str; 5] = ["directory", "real_directory", "file", "like", "existing"];
const PRCTLS: &[(u64, &str)] =
    &[(1, "PDEATHSIG"), (4, "DUMPABLE"), (8, "KEEPCAPS"), (15, "NAME"), (38, "NO_NEW_PRIVS")];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "runtime:")?;
        for step in &self.runtime {
            writeln!(f, "      {step}")?;
        }
        writeln!(f, "descriptors:")?;
        for input in &self.inputs {
            let (slot, source) = (format!("#{}", input.slot.0), SourceText(&input.source));
            writeln!(f, "{slot:>5} {source}{}", Origin(&input.origin))?;
        }
        let clone = self.steps.iter().position(|p| matches!(p.step.op, Op::Clone { .. }));
        for (index, planned) in self.steps.iter().enumerate() {
            if index == 0 {
                writeln!(f, "{}", if clone.is_some() { "stage:" } else { "init:" })?;
            }
            writeln!(f, "{index:>5} {}{}", self.step_text(planned), Origin(&planned.origin))?;
            if clone == Some(index) {
                writeln!(f, "init:")?;
            }
        }
        Ok(())
    }
}

struct Origin<'a>(&'a str);

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "  # {}", self.0) }
    }
}

struct SourceText<'a>(&'a Source);

impl fmt::Display for SourceText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::UserNamespace(maps) => write!(f, "UserNamespace {maps}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for IdMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.method)?;
        for (name, lines) in [("uid", &self.uid), ("gid", &self.gid)] {
            for m in lines {
                write!(f, " {name}={}:{}:{}", m.container, m.host, m.size)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for RuntimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeStep::Launch { flags, into_cgroup } => {
                let cgroup = if *into_cgroup { " into the cgroup" } else { "" };
                write!(f, "launch flags={}{cgroup}", flags_text(*flags, CLONE_FLAGS))
            }
            RuntimeStep::StartUnit { name, slice } => write!(f, "start_unit {name} slice={slice}"),
            RuntimeStep::AttachToUnit { name } => write!(f, "attach_to_unit {name}"),
            RuntimeStep::Await(number) => write!(f, "await {}", signal_name(*number)),
            RuntimeStep::Answer(number) => write!(f, "answer {}", signal_name(*number)),
            RuntimeStep::MoveInterfaces(devices) => {
                f.write_str("move_interfaces")?;
                devices.iter().try_for_each(|device| write!(f, " {}={}", device.name, device.host))
            }
            RuntimeStep::WriteClockOffsets(offsets) => {
                f.write_str("write_clock_offsets")?;
                offsets.iter().try_for_each(|offset| {
                    write!(f, " {}={}s+{}ns", offset.clock, offset.secs, offset.nanosecs)
                })
            }
            RuntimeStep::WriteIdMaps(maps) => {
                write!(f, "write_id_maps {maps}")
            }
            RuntimeStep::Hooks(kind) => write!(f, "hooks {}", kind.name()),
            RuntimeStep::Rlimit { name, soft, hard, .. } => {
                write!(f, "rlimit {name}={soft}:{hard}")
            }
            RuntimeStep::MapIds { userns, recursive, origin } => {
                let recursive = if *recursive { " RECURSIVE" } else { "" };
                write!(f, "await IDS, map_ids userns=#{}{recursive}{}", userns.0, Origin(origin))
            }
            RuntimeStep::SendListener => write!(f, "await LISTENER, send it to its agent"),
            RuntimeStep::Scheduler(attr) => {
                let SchedAttr { name, flags, nice, priority, .. } = attr;
                write!(f, "scheduler {name} flags={flags:#x} nice={nice} priority={priority}")?;
                let SchedAttr { runtime, deadline, period, .. } = attr;
                write!(f, " runtime={runtime} deadline={deadline} period={period}")
            }
            RuntimeStep::IoPriority { name, value } => {
                write!(f, "io_priority {name} level={}", value & 7)
            }
            RuntimeStep::SaveState => f.write_str("save_state"),
            RuntimeStep::AwaitExec => f.write_str("await_exec"),
        }
    }
}

impl Plan {
    /// One step, as in `move_mount mount=#4 target=#5`.
    pub fn step_text(&self, planned: &PlannedStep) -> String {
        let op = &planned.step.op;
        let mut line = snake_case(op.name());
        op.operands(&mut |name, operand| {
            if let Some(text) = self.operand_text(op, name, operand) {
                let _ = write!(line, " {name}={text}");
            }
        });
        let OnError { action, errnos } = planned.step.on_error;
        if action != OnError::FAIL {
            let names = errnos.iter().filter(|e| **e != 0);
            let names = names.map(|e| format!("{:?}", nix::errno::Errno::from_raw(i32::from(*e))));
            let what = if action == OnError::SKIP { "skip" } else { "else" };
            let _ = write!(line, " on {}: {what}", names.collect::<Vec<_>>().join("|"));
        }
        line
    }

    /// `None` for operands that say nothing (no descriptor, no flags).
    fn operand_text(&self, op: &Op, name: &str, operand: Operand) -> Option<String> {
        match operand {
            Operand::Slot(Slot::NONE) => None,
            Operand::Slot(Slot::CWD) => Some("cwd".into()),
            Operand::Slot(slot) => Some(format!("#{}", slot.0)),
            Operand::Text(text) => Some(quoted(self.text_at(text.0))),
            Operand::Bytes(bytes) => {
                let at = bytes.at as usize;
                let run = self.arena.get(at..at + bytes.len as usize).unwrap_or(&[]);
                Some(match op {
                    Op::Home { .. } => "...".into(),
                    Op::Seccomp { .. } => format!("{}_instructions", run.len() / 8),
                    Op::Affinity { .. } if run.is_empty() => "all".into(),
                    Op::Affinity { .. } | Op::MemoryPolicy { .. } => members_text(run),
                    _ => quoted(run),
                })
            }
            Operand::List(list) => Some(self.list_text(list, name)),
            Operand::Number(number) => number_text(op, name, number),
        }
    }

    fn list_text(&self, list: List, name: &str) -> String {
        let words = self.list_words(list);
        let items: Vec<String> = match name {
            "groups" => words.iter().map(u64::to_string).collect(),
            "envp" => words.iter().map(|at| redacted(&self.word_text(*at))).collect(),
            _ => words.iter().map(|at| quoted(self.word_text(*at).as_bytes())).collect(),
        };
        format!("[{}]", items.join(", "))
    }

    fn word_text(&self, at: u64) -> String {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        String::from_utf8_lossy(self.text_at(at)).into_owned()
    }

    /// The words of a list operand.
    pub fn list_words(&self, list: List) -> Vec<u64> {
        let (at, len) = (list.at as usize, list.len as usize * 8);
        let bytes = self.arena.get(at..at + len).unwrap_or(&[]);
        bytes.chunks_exact(8).filter_map(|c| Some(u64::from_ne_bytes(c.try_into().ok()?))).collect()
    }
}

fn redacted(variable: &str) -> String {
    variable.split_once('=').map_or_else(|| "***".into(), |(name, _)| format!("{name}=***"))
}

fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

fn number_text(op: &Op, name: &str, number: u64) -> Option<String> {
    let names = match (op, name) {
        (Op::Clone { .. } | Op::Unshare { .. } | Op::Setns { .. }, "flags") => CLONE_FLAGS,
        (Op::Fsmount { .. }, "attributes") => ATTRIBUTES,
        (Op::MountSetattr { .. }, "set" | "clear") => ATTRIBUTES,
        (_, "propagation") => PROPAGATION,
        (Op::OpenTree { .. } | Op::OpenSource { .. } | Op::MountSetattr { .. }, "flags") => {
            TREE_FLAGS
        }
        (Op::Open { .. }, "flags") => OPEN_FLAGS,
        (Op::Seccomp { .. }, "flags") => FILTER_FLAGS,
        (Op::MemoryPolicy { .. }, _) | (Op::Personality { .. }, _) => {
            return Some(format!("{number:#x}"));
        }
        (_, "mode" | "mask") => return Some(format!("{number:#o}")),
        (_, "file_type") => return Some(format!("{number:#o}")),
        (_, "magic") => return Some(format!("{number:#x}")),
        (_, "dev") => return Some(device_text(number)),
        (_, "keep" | "effective" | "permitted" | "inheritable" | "raise") => {
            return Some(format!("{number:#x}"));
        }
        (Op::Signal { .. } | Op::Offer { .. } | Op::HandOver { .. } | Op::Wait { .. }, _) => {
            return Some(signal_name(number_u16(number)));
        }
        (Op::Prctl { .. }, "option") => {
            let known = PRCTLS.iter().find(|(n, _)| *n == number);
            return Some(known.map_or_else(|| number.to_string(), |(_, name)| (*name).into()));
        }
        (Op::Target { .. }, "kind") => {
            let index = usize::from(number_u16(number));
            return Some(KINDS.get(index).map_or_else(|| number.to_string(), |k| (*k).into()));
        }
        _ => return Some(number.to_string()),
    };
    (number != 0).then(|| flags_text(number, names))
}

fn number_u16(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn device_text(dev: u64) -> String {
    format!("{}:{}", nix::sys::stat::major(dev), nix::sys::stat::minor(dev))
}

fn signal_name(number: u16) -> String {
    match number {
        signal::BORN => "BORN".into(),
        signal::CLOCKS => "CLOCKS".into(),
        signal::MAPS => "MAPS".into(),
        signal::NETWORK => "NETWORK".into(),
        signal::HOOKS => "HOOKS".into(),
        signal::LIMITS => "LIMITS".into(),
        signal::READY => "READY".into(),
        signal::CGROUP => "CGROUP".into(),
        signal::LISTENER => "LISTENER".into(),
        signal::CONFINED => "CONFINED".into(),
        signal::SOURCE => "SOURCE".into(),
        signal::IDS => "IDS".into(),
        other => other.to_string(),
    }
}

/// The numbers of the bits that are set.
fn members_text(mask: &[u8]) -> String {
    let bits = mask.iter().enumerate().flat_map(|(at, byte)| {
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| at * 8 + bit)
    });
    format!("{:?}", bits.collect::<Vec<_>>())
}

fn flags_text(mut number: u64, names: Names) -> String {
    let mut parts = Vec::new();
    for (bits, name) in names {
        if number & bits == *bits {
            parts.push((*name).to_string());
            number &= !bits;
        }
    }
    if number != 0 || parts.is_empty() {
        parts.push(format!("{number:#x}"));
    }
    parts.join("|")
}

/// `MoveMount` as the system call is written: `move_mount`.
pub(super) fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
