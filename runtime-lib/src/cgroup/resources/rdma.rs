//! `rdma`: the same file on v1 and v2.

use std::collections::{BTreeMap, HashMap};

use oci_spec::runtime::LinuxRdma;

use super::Settings;
use crate::error::Result;

pub(super) fn compile(devices: &HashMap<String, LinuxRdma>, to: &mut Settings) -> Result<()> {
    for (name, limits) in devices.iter().collect::<BTreeMap<_, _>>() {
        let field = format!("rdma.{name}");
        // Other words in the line would be limits that nobody asked for.
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains('\0') {
            return Err(to.invalid(&field, "must be the name of a device"));
        }
        let handles = limits.hca_handles().map(|n| format!(" hca_handle={n}"));
        let objects = limits.hca_objects().map(|n| format!(" hca_object={n}"));
        if handles.is_none() && objects.is_none() {
            return Err(to.invalid(&field, "must have hcaHandles, hcaObjects or both"));
        }
        let limits = [handles, objects].into_iter().flatten().collect::<String>();
        to.push("rdma", field, "rdma.max", format!("{name}{limits}"));
    }
    Ok(())
}
