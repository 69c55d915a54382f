//! `hugepageLimits`.

use oci_spec::runtime::LinuxHugepageLimit;

use super::Settings;
use crate::error::Result;

const HUGETLB: &str = "hugetlb";

/// Limits what is used and what is reserved (Linux 5.7), as the specification wants.
pub(super) fn compile(limits: &[LinuxHugepageLimit], to: &mut Settings) -> Result<()> {
    let suffix = if to.is_v1() { "limit_in_bytes" } else { "max" };
    for (index, limit) in limits.iter().enumerate() {
        let (size, bytes) = (limit.page_size(), limit.limit());
        if !is_page_size(size) {
            let problem = format!("{size:?}: must be a size such as 2MB or 1GB");
            return Err(to.invalid(&format!("hugepageLimits[{index}].pageSize"), problem));
        }
        let field = format!("hugepageLimits[{index}].limit");
        if bytes < 0 {
            return Err(to.invalid(&field, "must not be negative"));
        }
        to.push(HUGETLB, field.clone(), format!("hugetlb.{size}.{suffix}"), bytes);
        to.push(HUGETLB, field, format!("hugetlb.{size}.rsvd.{suffix}"), bytes);
    }
    Ok(())
}

/// It becomes part of a file's name.
fn is_page_size(text: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}
