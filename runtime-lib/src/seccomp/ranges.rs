//! System-call numbers in ranges that have the same outcome.

use super::action::Action;
use super::arch::{Arch, X32_BIT};
use super::rules::{Calls, Decision, Profile, Rule};

/// What happens to the calls of a range.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Always(Action),
    Depends(&'a [Rule]),
}

impl PartialEq for Outcome<'_> {
    /// Of the same effect; which entry is behind it does not matter.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Always(a), Self::Always(b)) => a == b,
            (Self::Depends(a), Self::Depends(b)) => {
                let same =
                    |(a, b): (&Rule, &Rule)| a.action == b.action && a.conditions == b.conditions;
                a.len() == b.len() && a.iter().zip(*b).all(same)
            }
            _ => false,
        }
    }
}

/// A range: up to the start of the next one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<'a> {
    pub start: u32,
    pub outcome: Outcome<'a>,
}

/// All 32-bit numbers under one AUDIT_ARCH; neighbours differ.
#[derive(Debug)]
pub(super) struct Ranges<'a>(pub Vec<Range<'a>>);

impl<'a> Ranges<'a> {
    /// From `start` on, unless something is pushed for a higher number. Starts never go down.
    fn push(&mut self, start: u32, outcome: Outcome<'a>) {
        if self.0.last().is_some_and(|last| last.start == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.outcome != outcome) {
            self.0.push(Range { start, outcome });
        }
    }

    /// The decisions of an architecture, and the default for what lies between them; from the newest
    /// call on `newer`, if that is something else. (i386's direct socket calls can lie there.)
    fn push_calls(&mut self, calls: &'a Calls, default: Outcome<'a>, newer: Option<Outcome<'a>>) {
        let end = calls.newest.zip(newer);
        let known = |number: &u32| end.is_none_or(|(newest, _)| *number <= newest);
        for (number, decision) in calls.decisions.iter().take_while(|(number, _)| known(number)) {
            let outcome = match decision {
                Decision::Always(rule) => Outcome::Always(rule.action),
                Decision::Depends(rules) => Outcome::Depends(rules),
            };
            self.push(*number, outcome);
            self.push(number.saturating_add(1), default);
        }
        if let Some((newest, newer)) = end {
            self.push(newest.saturating_add(1), newer);
        }
    }
}

impl Profile {
    /// A call that is newer than every call the profile names was not left out on purpose: it fails
    /// with ENOSYS, so that programs fall back to an older one (runc since 1.0.0-rc93; a C library
    /// that gets EPERM for clone3 or faccessat2 does not).
    /// `None`: they get the default action, which lets them pass anyway.
    pub fn newer(&self) -> Option<Action> {
        (!self.default.is_permissive()).then_some(Action::ENOSYS)
    }

    /// The ranges of each AUDIT_ARCH, that of the native architecture first.
    pub fn ranges(&self) -> Vec<(u32, Ranges<'_>)> {
        let x32 = self.calls.iter().find(|calls| calls.arch == Arch::X32);
        let separate = self.calls.iter().filter(|calls| calls.arch != Arch::X32);
        separate.map(|calls| (calls.arch.audit(), self.ranges_of(calls, x32))).collect()
    }

    fn ranges_of<'a>(&'a self, calls: &'a Calls, x32: Option<&'a Calls>) -> Ranges<'a> {
        let default = Outcome::Always(self.default);
        let newer = self.newer().map(Outcome::Always);
        let mut ranges = Ranges(Vec::with_capacity(2 * calls.decisions.len() + 8));
        ranges.push(0, default);
        ranges.push_calls(calls, default, newer);
        if calls.arch == Arch::X86_64 {
            self.push_x32(&mut ranges, calls, x32);
        }
        ranges
    }

    /// The upper three quarters of x86_64's numbers. Numbers from 2^31 on are no calls of either ABI;
    /// what is said of them is libseccomp's and runc's. -1 is how a tracer skips a call: not to be
    /// taken for a foreign one.
    fn push_x32<'a>(&self, ranges: &mut Ranges<'a>, native: &Calls, x32: Option<&'a Calls>) {
        let foreign = Outcome::Always(if x32.is_some() { self.default } else { Action::FOREIGN });
        let newer = self.newer().map(Outcome::Always);
        let beyond = |calls: Option<&Calls>| {
            let newest = calls.and_then(|calls| calls.newest);
            newest.and(newer).unwrap_or(foreign)
        };
        ranges.push(X32_BIT, foreign);
        if let Some(x32) = x32 {
            ranges.push_calls(x32, foreign, newer);
        }
        ranges.push(1 << 31, beyond(Some(native)));
        ranges.push(1 << 31 | X32_BIT, beyond(x32));
        if x32.is_none() {
            ranges.push(u32::MAX, Outcome::Always(self.default));
        }
    }
}
