//! The image of the tests, made of busybox alone: nothing is downloaded.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

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

/// The same as an OCI image called `localhost/busybox:latest` in an archive, made below `dir`.
pub fn oci_archive(dir: &Path) -> PathBuf {
    let layout = dir.join("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let layer = blob(&layout, &archive(dir));
    let text = |name: &str, value: serde_json::Value| {
        let file = dir.join(name);
        fs::write(&file, value.to_string()).unwrap();
        blob(&layout, &file)
    };
    let config = text(
        "image-config",
        json!({
            "architecture": architecture(), "os": "linux",
            "config": { "Cmd": ["sh"], "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        }),
    );
    let kind = |mut blob: serde_json::Value, kind: &str| {
        blob["mediaType"] = format!("application/vnd.oci.image.{kind}").into();
        blob
    };
    let manifest = text(
        "image-manifest",
        json!({
            "schemaVersion": 2,
            "config": kind(config, "config.v1+json"),
            "layers": [kind(layer, "layer.v1.tar")],
        }),
    );
    let mut manifest = kind(manifest, "manifest.v1+json");
    manifest["annotations"] = json!({ "io.containerd.image.name": "localhost/busybox:latest" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let tar = dir.join("oci.tar");
    Cmd::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&tar).arg(".").run().ok();
    tar
}

/// Copies a file into the layout; returns its digest and size.
fn blob(layout: &Path, file: &Path) -> serde_json::Value {
    let sum = Cmd::new("sha256sum").arg(file).run().ok();
    let digest = sum.stdout.split(' ').next().unwrap();
    fs::copy(file, layout.join("blobs/sha256").join(digest)).unwrap();
    json!({ "digest": format!("sha256:{digest}"), "size": fs::metadata(file).unwrap().len() })
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
