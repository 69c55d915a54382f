//! The hugetlb controller.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::is_zero;
use crate::cgroup::files::Files;
use crate::error::{Error, Result};

/// One directory per page size, which the running kernel knows.
const PAGE_SIZES: &str = "/sys/kernel/mm/hugepages";

/// Huge pages of one size: reserved ones, and where the kernel does not count those (before 5.7), used ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hugetlb {
    /// Bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most that ever was, in bytes; v1 only.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

pub(super) fn read_v1(files: &Files) -> Result<BTreeMap<String, Hugetlb>> {
    by_size(|size| {
        for prefix in prefixes(size) {
            let number = |name| files.number(&format!("{prefix}.{name}"));
            if let Some(usage) = number("usage_in_bytes")? {
                let max = number("max_usage_in_bytes")?.unwrap_or_default();
                let failcnt = number("failcnt")?.unwrap_or_default();
                return Ok(Some(Hugetlb { usage, max, failcnt }));
            }
        }
        Ok(None)
    })
}

pub(super) fn read_v2(files: &Files) -> Result<BTreeMap<String, Hugetlb>> {
    by_size(|size| {
        for prefix in prefixes(size) {
            if let Some(usage) = files.number(&format!("{prefix}.current"))? {
                let events = files.table(&format!("hugetlb.{size}.events"))?.unwrap_or_default();
                let failcnt = events.get("max").copied().unwrap_or_default();
                return Ok(Some(Hugetlb { usage, max: 0, failcnt }));
            }
        }
        Ok(None)
    })
}

fn prefixes(size: &str) -> [String; 2] {
    [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")]
}

/// Calls `read` for each page size; sizes that it gives nothing for are left out.
fn by_size(
    mut read: impl FnMut(&str) -> Result<Option<Hugetlb>>,
) -> Result<BTreeMap<String, Hugetlb>> {
    let mut all = BTreeMap::new();
    for size in page_sizes(Path::new(PAGE_SIZES))? {
        if let Some(stats) = read(&size)? {
            all.insert(size, stats);
        }
    }
    Ok(all)
}

/// None in a kernel without huge pages.
fn page_sizes(dir: &Path) -> Result<Vec<String>> {
    let list = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| Error::io("read directory", dir, &e))?,
    };
    let mut sizes = Vec::new();
    for item in list {
        let item = item.map_err(|e| Error::io("read directory", dir, &e))?;
        sizes.extend(item.file_name().to_str().and_then(page_size));
    }
    Ok(sizes)
}

/// `hugepages-2048kB` is `2MB` in the names of the controller (mm/hugetlb_cgroup.c, `mem_fmt`).
fn page_size(name: &str) -> Option<String> {
    let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kilobytes {
        n if n >= 1 << 20 => format!("{}GB", n >> 20),
        n if n >= 1 << 10 => format!("{}MB", n >> 10),
        n => format!("{n}KB"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_named_as_the_controller_does() {
        for (name, size) in [
            ("hugepages-64kB", Some("64KB")),
            ("hugepages-2048kB", Some("2MB")),
            ("hugepages-1048576kB", Some("1GB")),
            ("hugepages-2048", None),
            ("hugepages-xkB", None),
            ("other", None),
        ] {
            assert_eq!(page_size(name).as_deref(), size, "{name}");
        }
    }

    #[test]
    fn reserved_pages_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let files = Files::open(dir.path()).unwrap();
        assert!(read_v2(&files).unwrap().is_empty());
        let Some(size) = page_sizes(Path::new(PAGE_SIZES)).unwrap().pop() else { return };
        write(&format!("hugetlb.{size}.current"), "1\n");
        write(&format!("hugetlb.{size}.events"), "max 3\n");
        assert_eq!(read_v2(&files).unwrap()[&size], Hugetlb { usage: 1, max: 0, failcnt: 3 });
        write(&format!("hugetlb.{size}.rsvd.current"), "2\n");
        assert_eq!(read_v2(&files).unwrap()[&size].usage, 2);
        write(&format!("hugetlb.{size}.usage_in_bytes"), "4\n");
        write(&format!("hugetlb.{size}.max_usage_in_bytes"), "5\n");
        write(&format!("hugetlb.{size}.failcnt"), "6\n");
        assert_eq!(read_v1(&files).unwrap()[&size], Hugetlb { usage: 4, max: 5, failcnt: 6 });
    }

    proptest! {
        #[test]
        fn never_panics(name in "\\PC*|hugepages-[0-9]*kB") {
            let _ = page_size(&name);
        }
    }
}
