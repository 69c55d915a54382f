//! Which binary is under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::Cmd;

/// Whose behaviour to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The workspace's own runtime.
    Teu,
    /// opencontainers/runc.
    Runc,
    /// containers/crun.
    Crun,
    /// Anything else: held to the same tests, without allowances.
    Other,
}

/// The runtime under test.
#[derive(Debug)]
pub struct Runtime {
    path: PathBuf,
    kind: Kind,
}

impl Runtime {
    /// The one that `RUNTIME` names, else the workspace's `teu`.
    ///
    /// # Panics
    /// When there is no such binary.
    pub fn get() -> &'static Self {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        RUNTIME.get_or_init(|| match std::env::var("RUNTIME") {
            Ok(name) if !name.is_empty() => Self::named(&name),
            _ => Self::own(),
        })
    }

    fn named(name: &str) -> Self {
        let path = if name.contains('/') {
            std::fs::canonicalize(name).ok()
        } else {
            crate::require::find(name)
        };
        let path = path.unwrap_or_else(|| panic!("RUNTIME={name}: no such program"));
        let kind = Self::kind_of(&path);
        Self { path, kind }
    }

    fn own() -> Self {
        let path = target_dir().join("teu");
        assert!(
            path.is_file(),
            "{} is missing: run `cargo build -p teu` first, or set RUNTIME to another runtime",
            path.display()
        );
        Self { path, kind: Kind::Teu }
    }

    fn kind_of(path: &Path) -> Kind {
        let output = Command::new(path).arg("--version").output().expect("--version");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text.split_whitespace().next() {
            Some("runc") => Kind::Runc,
            Some("crun") => Kind::Crun,
            Some("teu") => Kind::Teu,
            _ => Kind::Other,
        }
    }

    /// The binary.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is the workspace's own.
    pub fn is_teu(&self) -> bool {
        self.kind == Kind::Teu
    }

    /// Whether `TEU_TEST_SYSTEMD` asks for systemd as the manager of cgroups.
    pub fn systemd() -> bool {
        std::env::var("TEU_TEST_SYSTEMD").is_ok_and(|value| value == "1")
    }

    /// A command line with nothing but the binary and what chooses the cgroup driver.
    pub fn bare(&self) -> Cmd {
        self.without_driver().args(Self::systemd().then_some("--systemd-cgroup"))
    }

    /// A command line with nothing but the binary.
    pub fn without_driver(&self) -> Cmd {
        let cmd = Cmd::new(&self.path);
        // crun 1.8 turns all controllers off when a v2 hierarchy beside v1 has any: hide it, in a mount namespace
        // that only this one command sees.
        if self.kind == Kind::Crun && hybrid() {
            cmd.without("/sys/fs/cgroup/unified")
        } else {
            cmd
        }
    }
}

fn hybrid() -> bool {
    crate::is_root()
        && std::fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers")
            .is_ok_and(|controllers| !controllers.trim().is_empty())
}

/// `target/<triple>/<profile>`: cargo puts test binaries into its `deps`.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("own path");
    let dir = exe.parent().expect("a directory");
    if dir.ends_with("deps") {
        dir.parent().expect("a profile directory").to_owned()
    } else {
        dir.to_owned()
    }
}

/// The probe's binary on the host.
pub fn probe() -> PathBuf {
    let path = target_dir().join("probe");
    assert!(path.is_file(), "{} is missing: `cargo build -p integration-tests`", path.display());
    path
}
