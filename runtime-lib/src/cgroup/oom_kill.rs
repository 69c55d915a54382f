//! Whether the kernel has killed for want of memory.

use nix::fcntl::AT_FDCWD;

use super::layout::Mode;
use super::paths::Paths;
use crate::fdio;

/// How many processes of the container the out-of-memory killer has ended. 0 if that is not known.
pub(super) fn count(paths: &Paths) -> u64 {
    let file = match paths.mode {
        Mode::V1 => paths.v1_dir("memory").map(|dir| dir.join("memory.oom_control")),
        Mode::V2 => paths.unified.as_ref().map(|place| place.dir.join("memory.events")),
    };
    let data = file.and_then(|file| fdio::read_short(AT_FDCWD, &file).ok()).unwrap_or_default();
    in_text(&String::from_utf8_lossy(&data)).unwrap_or(0)
}

fn in_text(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_the_same_line() {
        assert_eq!(in_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(in_text("low 0\noom 1\noom_kill 2\noom_group_kill 9\n"), Some(2));
        assert_eq!(in_text("oom_kill_disable 0\n"), None);
    }
}
