//! Times in documents.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970, or now, as RFC 3339 has it.
pub fn rfc3339(seconds: Option<i64>) -> String {
    let time = match seconds {
        Some(seconds) => UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        None => SystemTime::now(),
    };
    humantime::format_rfc3339(time).to_string()
}
