//! Cgroups below a container's that an exec starts in.

use std::path::{Component, Path};

use super::SubCgroup;
use crate::cgroup::Paths;
use crate::error::{Error, Result};

/// Where an exec's process goes: the container's own places, or what `wanted` says of them. The words
/// are runc's.
pub(super) fn below(paths: &Paths, wanted: &[SubCgroup]) -> Result<Paths> {
    let mut paths = paths.clone();
    for sub in wanted {
        let path = inner(&sub.path)?;
        if sub.controllers.is_empty() {
            paths.v1.iter_mut().chain(&mut paths.unified).for_each(|place| place.dir.push(path));
            continue;
        }
        for controller in &sub.controllers {
            let place = paths.v1.iter_mut().find(|place| place.has(controller));
            let place = place.ok_or_else(|| {
                refused(format!("unknown controller {controller} in SubCgroupPaths"))
            })?;
            place.dir.push(path);
        }
    }
    let missing = paths.places().find(|place| !wanted.is_empty() && !place.dir.is_dir());
    match missing {
        Some(place) => Err(refused(format!(
            "adding pid of the process to cgroups: {}: no such file or directory",
            place.dir.display()
        ))),
        None => Ok(paths),
    }
}

/// The path without its leading slashes; one that leads upwards is refused.
fn inner(path: &Path) -> Result<&Path> {
    let downwards = |part: Component<'_>| !matches!(part, Component::ParentDir);
    if !path.components().all(downwards) {
        return Err(refused(format!("bad sub cgroup path: {}", path.display())));
    }
    Ok(path.strip_prefix("/").unwrap_or(path))
}

fn refused(reason: String) -> Error {
    Error::unsupported("--cgroup", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::{Mode, Place};

    fn paths(dir: &Path) -> Paths {
        let place = |controllers: &[&str], name: &str| {
            let place = dir.join(name).join("c");
            std::fs::create_dir_all(place.join("sub")).unwrap();
            let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
            Place { controllers, mount: dir.join(name), dir: place }
        };
        let v1 = vec![place(&["cpu", "cpuacct"], "cpu"), place(&["pids"], "pids")];
        Paths { mode: Mode::V1, v1, unified: Some(place(&[], "unified")), ..Paths::default() }
    }

    fn sub(controllers: &[&str], path: &str) -> SubCgroup {
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        SubCgroup { controllers, path: path.into() }
    }

    #[test]
    fn a_path_alone_counts_in_every_hierarchy() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["sub", "/sub", "//sub/"] {
            let paths = below(&paths(dir.path()), &[sub(&[], path)]).unwrap();
            assert!(paths.places().all(|place| place.dir.ends_with("c/sub")));
        }
    }

    #[test]
    fn controllers_have_paths_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let paths = below(&paths(dir.path()), &[sub(&["pids"], "/sub")]).unwrap();
        let ends: Vec<_> = paths.places().map(|place| place.dir.ends_with("sub")).collect();
        assert_eq!(ends, [false, true, false]);
    }

    #[test]
    fn what_leads_out_or_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        for (wanted, words) in [
            (sub(&[], "../x"), "bad sub cgroup path"),
            (sub(&["pids"], "sub/../../x"), "bad sub cgroup path"),
            (sub(&["nosuch"], "sub"), "unknown controller nosuch"),
            (sub(&[], "missing"), "no such file or directory"),
            (sub(&[], "missing"), "adding pid of the process to cgroups: "),
        ] {
            let text = below(&paths, &[wanted]).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
