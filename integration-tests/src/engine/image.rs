//! The image of the tests, made of busybox alone: nothing is downloaded.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::command::Cmd;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001:Alice:/home/alice:/bin/sh\n";
const GROUP: &str = "root:x:0:\nstaff:x:1001:\ndialers:x:20:alice\n";

/// Fills a directory with a root file system: busybox with all its applets, and the account `alice` (1000:1001, also
/// in `dialers`, 20).
///
/// # Panics
/// When there is no busybox.
pub fn root_filesystem(root: &Path) {
    for dir in ["bin", "dev", "etc", "home/alice", "proc", "root", "sys", "tmp"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(root.join("etc/passwd"), PASSWD).unwrap();
    fs::write(root.join("etc/group"), GROUP).unwrap();
    let busybox = crate::require::find("busybox").expect("busybox");
    let list = Cmd::new(&busybox).arg("--list").run().ok().stdout;
    fs::copy(busybox, root.join("bin/busybox")).unwrap();
    for applet in list.lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
}

/// The same as a tar archive, made below `dir`.
pub fn archive(dir: &Path) -> PathBuf {
    let (root, tar) = (dir.join("image"), dir.join("image.tar"));
    root_filesystem(&root);
    Cmd::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").run().ok();
    tar
}
