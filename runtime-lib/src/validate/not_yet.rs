//! What the specification has and this version does not do. Refused by name: a filter or a label that
//! is silently left out would be worse than no container.

use oci_spec::runtime::Spec;

use super::{Checked, HostLimits, mounts as mount_checks, unsupported};

const REASON: &str = "is not supported by this version of teu";

/// Fields (relative to the object) with whether they ask for something.
type Wishes<'a> = &'a [(&'static str, bool)];

fn refuse(wishes: Wishes<'_>) -> Checked {
    match wishes.iter().find(|(_, wanted)| *wanted) {
        Some((field, _)) => Err(unsupported(*field, REASON)),
        None => Ok(()),
    }
}

pub(super) fn mounts(spec: &Spec, _: &HostLimits) -> Checked {
    mount_checks::each(spec, |_, options| {
        options
            .not_yet
            .first()
            .map_or(Ok(()), |name| Err(unsupported("options", format!("{name} {REASON}"))))
    })
}

pub(super) fn vm(spec: &Spec, _: &HostLimits) -> Checked {
    refuse(&[("vm", spec.vm().is_some())])
}

#[cfg(test)]
mod tests;
