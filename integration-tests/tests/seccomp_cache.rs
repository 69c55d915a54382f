//! Compiled filters are kept beside the state root. Whatever somebody makes of that place, a container
//! has the filter of its own profile.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, json, require};

const HEAD: usize = 16;
const NOBODY: u32 = 65534;
/// One instruction: allow everything.
const ALLOW: [u8; 8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f];

/// A container that may not make directories.
fn bundle() -> Bundle {
    let mut b = Bundle::new();
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["mkdir"], "action": "SCMP_ACT_ERRNO" }] }),
    );
    b.args(&["mkdir", "/tmp/d"]);
    b
}

fn is_filtered(b: &Bundle) -> bool {
    let outcome = b.run();
    let filtered = outcome.out() == "EPERM";
    outcome.exits(i32::from(filtered));
    filtered
}

fn cache(b: &Bundle) -> PathBuf {
    let root = b.root();
    root.with_file_name(format!("{}.filters", root.file_name().unwrap().display()))
}

fn entries(b: &Bundle) -> Vec<PathBuf> {
    fs::read_dir(cache(b)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// The only entry.
fn entry(b: &Bundle) -> PathBuf {
    let found = entries(b);
    let [only] = found.as_slice() else { panic!("{found:?}") };
    only.clone()
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// The entry as an attacker would like it: same key, sound checksum, but everything is allowed.
fn forged(entry: &Path) -> Vec<u8> {
    let sound = fs::read(entry).unwrap();
    let word = |at: usize| u32::from_ne_bytes(sound[at..at + 4].try_into().unwrap());
    assert_eq!(word(4), crc32(&sound[8..]));
    let mut forged = sound[..HEAD + word(12) as usize].to_vec();
    forged.extend_from_slice(&ALLOW);
    let checksum = crc32(&forged[8..]);
    forged[4..8].copy_from_slice(&checksum.to_ne_bytes());
    forged
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the attack does to the cache's directory and to the forged entry in it. Undone by the removal
/// of the directory.
type Attack = (&'static str, fn(&Path, &Path));

const ATTACKS: [Attack; 8] = [
    ("directory of somebody else", |dir, _| chown(dir, Some(NOBODY), None).unwrap()),
    ("directory for everybody", |dir, _| chmod(dir, 0o777)),
    ("directory that a group may write to", |dir, _| chmod(dir, 0o720)),
    ("link to a directory", |dir, _| {
        fs::rename(dir, dir.with_file_name("elsewhere")).unwrap();
        symlink("elsewhere", dir).unwrap();
    }),
    ("entry of somebody else", |_, entry| chown(entry, Some(NOBODY), None).unwrap()),
    ("entry for everybody", |_, entry| chmod(entry, 0o666)),
    ("link to an entry", |dir, entry| {
        fs::rename(entry, dir.join("elsewhere")).unwrap();
        symlink("elsewhere", entry).unwrap();
    }),
    ("damaged entry", |_, entry| {
        let mut damaged = fs::read(entry).unwrap();
        damaged[HEAD - 12] ^= 1;
        fs::write(entry, damaged).unwrap();
    }),
];

#[test]
fn a_container_of_the_same_profile_gets_the_same_program() {
    require!("root", "teu");
    let b = bundle();
    assert!(is_filtered(&b));
    let kept = fs::read(entry(&b)).unwrap();
    let container = b.start_sleeper();
    let program = fs::read(b.root().join(b.id()).join("seccomp.bpf")).unwrap();
    assert!(kept.ends_with(&program));
    container.finish();
    assert_eq!(fs::read(entry(&b)).unwrap(), kept);
}

#[test]
fn nothing_is_kept_without_a_profile_or_of_a_start_that_fails() {
    require!("root", "teu");
    let mut b = Bundle::new();
    b.run().ok();
    assert!(!cache(&b).exists());
    b = bundle();
    b.set("/process/args", json!(["/no/such/program"]));
    b.run().exits(1);
    assert!(!cache(&b).exists());
}

#[test]
fn a_hostile_cache_is_not_used() {
    require!("root", "teu");
    let b = bundle();
    assert!(is_filtered(&b));
    let entry = entry(&b);
    let forged = forged(&entry);
    fs::write(&entry, &forged).unwrap();
    // The proof that the attacks below would work: who may write here is root.
    assert!(!is_filtered(&b));
    for (attack, carry_out) in ATTACKS {
        let _ = fs::remove_dir_all(cache(&b)).or_else(|_| fs::remove_file(cache(&b)));
        let _ = fs::remove_dir_all(cache(&b).with_file_name("elsewhere"));
        fs::create_dir(cache(&b)).unwrap();
        chmod(&cache(&b), 0o700);
        fs::write(&entry, &forged).unwrap();
        chmod(&entry, 0o600);
        carry_out(&cache(&b), &entry);
        assert!(is_filtered(&b), "{attack}");
    }
}

#[test]
fn an_entry_of_another_profile_is_not_used() {
    require!("root", "teu");
    let mut b = bundle();
    b.set("/linux/seccomp/syscalls/0/names", json!(["rmdir"]));
    assert!(!is_filtered(&b));
    let other = entry(&b);
    b.set("/linux/seccomp/syscalls/0/names", json!(["mkdir"]));
    assert!(is_filtered(&b));
    for path in entries(&b) {
        if path != other {
            fs::copy(&other, path).unwrap();
        }
    }
    assert!(is_filtered(&b));
}

#[test]
fn a_fifo_in_the_place_of_an_entry_holds_nobody_up() {
    require!("root", "teu");
    let b = bundle();
    assert!(is_filtered(&b));
    let entry = entry(&b);
    fs::remove_file(&entry).unwrap();
    nix::unistd::mkfifo(&entry, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(is_filtered(&b));
}
