//! From the entries of a profile to one decision for each system call of each architecture.
//!
//! Where several rules are about one call it is libseccomp that says which counts, since runc gives
//! its entries to libseccomp: a rule without conditions beats all that have some, and the first such
//! rule beats later ones; rules with conditions are asked in the order of [`Condition::rank`].

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSyscall};

use super::action::Action;
use super::arch::{Arch, Call, Meaning, multiplexed};
use super::condition::{ARGUMENTS, Condition};
use super::{Problem, field};

/// One action and all that must hold for it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub conditions: Vec<Condition>,
    pub action: Action,
    /// Index in `linux.seccomp.syscalls`.
    pub entry: usize,
}

/// What a profile says about one call.
#[derive(Debug, Clone)]
pub(super) enum Decision {
    /// Whatever the arguments.
    Always(Rule),
    /// The first rule whose conditions hold; the default action if none do.
    Depends(Vec<Rule>),
}

/// The decisions for one architecture.
#[derive(Debug)]
pub(super) struct Calls {
    pub arch: Arch,
    /// Sorted by number.
    pub decisions: Vec<(u32, Decision)>,
    /// The highest number of all calls that the profile names. As with runc, 0 is none.
    pub newest: Option<u32>,
}

/// A profile, understood.
#[derive(Debug)]
pub(super) struct Profile {
    pub default: Action,
    /// The native architecture first.
    pub calls: Vec<Calls>,
    pub notifies: bool,
    /// Names that no architecture has, in the profile's order.
    pub unknown: Vec<String>,
}

impl Profile {
    pub fn read(spec: &LinuxSeccomp, native: Arch) -> Result<Self, Problem> {
        let default = Action::new(spec.default_action(), spec.default_errno_ret(), || {
            field("defaultErrnoRet")
        })?;
        if default.is_notify() {
            let problem = "SCMP_ACT_NOTIFY cannot be used as default action: the runtime itself \
                           could not go on";
            return Err(Problem::new(field("defaultAction"), problem));
        }
        let mut collected: Vec<Collected> =
            architectures(spec, native)?.into_iter().map(Collected::new).collect();
        let mut profile = Self { default, calls: Vec::new(), notifies: false, unknown: Vec::new() };
        for (index, entry) in spec.syscalls().iter().flatten().enumerate() {
            profile.collect(&mut collected, index, entry)?;
        }
        profile.calls =
            collected.into_iter().map(Collected::decide).collect::<Result<_, Problem>>()?;
        Ok(profile)
    }

    fn collect(
        &mut self,
        collected: &mut [Collected],
        index: usize,
        entry: &LinuxSyscall,
    ) -> Result<(), Problem> {
        let action = Action::new(entry.action(), entry.errno_ret(), || {
            field(&format!("syscalls[{index}].errnoRet"))
        })?;
        if entry.names().is_empty() {
            let problem = "must name at least one call";
            return Err(Problem::new(field(&format!("syscalls[{index}].names")), problem));
        }
        let args = entry.args().as_deref().unwrap_or_default();
        check_arguments(args, index)?;
        // A rule that says what the default says is no rule: an earlier or later one may still hold.
        let counts = action != self.default;
        let wide = alternatives(args, true);
        let narrow = alternatives(args, false);
        let mut last = 0;
        for (position, name) in entry.names().iter().enumerate() {
            let name_field = || field(&format!("syscalls[{index}].names[{position}]"));
            if name.is_empty() {
                return Err(Problem::new(name_field(), "empty string is not a valid syscall"));
            }
            if action.is_notify() && name == "write" {
                let problem = "SCMP_ACT_NOTIFY cannot be used for the write syscall";
                return Err(Problem::new(name_field(), problem));
            }
            let Some(call) = Call::named_near(name, &mut last) else {
                self.unknown.push(name.clone());
                continue;
            };
            for calls in collected.iter_mut() {
                let alternatives = if calls.arch.is_wide() { &wide } else { &narrow };
                let selected = calls.selected(&call);
                for conditions in alternatives.iter().filter(|_| counts) {
                    let rule = Rule { conditions: conditions.clone(), action, entry: index };
                    calls.add(&call, selected, rule);
                }
                calls.see(&call, selected);
            }
        }
        self.notifies |= action.is_notify();
        Ok(())
    }
}

fn check_arguments(args: &[LinuxSeccompArg], entry: usize) -> Result<(), Problem> {
    match args.iter().position(|arg| arg.index() >= ARGUMENTS) {
        Some(at) => Err(Problem::new(
            field(&format!("syscalls[{entry}].args[{at}].index")),
            "system calls have up to 6 arguments, counted from 0",
        )),
        None => Ok(()),
    }
}

/// The conditions of an entry's rules: one rule with all of them, but one rule for each if two are
/// about the same argument (runc keeps what profiles were written for).
fn alternatives(args: &[LinuxSeccompArg], wide: bool) -> Vec<Vec<Condition>> {
    let mut seen = [false; ARGUMENTS];
    let repeats = |arg: &LinuxSeccompArg| {
        seen.get_mut(arg.index()).is_some_and(|seen| std::mem::replace(seen, true))
    };
    let condition = |arg: &LinuxSeccompArg| Condition::new(arg, wide);
    if args.iter().any(repeats) {
        return args.iter().map(|arg| condition(arg).into_iter().collect()).collect();
    }
    let mut conditions: Vec<Condition> = args.iter().filter_map(condition).collect();
    conditions.sort_by_key(|condition| condition.argument);
    vec![conditions]
}

/// The native one is there whether or not it is listed.
fn architectures(spec: &LinuxSeccomp, native: Arch) -> Result<Vec<Arch>, Problem> {
    let mut all = vec![native];
    for (index, listed) in spec.architectures().iter().flatten().enumerate() {
        match native.meaning(*listed) {
            Meaning::Possible(arch) if !all.contains(&arch) => all.push(arch),
            Meaning::Possible(_) | Meaning::Impossible => {}
            Meaning::OtherByteOrder => {
                let problem = format!("{listed} has another byte order than {native}");
                return Err(Problem::new(field(&format!("architectures[{index}]")), problem));
            }
        }
    }
    Ok(all)
}

/// The rules of one architecture in the order of the profile.
struct Collected {
    arch: Arch,
    rules: Vec<(u32, Rule)>,
    newest: u32,
}

impl Collected {
    fn new(arch: Arch) -> Self {
        Self { arch, rules: Vec::new(), newest: 0 }
    }

    /// i386's other way to a call: the number of `socketcall` or `ipc`, and its first argument.
    fn selected(&self, call: &Call) -> Option<(u32, u32)> {
        if self.arch != Arch::X86 {
            return None;
        }
        let (by, selector) = multiplexed(call.name)?;
        Some((self.arch.number(by)?, selector))
    }

    fn see(&mut self, call: &Call, selected: Option<(u32, u32)>) {
        if let Some(number) = call.number(self.arch).filter(|_| selected.is_none()) {
            self.newest = self.newest.max(number);
        }
    }

    /// Of a condition on the first argument the multiplexer sees nothing: it is behind a pointer.
    /// libseccomp puts the selector in its place.
    fn add(&mut self, call: &Call, selected: Option<(u32, u32)>, rule: Rule) {
        if let Some((number, selector)) = selected {
            let mut muxed = rule.clone();
            muxed.conditions.retain(|condition| condition.argument != 0);
            muxed.conditions.insert(0, Condition::equal(0, selector));
            self.rules.push((number, muxed));
        }
        if let Some(number) = call.number(self.arch) {
            self.rules.push((number, rule));
        }
    }

    fn decide(mut self) -> Result<Calls, Problem> {
        self.rules.sort_by_key(|(number, _)| *number); // stable
        let mut decisions: Vec<(u32, Decision)> = Vec::with_capacity(self.rules.len());
        for (number, rule) in self.rules {
            match decisions.last_mut() {
                Some((last, decision)) if *last == number => decision.also(rule),
                _ => decisions.push((number, Decision::of(rule))),
            }
        }
        for (number, decision) in &mut decisions {
            decision.settle().map_err(|(entry, earlier)| {
                let call = self.arch.call_name(*number).unwrap_or_default();
                let problem = format!(
                    "contradicts syscalls[{earlier}], which has the same conditions for {call}"
                );
                Problem::new(field(&format!("syscalls[{entry}].action")), problem)
            })?;
        }
        let newest = (self.newest != 0).then_some(self.newest);
        Ok(Calls { arch: self.arch, decisions, newest })
    }
}

impl Decision {
    fn of(rule: Rule) -> Self {
        if rule.conditions.is_empty() { Self::Always(rule) } else { Self::Depends(vec![rule]) }
    }

    fn also(&mut self, rule: Rule) {
        match self {
            Self::Always(_) => {}
            Self::Depends(_) if rule.conditions.is_empty() => *self = Self::Always(rule),
            Self::Depends(rules) => rules.push(rule),
        }
    }

    /// Sorts rules with conditions and drops repetitions. Two that say different things of the same
    /// arguments are an error, in libseccomp as well.
    fn settle(&mut self) -> Result<(), (usize, usize)> {
        let Self::Depends(rules) = self else { return Ok(()) };
        if rules.len() > 1 {
            let key = |rule: &Rule| rule.conditions.iter().map(Condition::rank).collect::<Vec<_>>();
            rules.sort_by_cached_key(key);
        }
        for pair in rules.windows(2) {
            if let [first, second] = pair
                && first.conditions == second.conditions
                && first.action != second.action
            {
                return Err((second.entry, first.entry));
            }
        }
        rules.dedup_by(|second, first| first.conditions == second.conditions);
        Ok(())
    }
}
