//! The state root, and the library's runtime on it.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libteu::{Runtime, RuntimeOptions};
use nix::unistd::geteuid;

use crate::failure::Failure;
use crate::verb::Context;

const DEFAULT_ROOT: &str = "/run/teu";

/// Inode of /proc/self/ns/user in the initial user namespace (the kernel's `PROC_USER_INIT_INO`).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

impl Context<'_> {
    /// The runtime that the global flags ask for.
    pub fn runtime(&self) -> Result<Runtime, Failure> {
        let mut options = RuntimeOptions::default();
        options.rootless = self.global.rootless.0;
        options.cgroup_manager = self.global.cgroup_manager();
        let log = Arc::clone(self.log);
        options.warn = Some(Box::new(move |text| log.warn(&text)));
        let root = self
            .global
            .root
            .clone()
            .unwrap_or_else(|| user_root().unwrap_or_else(|| PathBuf::from(DEFAULT_ROOT)));
        self.log.debug(format_args!("state root: {}", root.display()));
        Ok(Runtime::new(root, options))
    }

    /// As [`Context::runtime`], for verbs that create a container.
    pub fn runtime_to_create_in(&self) -> Result<Runtime, Failure> {
        let runtime = self.runtime()?;
        if self.global.root.is_none() && runtime.root() != Path::new(DEFAULT_ROOT) {
            keep_from_pruning(runtime.root())
                .map_err(|e| Failure::file("prepare", runtime.root(), &e))?;
        }
        Ok(runtime)
    }
}

/// `$XDG_RUNTIME_DIR/teu` for users without privileges, by runc's rules: real root never uses it,
/// root of a user namespace does unless it calls itself root.
fn user_root() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_RUNTIME_DIR").filter(|text| !text.is_empty())?;
    let honoured = if geteuid().is_root() {
        in_user_namespace() && std::env::var_os("USER").is_none_or(|user| user != "root")
    } else {
        true
    };
    honoured.then(|| PathBuf::from(directory).join("teu"))
}

fn in_user_namespace() -> bool {
    std::fs::metadata("/proc/self/ns/user").is_ok_and(|m| m.ino() != INITIAL_USER_NAMESPACE)
}

/// The XDG base directory specification lets anything without a sticky bit be cleaned away.
fn keep_from_pruning(root: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(root)?;
    std::fs::set_permissions(root, Permissions::from_mode(0o1700))
}
