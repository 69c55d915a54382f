//! Whose store it is: what that user can set decides how layers are unpacked.

use serde::{Deserialize, Serialize};

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::Flavor;

/// Remembers what layers were unpacked for.
const FILE: &str = "teu-image.json";

/// What the calling process can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The attributes of overlayfs that it can set.
    pub flavor: Flavor,
    /// It has a single id: everything belongs to that.
    pub squash: bool,
}

#[derive(Serialize, Deserialize)]
struct Settings {
    overlay: Flavor,
}

impl Owner {
    /// The calling process, which the store in `root` has to fit.
    ///
    /// # Errors
    /// If the layers in the store have attributes that would not be seen by this process.
    pub fn check(root: &Dir) -> Result<Self> {
        let owner = Self::of_process()?;
        let path = root.path().join(FILE);
        let Some(data) = root.read(FILE)? else {
            let settings = serde_json::to_vec(&Settings { overlay: owner.flavor })
                .map_err(|e| Error::damaged(&path, e))?;
            root.replace(FILE, &settings)?;
            return Ok(owner);
        };
        let settings: Settings =
            serde_json::from_slice(&data).map_err(|e| Error::damaged(&path, e))?;
        if settings.overlay == owner.flavor {
            return Ok(owner);
        }
        Err(Error::Unsupported {
            what: format!("store {}", root.path().display()),
            reason: match settings.overlay {
                Flavor::Trusted => "it is root's, whose layers ordinary users cannot mount",
                Flavor::User => "it is an ordinary user's, who has to use it",
            }
            .into(),
        })
    }

    fn of_process() -> Result<Self> {
        let path = "/proc/self/uid_map";
        let map = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, &e))?;
        let root = rustix::process::geteuid().is_root();
        Ok(Self::decide(&map, root))
    }

    fn decide(uid_map: &str, root: bool) -> Self {
        let count = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
        let ids: u64 = uid_map.lines().filter_map(count).sum();
        // The map of the initial user namespace, all but (uid_t) -1.
        let initial = ids == u64::from(u32::MAX);
        let flavor = if root && initial { Flavor::Trusted } else { Flavor::User };
        Self { flavor, squash: !root || ids <= 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_owners_follow_the_user_namespace() {
        let of = |map, root| {
            let owner = Owner::decide(map, root);
            (owner.flavor, owner.squash)
        };
        let initial = "         0          0 4294967295\n";
        assert_eq!(of(initial, true), (Flavor::Trusted, false));
        assert_eq!(of(initial, false), (Flavor::User, true));
        assert_eq!(of("0 1000 1\n", true), (Flavor::User, true));
        assert_eq!(of("0 1000 1\n1 100000 65536\n", true), (Flavor::User, false));
    }

    #[test]
    fn a_store_for_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = Dir::open(dir.path()).unwrap();
        let owner = Owner::check(&root).unwrap();
        assert_eq!(Owner::check(&root).unwrap(), owner);
        let other = if owner.flavor == Flavor::User { "trusted" } else { "user" };
        root.replace(FILE, format!(r#"{{"overlay":"{other}"}}"#).as_bytes()).unwrap();
        assert!(matches!(Owner::check(&root), Err(Error::Unsupported { .. })));
    }
}
