use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use super::super::record::sample;
use super::*;

fn id(text: &str) -> ContainerId {
    text.parse().unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().join("run/teu"));
    (dir, store)
}

#[test]
fn an_entry_is_made_filled_and_removed() {
    let (_dir, store) = store();
    let (entry, lock) = store.create(&id("c")).unwrap();
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(entry.path()), 0o700);
    assert_eq!(mode(&store.root), 0o700);
    assert_eq!(entry.read_record().unwrap(), None);
    assert_eq!(entry.read_config().unwrap(), None);

    let record = sample("c");
    entry.write_record(&record).unwrap();
    entry.write_config(b"{}").unwrap();
    assert_eq!(mode(&entry.path().join(RECORD)), 0o600);
    let again = store.open(&id("c")).unwrap();
    assert_eq!(again.read_record().unwrap(), Some(record));
    assert_eq!(again.read_config().unwrap().as_deref(), Some(&b"{}"[..]));

    assert!(!again.has_start_fifo().unwrap());
    std::fs::write(entry.path().join(START_FIFO), "").unwrap();
    assert!(again.has_start_fifo().unwrap());

    entry.remove().unwrap();
    drop(lock);
    assert!(matches!(store.open(&id("c")), Err(Error::NotFound)));
    again.remove().unwrap();
}

#[test]
fn of_racing_creates_exactly_one_wins() {
    let (_dir, store) = store();
    let barrier = Barrier::new(8);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let create = || {
            barrier.wait();
            store.create(&id("c")).map(|(entry, _)| drop(entry))
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|o| matches!(o, Ok(()) | Err(Error::AlreadyExists))));
}

#[test]
fn the_lock_excludes_other_threads_and_itself() {
    let (_dir, store) = store();
    let (entry, lock) = store.create(&id("c")).unwrap();
    assert!(entry.is_locked().unwrap());
    let other = store.open(&id("c")).unwrap();
    let e = other.lock_within(Duration::from_millis(30)).unwrap_err();
    assert!(e.to_string().starts_with("lock c: "), "{e}");
    drop(lock);
    assert!(!entry.is_locked().unwrap());
    let _held = other.lock().unwrap();
    assert!(entry.is_locked().unwrap());
}

#[test]
fn a_waiter_notices_that_the_container_was_deleted() {
    let (_dir, store) = store();
    let (entry, lock) = store.create(&id("c")).unwrap();
    let waiting = store.open(&id("c")).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || waiting.lock());
        std::thread::sleep(Duration::from_millis(20));
        entry.remove().unwrap();
        drop(lock);
        assert!(matches!(waiter.join().unwrap(), Err(Error::NotFound)));
    });
}

#[test]
fn removing_twice_spares_a_new_container_of_the_same_name() {
    let (_dir, store) = store();
    let (old, lock) = store.create(&id("c")).unwrap();
    store.open(&id("c")).unwrap().remove().unwrap();
    drop(lock);
    let (new, _lock) = store.create(&id("c")).unwrap();
    new.write_config(b"new").unwrap();
    old.remove().unwrap();
    assert!(store.open(&id("c")).unwrap().read_config().unwrap().is_some());
}

#[test]
fn ids_are_sorted_and_foreign_names_left_out() {
    let (_dir, store) = store();
    assert!(store.ids().unwrap().is_empty());
    for name in ["b", "a", "c"] {
        store.create(&id(name)).unwrap();
    }
    std::fs::write(store.root.join("file"), "").unwrap();
    std::fs::create_dir(store.root.join("not an id")).unwrap();
    assert_eq!(store.ids().unwrap(), [id("a"), id("b"), id("c")]);
}

#[test]
fn links_are_not_followed() {
    let (dir, store) = store();
    let (entry, _lock) = store.create(&id("c")).unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    std::os::unix::fs::symlink(&secret, entry.path().join(CONFIG)).unwrap();
    assert!(entry.read_config().is_err());
    std::os::unix::fs::symlink(dir.path(), store.root.join("link")).unwrap();
    assert!(matches!(store.open(&id("link")), Err(Error::NotFound)));
}

#[test]
fn what_a_crash_left_is_overwritten_and_removed() {
    let (_dir, store) = store();
    let (entry, _lock) = store.create(&id("c")).unwrap();
    std::fs::write(entry.path().join("state.json.tmp"), "half a rec").unwrap();
    entry.write_record(&sample("c")).unwrap();
    std::fs::write(entry.path().join("config.json.tmp"), "half").unwrap();
    let path = entry.path().to_owned();
    entry.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn an_error_names_the_file() {
    let (_dir, store) = store();
    let (entry, _lock) = store.create(&id("c")).unwrap();
    std::fs::write(entry.path().join(RECORD), "{").unwrap();
    let text = entry.read_record().unwrap_err().to_string();
    assert!(text.contains("run/teu/c/state.json: "), "{text}");
}
