//! Files that can be copied from: a context, or the root file system of an image. Links in them are
//! resolved here, component by component and by descriptor, with their directory as the root, so that
//! it is known where they lead: what `.dockerignore` hides is not reached by another name.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

use super::glob::Pattern;
use super::ignore::Ignore;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::Inside;

/// As many links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Where a path leads.
#[derive(Debug)]
pub enum Resolved {
    /// There is something, which is no link.
    There(Inside, Stat),
    /// There is nothing, but there could be.
    Missing(Inside),
}

/// Follows all links of a path, the last one, too, with `root` as their root.
pub fn resolve(root: &Dir, path: &[u8]) -> Result<Resolved, Errno> {
    let mut todo: VecDeque<OsString> = components(path).collect();
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    let mut stat = fstat(root)?;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            done.pop();
            continue;
        }
        let here: Inside = done.iter().cloned().chain([name.clone()]).collect();
        let found = match open(root, &here, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(Resolved::Missing(missing(done, name, todo))),
            other => other?,
        };
        stat = fstat(&found)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            done.push(name);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = readlinkat(&found, "", Vec::new())?.into_bytes();
        if target.starts_with(b"/") {
            done.clear();
        }
        for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
            todo.push_front(name);
        }
        stat = fstat(root)?;
    }
    let path: Inside = done.into_iter().collect();
    if path != Inside::default() {
        stat = fstat(open(root, &path, OFlags::PATH | OFlags::NOFOLLOW)?)?;
    }
    Ok(Resolved::There(path, stat))
}

/// `..` stays: what it means depends on the links before it.
fn components(path: &[u8]) -> impl Iterator<Item = OsString> + '_ {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(|name| OsString::from_vec(name.to_vec()))
}

fn missing(mut done: Vec<OsString>, name: OsString, todo: VecDeque<OsString>) -> Inside {
    for name in std::iter::once(name).chain(todo) {
        if name == ".." {
            done.pop();
        } else {
            done.push(name);
        }
    }
    done.into_iter().collect()
}

/// Opens a path without links in it.
pub fn open(root: &Dir, path: &Inside, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat2(root, path.to_path(), flags | OFlags::CLOEXEC, Mode::empty(), RESOLVE)
}

/// Opens a directory by such a path.
pub fn open_dir(root: &Dir, path: &Inside) -> Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let shown = root.path().join(path.display());
    match open(root, path, flags) {
        Ok(fd) => Ok(Dir::from_fd(fd, shown)),
        Err(e) => Err(Error::system("open", shown.display(), e)),
    }
}

/// Whether it is that of a directory.
pub fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// What is to be seen of a directory.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    pub root: &'a Dir,
    pub ignore: &'a Ignore,
    /// For messages: `the build context`.
    pub called: &'a str,
}

/// Something that a source names.
#[derive(Debug)]
pub struct Found {
    /// Where it is, without links.
    pub path: Inside,
    /// What it is called where it is copied to.
    pub name: OsString,
    pub stat: Stat,
}

impl Files<'_> {
    /// What a source names, sorted: one path, or all that match its pattern.
    ///
    /// # Errors
    /// If it leads out, or there is nothing.
    pub fn find(&self, source: &str) -> Result<Vec<Found>> {
        let wrong = |problem: String| Error::Argument(format!("{source}: {problem}"));
        let path = Inside::parse(source.as_bytes())
            .ok_or_else(|| wrong(format!("leads out of {}", self.called)))?;
        let shown = path.display();
        let patterns = shown.iter().map(|name| Pattern::new(&name.to_string_lossy()));
        let patterns: Vec<_> = patterns.collect::<Result<_, _>>().map_err(wrong)?;
        let mut found = Vec::new();
        self.expand(&Inside::default(), OsStr::new(""), &patterns, &mut found)
            .map_err(|e| Error::at("open", self.root.path(), source)(e))?;
        if found.is_empty() {
            return Err(wrong(format!(
                "there is no such file in {}, or .dockerignore hides it",
                self.called
            )));
        }
        Ok(found)
    }

    fn expand(
        &self,
        at: &Inside,
        name: &OsStr,
        patterns: &[Pattern],
        found: &mut Vec<Found>,
    ) -> Result<(), Errno> {
        // The name itself may be hidden, or what it leads to.
        let Resolved::There(path, stat) = resolve(self.root, at.to_path().as_os_str().as_bytes())?
        else {
            return Ok(());
        };
        if !self.sees(at, is_dir(&stat))? || !self.sees(&path, is_dir(&stat))? {
            return Ok(());
        }
        let Some((pattern, rest)) = patterns.split_first() else {
            found.push(Found { path, name: name.to_owned(), stat });
            return Ok(());
        };
        if !is_dir(&stat) {
            return Ok(());
        }
        if pattern.is_plain() {
            let name = OsString::from(pattern.plain());
            return self.expand(&path.join(&name), &name, rest, found);
        }
        for name in names(self.root, &path)? {
            if pattern.matches(&name.to_string_lossy()) {
                self.expand(&path.join(&name), &name, rest, found)?;
            }
        }
        Ok(())
    }

    /// What is to be seen in a directory, sorted.
    pub fn list(&self, dir: &Dir, path: &Inside) -> Result<Vec<(OsString, Stat)>> {
        let mut list = Vec::new();
        for name in dir.names()? {
            let stat = statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at(
                "stat",
                dir.path(),
                &name,
            ))?;
            let seen = self.sees(&path.join(&name), is_dir(&stat)).map_err(Error::at(
                "open",
                dir.path(),
                &name,
            ))?;
            if seen {
                list.push((name, stat));
            }
        }
        Ok(list)
    }

    /// Whether a path is to be seen: a hidden directory is if something in it is.
    fn sees(&self, path: &Inside, is_dir: bool) -> Result<bool, Errno> {
        let shown = path.display();
        if shown.as_os_str().is_empty() || !self.ignore.hides(&shown) {
            return Ok(true);
        }
        if !is_dir || !self.ignore.has_exceptions() {
            return Ok(false);
        }
        for name in names(self.root, path)? {
            let below = path.join(&name);
            let entry = fstat(open(self.root, &below, OFlags::PATH | OFlags::NOFOLLOW)?)?;
            if self.sees(&below, self::is_dir(&entry))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn names(root: &Dir, path: &Inside) -> Result<Vec<OsString>, Errno> {
    let fd = match open(root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        // A link to a directory is looked into where it leads to.
        Err(Errno::LOOP | Errno::NOTDIR) => return Ok(Vec::new()),
        other => other?,
    };
    let dir = Dir::from_fd(fd, Path::new(""));
    dir.names().map_err(|e| match e {
        Error::System { errno, .. } => Errno::from_raw_os_error(errno as i32),
        _ => Errno::IO,
    })
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
