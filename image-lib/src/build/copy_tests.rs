use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::super::ignore::Ignore;
use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.path("context/dir/sub")).unwrap();
        fs::create_dir_all(place.path("rootfs/etc")).unwrap();
        fs::create_dir_all(place.path("outside")).unwrap();
        for name in ["context/f", "context/dir/a", "context/dir/sub/b", "outside/kept"] {
            fs::write(place.path(name), name).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn copy_as(&self, manner: Manner, source: &str, target: &str) -> Result<()> {
        let root = Dir::open(&self.path("context")).unwrap();
        let files = Files { root: &root, ignore: &Ignore::default(), called: "the context" };
        let rootfs = Dir::open(&self.path("rootfs")).unwrap();
        let copier = Copier { rootfs: &rootfs, manner, cancelled: &|| false };
        let is_dir = target.ends_with('/');
        let target = Target { path: target.to_owned(), is_dir };
        files.find(source)?.iter().try_for_each(|found| copier.found(&files, found, &target))
    }

    fn copy(&self, source: &str, target: &str) -> Result<()> {
        let manner = Manner { owner: None, mode: None, attributes: false, squash: true };
        self.copy_as(manner, source, target)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("rootfs").join(name)).unwrap()
    }
}

#[test]
fn files_go_to_names_and_into_directories() {
    let place = Place::new();
    for (target, found) in
        [("/new/name", "new/name"), ("/etc", "etc/f"), ("/other/", "other/f"), ("/f", "f")]
    {
        place.copy("f", target).unwrap();
        assert_eq!(place.read(found), "context/f", "{target}");
    }
    place.copy("dir", "/tree").unwrap();
    place.copy("dir", "/etc/").unwrap();
    assert_eq!(place.read("tree/sub/b"), "context/dir/sub/b");
    assert_eq!(place.read("etc/a"), "context/dir/a");
    assert!(place.copy("dir", "/f").unwrap_err().to_string().contains("is no directory"));
    assert!(place.copy("f", "/f/x").is_err());
}

#[test]
fn links_of_the_image_do_not_lead_out() {
    let place = Place::new();
    let outside = place.path("outside");
    for (target, name) in [(outside.as_path(), "far"), ("../outside".as_ref(), "near")] {
        symlink(target, place.path("rootfs").join(name)).unwrap();
        place.copy("f", &format!("/{name}/kept")).unwrap();
        place.copy("dir", &format!("/{name}")).unwrap();
    }
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "outside/kept");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(place.read("outside/kept"), "context/f");
    // One in the way of what is in a directory is replaced.
    symlink(&outside, place.path("rootfs/etc/sub")).unwrap();
    symlink(outside.join("kept"), place.path("rootfs/etc/a")).unwrap();
    place.copy("dir", "/etc").unwrap();
    assert_eq!(place.read("etc/sub/b"), "context/dir/sub/b");
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "outside/kept");
}

#[test]
fn links_of_the_context_are_copied_as_links_within_directories() {
    let place = Place::new();
    symlink("/etc/passwd", place.path("context/dir/link")).unwrap();
    fs::hard_link(place.path("context/dir/a"), place.path("context/dir/same")).unwrap();
    place.copy("dir", "/d").unwrap();
    let link = fs::read_link(place.path("rootfs/d/link")).unwrap();
    assert_eq!(link, PathBuf::from("/etc/passwd"));
    let inode = |name: &str| fs::metadata(place.path("rootfs/d").join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("same"));
}

#[test]
fn modes_are_kept_or_given() {
    let place = Place::new();
    let mode = |name: &str| {
        fs::metadata(place.path("rootfs").join(name)).unwrap().permissions().mode() & 0o7777
    };
    fs::set_permissions(place.path("context/f"), PermissionsExt::from_mode(0o4711)).unwrap();
    place.copy("f", "/f").unwrap();
    assert_eq!(mode("f"), 0o4711);
    let manner = Manner { owner: None, mode: Some(0o640), attributes: false, squash: true };
    place.copy_as(manner, "f", "/d/f").unwrap();
    assert_eq!((mode("d/f"), mode("d")), (0o640, 0o755));
}

#[test]
fn pipes_are_copied_not_read_and_sockets_left_out() {
    let place = Place::new();
    let context = Dir::open(&place.path("context/dir")).unwrap();
    for (name, kind) in [("pipe", FileType::Fifo), ("socket", FileType::Socket)] {
        mknodat(&context, name, kind, Mode::RUSR, 0).unwrap();
    }
    place.copy("dir", "/d").unwrap();
    let names = Dir::open(&place.path("rootfs/d")).unwrap().names().unwrap();
    assert_eq!(names, ["a", "pipe", "sub"]);
}
