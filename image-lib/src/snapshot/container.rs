//! A container of the store: made, found, removed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;

use super::record::RECORD;
use super::stack::Stack;
use super::{Kind, Record, copy, fix, overlay};
use crate::dir::{Dir, unique};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::store::{Lock, Store};

/// Directories of a container: the writable layer, overlayfs's own, the one that repeats directories,
/// and the root file system where it is not elsewhere.
pub(super) const UPPER: &str = "upper";
const WORK: &str = "work";
const FIX: &str = "fix";
const ROOTFS: &str = "rootfs";

/// How a container's root file system is to be made.
#[derive(Debug, Clone, Default)]
pub struct RootFs {
    /// An empty directory for it, elsewhere than in the store.
    pub at: Option<PathBuf>,
    /// Always a copy, which needs no mount and outlives a reboot. Otherwise it is one where overlayfs
    /// cannot be used, and [`Record::kind`] tells.
    pub copy: bool,
}

/// Whether what a runtime mounts something on is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountPoints {
    /// It is to be run.
    Made,
    /// Only its files matter.
    Left,
}

/// A container of a store. As long as it is held, no other process changes or removes it.
#[derive(Debug)]
pub struct Container<'a> {
    pub(super) store: &'a Store,
    pub(super) dir: Dir,
    pub(super) record: Record,
    _lock: Lock,
}

impl Store {
    /// Makes a container of an image, whose layers are unpacked if need be.
    ///
    /// # Errors
    /// [`Error::NameInUse`], or why its root file system cannot be made. Nothing is left then.
    pub fn create_container(
        &self,
        image: &Image,
        name: &str,
        rootfs: &RootFs,
    ) -> Result<Container<'_>> {
        self.container_with(image, name, rootfs, MountPoints::Made)
    }

    /// Makes one for the store's own use, of an image of which nothing but the layers need be in the store.
    pub(crate) fn container_of(
        &self,
        image: &Image,
        name: &str,
        points: MountPoints,
    ) -> Result<Container<'_>> {
        self.container_with(image, name, &RootFs::default(), points)
    }

    fn container_with(
        &self,
        image: &Image,
        name: &str,
        rootfs: &RootFs,
        points: MountPoints,
    ) -> Result<Container<'_>> {
        check_name(name)?;
        let at = match &rootfs.at {
            Some(path) => empty(path)?,
            None => self.containers().path().join(name).join(ROOTFS),
        };
        self.unpack_image(image)?;
        let mut record = Record {
            name: name.to_owned(),
            image: image.name(),
            manifest: image.descriptor.clone(),
            layers: image.diff_ids()?,
            kind: if rootfs.copy { Kind::Copy } else { Kind::Overlay },
            rootfs: at,
        };
        let (dir, lock) = self.new_container(&record)?;
        let made = populate(self, &dir, &mut record, points);
        let container = Container { store: self, dir, record, _lock: lock };
        match made {
            Ok(()) => Ok(container),
            Err(e) => {
                let _ = container.remove();
                Err(e)
            }
        }
    }

    /// A container that is there.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn container(&self, name: &str) -> Result<Container<'_>> {
        check_name(name)?;
        let missing = || Error::NoSuchContainer(name.to_owned());
        let dir = self.containers().find_child(name)?.ok_or_else(missing)?;
        let lock = Lock::directory(&dir)?;
        // Whoever held the lock before may have removed it.
        let data = dir.read(RECORD)?.ok_or_else(missing)?;
        let record = serde_json::from_slice(&data)
            .map_err(|e| Error::damaged(dir.path().join(RECORD), e))?;
        Ok(Container { store: self, dir, record, _lock: lock })
    }

    /// Its directory appears with the record in it, or not at all.
    fn new_container(&self, record: &Record) -> Result<(Dir, Lock)> {
        let temporary = unique("container");
        let dir = self.tmp().new_child(&temporary, 0o700)?;
        for name in [UPPER, WORK, FIX, ROOTFS] {
            dir.new_child(name, 0o755)?;
        }
        write_record(&dir, record)?;
        let lock = Lock::directory(&dir)?;
        let name = OsStr::new(&record.name);
        let renamed =
            renameat_with(self.tmp(), &temporary, self.containers(), name, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => Ok((self.containers().child(name)?, lock)),
            Err(e) => {
                self.tmp().remove_tree(&temporary)?;
                Err(match e {
                    Errno::EXIST => Error::NameInUse(record.name.clone()),
                    e => Error::at("rename", self.tmp().path(), &temporary)(e),
                })
            }
        }
    }
}

/// Where an empty directory is, absolute.
fn empty(path: &Path) -> Result<PathBuf> {
    let path = path.canonicalize().map_err(|e| Error::io("open", path.display(), &e))?;
    if Dir::open(&path)?.names()?.is_empty() {
        return Ok(path);
    }
    Err(Error::Argument(format!("{}: is not empty", path.display())))
}

fn write_record(dir: &Dir, record: &Record) -> Result<()> {
    let data = serde_json::to_vec(record).map_err(|e| Error::damaged(dir.path(), e))?;
    dir.replace(RECORD, &data)
}

/// Makes the root file system. Where overlayfs cannot be used the record says so afterwards.
fn populate(store: &Store, dir: &Dir, record: &mut Record, points: MountPoints) -> Result<()> {
    let stack = Stack::new(store, &record.layers)?;
    let (upper, work, fixed) = (dir.child(UPPER)?, dir.child(WORK)?, dir.child(FIX)?);
    fix::root(&stack, &upper)?;
    fix::fill(&stack, &fixed)?;
    if points == MountPoints::Made {
        fix::mount_points(&stack, &fixed)?;
    }
    let target = Dir::open(&record.rootfs)?;
    if record.kind == Kind::Overlay {
        let lower: Vec<&Dir> = [&fixed].into_iter().chain(stack.dirs()).collect();
        let flavor = store.unpack_options().flavor;
        match overlay::mount_at(&lower, &upper, &work, &target, flavor) {
            Err(Error::System { errno, .. }) if is_unavailable(errno) => {
                record.kind = Kind::Copy;
                write_record(dir, record)?;
            }
            other => return other,
        }
    }
    copy::fill(&stack, &fixed, &target)
}

/// No overlayfs in this kernel, no right to mount, or a file system that cannot be the upper one.
fn is_unavailable(errno: nix::errno::Errno) -> bool {
    use nix::errno::Errno as E;
    matches!(errno, E::ENODEV | E::EPERM | E::EINVAL | E::EACCES)
}

/// Names are directories, and docker's rule for them is narrower than the kernel's.
fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && name.len() <= 128 {
        return Ok(());
    }
    let rule = "letters, digits, and behind the first character _.- too, at most 128";
    Err(Error::Argument(format!("container name {name:?}: has to be {rule}")))
}

impl Container<'_> {
    /// What is remembered of it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The image it was made from.
    ///
    /// # Errors
    /// If its documents are damaged.
    pub fn image(&self) -> Result<Image> {
        let image = self.store.read_image(&self.record.manifest)?;
        Ok(Image { reference: self.record.image.parse().ok(), ..image })
    }

    /// Whether it is an ordinary user's, who has no more than a user namespace.
    pub(crate) fn is_rootless(&self) -> bool {
        self.store.unpack_options().flavor == crate::layer::Flavor::User
    }

    /// Whether there is a single user and group id, that of the ordinary user whose store it is.
    pub(crate) fn has_one_id(&self) -> bool {
        self.store.unpack_options().squash
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Its own directory in the store, where a bundle's config may be.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The layers below what was written.
    pub(super) fn stack(&self) -> Result<Stack> {
        // A layer may have been lost with the machine's power.
        if !self.store.has_layers(&self.record.layers)? {
            self.store.unpack_image(&self.image()?)?;
        }
        let mut stack = Stack::new(self.store, &self.record.layers)?;
        stack.push(self.dir.child(FIX)?);
        Ok(stack)
    }

    /// Mounts the root file system if it is not, as after a reboot.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&self) -> Result<()> {
        if self.record.kind == Kind::Copy || overlay::is_mounted(&self.record.rootfs) {
            return Ok(());
        }
        let stack = self.stack()?;
        let (upper, work) = (self.dir.child(UPPER)?, self.dir.child(WORK)?);
        let lower: Vec<&Dir> = stack.dirs().collect();
        let target = Dir::open(&self.record.rootfs)?;
        overlay::mount_at(&lower, &upper, &work, &target, self.store.unpack_options().flavor)
    }

    /// Removes it with all that was written in it. A directory elsewhere than in the store is left,
    /// empty.
    ///
    /// # Errors
    /// If it is still in use.
    pub fn remove(self) -> Result<()> {
        let inside = self.record.rootfs.starts_with(self.dir.path());
        let parent = self.record.rootfs.parent().map(Dir::open);
        let name = self.record.rootfs.file_name().and_then(OsStr::to_str).unwrap_or(ROOTFS);
        if let Some(Ok(parent)) = parent {
            if self.record.kind == Kind::Overlay {
                overlay::unmount_at(&parent, name)?;
            } else if !inside && let Some(rootfs) = parent.find_child(name)? {
                rootfs.names()?.iter().try_for_each(|name| rootfs.remove_tree(name))?;
            }
        }
        // First out of sight, whole: a crash halfway leaves rubbish, not half a container.
        let gone = unique("gone");
        self.store.containers().rename(
            self.record.name.as_ref(),
            self.store.tmp(),
            gone.as_ref(),
        )?;
        self.store.tmp().remove_tree(&gone)
    }
}
