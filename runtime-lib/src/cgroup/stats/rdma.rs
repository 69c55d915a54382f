//! The rdma controller, the same in v1 and v2.

use crate::cgroup::files::Files;
use crate::error::Result;

/// Resources of one RDMA device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdmaEntry {
    /// The device's name.
    pub device: String,
    /// Handles of the host channel adapter.
    pub hca_handles: u32,
    /// Its objects.
    pub hca_objects: u32,
}

/// What is in use, and the limits.
pub(super) fn read(files: &Files) -> Result<(Vec<RdmaEntry>, Vec<RdmaEntry>)> {
    let list = |name: &str| files.parsed(name, entries).map(Option::unwrap_or_default);
    Ok((list("rdma.current")?, list("rdma.max")?))
}

/// `mlx4_0 hca_handle=2 hca_object=max`; unknown resources of newer kernels are passed over.
fn entries(text: &str) -> Option<Vec<RdmaEntry>> {
    let entry = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let mut entry = RdmaEntry { device: words.next()?.to_owned(), ..RdmaEntry::default() };
        for word in words {
            match word.split_once('=')? {
                ("hca_handle", value) => entry.hca_handles = number(value)?,
                ("hca_object", value) => entry.hca_objects = number(value)?,
                _ => {}
            }
        }
        Some(entry)
    };
    text.lines().map(entry).collect()
}

fn number(text: &str) -> Option<u32> {
    if text == "max" { Some(u32::MAX) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn devices_with_numbers_and_without_a_limit() {
        let text = "mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3 hca_object=max\n";
        let entry = |device: &str, hca_handles, hca_objects| RdmaEntry {
            device: device.into(),
            hca_handles,
            hca_objects,
        };
        let expected = vec![entry("mlx4_0", 2, 2000), entry("ocrdma1", 3, u32::MAX)];
        assert_eq!(entries(text), Some(expected));
        assert_eq!(entries(""), Some(vec![]));
        assert_eq!(entries("mlx4_0 hca_handle"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|([a-z0-9_]* hca_(handle|object)=[a-z0-9]*\n?)*") {
            let _ = entries(&text);
        }
    }
}
