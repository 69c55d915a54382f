//! `network`, which only v1 has.

use oci_spec::runtime::LinuxNetwork;

use super::{Settings, set};
use crate::error::Result;

pub(super) fn compile(network: &LinuxNetwork, to: &mut Settings) -> Result<()> {
    let class_id = set(network.class_id());
    let priorities = network.priorities().as_deref().unwrap_or_default();
    if !to.is_v1() {
        return match (class_id, priorities) {
            (Some(_), _) => Err(to.only("v1", "network.classID")),
            (None, [_, ..]) => Err(to.only("v1", "network.priorities")),
            (None, []) => Ok(()),
        };
    }
    if let Some(id) = class_id {
        to.push("net_cls", "network.classID", "net_cls.classid", id);
    }
    for (index, priority) in priorities.iter().enumerate() {
        let field = format!("network.priorities[{index}]");
        let (name, number) = (priority.name(), priority.priority());
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains('\0') {
            return Err(to.invalid(&field, "must have the name of an interface"));
        }
        to.push("net_prio", field, "net_prio.ifpriomap", format!("{name} {number}"));
    }
    Ok(())
}
