//! A store for a test, and an image for it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use integration_tests::{Cmd, Outcome, ordinary_user};
use tempfile::TempDir;

/// The applets that the test image links to busybox.
const APPLETS: [&str; 12] =
    ["sh", "cat", "echo", "grep", "hostname", "id", "ls", "mkdir", "pwd", "rm", "stat", "true"];

/// A directory with a store in it. What a test left mounted is unmounted at the end.
pub struct Place {
    dir: TempDir,
    user: Option<u32>,
}

impl Place {
    pub fn new() -> Self {
        // buildah takes a path with capitals for a name that has none.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("teu-image-it-{}-{number}", std::process::id());
        let dir = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().unwrap();
        Self { dir, user: None }
    }

    /// The same for an ordinary user.
    pub fn rootless() -> Self {
        let mut place = Self::new();
        place.user = Some(ordinary_user());
        let uid = Some(ordinary_user());
        std::os::unix::fs::chown(place.dir.path(), uid, uid).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The path as a word of a command.
    pub fn word(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn command(&self, words: &[&str]) -> Cmd {
        let program = env!("CARGO_BIN_EXE_teu-image");
        Cmd::new(program)
            .args(["--store", &self.word("store")])
            .args(words)
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .user(self.user)
            .limit(Duration::from_secs(120))
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        self.command(words).run()
    }

    /// Runs and gives what it printed.
    pub fn ok(&self, words: &[&str]) -> String {
        self.run(words).ok().out().to_owned()
    }

    /// Makes an image called busybox.
    pub fn busybox(&self) {
        let root = self.busybox_root();
        let tar = self.word("busybox.tar");
        Cmd::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["--owner=0", "--group=0", "-cf", &tar, "."])
            .run()
            .ok();
        self.ok(&["import", "-c", "CMD [\"sh\"]", &tar, "busybox"]);
    }

    /// Its files.
    pub fn busybox_root(&self) -> PathBuf {
        let root = self.path("busybox");
        fs::create_dir_all(root.join("bin")).unwrap();
        for dir in ["etc", "tmp"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
        )
        .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nweb:x:34:\nlog:x:40:web\n").unwrap();
        fs::copy(busybox(), root.join("bin/busybox")).unwrap();
        for name in APPLETS {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        root
    }

    /// One column of `images`: json.
    pub fn images(&self) -> serde_json::Value {
        self.run(&["images", "--format", "json"]).ok().json()
    }

    /// What `images` tells of one.
    pub fn image(&self, name: &str) -> serde_json::Value {
        let images = self.images();
        let found = images.as_array().unwrap().iter().find(|image| image["Name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {images:#}")).clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = |line: &&str| line.contains(self.dir.path().to_str().unwrap_or("?"));
        for line in mounts.lines().filter(ours) {
            if let Some(target) = line.split(' ').nth(1) {
                let _ = std::process::Command::new("umount").args(["-l", target]).status();
            }
        }
    }
}

fn busybox() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|dir| dir.join("busybox")).find(|p| p.is_file());
    found.expect("busybox")
}

/// A name for a container that no other test uses: cgroups and state are shared by all.
pub fn unique(stem: &str) -> String {
    format!("{stem}-{}-{:?}", std::process::id(), std::thread::current().id())
        .replace(['(', ')'], "")
        .replace("ThreadId", "")
}

/// Whether anything is mounted at or below a directory.
pub fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.contains(path.to_str().unwrap())
}
