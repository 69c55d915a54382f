//! Names of images, by docker's rules: `busybox` is `docker.io/library/busybox:latest`.

use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference as Normalized;
use oci_spec::image::Digest;

use crate::error::{Error, Result};

/// The registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The first part of repositories without a user there.
const OFFICIAL: &str = "library/";

/// A whole, normalised name of an image: registry, repository, and a tag or digest or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference(Normalized);

impl Reference {
    /// `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// `library/busybox`.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// `latest`; `None` with a digest only.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// `sha256:…`.
    pub fn digest(&self) -> Option<Digest> {
        self.0.digest().and_then(|digest| digest.parse().ok())
    }

    /// The name without tag and digest, as docker shows it: `busybox`, `user/image`,
    /// `localhost:5000/image`.
    pub fn familiar_repository(&self) -> String {
        match (self.registry(), self.repository()) {
            (DEFAULT_REGISTRY, repository) => {
                let short = repository.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/'));
                short.unwrap_or(repository).to_owned()
            }
            (registry, repository) => format!("{registry}/{repository}"),
        }
    }

    /// As docker shows it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        let name = self.familiar_repository();
        match (self.0.digest(), self.tag()) {
            (Some(digest), _) => format!("{name}@{digest}"),
            (None, Some(tag)) => format!("{name}:{tag}"),
            (None, None) => name,
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let wrong = |problem: String| Error::Reference { name: name.to_owned(), problem };
        let reference = name.parse::<Normalized>().map_err(|e| wrong(e.to_string()))?;
        if let Some(digest) = reference.digest() {
            digest.parse::<Digest>().map_err(|e| wrong(e.to_string()))?;
        }
        Ok(Self(reference))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.whole().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(name: &str) -> String {
        name.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        for (name, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("user/image", "docker.io/user/image:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/user/image", "docker.io/user/image:latest"),
            ("localhost/image", "localhost/image:latest"),
            ("localhost:5000/a/b:t", "localhost:5000/a/b:t"),
            ("quay.io/a/b/c", "quay.io/a/b/c:latest"),
        ] {
            assert_eq!(full(name), whole, "{name}");
        }
    }

    #[test]
    fn familiar_names_leave_out_the_defaults() {
        for name in ["busybox:latest", "user/image:t", "localhost:5000/a:b", "quay.io/a/b:c"] {
            assert_eq!(name.parse::<Reference>().unwrap().familiar(), name);
        }
    }

    #[test]
    fn digests_stay() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference: Reference = format!("busybox@{digest}").parse().unwrap();
        assert_eq!(reference.tag(), None);
        assert_eq!(reference.digest().unwrap().to_string(), digest);
        assert_eq!(reference.to_string(), format!("docker.io/library/busybox@{digest}"));
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for name in ["", "Upper", "a b", "a:b:c", "../a", "a@sha256:1", "a:", "-a", "a//b"] {
            assert!(name.parse::<Reference>().is_err(), "{name:?}");
        }
    }
}
