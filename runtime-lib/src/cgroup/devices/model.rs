//! What the v1 devices controller makes of rules.

use super::rules::{Access, Rule, Rules};
use crate::error::{Error, Result};

/// What a v1 devices cgroup is: a default and exceptions to it, at most one for the same devices.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) allow: bool,
    pub(super) exceptions: Vec<Rule>,
}

impl Model {
    /// The state after all rules.
    ///
    /// # Errors
    /// A rule is one that the controller would silently not apply.
    pub(super) fn of(rules: &Rules) -> Result<Self> {
        let mut model = Self { allow: rules.allow, exceptions: Vec::new() };
        for rule in &rules.list {
            if rule.allow == model.allow { model.shrink(*rule)? } else { model.grow(*rule) }
        }
        Ok(model)
    }

    fn grow(&mut self, new: Rule) {
        match self.exceptions.iter_mut().find(|old| old.devices == new.devices) {
            Some(old) => *old = Rule { access: old.access.with(new.access), ..new },
            None => self.exceptions.push(new),
        }
    }

    /// Takes accesses out of the exceptions that lie within the rule's devices. The kernel has no way
    /// to take a part of an exception's devices out, and says nothing when asked to.
    fn shrink(&mut self, less: Rule) -> Result<()> {
        let sticks_out = |old: &&Rule| {
            old.access.overlaps(less.access)
                && old.devices.overlap(less.devices)
                && !less.devices.cover(old.devices)
        };
        if let Some(old) = self.exceptions.iter().find(sticks_out) {
            let problem = format!(
                "the devices cgroup cannot make an exception ({} {}) from an earlier, wider rule ({} {})",
                less.devices, less.access, old.devices, old.access,
            );
            return Err(Error::unsupported(less.source.to_string(), problem));
        }
        for old in self.exceptions.iter_mut().filter(|old| less.devices.cover(old.devices)) {
            old.access = old.access.without(less.access);
        }
        self.exceptions.retain(|old| old.access != Access::NONE);
        Ok(())
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
