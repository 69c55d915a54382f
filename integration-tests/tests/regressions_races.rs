//! Links that come and go on a shared volume while containers are started.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use integration_tests::{Bundle, json, require};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

/// Ends the other thread also where a failed assertion ends the work: the scope would wait for it for ever.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Another container's process with the volume: exchanges each pair, as fast as it can.
fn swapping<T>(pairs: &[(PathBuf, PathBuf)], work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let exchange = RenameFlags::RENAME_EXCHANGE;
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| (text(a), text(b))).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (a, b) in &pairs {
                    let _ = renameat2(AT_FDCWD, a.as_c_str(), AT_FDCWD, b.as_c_str(), exchange);
                }
            }
        });
        let _end = End(&done);
        work()
    })
}

struct Volume {
    bundle: Bundle,
    outside: PathBuf,
    pairs: Vec<(PathBuf, PathBuf)>,
}

/// Directories of the volume that change places with links out of it: by an absolute path, by `..`, and through
/// a descriptor of whoever follows it.
fn volume() -> Volume {
    let bundle = Bundle::new();
    let (volume, outside) = (bundle.scratch("volume"), bundle.scratch("outside"));
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("sub/secret"), "of the host").unwrap();
    let up = PathBuf::from("../".repeat(20) + outside.strip_prefix("/").unwrap().to_str().unwrap());
    let links = [outside.clone(), up, "/proc/self/cwd".into(), "/proc/1/root".into()];
    let mut pairs = Vec::new();
    for (n, link) in links.iter().enumerate() {
        let (dir, away) = (volume.join(format!("d{n}")), volume.join(format!("link{n}")));
        fs::create_dir_all(dir.join("sub")).unwrap();
        symlink(link, &away).unwrap();
        pairs.push((dir, away));
    }
    Volume { bundle, outside, pairs }
}

/// What is there, with contents.
fn tree(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        all.push(format!("{} {:?}", path.display(), fs::read_to_string(&path).ok()));
    }
    all.sort();
    all
}

/// Mounts onto, and masks in, what changes meanwhile: each start works inside or fails.
fn starts(number: usize) {
    let Volume { bundle: mut b, outside, pairs } = volume();
    let file = b.scratch("file");
    fs::write(&file, "bound").unwrap();
    let shared = b.scratch("volume");
    b.bind(&shared, "/vol", &["bind"]);
    for n in 0..pairs.len() {
        b.mount(&format!("/vol/d{n}/sub/tmpfs"), "tmpfs", "tmpfs", &["size=64k"]);
        b.bind(&file, &format!("/vol/d{n}/new-{n}/file"), &["bind"]);
    }
    b.set("/linux/maskedPaths", json!(["/vol/d0/sub", "/vol/d1/sub"]));
    b.set("/linux/readonlyPaths", json!(["/vol/d2/sub", "/vol/d3/sub"]));
    let mut args = vec!["seq"];
    let secrets: Vec<String> = (0..pairs.len()).map(|n| format!("/vol/d{n}/sub/secret")).collect();
    for secret in &secrets {
        args.extend(["read", secret.as_str(), "--"]);
    }
    args.extend(["echo", "done"]);
    b.args(&args).write();
    let before = tree(&outside);
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mark = b.mark();
    let worked = swapping(&pairs, || {
        (0..number)
            .filter(|_| {
                let outcome = b.run_cmd(&[]).run();
                assert!(!outcome.stdout.contains("of the host"), "{outcome:?}");
                outcome.stdout.contains("done")
            })
            .count()
    });
    eprintln!("{worked} of {number} starts worked");
    assert_eq!(tree(&outside), before, "something was made or changed outside");
    let ours = |text: &str| text.lines().filter(|l| l.contains(&mark)).count();
    assert_eq!(ours(&fs::read_to_string("/proc/self/mountinfo").unwrap()), ours(&host));
    b.assert_clean();
}

#[test]
fn cve_2021_30465_and_cve_2024_45310_racing_links_in_a_volume_lead_nowhere() {
    require!("root", "teu");
    starts(30);
}

#[test]
#[ignore = "takes minutes: cargo test -p integration-tests --test main -- --ignored --nocapture regressions_races::"]
fn cve_2021_30465_and_cve_2024_45310_a_thousand_starts() {
    require!("root", "teu");
    starts(1000);
}

/// The image's own /dev/null, which could change places between a look and an open, is not what masks.
#[test]
fn cve_2025_31133_and_cve_2025_62161_a_racing_dev_null_does_not_unmask() {
    require!("root", "teu");
    let mut b = Bundle::probe(&["read", "/etc/secret"]);
    b.file("etc/secret", "hidden");
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    let dev = b.rootfs().join("dev");
    let null = nix::sys::stat::makedev(1, 3);
    let (kind, mode) =
        (nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::from_bits_truncate(0o666));
    nix::sys::stat::mknod(&dev.join("null"), kind, mode, null).unwrap();
    symlink("../etc/secret", dev.join("decoy")).unwrap();
    b.set("/linux/maskedPaths", json!(["/etc/secret"])).write();
    swapping(&[(dev.join("null"), dev.join("decoy"))], || {
        for _ in 0..15 {
            // With streams of its own it needs no null device: more starts get as far as the masks.
            let outcome = b.run_cmd(&[]).stdin("text").run();
            assert!(!outcome.stdout.contains("hidden"), "{outcome:?}");
        }
    });
}

/// The same exchange at the worst moment, which a hook makes certain: after the devices were made and before masks are.
#[test]
fn cve_2025_31133_and_cve_2025_62161_nor_does_one_that_a_hook_exchanges() {
    require!("root");
    let mut b = Bundle::probe(&["read", "/etc/secret"]);
    b.file("etc/secret", "hidden");
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    let null = b.rootfs().join("dev/null");
    let swap = format!("rm {0}; ln -s ../etc/secret {0}", null.display());
    b.push("/hooks/createRuntime", json!({ "path": "/bin/sh", "args": ["sh", "-c", swap] }));
    b.set("/linux/maskedPaths", json!(["/etc/secret"]));
    // With streams of its own the process needs no null device.
    let outcome = b.run_cmd(&[]).stdin("text").run();
    assert!(!outcome.stdout.contains("hidden"), "{outcome:?}");
    assert!(
        fs::symlink_metadata(&null).unwrap().is_symlink(),
        "the hook came too early: {outcome:?}"
    );
    b.assert_clean();
}
