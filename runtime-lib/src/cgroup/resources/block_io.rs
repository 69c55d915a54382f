//! `blockIO`.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice, LinuxWeightDevice};

use super::{Missing, Settings, set};
use crate::cgroup::convert;
use crate::error::Result;

/// A kind of throttle: its field, its file on v1, its key in `io.max`.
struct Throttle(&'static str, &'static str, &'static str);

const READ_BPS: Throttle =
    Throttle("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps");
const WRITE_BPS: Throttle =
    Throttle("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps");
const READ_IOPS: Throttle =
    Throttle("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops");
const WRITE_IOPS: Throttle =
    Throttle("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops");

pub(super) fn compile(io: &LinuxBlockIo, to: &mut Settings) -> Result<()> {
    if let Some(weight) = set(io.weight()) {
        let weight = possible(to, "blockIO.weight", weight)?;
        push_weight(to, "blockIO.weight".into(), None, weight);
    }
    if let Some(weight) = set(io.leaf_weight()) {
        let value = possible(to, "blockIO.leafWeight", weight)?.to_string();
        push_leaf(to, "blockIO.leafWeight".to_owned(), "blkio.leaf_weight", value)?;
    }
    let devices = io.weight_device().as_deref().unwrap_or_default();
    devices.iter().enumerate().try_for_each(|(index, device)| device_weight(index, device, to))?;
    for (throttle, devices) in [
        (READ_BPS, io.throttle_read_bps_device()),
        (WRITE_BPS, io.throttle_write_bps_device()),
        (READ_IOPS, io.throttle_read_iops_device()),
        (WRITE_IOPS, io.throttle_write_iops_device()),
    ] {
        let devices = devices.as_deref().unwrap_or_default();
        devices.iter().enumerate().for_each(|(index, device)| push(to, &throttle, index, *device));
    }
    Ok(())
}

fn device_weight(index: usize, device: &LinuxWeightDevice, to: &mut Settings) -> Result<()> {
    let number = format!("{}:{}", device.major(), device.minor());
    let field = |name: &str| format!("blockIO.weightDevice[{index}].{name}");
    if let Some(weight) = set(device.weight()) {
        let field = field("weight");
        let weight = possible(to, &field, weight)?;
        push_weight(to, field, Some(&number), weight);
    }
    if let Some(weight) = set(device.leaf_weight()) {
        let field = field("leafWeight");
        let value = format!("{number} {}", possible(to, &field, weight)?);
        push_leaf(to, field, "blkio.leaf_weight_device", value)?;
    }
    Ok(())
}

/// Either scheduler's file, whichever the kernel has: CFQ's (Linux 4) or BFQ's on v1; on v2 BFQ's as
/// runc, else that of io.cost, whose weights are on another scale.
fn push_weight(to: &mut Settings, field: String, device: Option<&str>, weight: u16) {
    let of_device = device.map(|number| format!("{number} ")).unwrap_or_default();
    let plain = format!("{of_device}{weight}");
    let (file, instead, value) = match (to.is_v1(), device) {
        (true, None) => ("blkio.bfq.weight", "blkio.weight", plain.clone()),
        (true, Some(_)) => ("blkio.bfq.weight_device", "blkio.weight_device", plain.clone()),
        (false, _) => {
            let converted = format!("{of_device}{}", convert::io_weight(weight));
            ("io.bfq.weight", "io.weight", converted)
        }
    };
    let missing = Missing::Instead(instead.into(), value);
    let controller = controller(to);
    to.add(controller, field.into(), file.into(), plain, missing);
}

fn push_leaf(to: &mut Settings, field: String, file: &'static str, value: String) -> Result<()> {
    if !to.is_v1() {
        return Err(to.only("v1", &field));
    }
    to.push("blkio", field, file, value);
    Ok(())
}

/// A rate of 0 takes the limit away, on v1 by itself.
fn push(to: &mut Settings, throttle: &Throttle, index: usize, device: LinuxThrottleDevice) {
    let Throttle(name, file, key) = *throttle;
    let field = format!("blockIO.{name}[{index}]");
    let (major, minor, rate) = (device.major(), device.minor(), device.rate());
    // v1 would cut larger numbers of operations to their lower half; 32 bits are "no limit".
    let rate = if key.ends_with("iops") { rate.min(u32::MAX.into()) } else { rate };
    let (file, value) = match (to.is_v1(), rate) {
        (true, rate) => (file, format!("{major}:{minor} {rate}")),
        (false, 0) => ("io.max", format!("{major}:{minor} {key}=max")),
        (false, rate) => ("io.max", format!("{major}:{minor} {key}={rate}")),
    };
    match rate {
        0 => to.push_unlimited(controller(to), field, file, value),
        _ => to.push(controller(to), field, file, value),
    }
}

fn controller(to: &Settings) -> &'static str {
    if to.is_v1() { "blkio" } else { "io" }
}

fn possible(to: &Settings, field: &str, weight: u16) -> Result<u16> {
    match weight {
        10..=1000 => Ok(weight),
        _ => Err(to.invalid(field, format!("must be from 10 to 1000, is {weight}"))),
    }
}
