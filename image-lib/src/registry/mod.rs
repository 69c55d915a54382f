//! Registries (distribution specification, 1.1): pull, push, login, and what a registry has.
//!
//! Blocking, over ureq and rustls: a process that pulls has nothing else to do. Layers come in parallel,
//! each one pass from the connection to unpacked files.

mod access;
mod challenge;
mod client;
mod credentials;
mod pull;
mod push;
mod resume;

pub use credentials::{Credentials, forget, remember};
pub use pull::{Pulled, pull};
pub use push::push;

use client::Client;

use crate::error::Result;
use crate::reference::Reference;

/// How to talk to registries.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Without TLS, or with certificates that nobody vouches for. Always so for loopback addresses.
    pub insecure: bool,
    /// Instead of those of docker's `config.json`.
    pub credentials: Option<Credentials>,
    /// A registry to ask before `docker.io`: `mirror.example:5000`.
    pub mirror: Option<String>,
}

/// What is going on, for people who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A blob begins, of so many bytes.
    Begin {
        /// Its digest.
        digest: String,
        /// Bytes.
        size: u64,
    },
    /// So many bytes more of it have passed.
    Bytes {
        /// Its digest.
        digest: String,
        /// Bytes.
        count: u64,
    },
    /// It is done.
    Done {
        /// Its digest.
        digest: String,
    },
    /// It was there already.
    Present {
        /// Its digest.
        digest: String,
    },
}

/// Told of progress, from several threads.
pub type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

/// Checks that a registry takes the credentials.
///
/// # Errors
/// If it does not, or does not answer.
pub fn login(registry: &str, access: &Access) -> Result<()> {
    Client::new(registry, access)?.check()
}

/// The names of repositories that a registry's search finds for a word (`GET /v1/search`); of one that has
/// no search those that contain it, as far as it lists them (`GET /v2/_catalog`).
///
/// # Errors
/// If it has neither.
pub fn search(registry: &str, word: &str, access: &Access) -> Result<Vec<String>> {
    let host = if registry == DOCKER { "index.docker.io" } else { registry };
    let client = Client::new(host, access)?;
    if let Some(found) = client.found(word)? {
        return Ok(found);
    }
    let mut names = client.catalog()?;
    names.retain(|name| name.contains(word));
    Ok(names)
}

const DOCKER: &str = "docker.io";

/// The registry that holds docker.io's images.
fn host_of(reference: &Reference) -> &str {
    match reference.registry() {
        DOCKER => "registry-1.docker.io",
        other => other,
    }
}
