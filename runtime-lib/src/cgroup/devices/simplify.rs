//! The same verdicts with fewer rules. Configs list much twice: engines write runc's default devices
//! down, and the runtime adds them again.

use super::rules::{Access, Rule, Rules};

/// Rules that later ones leave nothing of are dropped, those of the same devices become one where
/// nothing between them minds, and those that say what holds anyway are dropped.
pub(super) fn simplify(rules: &Rules) -> Vec<Rule> {
    let mut kept: Vec<Rule> = Vec::new();
    for rule in without_covered(&rules.list) {
        let rule = merge(&mut kept, rule);
        let undoes = |old: &Rule| old.allow != rule.allow && touch(old, &rule);
        if rule.allow != rules.allow || kept.iter().any(undoes) {
            kept.push(rule);
        }
    }
    kept
}

fn touch(a: &Rule, b: &Rule) -> bool {
    a.devices.overlap(b.devices) && a.access.overlaps(b.access)
}

/// Without those of which later rules decide everything, wherever they came from.
fn without_covered(rules: &[Rule]) -> Vec<Rule> {
    let mut kept: Vec<Rule> = Vec::new();
    for rule in rules.iter().rev() {
        let over = kept.iter().filter(|later| later.devices.cover(rule.devices));
        let decided = over.fold(Access::NONE, |access, later| access.with(later.access));
        if rule.access.without(decided) != Access::NONE {
            kept.push(*rule);
        }
    }
    kept.reverse();
    kept
}

/// Takes an earlier rule of the same devices out and into `rule`, unless one of the opposite outcome
/// would be overtaken.
fn merge(kept: &mut Vec<Rule>, rule: Rule) -> Rule {
    let same = |old: &Rule| old.allow == rule.allow && old.devices == rule.devices;
    let Some(at) = kept.iter().rposition(same) else { return rule };
    let (old, after) = (kept.get(at).copied(), kept.get(at + 1..).unwrap_or_default());
    match old {
        Some(old) if !after.iter().any(|next| next.allow != old.allow && touch(next, &old)) => {
            kept.remove(at);
            Rule { access: rule.access.with(old.access), ..rule }
        }
        _ => rule,
    }
}
