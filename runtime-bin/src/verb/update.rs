//! `teu update`.

use std::fs::File;
use std::path::Path;

use libteu::{CacheShares, read_resources};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

use crate::cli::update::{Limits, Update, Value};
use crate::failure::Failure;
use crate::verb::Context;

/// Changes the limits that were named, those of a file alone if there is one.
pub fn run(args: &Update, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    let resources = match args.resources() {
        Some(file) => read(&file)?,
        None => from_flags(&args.limits),
    };
    Ok(container.update_with(&resources, &shares(&args.limits))?)
}

/// Flags of no field of a file, which count beside one as well.
fn shares(limits: &Limits) -> CacheShares {
    let mut shares = CacheShares::default();
    shares.l3_cache_schema.clone_from(&limits.l3_cache_schema);
    shares.mem_bw_schema.clone_from(&limits.mem_bw_schema);
    shares
}

fn read(file: &Path) -> Result<LinuxResources, Failure> {
    if file == Path::new("-") {
        return Ok(read_resources(std::io::stdin().lock(), Path::new("standard input"))?);
    }
    let open = File::open(file).map_err(|e| Failure::file("open", file, &e))?;
    Ok(read_resources(open, file)?)
}

fn from_flags(limits: &Limits) -> LinuxResources {
    let mut resources = LinuxResources::default();
    resources.set_memory(Some(memory(limits)));
    resources.set_cpu(Some(cpu(limits)));
    let mut io = LinuxBlockIo::default();
    io.set_weight(given(limits.blkio_weight));
    resources.set_block_io(Some(io));
    resources.set_pids(given(limits.pids_limit).map(|limit| {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        pids
    }));
    resources
}

fn memory(limits: &Limits) -> LinuxMemory {
    let mut memory = LinuxMemory::default();
    memory.set_limit(given(limits.memory));
    memory.set_swap(given(limits.memory_swap));
    memory.set_reservation(given(limits.memory_reservation));
    #[allow(deprecated)] // The flag is, too.
    memory.set_kernel(given(limits.kernel_memory));
    memory.set_kernel_tcp(given(limits.kernel_memory_tcp));
    memory
}

fn cpu(limits: &Limits) -> LinuxCpu {
    let list = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(given(limits.cpu_share));
    cpu.set_quota(given(limits.cpu_quota));
    cpu.set_period(given(limits.cpu_period));
    cpu.set_burst(given(limits.cpu_burst));
    cpu.set_idle(given(limits.cpu_idle));
    cpu.set_realtime_runtime(given(limits.cpu_rt_runtime));
    cpu.set_realtime_period(given(limits.cpu_rt_period));
    cpu.set_cpus(list(&limits.cpuset_cpus));
    cpu.set_mems(list(&limits.cpuset_mems));
    cpu
}

fn given<T>(flag: Option<Value<T>>) -> Option<T> {
    flag.and_then(|value| value.0)
}
