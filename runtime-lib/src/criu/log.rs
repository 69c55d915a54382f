//! What CRIU's log says of a failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A log of so many bytes has said what went wrong long before.
const LONGEST: u64 = 64 << 20;

/// The first line with an error: those that follow mostly tell how it was passed on.
pub(crate) fn first_error(log: &Path) -> Option<String> {
    let mut lines = BufReader::new(File::open(log).ok()?.take(LONGEST));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if let Some(error) = error_of(&String::from_utf8_lossy(&line)) {
            return Some(error);
        }
    }
}

/// `(00.012345)    42: Error (criu/mount.c:1): words` without time and pid.
fn error_of(line: &str) -> Option<String> {
    let at = line.find("Error (")?;
    Some(line.get(at..)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_first_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("dump.log");
        let text = "(00.01) Warn  (criu/x.c:1): no\n(00.02)     42: Error (criu/files-reg.c:17): \
                    Can't \u{1}\n(00.03) Error (criu/cr-dump.c:20): Dumping FAILED.\n";
        std::fs::write(&log, text).unwrap();
        let error = first_error(&log).unwrap();
        assert_eq!(error, "Error (criu/files-reg.c:17): Can't \u{1}");
        std::fs::write(&log, b"\xff\xfe\n").unwrap();
        assert_eq!(first_error(&log), None);
        assert_eq!(first_error(&dir.path().join("none")), None);
    }
}
