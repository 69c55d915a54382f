//! Files and directories that a container has of its own: name resolution, volumes, what the image's
//! config names and does not have.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, statat};
use serde_json::{Value, json};

use super::options::{Network, Options};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::layer::{Flavor, Inside, Tree};
use crate::snapshot::{Container, copy_attributes, copy_tree, itself};

/// In the container's directory.
const ETC: &str = "etc";
const VOLUMES: &str = "volumes";

/// `/etc/hosts`, `hostname` and `resolv.conf`, each a file of the container's own. The host's are copied
/// where the network is the host's.
pub fn etc(container: &Container<'_>, options: &Options) -> Result<Vec<Value>> {
    let dir = container.dir().make_child(ETC, 0o755)?;
    let hostname = options.hostname.as_deref().unwrap_or(&container.record().name);
    let of_host = |path: &str| match options.network {
        Network::Host => fs::read(path).ok(),
        Network::None => None,
    };
    let own = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n"
    );
    let files = [
        ("hosts", of_host("/etc/hosts").unwrap_or(own.into_bytes())),
        ("hostname", format!("{hostname}\n").into_bytes()),
        ("resolv.conf", of_host("/etc/resolv.conf").unwrap_or_default()),
    ];
    let mut mounts = Vec::new();
    for (name, content) in files {
        // Mounts of them end with the machine's power, too.
        dir.replace_until_power_off(name, &content)?;
        readable(&dir, name)?;
        mounts.push(bind(&dir.path().join(name), &format!("/etc/{name}")));
    }
    Ok(mounts)
}

/// Whatever the caller's umask, users in the container read it.
fn readable(dir: &Dir, name: &str) -> Result<()> {
    rustix::fs::chmodat(dir, name, rustix::fs::Mode::from_raw_mode(0o644), AtFlags::empty())
        .map_err(Error::at("chmod", dir.path(), name))
}

/// A directory of its own for each volume that the image declares, filled with what the image has there.
/// Those that something of the host is bound to need none.
pub fn volumes(
    container: &Container<'_>,
    image: &Image,
    rootfs: &Dir,
    options: &Options,
) -> Result<Vec<Value>> {
    let declared = image.config.config().as_ref().and_then(|config| config.volumes().clone());
    let mut declared = declared.unwrap_or_default();
    declared.sort();
    let volumes = container.dir().make_child(VOLUMES, 0o700)?;
    let mut mounts = Vec::new();
    for (number, path) in declared.iter().enumerate() {
        if options.binds.iter().any(|bind| bind.target == Path::new(path)) {
            continue;
        }
        let source = make_directory(rootfs, path)?;
        let name = number.to_string();
        if !volumes.has(&name)? {
            let volume = volumes.new_child(&name, 0o755)?;
            copy_tree(&source, &volume)?;
            let stat = statat(&source, itself(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| Error::system("stat", path, e))?;
            copy_attributes((source.as_fd(), itself()), (volume.as_fd(), itself()), &stat)
                .map_err(|e| Error::system("copy attributes of", path, e))?;
        }
        mounts.push(bind(&volumes.path().join(&name), path));
    }
    Ok(mounts)
}

/// Makes a directory in the container unless it is there, and opens it. Links in the path are resolved
/// in the container.
pub fn make_directory(rootfs: &Dir, path: &str) -> Result<Dir> {
    let outside = || Error::Argument(format!("{path:?} leads out of the container"));
    let inside = Inside::parse(path.as_bytes()).ok_or_else(outside)?;
    let failed = |e: std::io::Error| Error::io("mkdir in the container", path, &e);
    // Nothing is deleted here, so that it does not matter what deleted files are like.
    let mut tree = Tree::new(rootfs, Flavor::User);
    let fd = tree.directory(&inside).and_then(|fd| fd.try_clone_to_owned()).map_err(failed)?;
    Ok(Dir::from_fd(fd, rootfs.path().join(inside.display())))
}

fn bind(source: &Path, target: &str) -> Value {
    json!({
        "destination": target, "type": "bind", "source": source,
        "options": ["rbind", "rprivate"],
    })
}
