//! What CRIU's log says of a failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A log of so many bytes has said what went wrong long before.
const LONGEST: u64 = 64 << 20;

/// The errors before CRIU gave up, which mostly tell of one another: the first, and the last if it is
/// another one.
pub(crate) fn errors(log: &Path) -> Option<String> {
    let mut lines = BufReader::new(File::open(log).ok()?.take(LONGEST));
    let mut line = Vec::new();
    let (mut first, mut last) = (None, None);
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let error = error_of(&String::from_utf8_lossy(&line));
        line.clear();
        if error.as_ref().is_some_and(|error| error.ends_with("FAILED.")) {
            break;
        }
        match (&first, error) {
            (_, None) => {}
            (None, error) => first = error,
            (Some(_), error) => last = error,
        }
    }
    Some([first?].into_iter().chain(last).collect::<Vec<_>>().join("; "))
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
    fn they_are_those_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("dump.log");
        let told = |text: &[u8]| {
            std::fs::write(&log, text).unwrap();
            errors(&log)
        };
        let one = "(00.01) Warn  (criu/x.c:1): no\n(00.02)     42: Error (criu/a.c:17): Can't\n";
        let end =
            "(00.03) Error (criu/cr-dump.c:20): Dumping FAILED.\n(00.04) Error (criu/z.c:1): z\n";
        let told_one = told(format!("{one}{end}").as_bytes());
        assert_eq!(told_one.as_deref(), Some("Error (criu/a.c:17): Can't"));
        let more = "(00.02) Error (criu/b.c:1): between\n(00.02) Error (criu/c.c:1): last\n";
        let both = told(format!("{one}{more}{end}").as_bytes());
        assert_eq!(both.as_deref(), Some("Error (criu/a.c:17): Can't; Error (criu/c.c:1): last"));
        assert_eq!(told(b"\xff\xfe\n"), None);
        assert_eq!(told(end.as_bytes()), None);
        assert_eq!(errors(&dir.path().join("none")), None);
    }
}
