//! What is remembered of a container.

use std::path::PathBuf;

use oci_spec::image::{Descriptor, Digest};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Store;

/// In each container's directory.
pub(super) const RECORD: &str = "record.json";

/// How a container's root file system came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// overlayfs over the layers.
    Overlay,
    /// A copy of them.
    Copy,
}

/// A container on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The image's name, as it was when the container was made.
    pub image: String,
    /// The image's manifest.
    pub manifest: Descriptor,
    /// The image's layers, lowest first.
    pub layers: Vec<Digest>,
    /// How the root file system is made.
    pub kind: Kind,
    /// Where the root file system is.
    pub rootfs: PathBuf,
}

impl Store {
    /// The records of all containers. A directory without one is what a crash left of a container that
    /// nobody has seen yet.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn container_records(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for name in self.containers().names()? {
            let dir = self.containers().child(&name)?;
            if let Some(data) = dir.read(RECORD)? {
                let record = serde_json::from_slice(&data)
                    .map_err(|e| Error::damaged(dir.path().join(RECORD), e))?;
                records.push(record);
            }
        }
        Ok(records)
    }
}
