//! A mount of type cgroup where there are v1 hierarchies: a tmpfs with one directory for each.

use super::detached::new_mount;
use super::mounts::{Entry, attach, attributes, finish, target};
use super::rootfs::{AT_RECURSIVE, MOUNT_ATTR_RDONLY};
use super::{Compiler, lsm};
use crate::plan::op::{Op, Slot, kind};
use crate::spec::MountOptions;

/// With a cgroup namespace the hierarchies are mounted, which shows the container's part of them;
/// without one the container's directories are bound.
pub(super) fn mount(c: &mut Compiler<'_>, entry: &mut Entry<'_>) {
    let mut bound = entry.detached(c);
    let set = entry.options.attr_set;
    let mut data = vec![("mode".into(), Some("755".into()))];
    data.extend(lsm::context_of_mount(c.request.spec, "tmpfs"));
    let tmpfs = MountOptions { data, ..MountOptions::default() };
    let set_first = set & !MOUNT_ATTR_RDONLY;
    let base = new_mount(&mut c.plan, "tmpfs", Some(b"tmpfs"), &tmpfs, set_first, None);
    let covered = target(c, entry, base, kind::DIRECTORY);
    attach(c, base, covered);
    for hierarchy in &c.request.cgroup.hierarchies {
        let mount = match bound.pop_front() {
            Some(mount) => mount,
            None => hierarchy_mount(c, &hierarchy.options, set),
        };
        let name = c.plan.text(&hierarchy.name);
        c.plan.push(Op::MountInto { mount, dir: base, name });
        c.plan.done(mount);
        let parts = hierarchy.name.split(',').filter(|part| *part != hierarchy.name);
        for part in parts {
            let (name, target) = (c.plan.text(part), c.plan.text(&hierarchy.name));
            c.plan.push(Op::Symlink { dir: base, name, target });
        }
    }
    // All at once, in time: nothing of the container runs yet.
    attributes(&mut c.plan, base, AT_RECURSIVE, [set, entry.options.attr_clear]);
    finish(&mut c.plan, &entry.options, base);
    c.plan.done(base);
}

fn hierarchy_mount(c: &mut Compiler<'_>, options: &[String], set: u64) -> Slot {
    let data = options.iter().map(|option| match option.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (option.clone(), None),
    });
    let options = MountOptions { data: data.collect(), ..MountOptions::default() };
    new_mount(&mut c.plan, "cgroup", Some(b"cgroup"), &options, set, None)
}
