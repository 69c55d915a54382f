//! Layers on top of each other, looked at without mounting them.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use oci_spec::image::Digest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, statat};
use rustix::io::Errno;

use super::attributes::is_opaque;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::is_whiteout;
use crate::store::{Store, UnpackedLayer};

/// Paths in layers are their files' own: a link on the way is another layer's business.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Unpacked layers, the topmost first.
pub struct Stack {
    layers: Vec<UnpackedLayer>,
    implied: Vec<HashSet<PathBuf>>,
}

/// Where something was found.
pub struct Found<'a> {
    /// The layer's directory.
    pub layer: &'a Dir,
    /// What it is there.
    pub stat: Stat,
    /// The layer has the directory only because something is in it.
    pub implied: bool,
}

impl Found<'_> {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }
}

/// What one layer says about a path.
enum Answer {
    Has(Stat),
    /// Nothing: ask the next one.
    Nothing,
    /// It is not there, whatever lower layers have.
    Hidden,
}

impl Stack {
    /// The layers of an image, which must be unpacked. The ids are in its order, lowest first.
    pub fn new(store: &Store, diff_ids: &[Digest]) -> Result<Self> {
        let mut layers = Vec::new();
        let mut seen = HashSet::new();
        for diff_id in diff_ids.iter().rev() {
            // overlayfs takes no directory twice (ELOOP), and an image may have an empty layer more than
            // once. All that a layer has and hides, it has and hides where it is topmost.
            if !seen.insert(diff_id) {
                continue;
            }
            let missing = || Error::MissingBlob { digest: diff_id.clone(), by: "the image".into() };
            layers.push(store.layer(diff_id)?.ok_or_else(missing)?);
        }
        let implied =
            layers.iter().map(|layer| layer.implied().iter().cloned().collect()).collect();
        Ok(Self { layers, implied })
    }

    /// A further layer on top, which describes all it has.
    pub fn push(&mut self, files: Dir) {
        self.layers.insert(0, UnpackedLayer::described(files));
        self.implied.insert(0, HashSet::new());
    }

    /// The layers' directories, the topmost first.
    pub fn dirs(&self) -> impl DoubleEndedIterator<Item = &Dir> {
        self.layers.iter().map(|layer| &layer.files)
    }

    /// Every path that some layer leaves to lower ones to describe.
    pub fn implied(&self) -> impl Iterator<Item = &PathBuf> {
        self.implied.iter().flatten()
    }

    /// The same as overlayfs would show it, all layers that have it, the topmost first. Of anything but
    /// directories that is one.
    pub fn find(&self, path: &Path) -> Result<Vec<Found<'_>>> {
        let mut found = Vec::new();
        for (layer, implied) in self.layers.iter().zip(&self.implied) {
            match ask(&layer.files, path)? {
                Answer::Nothing => {}
                Answer::Hidden => break,
                Answer::Has(stat) => {
                    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                    if !is_dir && !found.is_empty() {
                        break;
                    }
                    found.push(Found {
                        layer: &layer.files,
                        stat,
                        implied: implied.contains(path),
                    });
                    if !is_dir || hides_lower(&layer.files, path)? {
                        break;
                    }
                }
            }
            if hides_lower(&layer.files, path)? {
                break;
            }
        }
        Ok(found)
    }

    /// The names in a directory, as overlayfs would show it, with the inode of each.
    pub fn list(&self, path: &Path) -> Result<BTreeMap<OsString, Stat>> {
        let mut names: BTreeMap<OsString, Option<Stat>> = BTreeMap::new();
        for found in self.find(path)? {
            let dir = Dir::from_fd(open(found.layer, path)?, path);
            for name in dir.names()? {
                let stat = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(Error::at("stat", path, &name))?;
                names.entry(name).or_insert_with(|| (!is_whiteout(&stat)).then_some(stat));
            }
        }
        Ok(names.into_iter().filter_map(|(name, stat)| Some((name, stat?))).collect())
    }
}

/// Opens a directory of a layer.
pub fn open(layer: &Dir, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(layer, shown(path), flags, Mode::empty(), RESOLVE).map_err(Error::at(
        "open",
        layer.path(),
        path,
    ))
}

fn ask(layer: &Dir, path: &Path) -> Result<Answer> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(layer, shown(path), flags, Mode::empty(), RESOLVE) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd).map_err(Error::at("stat", layer.path(), path))?;
            Ok(if is_whiteout(&stat) { Answer::Hidden } else { Answer::Has(stat) })
        }
        Err(Errno::NOENT) => Ok(Answer::Nothing),
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(Answer::Hidden),
        Err(e) => Err(Error::at("open", layer.path(), path)(e)),
    }
}

/// Whether that directory, or one on the way to it, is opaque in this layer.
fn hides_lower(layer: &Dir, path: &Path) -> Result<bool> {
    for step in path.ancestors().filter(|step| !step.as_os_str().is_empty()) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(layer, step, flags, Mode::empty(), RESOLVE) {
            Ok(dir) if is_opaque(&dir) => return Ok(true),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(e) => return Err(Error::at("open", layer.path(), step)(e)),
        }
    }
    Ok(false)
}

fn shown(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
