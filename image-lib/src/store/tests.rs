use super::*;
use std::io::Write as _;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn manifest(store: &Store, text: &str) -> oci_spec::image::Descriptor {
    let content = store.put_blob(text.as_bytes()).unwrap();
    let media_type = oci_spec::image::MediaType::Other("text/plain".into());
    oci_spec::image::Descriptor::new(media_type, content.size, content.digest)
}

#[test]
fn blobs_are_kept_under_their_digest() {
    let (_dir, store) = store();
    let content = store.put_blob(b"abc").unwrap();
    assert!(store.has_blob(&content.digest).unwrap());
    assert_eq!(store.read_document(&content.digest, "test").unwrap(), b"abc");
    assert!(store.tmp.names().unwrap().is_empty());
}

#[test]
fn a_blob_that_is_not_what_was_promised_leaves_nothing() {
    let (_dir, store) = store();
    let promised = crate::digest::of_bytes(b"other").unwrap();
    let mut writer = store.new_blob().unwrap();
    writer.write_all(b"abc").unwrap();
    assert!(matches!(writer.finish(Some(&promised)), Err(Error::Digest { .. })));
    assert!(store.tmp.names().unwrap().is_empty());
    assert!(store.blobs.names().unwrap().is_empty());
}

#[test]
fn damaged_blobs_are_noticed() {
    let (_dir, store) = store();
    let content = store.put_blob(b"abc").unwrap();
    let path = store.path().join("blobs/sha256").join(content.digest.digest());
    std::fs::write(path, "abd").unwrap();
    assert!(matches!(store.read_document(&content.digest, "x"), Err(Error::Digest { .. })));
}

#[test]
fn a_name_moves_and_its_old_image_stays_until_pruned() {
    let (_dir, store) = store();
    let (old, new) = (manifest(&store, "old"), manifest(&store, "new"));
    let name: crate::Reference = "user/image".parse().unwrap();
    store.tag(&old, &name).unwrap();
    store.tag(&new, &name).unwrap();
    let entries = store.entries().unwrap();
    assert_eq!(entries.len(), 2);
    let by_name = |name: Option<&crate::Reference>| {
        let mut found = entries.iter().filter(|entry| entry.reference.as_ref() == name);
        found.next().unwrap().descriptor.digest().clone()
    };
    assert_eq!(by_name(Some(&name)), *new.digest());
    assert_eq!(by_name(None), *old.digest());
    assert_eq!(store.prune().unwrap().len(), 1);
    assert_eq!(store.entries().unwrap().len(), 1);
    assert_eq!(store.gc(Wait::Yes).unwrap().unwrap().blobs, 1);
}

#[test]
fn a_second_name_does_not_make_a_second_nameless_image() {
    let (_dir, store) = store();
    let (one, two) = (manifest(&store, "1"), manifest(&store, "2"));
    store.tag(&one, &"a".parse().unwrap()).unwrap();
    store.tag(&one, &"b".parse().unwrap()).unwrap();
    store.tag(&two, &"a".parse().unwrap()).unwrap();
    assert_eq!(store.entries().unwrap().len(), 2);
    store.untag(&"b".parse().unwrap()).unwrap();
    assert!(matches!(store.untag(&"b".parse().unwrap()), Err(Error::NoSuchImage(_))));
    assert_eq!(store.entries().unwrap().len(), 1);
}

#[test]
fn gc_removes_only_what_no_one_needs_and_waits_for_others() {
    let (dir, store) = store();
    let kept = manifest(&store, "kept");
    store.tag(&kept, &"a".parse().unwrap()).unwrap();
    let lost = store.put_blob(b"lost").unwrap();
    std::fs::create_dir(store.path().join("tmp/.left-by-a-crash")).unwrap();
    std::fs::write(store.path().join(".index.json.left"), "").unwrap();
    let other = Store::open(&dir.path().join("store")).unwrap();
    assert_eq!(store.gc(Wait::No).unwrap(), None);
    assert!(other.has_blob(&lost.digest).unwrap());
    assert_eq!(other.gc(Wait::No).unwrap(), Some(Freed { blobs: 1, bytes: 4, layers: 0 }));
    let store = Store::open(&dir.path().join("store")).unwrap();
    assert!(store.has_blob(kept.digest()).unwrap());
    assert!(!store.has_blob(&lost.digest).unwrap());
    assert!(store.tmp.names().unwrap().is_empty());
    assert!(!store.root.has(".index.json.left").unwrap());
}

#[test]
fn many_threads_tag_at_once_and_no_name_is_lost() {
    let (_dir, store) = store();
    let image = manifest(&store, "x");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, image) = (&store, &image);
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("image:{thread}-{number}").parse().unwrap();
                    store.tag(image, &name).unwrap();
                }
            });
        }
    });
    assert_eq!(store.entries().unwrap().len(), 32);
}

#[test]
fn a_layout_of_another_version_is_left_alone() {
    let (dir, store) = store();
    drop(store);
    let path = dir.path().join("store/oci-layout");
    std::fs::write(&path, r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(Store::open(&dir.path().join("store")), Err(Error::Damaged { .. })));
    assert!(std::fs::read_to_string(path).unwrap().contains("2.0.0"));
}

/// Imports an archive with a file as `a`.
fn with_image() -> (tempfile::TempDir, Store, crate::Image) {
    let (dir, store) = store();
    let archive = crate::layer::testing::Archive::default().file("f", "whole").end();
    let made = crate::import(&store, &archive[..], &crate::Commit::default()).unwrap();
    store.tag(&made.descriptor, &"a".parse().unwrap()).unwrap();
    let image = store.read_image(&made.descriptor).unwrap();
    (dir, store, image)
}

/// What the file in its layer has, if the layer is there.
fn content(store: &Store, image: &crate::Image) -> Option<String> {
    let layer = store.layer(&image.diff_ids().unwrap()[0]).unwrap()?;
    Some(std::fs::read_to_string(layer.path().join("f")).unwrap())
}

/// Where the layer is, whole or not.
fn place(store: &Store, image: &crate::Image) -> PathBuf {
    store.path().join("layers/sha256").join(image.diff_ids().unwrap()[0].digest())
}

/// The machine comes up again after its power was lost, and with it what was in the file.
fn lose(store: &mut Store, image: &crate::Image) {
    std::fs::write(place(store, image).join("fs/f"), "").unwrap();
    store.boot = Some(b"another".to_vec());
}

#[test]
fn layers_that_may_be_lost_with_the_power_are_unpacked_again() {
    let (_dir, mut store, image) = with_image();
    assert_eq!(content(&store, &image).as_deref(), Some("whole"));
    lose(&mut store, &image);
    assert_eq!(content(&store, &image), None);
    store.unpack_image(&image).unwrap();
    assert_eq!(content(&store, &image).as_deref(), Some("whole"));
}

#[test]
fn the_mark_of_the_boot_may_be_lost_too() {
    let (_dir, store, image) = with_image();
    let mark = place(&store, &image).join("boot");
    std::fs::write(&mark, "").unwrap();
    assert_eq!(content(&store, &image), None);
    std::fs::remove_file(mark).unwrap();
    assert_eq!(content(&store, &image), None);
}

#[test]
fn what_is_lost_is_replaced_once() {
    let (_dir, mut store, image) = with_image();
    lose(&mut store, &image);
    let id = &image.diff_ids().unwrap()[0];
    let unpack = || store.unpack_blob(image.manifest.layers()[0].digest(), id, "test").unwrap();
    let (first, second) = (unpack(), unpack());
    store.commit_layers(vec![first]).unwrap();
    let inode = || std::os::unix::fs::MetadataExt::ino(&place(&store, &image).metadata().unwrap());
    let used = inode();
    store.commit_layers(vec![second]).unwrap();
    assert_eq!(inode(), used);
}

#[test]
fn gc_makes_layers_last_and_removes_lost_ones() {
    let (dir, store, image) = with_image();
    assert_eq!(store.gc(Wait::Yes).unwrap(), Some(Freed::default()));
    let mut store = Store::open(&dir.path().join("store")).unwrap();
    store.boot = Some(b"another".to_vec());
    assert_eq!(content(&store, &image).as_deref(), Some("whole"));
    std::fs::remove_file(place(&store, &image).join("lasting")).unwrap();
    let freed = store.gc(Wait::Yes).unwrap().unwrap();
    assert_eq!((freed.blobs, freed.layers), (0, 1));
}

#[test]
fn where_boots_cannot_be_told_apart_layers_last_at_once() {
    let (_dir, mut store, image) = with_image();
    store.boot = None;
    assert_eq!(content(&store, &image), None);
    store.unpack_image(&image).unwrap();
    assert_eq!(content(&store, &image).as_deref(), Some("whole"));
    lose(&mut store, &image);
    assert!(content(&store, &image).is_some());
}

#[test]
fn errors_of_layers_name_image_layer_and_path() {
    let (_dir, store) = store();
    let archive = crate::layer::testing::Archive::default().file("../up", "x").end();
    let blob = store.put_blob(&archive).unwrap();
    let descriptor = store.layer_descriptor(&blob, "test").unwrap();
    let image_with = |diff_id: &oci_spec::image::Digest| {
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let made = store.put_image(&config, vec![descriptor.clone()]).unwrap();
        store.tag(&made.descriptor, &"user/evil:1".parse().unwrap()).unwrap();
        store.image("user/evil:1").unwrap()
    };
    let e = store.unpack_image(&image_with(&blob.digest)).unwrap_err();
    assert_eq!(e.kind(), crate::ErrorKind::InvalidInput);
    let expected =
        format!("image user/evil:1: layer {}: ../up: leads out of the layer", blob.digest);
    assert_eq!(e.to_string(), expected);
}
