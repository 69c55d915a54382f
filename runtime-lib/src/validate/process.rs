//! The process object, of a config or of an `exec`. Fields are relative to the object.

use std::path::Path;

use oci_spec::runtime::{LinuxSchedulerPolicy as Policy, Process, Spec};

use super::{Checked, HostLimits, c_string, ids, invalid, list, require, text};
use crate::spec::bit_mask;

pub(super) type ProcessCheck = fn(&Process, &Spec, &HostLimits) -> Checked;

pub(super) const CHECKS: &[(&str, ProcessCheck)] = &[
    ("cwd", cwd),
    ("args", args),
    ("env", env),
    ("rlimits", rlimits),
    ("oom score", oom_score_adj),
    ("console size", console_size),
    ("scheduler", scheduler),
    ("I/O priority", io_priority),
    ("CPU affinity", cpu_affinity),
    ("labels", labels),
    ("ids", ids::process),
];

/// `process` may be absent: such a container is created and runs nothing.
pub(super) fn check(spec: &Spec, host: &HostLimits) -> Checked {
    let Some(process) = spec.process() else { return Ok(()) };
    CHECKS
        .iter()
        .try_for_each(|(_, check)| check(process, spec, host))
        .map_err(|problem| problem.within("process"))
}

fn cwd(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let (cwd, field) = (process.cwd(), || "cwd");
    require(cwd.as_path() != Path::new(""), field, || "Cwd property must not be empty")?;
    require(cwd.is_absolute(), field, || "Cwd must be an absolute path")?;
    c_string(cwd, field)
}

/// An empty file name is what a shell would not find either; moby reads its exit code off the words.
fn args(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let args = list(process.args());
    let first = args.first().map(String::as_str);
    require(first.is_some(), || "args", || "args must not be empty")?;
    require(first != Some(""), || "args[0]", || r#"exec: "": executable file not found in $PATH"#)?;
    args.iter().enumerate().try_for_each(|(i, arg)| c_string(arg, || format!("args[{i}]")))
}

fn env(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    list(process.env()).iter().enumerate().try_for_each(|(i, entry)| {
        let field = || format!("env[{i}]");
        c_string(entry, field)?;
        let name = entry.split_once('=').map(|(name, _)| name);
        require(name.is_some(), field, || "invalid environment variable: missing '='")?;
        require(name != Some(""), field, || "invalid environment variable: name cannot be empty")
    })
}

/// The specification wants duplicates to be errors; a soft limit above the hard one is the kernel's
/// EINVAL, said before anything is made.
fn rlimits(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let limits = list(process.rlimits());
    limits.iter().enumerate().try_for_each(|(i, limit)| {
        let twice = limits.iter().take(i).any(|other| other.typ() == limit.typ());
        let field = || format!("rlimits[{i}]");
        require(!twice, field, || format!("{} is listed twice", limit.typ()))?;
        require(limit.soft() <= limit.hard(), field, || {
            format!("the soft limit {} is above the hard limit {}", limit.soft(), limit.hard())
        })
    })
}

fn oom_score_adj(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let score = process.oom_score_adj().unwrap_or(0);
    require(
        (-1000..=1000).contains(&score),
        || "oomScoreAdj",
        || format!("must be from -1000 to 1000, is {score}"),
    )
}

/// Only a process with a terminal has use for it; the kernel's sizes have 16 bits.
fn console_size(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let Some(size) = process.console_size().filter(|_| process.terminal() == Some(true)) else {
        return Ok(());
    };
    [("height", size.height()), ("width", size.width())].into_iter().try_for_each(|(name, n)| {
        let field = || format!("consoleSize.{name}");
        require(u16::try_from(n).is_ok(), field, || format!("must be below 65536, is {n}"))
    })
}

/// What the kernel would ignore, or call EINVAL without a reason. The words are runc's.
fn scheduler(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let Some(scheduler) = process.scheduler() else { return Ok(()) };
    let (policy, nice) = (*scheduler.policy(), scheduler.nice().unwrap_or(0));
    let priority = scheduler.priority().unwrap_or(0);
    let fair = matches!(policy, Policy::SchedOther | Policy::SchedBatch);
    let realtime = matches!(policy, Policy::SchedFifo | Policy::SchedRr);
    let times = [scheduler.runtime(), scheduler.deadline(), scheduler.period()];
    let timed = times.iter().any(|time| time.unwrap_or(0) != 0);
    require(
        !fair || (-20..=19).contains(&nice),
        || "scheduler.nice",
        || format!("invalid scheduler.nice: {nice} when scheduler.policy is {policy}"),
    )?;
    require(
        priority == 0 || realtime,
        || "scheduler.priority",
        || "scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
    )?;
    let not_negative = || format!("must not be negative, is {priority}");
    require(priority >= 0, || "scheduler.priority", not_negative)?;
    require(
        !timed || policy == Policy::SchedDeadline,
        || "scheduler",
        || "scheduler runtime/deadline/period can only be specified for SchedDeadline policy",
    )
}

fn io_priority(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let priority = process.io_priority().as_ref().map_or(0, |io| io.priority());
    let known = (0..=7).contains(&priority);
    require(known, || "ioPriority.priority", || format!("invalid ioPriority.Priority: {priority}"))
}

fn cpu_affinity(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    let Some(affinity) = process.exec_cpu_affinity() else { return Ok(()) };
    let check = |name, cpus| {
        let field = format!("execCPUAffinity.{name}");
        bit_mask(text(cpus)).map(drop).map_err(|problem| invalid(field, problem))
    };
    check("initial", affinity.initial())?;
    check("final", affinity.cpu_affinity_final())
}

fn labels(process: &Process, _: &Spec, _: &HostLimits) -> Checked {
    c_string(text(process.apparmor_profile()), || "apparmorProfile")?;
    c_string(text(process.selinux_label()), || "selinuxLabel")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with(fields: &str) -> String {
        format!(r#"{{"process": {{"cwd": "/", "args": ["sh"], "user": {{}} {fields}}}}}"#)
    }

    #[test]
    fn a_container_may_have_no_process() {
        accept(check, "{}");
        accept(check, &with(""));
    }

    #[test]
    fn cwd_is_absolute() {
        for (cwd, problem) in [
            ("", "Cwd property must not be empty"),
            ("tmp", "Cwd must be an absolute path"),
            (r"/a\u0000b", "NUL"),
        ] {
            let json = format!(r#"{{"process": {{"cwd": "{cwd}", "args": ["sh"]}}}}"#);
            refuse(check, &json, "process.cwd", problem);
        }
    }

    #[test]
    fn args_name_a_program() {
        for (args, field, problem) in [
            ("null", "process.args", "args must not be empty"),
            ("[]", "process.args", "args must not be empty"),
            (r#"[""]"#, "process.args[0]", "executable file not found in $PATH"),
            (r#"["a", "b\u0000"]"#, "process.args[1]", "NUL"),
        ] {
            let json = format!(r#"{{"process": {{"cwd": "/", "args": {args}}}}}"#);
            refuse(check, &json, field, problem);
        }
        accept(check, r#"{"process": {"cwd": "/", "args": ["a", ""]}}"#);
    }

    #[test]
    fn env_entries_are_assignments() {
        accept(check, &with(r#", "env": ["A=", "B==b", "A=twice"]"#));
        for (entry, problem) in [
            ("A", "missing '='"),
            ("", "missing '='"),
            ("=x", "cannot be empty"),
            (r"A=\u0000", "NUL"),
        ] {
            let json = with(&format!(r#", "env": ["A=b", "{entry}"]"#));
            refuse(check, &json, "process.env[1]", problem);
        }
    }

    #[test]
    fn rlimits_are_single_and_ordered() {
        let limit = |typ: &str, soft: u64| {
            format!(r#"{{"type": "{typ}", "soft": {soft}, "hard": 18446744073709551614}}"#)
        };
        let with_limits = |a: String, b: String| with(&format!(r#", "rlimits": [{a}, {b}]"#));
        accept(check, &with_limits(limit("RLIMIT_CPU", 0), limit("RLIMIT_AS", u64::MAX - 1)));
        let twice = with_limits(limit("RLIMIT_AS", 1), limit("RLIMIT_AS", 1));
        refuse(check, &twice, "process.rlimits[1]", "RLIMIT_AS is listed twice");
        let above = with_limits(limit("RLIMIT_CPU", 0), limit("RLIMIT_AS", u64::MAX));
        refuse(check, &above, "process.rlimits[1]", "above the hard limit");
    }

    #[test]
    fn oom_score_is_in_the_kernels_range() {
        for score in [-1000, 0, 1000] {
            accept(check, &with(&format!(r#", "oomScoreAdj": {score}"#)));
        }
        for score in [-1001, 1001, i32::MAX] {
            let json = with(&format!(r#", "oomScoreAdj": {score}"#));
            refuse(check, &json, "process.oomScoreAdj", "from -1000 to 1000");
        }
    }

    #[test]
    fn scheduling_has_what_its_policy_knows() {
        let scheduler = |fields: &str| with(&format!(r#", "scheduler": {{{fields}}}"#));
        for fields in [
            r#""policy": "SCHED_BATCH", "nice": -20, "flags": ["SCHED_FLAG_RESET_ON_FORK"]"#,
            r#""policy": "SCHED_OTHER", "nice": 19"#,
            r#""policy": "SCHED_FIFO", "priority": 99"#,
            r#""policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3"#,
        ] {
            accept(check, &scheduler(fields));
        }
        let nice = scheduler(r#""policy": "SCHED_OTHER", "nice": 20"#);
        let words = "invalid scheduler.nice: 20 when scheduler.policy is SCHED_OTHER";
        refuse(check, &nice, "process.scheduler.nice", words);
        let priority = scheduler(r#""policy": "SCHED_OTHER", "priority": 1"#);
        refuse(check, &priority, "process.scheduler.priority", "SchedFIFO or SchedRR");
        let negative = scheduler(r#""policy": "SCHED_RR", "priority": -1"#);
        refuse(check, &negative, "process.scheduler.priority", "negative");
        let timed = scheduler(r#""policy": "SCHED_RR", "runtime": 1"#);
        refuse(check, &timed, "process.scheduler", "SchedDeadline");
    }

    #[test]
    fn io_priorities_have_eight_levels() {
        let io = |priority: i64| {
            with(&format!(
                r#", "ioPriority": {{"class": "IOPRIO_CLASS_BE", "priority": {priority}}}"#
            ))
        };
        accept(check, &io(0));
        accept(check, &io(7));
        for priority in [-1, 8, i64::MAX] {
            refuse(check, &io(priority), "process.ioPriority.priority", "invalid ioPriority");
        }
    }

    #[test]
    fn affinities_are_lists_of_processors() {
        let affinity = |fields: &str| with(&format!(r#", "execCPUAffinity": {{{fields}}}"#));
        accept(check, &affinity(r#""initial": "", "final": "0-3,7""#));
        let field = "process.execCPUAffinity.final";
        refuse(check, &affinity(r#""final": "3-1""#), field, "invalid range");
        refuse(check, &affinity(r#""final": "70000""#), field, "larger than");
    }

    #[test]
    fn labels_are_c_strings() {
        for field in ["apparmorProfile", "selinuxLabel"] {
            let json = with(&format!(r#", "{field}": "a\u0000""#));
            refuse(check, &json, &format!("process.{field}"), "NUL");
        }
    }
}
