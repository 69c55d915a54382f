//! The digest of all that a source names: what `COPY` is found again by. Times do not count, as with docker.

use std::fs::File;
use std::io::{Read as _, copy, sink};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use oci_spec::image::Digest;
use rustix::fs::{FileType, Mode, OFlags, Stat, openat, readlinkat};

use super::source::{Files, Found, is_dir, open_dir};
use crate::digest::{Hasher, HashingReader};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::Inside;
use crate::snapshot::read_attributes;

/// Hashes files.
pub struct Summer<'a> {
    pub files: Files<'a>,
    /// Owners and all attributes count, since they are copied.
    pub owners: bool,
    /// Whether to give up, asked before each file.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Summer<'_> {
    /// Of all that was found.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn digest(&self, found: &[Found]) -> Result<Digest> {
        let mut hasher = Hasher::default();
        for found in found {
            field(&mut hasher, found.name.as_bytes());
            if is_dir(&found.stat) {
                self.contents(&mut hasher, &open_dir(self.files.root, &found.path)?, &found.path)?;
            } else if let Some((parent, name)) = found.path.split() {
                let dir = open_dir(self.files.root, &parent)?;
                self.entry(&mut hasher, &dir, name, &found.stat)?;
            }
        }
        hasher.finish().map(|content| content.digest)
    }

    fn contents(&self, hasher: &mut Hasher, dir: &Dir, path: &Inside) -> Result<()> {
        let list = self.files.list(dir, path)?;
        field(hasher, &(list.len() as u64).to_le_bytes());
        for (name, stat) in list {
            field(hasher, name.as_bytes());
            self.entry(hasher, dir, &name, &stat)?;
            if is_dir(&stat) {
                self.contents(hasher, &dir.child(&name)?, &path.join(&name))?;
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        hasher: &mut Hasher,
        dir: &Dir,
        name: &std::ffi::OsStr,
        stat: &Stat,
    ) -> Result<()> {
        if (self.cancelled)() {
            return Err(Error::Interrupted);
        }
        let failed = |e: std::io::Error| Error::io("read", dir.path().join(name).display(), &e);
        hasher.update(&stat.st_mode.to_le_bytes());
        if self.owners {
            hasher.update(&stat.st_uid.to_le_bytes());
            hasher.update(&stat.st_gid.to_le_bytes());
        }
        let attributes = read_attributes(dir.as_fd(), name).map_err(|e| failed(e.into()))?;
        for (key, value) in attributes {
            if self.owners || key == b"security.capability" {
                field(hasher, &key);
                field(hasher, &value);
            }
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(dir, name, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                let mut reader = HashingReader::new(File::from(file).take(size));
                copy(&mut reader, &mut sink()).map_err(failed)?;
                let content = reader.into_parts().1.finish()?;
                field(hasher, content.digest.digest().as_bytes());
            }
            FileType::Symlink => {
                let target = readlinkat(dir, name, Vec::new()).map_err(|e| failed(e.into()))?;
                field(hasher, target.as_bytes());
            }
            _ => field(hasher, &stat.st_rdev.to_le_bytes()),
        }
        Ok(())
    }
}

/// With its length, so that two fields are never one.
fn field(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::ignore::Ignore;
    use super::*;

    fn digest(root: &std::path::Path, source: &str) -> String {
        let dir = Dir::open(root).unwrap();
        let files = Files { root: &dir, ignore: &Ignore::parse("hidden").unwrap(), called: "" };
        let summer = Summer { files, owners: false, cancelled: &|| false };
        summer.digest(&files.find(source).unwrap()).unwrap().to_string()
    }

    #[test]
    fn all_but_times_counts() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/f"), "1").unwrap();
        symlink("f", root.join("d/link")).unwrap();
        let mut seen = vec![digest(root, "d")];
        fs::write(root.join("hidden"), "x").unwrap();
        fs::File::open(root.join("d/f")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(digest(root, "d"), seen[0]);
        let change = |seen: &mut Vec<String>| {
            let now = digest(root, "d");
            assert!(!seen.contains(&now));
            seen.push(now);
        };
        fs::write(root.join("d/f"), "2").unwrap();
        change(&mut seen);
        fs::set_permissions(root.join("d/f"), PermissionsExt::from_mode(0o700)).unwrap();
        change(&mut seen);
        fs::remove_file(root.join("d/link")).unwrap();
        change(&mut seen);
        symlink("g", root.join("d/link")).unwrap();
        change(&mut seen);
        fs::create_dir(root.join("d/e")).unwrap();
        change(&mut seen);
        fs::rename(root.join("d/f"), root.join("d/e/f")).unwrap();
        change(&mut seen);
    }
}
