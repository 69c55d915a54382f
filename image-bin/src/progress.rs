//! What is said while blobs come and go: a line for each on standard error.

use std::io::Write as _;

use libteu_image::registry::Progress;

use crate::size::human;

/// For the library, which calls it from several threads.
pub fn tell(progress: Progress) {
    let line = match progress {
        Progress::Begin { digest, size } => format!("{}: {}", short(&digest), human(size)),
        Progress::Done { digest } => format!("{}: done", short(&digest)),
        Progress::Present { digest } => format!("{}: already there", short(&digest)),
        _ => return,
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says nothing.
pub fn quiet(_: Progress) {}

fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
