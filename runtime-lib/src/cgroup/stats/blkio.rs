//! Block devices: the tables of blkio in v1, `io.stat` of v2.

use serde::Serialize;

use super::is_zero;
use super::pressure::{self, Pressure};
use crate::cgroup::files::Files;
use crate::error::Result;

/// Traffic with block devices, of the container with its sub-cgroups. Which tables of v1 are filled
/// depends on the I/O scheduler; v2 has bytes and operations alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Blkio {
    /// Bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Operations that wait at this moment.
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    /// Nanoseconds between dispatch and end, added up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    /// Nanoseconds in the scheduler's queues, added up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    /// Requests that were merged into others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    /// Milliseconds for which the device was the container's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    /// Sectors of 512 bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// How long processes waited for I/O; v2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One number for one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlkioEntry {
    /// The device's major number.
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    /// Its minor number.
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard` or `Total`; empty in tables that do not tell.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

type Table = fn(&mut Blkio) -> &mut Vec<BlkioEntry>;

/// The files of BFQ, and under another prefix those that CFQ had.
const SCHEDULER: [(&str, Table); 8] = [
    ("sectors_recursive", |b| &mut b.sectors_recursive),
    ("io_service_time_recursive", |b| &mut b.io_service_time_recursive),
    ("io_wait_time_recursive", |b| &mut b.io_wait_time_recursive),
    ("io_merged_recursive", |b| &mut b.io_merged_recursive),
    ("io_queued_recursive", |b| &mut b.io_queued_recursive),
    ("time_recursive", |b| &mut b.io_time_recursive),
    ("io_serviced_recursive", |b| &mut b.io_serviced_recursive),
    ("io_service_bytes_recursive", |b| &mut b.io_service_bytes_recursive),
];
/// Those of BFQ in a kernel without CONFIG_BFQ_CGROUP_DEBUG, and of the throttling layer.
const TRAFFIC: [(&str, Table); 2] = [
    ("io_serviced_recursive", |b| &mut b.io_serviced_recursive),
    ("io_service_bytes_recursive", |b| &mut b.io_service_bytes_recursive),
];
/// Those of the throttling layer before Linux 4.20.
const BASE: [(&str, Table); 2] = [
    ("io_serviced", |b| &mut b.io_serviced_recursive),
    ("io_service_bytes", |b| &mut b.io_service_bytes_recursive),
];

/// Who counts, by prefix, the most talkative first. The first whose first file says something is asked.
const COUNTERS: [(&str, &[(&str, Table)]); 5] = [
    ("blkio.bfq", &SCHEDULER),
    ("blkio.bfq", &TRAFFIC),
    ("blkio", &SCHEDULER),
    ("blkio.throttle", &TRAFFIC),
    ("blkio.throttle", &BASE),
];

pub(super) fn read_v1(files: &Files) -> Result<Blkio> {
    let mut blkio = Blkio::default();
    for (prefix, tables) in COUNTERS {
        if fill(&mut blkio, files, prefix, tables)? {
            break;
        }
    }
    Ok(blkio)
}

/// False if the first table says nothing.
fn fill(blkio: &mut Blkio, files: &Files, prefix: &str, tables: &[(&str, Table)]) -> Result<bool> {
    for (index, (name, table)) in tables.iter().enumerate() {
        let entries = files.parsed(&format!("{prefix}.{name}"), entries)?.unwrap_or_default();
        if entries.is_empty() {
            return Ok(index > 0);
        }
        *table(blkio) = entries;
    }
    Ok(true)
}

/// `8:0 Read 1282048` or `8:0 6792` in each line; the sum at the end is passed over.
fn entries(text: &str) -> Option<Vec<BlkioEntry>> {
    let lines = text.lines().filter(|line| !line.starts_with("Total "));
    lines
        .map(|line| {
            let (device, rest) = line.split_once(' ')?;
            let (op, value) = rest.split_once(' ').unwrap_or(("", rest));
            entry(device, op, value)
        })
        .collect()
}

fn entry(device: &str, op: &str, value: &str) -> Option<BlkioEntry> {
    let (major, minor) = device.split_once(':')?;
    Some(BlkioEntry {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        op: op.to_owned(),
        value: value.trim().parse().ok()?,
    })
}

pub(super) fn read_v2(files: &Files) -> Result<Blkio> {
    let psi = pressure::read(files, "io.pressure")?;
    Ok(Blkio { psi, ..files.parsed("io.stat", traffic)?.unwrap_or_default() })
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. Some kernels put devices that have
/// nothing to tell before another one in the same line (`7:1 7:0 8:0 rbytes=...`).
fn traffic(text: &str) -> Option<Blkio> {
    let mut blkio = Blkio::default();
    for line in text.lines() {
        let mut device = "";
        for word in line.split_ascii_whitespace() {
            match word.split_once('=') {
                None => device = word,
                Some((key, value)) => {
                    let (op, table) = match key {
                        "rbytes" => ("Read", &mut blkio.io_service_bytes_recursive),
                        "wbytes" => ("Write", &mut blkio.io_service_bytes_recursive),
                        "rios" => ("Read", &mut blkio.io_serviced_recursive),
                        "wios" => ("Write", &mut blkio.io_serviced_recursive),
                        _ => continue,
                    };
                    table.push(entry(device, op, value)?);
                }
            }
        }
    }
    Some(blkio)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn of(major: u64, minor: u64, op: &str, value: u64) -> BlkioEntry {
        BlkioEntry { major, minor, op: op.to_owned(), value }
    }

    #[test]
    fn lines_with_and_without_an_operation() {
        let text = "8:0 Read 5\n8:0 Total 5\n253:16 9\nTotal 14\n";
        let expected = vec![of(8, 0, "Read", 5), of(8, 0, "Total", 5), of(253, 16, "", 9)];
        assert_eq!(entries(text), Some(expected));
        assert_eq!(entries("Total 0\n"), Some(vec![]));
        for wrong in ["8:0\n", "8 Read 1\n", "8:0 Read x\n", "x:0 1\n"] {
            assert_eq!(entries(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn v2_is_sorted_into_the_tables_of_v1() {
        let blkio = traffic("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n").unwrap();
        let tables = (blkio.io_service_bytes_recursive, blkio.io_serviced_recursive);
        let expected = (
            vec![of(8, 0, "Read", 1), of(8, 0, "Write", 2)],
            vec![of(8, 0, "Read", 3), of(8, 0, "Write", 4)],
        );
        assert_eq!(tables, expected);
    }

    #[test]
    fn numbers_belong_to_the_last_device_before_them() {
        let blkio = traffic("7:1 7:0 8:0 rbytes=9\n7:2\n").unwrap();
        assert_eq!(blkio.io_service_bytes_recursive, [of(8, 0, "Read", 9)]);
    }

    #[test]
    fn the_first_that_counts_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("blkio.bfq.io_serviced_recursive", "Total 0\n");
        write("blkio.throttle.io_serviced_recursive", "8:0 Read 2\nTotal 2\n");
        write("blkio.throttle.io_service_bytes_recursive", "8:0 Read 1024\nTotal 1024\n");
        write("blkio.throttle.io_serviced", "8:0 Read 1\nTotal 1\n");
        let blkio = read_v1(&Files::open(dir.path()).unwrap()).unwrap();
        assert_eq!(blkio.io_serviced_recursive, [of(8, 0, "Read", 2)]);
        assert_eq!(blkio.io_service_bytes_recursive, [of(8, 0, "Read", 1024)]);
        assert_eq!(blkio.sectors_recursive, []);
    }

    proptest! {
        #[test]
        fn parsers_never_panic(text in "\\PC*|([0-9]{1,3}:[0-9]{1,3}|rbytes=|[0-9 \na-z=:])*") {
            let _ = (entries(&text), traffic(&text));
        }
    }
}
