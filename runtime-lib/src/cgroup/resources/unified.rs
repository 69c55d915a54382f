//! `unified`: any file of a v2 cgroup.

use std::collections::{BTreeMap, HashMap};

use super::{Missing, Settings};
use crate::error::Result;

/// Whatever the name, the file is in the container's own directory. Sorted, for a map has no order.
pub(super) fn compile(files: &HashMap<String, String>, to: &mut Settings) -> Result<()> {
    if to.is_v1() && !files.is_empty() {
        return Err(to.invalid("unified", "invalid configuration: cannot use unified on cgroup v1"));
    }
    for (name, value) in files.iter().collect::<BTreeMap<_, _>>() {
        let field = format!("unified.{name}");
        if name.contains('/') {
            let problem = format!("unified resource {name:?} must be a file name (no slashes)");
            return Err(to.invalid(&field, problem));
        }
        let Some((controller, parameter)) = name.split_once('.') else {
            let problem =
                format!("unified resource {name:?} must be in the form CONTROLLER.PARAMETER");
            return Err(to.invalid(&field, problem));
        };
        if controller.is_empty() || parameter.is_empty() {
            return Err(to.invalid(&field, "must be in the form CONTROLLER.PARAMETER"));
        }
        to.text(&field, name)?;
        to.text(&field, value)?;
        // A write of nothing does nothing.
        if value.trim().is_empty() {
            return Err(to.invalid(&field, "must have a value"));
        }
        let controller = controller.to_owned();
        let file = name.clone().into();
        to.add(controller, field.into(), file, value.clone(), Missing::Refuse);
    }
    Ok(())
}
