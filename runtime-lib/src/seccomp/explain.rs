//! A profile in words: what happens to a call, and which entry says so.

use std::fmt;

use oci_spec::runtime::LinuxSeccomp;

use super::arch::{Arch, Call, multiplexed};
use super::rules::{Calls, Decision, Profile, Rule};
use super::{Filter, field};
use crate::error::Result;

/// Lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation(String);

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what a profile does to `call` (a name, or a number of the native architecture), or, without
/// one, what it does as a whole.
///
/// # Errors
/// As [`Filter::compile`].
pub fn explain(profile: &LinuxSeccomp, call: Option<&str>) -> Result<Explanation> {
    let filter = Filter::compile(profile)?;
    let understood = Profile::read(profile, Arch::NATIVE).map_err(super::Problem::into_error)?;
    let lines = match call {
        Some(call) => about_call(&understood, call),
        None => summary(&understood, &filter),
    };
    Ok(Explanation(lines.join("\n")))
}

fn summary(profile: &Profile, filter: &Filter) -> Vec<String> {
    let mut lines = vec![
        format!("calls that no entry is about: {} (defaultAction)", profile.default),
        format!("calls newer than those the profile names: {}", newer(profile)),
        format!("calls of other architectures: {}", super::Action::FOREIGN),
    ];
    for calls in &profile.calls {
        let conditional =
            |(_, decision): &&(u32, Decision)| matches!(decision, Decision::Depends(_));
        let depends = calls.decisions.iter().filter(conditional).count();
        let (arch, all) = (calls.arch, calls.decisions.len());
        lines.push(format!("{arch}: {all} calls have entries, {depends} of them by arguments"));
    }
    if !profile.unknown.is_empty() {
        lines.push(format!("ignored, unknown to any kernel: {}", profile.unknown.join(" ")));
    }
    lines.push(format!("program: {} instructions", filter.instructions().len()));
    lines
}

fn newer(profile: &Profile) -> String {
    profile
        .newer()
        .map_or_else(|| format!("{} (defaultAction)", profile.default), |action| action.to_string())
}

fn about_call(profile: &Profile, call: &str) -> Vec<String> {
    let name = match call.parse::<u32>() {
        Ok(number) => Arch::NATIVE.call_name(number),
        Err(_) => Call::named(call).map(|call| call.name),
    };
    let Some(name) = name else {
        return vec![format!("{call}: not known to any kernel; an entry for it is ignored")];
    };
    profile.calls.iter().flat_map(|calls| about(profile, calls, name)).collect()
}

fn about(profile: &Profile, calls: &Calls, name: &str) -> Vec<String> {
    let arch = calls.arch;
    let mut lines = Vec::new();
    match arch.number(name) {
        Some(number) => {
            let head = format!("{arch} {name} ({})", plain_number(number));
            lines.extend(outcome(profile, calls, number, &head));
        }
        None => lines.push(format!("{arch}: has no {name}")),
    }
    if arch == Arch::X86
        && let Some((by, selector)) = multiplexed(name)
        && let Some(number) = arch.number(by)
    {
        lines.extend(outcome(
            profile,
            calls,
            number,
            &format!("{arch} {by} (arg0 == {selector:#x})"),
        ));
    }
    lines
}

fn plain_number(number: u32) -> u32 {
    number & !super::arch::X32_BIT
}

fn outcome(profile: &Profile, calls: &Calls, number: u32, head: &str) -> Vec<String> {
    let newer_than_all = calls.newest.is_some_and(|newest| number > newest);
    if newer_than_all && profile.newer().is_some() {
        return vec![format!(
            "{head}: {}, newer than every call the profile names",
            newer(profile)
        )];
    }
    let found = calls.decisions.binary_search_by_key(&number, |(number, _)| *number);
    match found.ok().and_then(|at| calls.decisions.get(at)) {
        Some((_, Decision::Always(rule))) => vec![format!("{head}: {}", because(rule))],
        Some((_, Decision::Depends(rules))) => {
            let mut lines = vec![format!("{head}:")];
            lines.extend(rules.iter().map(|rule| format!("  if {}", conditional(rule))));
            lines.push(format!("  otherwise {} (defaultAction)", profile.default));
            lines
        }
        None => vec![format!("{head}: {} (defaultAction, no entry)", profile.default)],
    }
}

fn conditional(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
    format!("{}: {}", conditions.join(" and "), because(rule))
}

fn because(rule: &Rule) -> String {
    format!("{} ({})", rule.action, field(&format!("syscalls[{}]", rule.entry)))
}
