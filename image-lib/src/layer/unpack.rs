//! A layer's stream to a directory, as overlayfs wants a lower one.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, linkat, makedev, mknodat, symlinkat};
use rustix::io::Errno;

use super::compression::Decompressor;
use super::entry::{Entries, Entry, Kind};
use super::limits::Limits;
use super::names::{Inside, shown};
use super::node::{self, Left, Rights};
use super::pipe::{Chunks, pipe};
use super::tree::{self, Tree};
use super::whiteout::{self, Flavor, Meaning};
use crate::digest::{Content, HashingReader};
use crate::dir::Dir;
use crate::error::{Error, Result};

/// How to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the archive may ask for.
    pub limits: Limits,
    /// Which attributes mark opaque directories.
    pub(crate) flavor: Flavor,
    /// Everything belongs to the calling user, whoever the archive says.
    pub squash: bool,
}

/// Something of a layer that this host cannot have, left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The entry.
    pub path: PathBuf,
    /// What of it, and why.
    pub what: String,
}

/// What was unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// The stream as it came.
    pub blob: Content,
    /// The stream decompressed: its digest is the layer's diff-id.
    pub diff: Content,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Directories that something is in, but that the layer does not describe.
    pub(crate) implied: Vec<PathBuf>,
}

/// More are counted, not listed: the list is for people.
const MAX_SKIPPED: usize = 64;

/// Unpacks a stream, compressed or not, below `root`, which is empty. `layer` is what errors call it.
///
/// The calling thread reads and decompresses, a second one hashes, a third one writes files.
pub fn unpack(source: impl Read, layer: &str, root: &Dir, options: Options) -> Result<Unpacked> {
    let failed = |e: io::Error| Error::io("read layer", layer, &e);
    let (feeder, middle, chunks) = pipe(options.limits.bytes);
    std::thread::scope(|scope| {
        let hash = scope.spawn(move || middle.run());
        let files = scope.spawn(move || Unpacker::new(root, options, layer).run(chunks));
        let mut source = Decompressor::new(HashingReader::new(source)).map_err(failed);
        let fed = source
            .as_mut()
            .map_or(Ok(()), |source| feeder.feed(source.by_ref()).map(drop).map_err(failed));
        // The decompressor's complaint explains the unpacker's, which saw the stream end.
        let (files, hash) = (joined(files), joined(hash));
        let (source, ()) = (source?, fed?);
        let (skipped, implied) = files?;
        let (_, hasher) = source.finish().map_err(failed)?.into_parts();
        Ok(Unpacked { blob: hasher.finish()?, diff: hash.finish()?, skipped, implied })
    })
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Writes entries to a tree.
struct Unpacker<'a> {
    tree: Tree<'a>,
    options: Options,
    layer: &'a str,
    /// Directories' times, which are set when everything is in them.
    times: Vec<(Inside, (i64, u32))>,
    skipped: Vec<Skipped>,
}

type Lists = (Vec<Skipped>, Vec<PathBuf>);

impl<'a> Unpacker<'a> {
    fn new(root: &'a Dir, options: Options, layer: &'a str) -> Self {
        let tree = Tree::new(root, options.flavor);
        Self { tree, options, layer, times: Vec::new(), skipped: Vec::new() }
    }

    fn run(mut self, chunks: Chunks) -> Result<Lists> {
        let mut entries = Entries::new(chunks);
        let mut count = 0u64;
        while let Some(entry) = entries.next().map_err(|e| self.failed(&[], &e))? {
            count += 1;
            if count > self.options.limits.entries {
                return Err(self.refused(&entry.path, "more entries than are allowed"));
            }
            self.entry(&entry, &mut entries).map_err(|e| match e {
                Failure::Refused(problem) => self.refused(&entry.path, &problem),
                Failure::Io(e) => self.failed(&entry.path, &e),
            })?;
        }
        self.set_times();
        // What follows the archive's end belongs to the stream, and to its digest.
        let mut chunks = entries.into_inner();
        io::copy(&mut chunks, &mut io::sink()).map_err(|e| self.failed(&[], &e))?;
        let implied = self.tree.into_implied().iter().map(Inside::display).collect();
        Ok((self.skipped, implied))
    }

    fn entry(&mut self, entry: &Entry, entries: &mut Entries<Chunks>) -> Result<(), Failure> {
        let path = Inside::parse(&entry.path).ok_or("leads out of the layer")?;
        let Some((parent, name)) = path.split() else { return self.root(entry) };
        match whiteout::meaning(name) {
            Meaning::Plain => {}
            Meaning::Deleted(name) => return Ok(self.tree.hide(&parent, name)?),
            Meaning::Opaque => return Ok(self.tree.hide_all(&parent)?),
            Meaning::Nothing => return Ok(()),
            Meaning::Malformed => return Err("marks no file as deleted".into()),
        }
        if entry.kind == Kind::Directory {
            return self.directory(entry, path.clone(), &parent, name);
        }
        // Rarely is something in the way: it is found out by trying.
        match self.node(entry, &parent, name, entries) {
            Err(Failure::Io(e)) if e.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {
                self.tree.clear(&parent, name)?;
                self.node(entry, &parent, name, entries)
            }
            other => other,
        }
    }

    /// The layer's own directory.
    fn root(&mut self, entry: &Entry) -> Result<(), Failure> {
        if entry.kind != Kind::Directory {
            return Err("the layer's root is no directory".into());
        }
        self.describe(entry, Inside::default())
    }

    fn directory(
        &mut self,
        entry: &Entry,
        path: Inside,
        parent: &Inside,
        name: &OsStr,
    ) -> Result<(), Failure> {
        let fd = self.tree.directory(parent)?.try_clone_to_owned()?;
        match self.tree.mkdir(fd.as_fd(), name) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = tree::kind(&tree::stat(fd.as_fd(), name)?);
                let done =
                    there == FileType::Directory || self.tree.replace_whiteout(fd.as_fd(), name)?;
                if !done {
                    self.tree.clear(parent, name)?;
                    self.tree.mkdir(fd.as_fd(), name)?;
                }
            }
            Err(e) => return Err(e.into()),
        }
        self.describe(entry, path)
    }

    fn describe(&mut self, entry: &Entry, path: Inside) -> Result<(), Failure> {
        let mut left = Left::new();
        let rights = self.rights();
        let fd = self.tree.directory(&path)?;
        node::finish_open(fd, entry, rights, &mut left)?;
        self.note(entry, left);
        self.tree.described(&path);
        self.times.push((path, entry.mtime));
        Ok(())
    }

    /// Anything but a directory.
    fn node(
        &mut self,
        entry: &Entry,
        parent: &Inside,
        name: &OsStr,
        entries: &mut Entries<Chunks>,
    ) -> Result<(), Failure> {
        let mut left = Left::new();
        let rights = self.rights();
        if let Kind::HardLink(target) = &entry.kind {
            return self.hard_link(target, parent, name);
        }
        let dir = self.tree.directory(parent)?;
        match &entry.kind {
            Kind::File => {
                let file = node::create(dir, name, entry)?;
                node::fill(&file, &mut entries.data())?;
                node::finish_open(file.as_fd(), entry, rights, &mut left)?;
                node::set_time(&file, entry.mtime)?;
            }
            Kind::Sparse(size, pieces) => {
                let file = node::create(dir, name, entry)?;
                node::fill_sparse(&file, &mut entries.data(), *size, pieces)?;
                node::finish_open(file.as_fd(), entry, rights, &mut left)?;
                node::set_time(&file, entry.mtime)?;
            }
            Kind::Symlink(target) => {
                symlinkat(target.as_slice(), dir, name)?;
                node::finish_named(dir, name, entry, rights, &mut left)?;
            }
            _ => {
                if make_special(&entry.kind, dir, name, &mut left)? {
                    node::finish_named(dir, name, entry, rights, &mut left)?;
                }
            }
        }
        self.note(entry, left);
        Ok(())
    }

    /// A further name of a file of the same layer. The name itself is linked, even if it is that of a
    /// symbolic link.
    fn hard_link(&mut self, target: &[u8], parent: &Inside, name: &OsStr) -> Result<(), Failure> {
        let target = Inside::parse(target).ok_or("is a link that leads out of the layer")?;
        let Some((from, target)) = target.split() else { return Err("is a link to /".into()) };
        let from = self.tree.open(&from)?;
        let to = self.tree.directory(parent)?;
        match linkat(&from, target, to, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Err("is a link to a file that this layer does not have".into()),
            other => Ok(other?),
        }
    }

    fn rights(&self) -> Rights {
        Rights { squash: self.options.squash }
    }

    fn note(&mut self, entry: &Entry, left: Left) {
        for what in left {
            if self.skipped.len() < MAX_SKIPPED {
                self.skipped.push(Skipped { path: shown(&entry.path), what });
            }
        }
    }

    /// In reverse order, which leaves those alone that are set already. A directory that was replaced
    /// since is none any more.
    fn set_times(&mut self) {
        for (path, mtime) in std::mem::take(&mut self.times).iter().rev() {
            if let Ok(fd) = self.tree.open(path) {
                let _ = node::set_time(fd, *mtime);
            }
        }
    }

    fn refused(&self, path: &[u8], problem: &str) -> Error {
        Error::Layer { layer: self.layer.into(), path: shown(path), problem: problem.into() }
    }

    fn failed(&self, path: &[u8], e: &io::Error) -> Error {
        let errno = e.raw_os_error().map(nix::errno::Errno::from_raw);
        let problem =
            errno.map_or_else(|| e.to_string(), |e| crate::error::ErrnoText(e).to_string());
        self.refused(path, &problem)
    }
}

/// Devices and pipes. Only root of the host can make devices: for others they are left out, as
/// docker does without root. False if it was left out.
fn make_special(
    kind: &Kind,
    dir: std::os::fd::BorrowedFd<'_>,
    name: &OsStr,
    left: &mut Left,
) -> io::Result<bool> {
    let (file_type, device) = match *kind {
        Kind::Char(major, minor) => (FileType::CharacterDevice, makedev(major, minor)),
        Kind::Block(major, minor) => (FileType::BlockDevice, makedev(major, minor)),
        _ => (FileType::Fifo, 0),
    };
    match mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, device) {
        Err(Errno::PERM) if file_type != FileType::Fifo => {
            left.push("devices can be made by root only".into());
            Ok(false)
        }
        other => other.map(|()| true).map_err(Into::into),
    }
}

/// Why an entry is not unpacked.
enum Failure {
    Refused(String),
    Io(io::Error),
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Self {
        Self::Refused(problem.to_owned())
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Self {
        Self::Io(e.into())
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
