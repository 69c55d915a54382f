//! The build context: a directory of the host, or an archive.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, OFlags};

use super::ignore::Ignore;
use super::source::{Files, Resolved, open, resolve};
use crate::dir::{Dir, MAX_DOCUMENT};
use crate::error::{Error, Result};
use crate::layer;
use crate::store::{NewLayer, Store};

const IGNORE: &str = ".dockerignore";

/// Files that `COPY` and `ADD` see.
#[derive(Debug)]
pub struct Context<'a> {
    dir: Option<Dir>,
    /// Removed when dropped.
    unpacked: Option<NewLayer<'a>>,
    ignore: Ignore,
}

impl<'a> Context<'a> {
    /// No files at all.
    pub fn none() -> Self {
        Self { dir: None, unpacked: None, ignore: Ignore::default() }
    }

    /// A directory. Links in the path are followed; those in the directory do not lead out of it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn directory(path: &Path) -> Result<Self> {
        Ok(Self { dir: Some(Dir::open(path)?), ..Self::none() })
    }

    /// An archive, compressed or not, which is unpacked in the store as long as the context is held.
    ///
    /// # Errors
    /// If it cannot be unpacked.
    pub fn archive(store: &'a Store, source: impl Read) -> Result<Self> {
        let files = unpack(store, source, "build context")?;
        Ok(Self { unpacked: Some(files), ..Self::none() })
    }

    fn root(&self) -> Option<&Dir> {
        self.dir.as_ref().or(self.unpacked.as_ref().map(NewLayer::files))
    }

    /// A text file of the context; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, is no text, or larger than 4 MiB.
    pub fn read(&self, path: &str) -> Result<Option<String>> {
        let Some(root) = self.root() else { return Ok(None) };
        let failed = |e| Error::at("open", root.path(), path)(e);
        let Resolved::There(inside, _) = resolve(root, path.as_bytes()).map_err(failed)? else {
            return Ok(None);
        };
        let fd = open(root, &inside, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        text(fd.map_err(failed)?.into(), path).map(Some)
    }

    /// Hides what `.dockerignore` says, or the file of the same name as the Dockerfile, if there is one.
    ///
    /// # Errors
    /// If it is not understood.
    pub fn ignore(&mut self, dockerfile: Option<&str>) -> Result<()> {
        let own = dockerfile.map(|name| format!("{name}{IGNORE}"));
        for name in own.iter().map(String::as_str).chain([IGNORE]) {
            if let Some(text) = self.read(name)? {
                self.ignore = Ignore::parse(&text).map_err(|(line, problem)| {
                    Error::Argument(format!("{name}:{line}: {problem}"))
                })?;
                break;
            }
        }
        Ok(())
    }

    /// What is to be seen.
    pub(super) fn files(&self) -> Result<Files<'_>> {
        let root = self.root().ok_or_else(|| {
            Error::Argument("there is no build context: the Dockerfile came alone".into())
        })?;
        Ok(Files { root, ignore: &self.ignore, called: "the build context" })
    }
}

/// Unpacks an archive of files in the store; what it is unpacked to goes when dropped.
pub(super) fn unpack<'a>(store: &'a Store, source: impl Read, what: &str) -> Result<NewLayer<'a>> {
    let files = store.new_layer()?;
    layer::unpack(source, what, files.files(), store.unpack_options())?;
    Ok(files)
}

/// A short text file.
///
/// # Errors
/// If it is no file, no text, or larger than 4 MiB.
pub fn text(file: File, name: &str) -> Result<String> {
    let failed = |e: std::io::Error| Error::io("read", name, &e);
    let stat = rustix::fs::fstat(&file).map_err(|e| failed(e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(Error::Argument(format!("{name}: is a directory")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Error::Argument(format!("{name}: is larger than 4 MiB")));
    }
    String::from_utf8(bytes).map_err(|_| Error::Argument(format!("{name}: is no text")))
}

/// Whether bytes are the beginning of an archive, compressed or not: docker tells a context from a
/// Dockerfile by that.
pub fn is_archive(begin: &[u8]) -> bool {
    const MAGIC: [&[u8]; 4] = [&[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0", b"BZh"];
    MAGIC.iter().any(|magic| begin.starts_with(magic)) || is_tar(begin)
}

/// By the checksum of its first header.
pub(super) fn is_tar(begin: &[u8]) -> bool {
    let Some(block) = begin.get(..512) else { return false };
    let header = tar::Header::from_byte_slice(block);
    let sum = block.iter().enumerate().fold(0u32, |sum, (at, byte)| {
        sum + if (148..156).contains(&at) { 32 } else { u32::from(*byte) }
    });
    header.cksum().is_ok_and(|stored| stored == sum) && block.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_text() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        archive.append_data(&mut header, "f", &b""[..]).unwrap();
        let archive = archive.into_inner().unwrap();
        assert!(is_archive(&archive) && is_archive(b"\x1f\x8b\x08..."));
        for text in [&b""[..], b"FROM scratch\n", &[0; 512], &archive[..511], &[b'a'; 512]] {
            assert!(!is_archive(text));
        }
    }
}
