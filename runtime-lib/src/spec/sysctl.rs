//! Names of kernel parameters, in both spellings of sysctl(8).

use std::path::{Path, PathBuf};

/// The file of a parameter, relative to `/proc/sys`, or `None` if the name is none.
///
/// The first separator decides: `net.ipv4.conf.eno2/100.x` and `net/ipv4/conf/eno2.100/x` are the
/// same. No component can be empty, `.` or `..`, so the path stays where it is.
pub(crate) fn sysctl_path(name: &str) -> Option<PathBuf> {
    let slashes = name.find(['.', '/']).is_some_and(|at| name.get(at..=at) == Some("/"));
    let separator = if slashes { '/' } else { '.' };
    let parts = name.split(separator).map(|part| part.replace('/', ".")).collect::<Vec<_>>();
    let sound = |part: &String| !matches!(part.as_str(), "" | "." | "..") && !part.contains('\0');
    (parts.len() > 1 && parts.iter().all(sound)).then(|| parts.iter().map(Path::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_file() {
        for name in ["net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"] {
            let path = sysctl_path(name).unwrap();
            assert_eq!(path, Path::new("net/ipv4/conf/eno2.100/rp_filter"));
        }
        assert_eq!(sysctl_path("kernel.sem").unwrap(), Path::new("kernel/sem"));
    }

    #[test]
    fn names_never_leave_proc_sys() {
        for name in [
            "",
            ".",
            "/",
            "net",
            "net..x",
            "net/../kernel/x",
            "/net/x",
            ".net.x",
            "net.//.x",
            "net./.x",
            "net/./x",
            "net.x.",
            "net/x/",
            "net.a\0b",
            "..net",
        ] {
            assert_eq!(sysctl_path(name), None, "{name:?}");
        }
    }
}
