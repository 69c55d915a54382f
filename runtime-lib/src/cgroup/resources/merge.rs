//! What an update changes. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxNetwork, LinuxResources,
    LinuxThrottleDevice, LinuxWeightDevice,
};

use super::set;

/// What is asked for after `update` on top of `old`: what the update does not set stays.
pub(crate) fn merged(old: &LinuxResources, update: &LinuxResources) -> LinuxResources {
    let mut new = old.clone();
    new.set_memory(both(old.memory(), update.memory(), memory));
    new.set_cpu(both(old.cpu(), update.cpu(), cpu));
    new.set_block_io(both(old.block_io(), update.block_io(), block_io));
    new.set_network(both(old.network(), update.network(), network));
    new.set_pids(update.pids().or(*old.pids()));
    new.set_hugepage_limits(both(old.hugepage_limits(), update.hugepage_limits(), |a, b| {
        upserted(a, b, |limit: &LinuxHugepageLimit| limit.page_size().clone())
    }));
    new.set_rdma(both(old.rdma(), update.rdma(), overlaid));
    new.set_unified(both(old.unified(), update.unified(), overlaid));
    new.set_devices(update.devices().clone().or_else(|| old.devices().clone()));
    new
}

/// The update with what its values mean nothing without: a limit of swap is written as its distance
/// from that of memory, and a quota goes with a period. Only this is written: what others did to the
/// other files since is not undone.
pub(crate) fn widened(update: &LinuxResources, merged: &LinuxResources) -> LinuxResources {
    let mut wide = update.clone();
    if let (Some(asked), Some(all)) = (wide.memory_mut().as_mut(), merged.memory())
        && (set(asked.limit()).is_some() || set(asked.swap()).is_some())
    {
        asked.set_limit(all.limit());
        asked.set_swap(all.swap());
    }
    if let (Some(asked), Some(all)) = (wide.cpu_mut().as_mut(), merged.cpu())
        && (set(asked.quota()).is_some() || set(asked.period()).is_some())
    {
        asked.set_quota(all.quota());
        asked.set_period(all.period());
    }
    wide
}

fn both<T: Clone>(old: &Option<T>, update: &Option<T>, merge: impl Fn(&T, &T) -> T) -> Option<T> {
    match (old, update) {
        (Some(old), Some(update)) => Some(merge(old, update)),
        (old, update) => update.clone().or_else(|| old.clone()),
    }
}

/// 0 does not set anything.
fn newer<T: Default + PartialEq>(old: Option<T>, update: Option<T>) -> Option<T> {
    set(update).or(old)
}

fn text(old: &Option<String>, update: &Option<String>) -> Option<String> {
    update.clone().filter(|text| !text.is_empty()).or_else(|| old.clone())
}

fn memory(old: &LinuxMemory, update: &LinuxMemory) -> LinuxMemory {
    let mut new = *old;
    new.set_limit(newer(old.limit(), update.limit()));
    new.set_swap(newer(old.swap(), update.swap()));
    // No limit of memory leaves none of memory+swap, as in runc.
    if update.limit() == Some(-1) && set(update.swap()).is_none() {
        new.set_swap(None);
    }
    new.set_reservation(newer(old.reservation(), update.reservation()));
    #[allow(deprecated)] // It is kept like the others.
    new.set_kernel(newer(old.kernel(), update.kernel()));
    new.set_kernel_tcp(newer(old.kernel_tcp(), update.kernel_tcp()));
    new.set_swappiness(update.swappiness().or(old.swappiness()));
    new.set_disable_oom_killer(update.disable_oom_killer().or(old.disable_oom_killer()));
    new.set_use_hierarchy(update.use_hierarchy().or(old.use_hierarchy()));
    new.set_check_before_update(update.check_before_update().or(old.check_before_update()));
    new
}

fn cpu(old: &LinuxCpu, update: &LinuxCpu) -> LinuxCpu {
    let mut new = old.clone();
    new.set_shares(newer(old.shares(), update.shares()));
    // The kernel forgets the weight, either way.
    if update.idle().is_some() && set(update.shares()).is_none() {
        new.set_shares(None);
    }
    new.set_quota(newer(old.quota(), update.quota()));
    new.set_period(newer(old.period(), update.period()));
    new.set_burst(update.burst().or(old.burst()));
    // A weight is taken for a cgroup alone that is not idle, or that systemd makes so no more.
    let kept = if set(update.shares()).is_some() { old.idle().map(|_| 0) } else { old.idle() };
    new.set_idle(update.idle().or(kept));
    new.set_realtime_period(newer(old.realtime_period(), update.realtime_period()));
    new.set_realtime_runtime(newer(old.realtime_runtime(), update.realtime_runtime()));
    new.set_cpus(text(old.cpus(), update.cpus()));
    new.set_mems(text(old.mems(), update.mems()));
    new
}

fn block_io(old: &LinuxBlockIo, update: &LinuxBlockIo) -> LinuxBlockIo {
    let throttles = |old: &Option<Vec<_>>, update: &Option<Vec<_>>| {
        both(old, update, |a, b| {
            upserted(a, b, |device: &LinuxThrottleDevice| (device.major(), device.minor()))
        })
    };
    let mut new = old.clone();
    new.set_weight(newer(old.weight(), update.weight()));
    new.set_leaf_weight(newer(old.leaf_weight(), update.leaf_weight()));
    new.set_weight_device(both(old.weight_device(), update.weight_device(), |a, b| {
        upserted(a, b, |device: &LinuxWeightDevice| (device.major(), device.minor()))
    }));
    let read = throttles(old.throttle_read_bps_device(), update.throttle_read_bps_device());
    new.set_throttle_read_bps_device(read);
    let write = throttles(old.throttle_write_bps_device(), update.throttle_write_bps_device());
    new.set_throttle_write_bps_device(write);
    let read = throttles(old.throttle_read_iops_device(), update.throttle_read_iops_device());
    new.set_throttle_read_iops_device(read);
    let write = throttles(old.throttle_write_iops_device(), update.throttle_write_iops_device());
    new.set_throttle_write_iops_device(write);
    new
}

fn network(old: &LinuxNetwork, update: &LinuxNetwork) -> LinuxNetwork {
    let mut new = old.clone();
    new.set_class_id(newer(old.class_id(), update.class_id()));
    new.set_priorities(both(old.priorities(), update.priorities(), |a, b| {
        upserted(a, b, |priority: &oci_spec::runtime::LinuxInterfacePriority| {
            priority.name().clone()
        })
    }));
    new
}

/// Entries of the update replace those of the same key, others are added.
fn upserted<T: Clone, K: PartialEq>(old: &[T], update: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
    let kept = old.iter().filter(|old| update.iter().all(|new| key(new) != key(old)));
    kept.chain(update).cloned().collect()
}

fn overlaid<K: Clone + Eq + Hash, V: Clone>(
    old: &HashMap<K, V>,
    update: &HashMap<K, V>,
) -> HashMap<K, V> {
    let mut new = old.clone();
    new.extend(update.iter().map(|(key, value)| (key.clone(), value.clone())));
    new
}
