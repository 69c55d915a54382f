//! `cpu.cpus` and `cpu.mems`: the same files on v1 and v2.

use oci_spec::runtime::LinuxCpu;

use super::Settings;
use crate::error::Result;

pub(super) fn compile(cpu: &LinuxCpu, to: &mut Settings) -> Result<()> {
    for (field, file, list) in
        [("cpu.cpus", "cpuset.cpus", cpu.cpus()), ("cpu.mems", "cpuset.mems", cpu.mems())]
    {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
            to.text(field, list)?;
            to.push("cpuset", field, file, list);
        }
    }
    Ok(())
}
