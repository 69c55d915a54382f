use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxSeccomp;
use proptest::prelude::*;

use super::*;
use crate::seccomp::Filter;

const KEY: &[u8] = b"compiler x86_64 {}";
const PROGRAM: &[u8] = &[6, 0, 0, 0, 0, 0, 0xff, 0x7f];

struct Cache {
    dir: tempfile::TempDir,
    cache: FilterCache,
}

impl Cache {
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = FilterCache::beside(&dir.path().join("root")).unwrap();
        Self { dir, cache }
    }

    fn filled() -> Self {
        let cache = Self::empty();
        cache.cache.keep(KEY, PROGRAM, 4);
        assert_eq!(cache.found(), Some((PROGRAM.to_vec(), 4)));
        cache
    }

    fn found(&self) -> Option<(Vec<u8>, u32)> {
        self.cache.find(KEY)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("root.filters")
    }

    fn entry(&self) -> PathBuf {
        self.path().join(place(KEY))
    }

    /// Not used as it is, and as good as new after the next keep, where that is possible.
    fn is_useless(&self, can_be_replaced: bool, why: &str) {
        assert_eq!(self.found(), None, "{why}");
        self.cache.keep(KEY, PROGRAM, 4);
        assert_eq!(self.found().is_some(), can_be_replaced, "{why}");
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_kept_is_found_by_its_key_only() {
    let cache = Cache::filled();
    assert_eq!(cache.cache.find(b"another"), None);
    assert_eq!(cache.cache.find(b""), None);
    assert_eq!(cache.cache.find(&KEY[..KEY.len() - 1]), None);
    assert_eq!(fs::metadata(cache.path()).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(cache.entry()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(FilterCache::beside(Path::new("/")).is_none());
}

#[test]
fn a_directory_that_others_could_have_written_to_is_not_used() {
    for mode in [0o777, 0o770, 0o707, 0o750, 0o701] {
        let cache = Cache::filled();
        chmod(&cache.path(), mode);
        cache.is_useless(false, &format!("{mode:o}"));
        assert_eq!(fs::metadata(cache.path()).unwrap().permissions().mode() & 0o7777, mode);
    }
    let cache = Cache::filled();
    let elsewhere = cache.dir.path().join("elsewhere");
    fs::rename(cache.path(), &elsewhere).unwrap();
    symlink(&elsewhere, cache.path()).unwrap();
    cache.is_useless(false, "a link");
    fs::remove_file(cache.path()).unwrap();
    fs::write(cache.path(), "").unwrap();
    cache.is_useless(false, "a file");
}

#[test]
fn an_entry_that_others_could_have_written_is_not_used() {
    for mode in [0o620, 0o602, 0o666] {
        let cache = Cache::filled();
        chmod(&cache.entry(), mode);
        cache.is_useless(true, &format!("{mode:o}"));
    }
    let cache = Cache::filled();
    let elsewhere = cache.dir.path().join("elsewhere");
    fs::rename(cache.entry(), &elsewhere).unwrap();
    symlink(&elsewhere, cache.entry()).unwrap();
    cache.is_useless(true, "a link");
    assert!(fs::metadata(&elsewhere).unwrap().is_file());
}

#[test]
fn what_belongs_to_somebody_else_is_not_used() {
    if !geteuid().is_root() {
        crate::cgroup::skip("SKIP: needs root to give files away");
        return;
    }
    let cache = Cache::filled();
    std::os::unix::fs::chown(cache.entry(), Some(65534), None).unwrap();
    cache.is_useless(true, "entry");
    std::os::unix::fs::chown(cache.path(), Some(65534), None).unwrap();
    cache.is_useless(false, "directory");
}

#[test]
fn no_entry_is_waited_for_and_none_is_followed() {
    let cache = Cache::filled();
    fs::remove_file(cache.entry()).unwrap();
    nix::unistd::mkfifo(&cache.entry(), Mode::S_IRWXU).unwrap();
    cache.is_useless(true, "a FIFO");
    fs::remove_file(cache.entry()).unwrap();
    fs::create_dir(cache.entry()).unwrap();
    cache.is_useless(false, "a directory");
}

#[test]
fn a_damaged_entry_is_not_used() {
    let cache = Cache::filled();
    let sound = fs::read(cache.entry()).unwrap();
    for byte in 0..sound.len() {
        for bit in 0..8 {
            let mut damaged = sound.clone();
            damaged[byte] ^= 1 << bit;
            fs::write(cache.entry(), damaged).unwrap();
            assert_eq!(cache.found(), None, "bit {bit} of byte {byte}");
        }
        fs::write(cache.entry(), &sound[..byte]).unwrap();
        assert_eq!(cache.found(), None, "cut off at {byte}");
    }
    fs::write(cache.entry(), [&sound[..], b"more"].concat()).unwrap();
    cache.is_useless(true, "longer");
}

#[test]
fn another_keys_entry_under_this_name_is_not_used() {
    let cache = Cache::filled();
    let other = encode(b"compiler x86_64 []", PROGRAM, 4).unwrap();
    fs::write(cache.entry(), other).unwrap();
    cache.is_useless(true, "renamed");
}

#[test]
fn there_is_an_end_to_it() {
    let cache = Cache::empty();
    for n in 0..200u32 {
        cache.cache.keep(&n.to_ne_bytes(), PROGRAM, n);
        assert_eq!(cache.cache.find(&n.to_ne_bytes()), Some((PROGRAM.to_vec(), n)));
    }
    assert!(fs::read_dir(cache.path()).unwrap().count() <= PLACES as usize);
    cache.cache.keep(&vec![0; LARGEST], PROGRAM, 0);
    assert_eq!(cache.cache.find(&vec![0; LARGEST]), None);
}

#[test]
fn what_a_killed_writer_leaves_is_cleared_away() {
    let cache = Cache::filled();
    fs::remove_file(cache.entry()).unwrap();
    fs::write(cache.path().join(format!("{}.tmp", place(KEY))), "half").unwrap();
    cache.is_useless(false, "in the way once");
    cache.is_useless(true, "and no more");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[test]
fn writers_at_once_leave_a_whole_entry_or_none() {
    let cache = Cache::empty();
    let keys: Vec<Vec<u8>> = (0u32..2000).map(|n| n.to_ne_bytes().to_vec()).collect();
    let same: Vec<_> = keys.iter().filter(|key| place(key) == "03").take(8).collect();
    std::thread::scope(|scope| {
        for key in &same {
            scope.spawn(|| {
                for _ in 0..200 {
                    cache.cache.keep(key, key, 7);
                    let found = cache.cache.find(key);
                    assert!(found.is_none_or(|found| found == (key.to_vec(), 7)));
                }
            });
        }
    });
}

proptest! {
    #[test]
    fn no_entry_is_a_panic(entry in proptest::collection::vec(any::<u8>(), 0..64), key in "[a-c]{0,4}") {
        let _ = decode(&entry, key.as_bytes());
    }

    #[test]
    fn every_entry_is_read_as_it_was_written(
        key in proptest::collection::vec(any::<u8>(), 0..64),
        program in proptest::collection::vec(any::<u8>(), 0..64),
        flags in any::<u32>(),
    ) {
        let entry = encode(&key, &program, flags).unwrap();
        prop_assert_eq!(decode(&entry, &key), Some((program, flags)));
    }
}

fn median(mut take: impl FnMut()) -> Duration {
    let mut once = |_| {
        let begin = Instant::now();
        take();
        begin.elapsed()
    };
    let mut times: Vec<Duration> = (0..501).map(&mut once).collect();
    times.sort();
    times[250]
}

/// The numbers in docs/seccomp.md:
/// `cargo test --release -p libteu --lib filter_cache -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "a table")]
fn what_a_hit_costs() {
    let read = |json: &str| serde_json::from_str::<LinuxSeccomp>(json).unwrap();
    let rules = |n: u64| {
        let entries: Vec<_> = (0..n)
            .map(|n| {
                serde_json::json!({"names": [crate::seccomp::Arch::X86_64.call_name((n % 300) as u32)],
                    "action": if n % 2 == 0 { "SCMP_ACT_ERRNO" } else { "SCMP_ACT_LOG" },
                    "args": [{"index": 5, "op": "SCMP_CMP_EQ", "value": 1_000_000 + n}]})
            })
            .collect();
        read(
            &serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries})
                .to_string(),
        )
    };
    println!("| profile | key, bytes | compile | key | hit, with the key | keep |");
    for (name, profile) in [
        ("Docker 20.10", read(include_str!("../../tests/seccomp/docker.json"))),
        ("Podman 4.3", read(include_str!("../../tests/seccomp/podman.json"))),
        ("100 rules", rules(100)),
        ("1,000 rules", rules(1000)),
    ] {
        let cache = Cache::empty();
        let key = || Filter::key(&profile).unwrap();
        let filter = Filter::compile(&profile).unwrap();
        let keep = || cache.cache.keep(&key(), &filter.to_bytes(), filter.flags());
        let kept = median(keep);
        let compile = median(|| drop(std::hint::black_box(Filter::compile(&profile))));
        let only_key = median(|| drop(std::hint::black_box(key())));
        let hit = median(|| {
            let (program, flags) = cache.cache.find(&key()).unwrap();
            drop(std::hint::black_box(Filter::from_bytes(&program, flags)));
        });
        println!("| {name} | {} | {compile:?} | {only_key:?} | {hit:?} | {kept:?} |", key().len());
    }
}
