//! Files of an archive, in whatever order they come: documents to memory, all else to blobs.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use oci_spec::image::Digest;

use super::documents::{INDEX, LAYOUT, MANIFEST};
use crate::digest::{self, Content};
use crate::dir::MAX_DOCUMENT;
use crate::error::{Error, Result};
use crate::layer::{Decompressor, Entries, EntryKind, Inside};
use crate::store::Store;

/// More entries are no archive of images.
const MAX_ENTRIES: usize = 100_000;
/// Links to links are followed so far: `docker save` once made them of layers that images share.
const MAX_LINKS: usize = 4;

enum Item {
    Blob(Content),
    /// Of another entry.
    Link(Vec<u8>, String),
}

/// What an archive had in it.
#[derive(Default)]
pub struct Intake {
    items: HashMap<String, Item>,
    documents: HashMap<String, Vec<u8>>,
}

impl Intake {
    /// Reads all of a stream, compressed or not.
    pub fn read(store: &Store, source: impl Read) -> Result<Self> {
        let failed = |e: io::Error| Error::Archive(e.to_string());
        let source = Decompressor::new(source).map_err(failed)?;
        let mut entries = Entries::new(BufReader::with_capacity(128 << 10, source));
        let mut intake = Self::default();
        while let Some(entry) = entries.next().map_err(failed)? {
            let path = name(&entry.path)?;
            if intake.items.len() + intake.documents.len() >= MAX_ENTRIES {
                return Err(Error::Archive("has too many entries".into()));
            }
            match entry.kind {
                EntryKind::File if [MANIFEST, INDEX, LAYOUT].contains(&path.as_str()) => {
                    let mut document = Vec::new();
                    let mut data = entries.data().take(MAX_DOCUMENT);
                    data.read_to_end(&mut document).map_err(failed)?;
                    intake.documents.insert(path, document);
                }
                EntryKind::File => {
                    let mut blob = store.new_blob()?;
                    io::copy(&mut entries.data(), &mut blob).map_err(failed)?;
                    let named =
                        path.strip_prefix("blobs/sha256/").map(digest::sha256).transpose()?;
                    intake.items.insert(path, Item::Blob(blob.finish(named.as_ref())?));
                }
                EntryKind::Symlink(target) => {
                    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
                    intake.items.insert(path, Item::Link(target, parent));
                }
                EntryKind::HardLink(target) => {
                    intake.items.insert(path, Item::Link(target, String::new()));
                }
                _ => {}
            }
        }
        Ok(intake)
    }

    /// A document as a whole.
    pub fn document<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let parse = |data: &Vec<u8>| {
            serde_json::from_slice(data).map_err(|e| Error::Archive(format!("{name}: {e}")))
        };
        self.documents.get(name).map(parse).transpose()
    }

    /// The content of a file.
    pub fn content(&self, path: &str) -> Result<&Content> {
        let mut path = name(path.as_bytes())?;
        for _ in 0..MAX_LINKS {
            match self.items.get(&path) {
                Some(Item::Blob(content)) => return Ok(content),
                Some(Item::Link(target, from)) => {
                    path = name(format!("{from}/{}", String::from_utf8_lossy(target)).as_bytes())?;
                }
                None => break,
            }
        }
        Err(Error::Archive(format!("{path} is missing")))
    }

    /// Whether it brought a blob.
    pub fn has(&self, digest: &Digest) -> bool {
        self.items.contains_key(&format!("blobs/sha256/{}", digest.digest()))
    }
}

/// One spelling for each path.
fn name(path: &[u8]) -> Result<String> {
    let inside = Inside::parse(path).map(|inside| inside.display());
    inside
        .and_then(|path| path.into_os_string().into_string().ok())
        .ok_or_else(|| Error::Archive(format!("{}: strange name", String::from_utf8_lossy(path))))
}
