use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;

use super::super::testing::Archive;
use super::*;

/// A directory for a layer, and beside it what no archive must touch.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("layer")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        Self { dir }
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("layer")
    }

    fn options() -> Options {
        let root = rustix::process::geteuid().is_root();
        let flavor = if root { Flavor::Trusted } else { Flavor::User };
        Options { limits: Limits::default(), flavor, squash: !root }
    }

    fn unpack_with(&self, archive: &[u8], options: Options) -> Result<Unpacked> {
        let result = unpack(archive, "test", &Dir::open(&self.root()).unwrap(), options);
        self.check_outside();
        result
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked> {
        self.unpack_with(archive, Self::options())
    }

    fn check_outside(&self) {
        let outside = self.dir.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
        assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 2);
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn meta(&self, path: &str) -> fs::Metadata {
        fs::symlink_metadata(self.root().join(path)).unwrap()
    }

    fn opaque(&self, path: &str) -> Option<Vec<u8>> {
        let mut value = [0; 8];
        let path: &Path = &self.root().join(path);
        let name = Self::options().flavor.opaque();
        match rustix::fs::getxattr(path, name, &mut value[..]) {
            Ok(length) => Some(value[..length].to_vec()),
            Err(Errno::NODATA) => None,
            Err(e) => panic!("{e}"),
        }
    }

    fn is_whiteout(&self, path: &str) -> bool {
        let meta = self.meta(path);
        meta.file_type().is_char_device() && meta.rdev() == 0
    }
}

#[test]
fn files_come_with_mode_and_time() {
    let place = Place::new();
    let mut header = Archive::header(EntryType::Regular, 4);
    header.set_mode(0o4755);
    let archive =
        Archive::default().dir("d/").raw(header, b"d/suid", b"text").symlink("d/l", "/x").end();
    let unpacked = place.unpack(&archive).unwrap();
    assert_eq!(place.read("d/suid"), "text");
    assert_eq!(place.meta("d/suid").permissions().mode() & 0o7777, 0o4755);
    for path in ["d", "d/suid", "d/l"] {
        assert_eq!(place.meta(path).mtime(), 1_600_000_000, "{path}");
    }
    assert_eq!(unpacked.blob, unpacked.diff);
    assert_eq!(unpacked.diff.digest, crate::digest::of_bytes(&archive).unwrap());
    assert_eq!(unpacked.implied, [Path::new("")]);
}

#[test]
fn digests_are_those_of_both_streams() {
    let place = Place::new();
    let archive = Archive::default().file("f", "text").end();
    // Bytes behind the archive's end belong to the layer, too.
    let padded = [&archive[..], &[0; 5000]].concat();
    let compressed = zstd::encode_all(&padded[..], 3).unwrap();
    let unpacked = place.unpack(&compressed).unwrap();
    assert_eq!(unpacked.diff.digest, crate::digest::of_bytes(&padded).unwrap());
    assert_eq!(unpacked.blob.digest, crate::digest::of_bytes(&compressed).unwrap());
    assert_eq!(unpacked.blob.size, compressed.len() as u64);
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["../outside/x", "/../x", "a/../../x", ".."] {
        let place = Place::new();
        let error = place.unpack(&Archive::default().file(path, "x").end()).unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }
}

#[test]
fn absolute_paths_are_within() {
    let place = Place::new();
    place.unpack(&Archive::default().file("/etc/x", "x").end()).unwrap();
    assert_eq!(place.read("etc/x"), "x");
}

#[test]
fn nothing_is_written_through_links_that_lead_out() {
    for target in ["../outside", "/proc/self/cwd", "/proc/1/root"] {
        let place = Place::new();
        let archive = Archive::default().symlink("l", target).file("l/x", "x").end();
        assert!(place.unpack(&archive).is_err(), "{target}");
    }
    // As in a chroot, / is above itself.
    let place = Place::new();
    place.unpack(&Archive::default().symlink("l", "../../..").file("l/x", "x").end()).unwrap();
    assert_eq!(place.read("x"), "x");
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    let archive =
        Archive::default().symlink("l", outside.to_str().unwrap()).dir("l/").file("l/x", "x");
    place.unpack(&archive.end()).unwrap();
    assert_eq!(place.read("l/x"), "x");
}

#[test]
fn links_within_are_followed_as_in_a_chroot() {
    let place = Place::new();
    let archive = Archive::default()
        .dir("usr/lib/")
        .symlink("lib", "/usr/lib")
        .symlink("up", "../../../usr")
        .file("lib/a", "1")
        .file("up/lib/b", "2");
    place.unpack(&archive.end()).unwrap();
    assert_eq!((place.read("usr/lib/a"), place.read("usr/lib/b")), ("1".into(), "2".into()));
}

#[test]
fn a_file_replaces_a_link_and_is_not_written_through_it() {
    let place = Place::new();
    let secret = place.dir.path().join("outside/secret");
    let archive = Archive::default()
        .symlink("f", secret.to_str().unwrap())
        .file("f", "x")
        .symlink("d", "../outside")
        .dir("d/")
        .file("d/secret", "x");
    place.unpack(&archive.end()).unwrap();
    assert_eq!(place.read("f"), "x");
    assert!(place.meta("d").is_dir());
}

#[test]
fn a_remembered_directory_that_becomes_a_link_is_not_used() {
    let place = Place::new();
    let archive =
        Archive::default().file("d/a", "1").symlink("d", "../outside").file("d/secret", "x").end();
    assert!(place.unpack(&archive).is_err());
}

#[test]
fn hard_links_stay_within() {
    for target in ["../outside/secret", "/../outside/secret", "out/secret", "missing", "/"] {
        let place = Place::new();
        let archive = Archive::default().symlink("out", "../outside").hard_link("l", target).end();
        assert!(place.unpack(&archive).is_err(), "{target}");
    }
    let place = Place::new();
    let archive = Archive::default()
        .file("a", "1")
        .hard_link("b", "/a")
        .symlink("s", "a")
        .hard_link("t", "s")
        .end();
    place.unpack(&archive).unwrap();
    assert_eq!(place.meta("a").ino(), place.meta("b").ino());
    assert!(place.meta("t").is_symlink());
}

#[test]
fn whiteouts_become_overlayfs_markers() {
    let place = Place::new();
    let archive = Archive::default()
        .dir("d/")
        .file("d/.wh.gone", "")
        .file("o/.wh..wh..opq", "")
        .file("d/.wh..wh.plnk", "")
        .end();
    place.unpack(&archive).unwrap();
    assert!(place.is_whiteout("d/gone"));
    assert_eq!(place.opaque("o"), Some(b"y".to_vec()));
    assert_eq!(place.opaque("d"), None);
    assert_eq!(fs::read_dir(place.root().join("d")).unwrap().count(), 1);
}

/// The specification wants a whiteout to hide lower layers only, wherever it stands.
#[test]
fn a_whiteout_does_not_hide_the_same_layer() {
    let before =
        Archive::default().file(".wh.f", "").file("f", "1").file(".wh.d", "").file("d/a", "2");
    let after =
        Archive::default().file("f", "1").file(".wh.f", "").file("d/a", "2").file(".wh.d", "");
    let entry = Archive::default().file("f", "1").file(".wh.d", "").dir("d/").file("d/a", "2");
    for archive in [before, after, entry] {
        let place = Place::new();
        place.unpack(&archive.end()).unwrap();
        assert_eq!((place.read("f"), place.read("d/a")), ("1".into(), "2".into()));
        assert_eq!(place.opaque("d"), Some(b"y".to_vec()));
    }
}

#[test]
fn whiteouts_of_nothing_are_refused() {
    for path in [".wh.", ".wh..", "d/.wh..."] {
        let place = Place::new();
        let error = place.unpack(&Archive::default().file(path, "").end()).unwrap_err();
        assert!(error.to_string().contains("deleted"), "{error}");
    }
}

#[test]
fn attributes_are_kept_but_for_those_that_overlayfs_obeys() {
    let place = Place::new();
    let archive = Archive::default()
        .pax(&[
            (b"SCHILY.xattr.user.a", b"1\n2"),
            (b"SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            (b"SCHILY.xattr.user.overlay.opaque", b"y"),
        ])
        .file("f", "")
        .end();
    let unpacked = place.unpack(&archive).unwrap();
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(place.root().join("f"), "user.a", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"1\n2");
    for name in ["trusted.overlay.redirect", "user.overlay.opaque"] {
        let got = rustix::fs::getxattr(place.root().join("f"), name, &mut value[..]);
        assert_eq!(got, Err(Errno::NODATA));
    }
    assert_eq!(unpacked.skipped.len(), 2);
}

#[test]
fn sparse_files_have_holes() {
    let place = Place::new();
    let archive = Archive::default()
        .pax(&[(b"GNU.sparse.size", b"104857600"), (b"GNU.sparse.map", b"1048576,3")])
        .raw(Archive::header(EntryType::Regular, 3), b"f", b"abc")
        .end();
    place.unpack(&archive).unwrap();
    let meta = place.meta("f");
    assert_eq!(meta.len(), 104_857_600);
    assert!(meta.blocks() * 512 < 1 << 20);
    let bytes = fs::read(place.root().join("f")).unwrap();
    assert_eq!(&bytes[1_048_576..1_048_579], b"abc");
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = "\0".repeat(8 << 20);
    let archive = Archive::default().file("bomb", &zeros).end();
    let bomb = zstd::encode_all(&archive[..], 3).unwrap();
    assert!(bomb.len() < 4096);
    let place = Place::new();
    let mut options = Place::options();
    options.limits.bytes = 1 << 20;
    let error = place.unpack_with(&bomb, options).unwrap_err();
    assert!(error.to_string().contains("larger"), "{error}");
    assert!(place.meta("bomb").len() <= 2 << 20);
    let many = (0..10).fold(Archive::default(), |archive, n| archive.file(&n.to_string(), ""));
    options.limits = Limits { entries: 9, ..Limits::default() };
    let error = Place::new().unpack_with(&many.end(), options).unwrap_err();
    assert!(error.to_string().contains("more entries"), "{error}");
}

#[test]
fn devices_are_made_by_root_and_left_out_otherwise() {
    let place = Place::new();
    let unpacked = place.unpack(&Archive::default().device("null", 1, 3).end()).unwrap();
    if rustix::process::geteuid().is_root() {
        let meta = place.meta("null");
        assert!(meta.file_type().is_char_device());
        assert_eq!(meta.rdev(), rustix::fs::makedev(1, 3));
    } else {
        assert_eq!(unpacked.skipped.len(), 1);
        assert!(!place.root().join("null").exists());
    }
}

#[test]
fn errors_name_layer_entry_and_errno() {
    let place = Place::new();
    let long = "x".repeat(300);
    let archive = Archive::default().pax(&[(b"path", long.as_bytes())]).file("f", "").end();
    let error = place.unpack(&archive).unwrap_err().to_string();
    assert_eq!(error, format!("layer test: {long}: ENAMETOOLONG: file name too long"));
}

#[test]
fn a_source_that_fails_is_what_the_error_says() {
    struct Cut;
    impl Read for Cut {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("connection lost"))
        }
    }
    let archive = Archive::default().file("f", &"x".repeat(4096)).end();
    let place = Place::new();
    let root = Dir::open(&place.root()).unwrap();
    let source = (&archive[..1024]).chain(Cut);
    let error = unpack(source, "test", &root, Place::options()).unwrap_err();
    assert!(error.to_string().contains("connection lost"), "{error}");
}

/// What a hostile archive may try: few names, so that entries meet each other.
fn hostile() -> impl Strategy<Value = Archive> {
    const NAMES: [&str; 10] = [
        "a",
        "b",
        "a/b",
        "a/b/c",
        "../outside/secret",
        "a/../../outside/new",
        "/a",
        "b/secret",
        "../outside",
        "a/secret",
    ];
    const TARGETS: [&str; 8] = [
        "a",
        "..",
        "../outside",
        "../outside/secret",
        "/",
        "/proc/self/cwd",
        "a/b",
        "../../outside",
    ];
    let name = || prop::sample::select(&NAMES[..]);
    let target = || prop::sample::select(&TARGETS[..]);
    let step = prop_oneof![
        name().prop_map(|name| Step::File(name.into())),
        name().prop_map(|name| Step::Dir(format!("{name}/"))),
        (name(), target()).prop_map(|(name, to)| Step::Link(EntryType::Symlink, name, to)),
        (name(), target()).prop_map(|(name, to)| Step::Link(EntryType::Link, name, to)),
        name().prop_map(|name| {
            let (parent, last) = name.rsplit_once('/').unwrap_or(("", name));
            Step::File(format!("{parent}/.wh.{last}"))
        }),
        name().prop_map(|name| Step::File(format!("{name}/.wh..wh..opq"))),
    ];
    prop::collection::vec(step, 1..12).prop_map(|steps| {
        steps.into_iter().fold(Archive::default(), |archive, step| match step {
            Step::File(name) => archive.file(&name, "x"),
            Step::Dir(name) => archive.dir(&name),
            Step::Link(kind, name, to) => archive.link(kind, name, to),
        })
    })
}

#[derive(Debug, Clone)]
enum Step {
    File(String),
    Dir(String),
    Link(EntryType, &'static str, &'static str),
}

proptest! {
    /// Whether it is unpacked or refused: nothing outside is changed, read or linked to.
    #[test]
    fn no_archive_reaches_outside(archive in hostile()) {
        let place = Place::new();
        let _ = place.unpack(&archive.end());
        let secret = fs::metadata(place.dir.path().join("outside/secret")).unwrap();
        let mut waiting = vec![place.root()];
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let meta = fs::symlink_metadata(entry.path()).unwrap();
                prop_assert_ne!(meta.ino(), secret.ino());
                if meta.is_dir() {
                    waiting.push(entry.path());
                }
            }
        }
    }

    /// Bytes that are no archive, or the beginning of one that is damaged.
    #[test]
    fn damaged_archives_are_refused_or_unpacked_within(
        archive in hostile(), position in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut archive = archive.end();
        let position = position.index(archive.len());
        archive[position] = byte;
        let _ = Place::new().unpack(&archive);
    }
}
