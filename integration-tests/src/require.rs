//! What a test needs from the machine: a loud skip, or a failure where the need is named in `TEU_TEST_REQUIRE`.

use std::path::Path;

use crate::{Runtime, cgroup, is_root, ordinary_user};

/// Skips the test, with a line on stderr, unless every named need is there.
///
/// `TEU_TEST_REQUIRE=root,docker` turns the skip for those needs into a failure (`all` for every need).
#[macro_export]
macro_rules! require {
    ($($need:expr),+ $(,)?) => {
        $(if !$crate::available($need) { return; })+
    };
}

/// Skips the test when the runtime under test is known to differ in this respect (see `differences`).
#[macro_export]
macro_rules! known_difference {
    ($name:expr) => {
        if $crate::differences::applies($name) {
            return;
        }
    };
}

/// Whether the machine has something; says `SKIP` when it has not.
///
/// # Panics
/// When the need is missing and `TEU_TEST_REQUIRE` lists it, or when nobody knows the need.
pub fn available(need: &str) -> bool {
    let missing = missing(need);
    if let Some(why) = missing {
        let strict = std::env::var("TEU_TEST_REQUIRE").unwrap_or_default();
        let demanded = strict.split(',').map(str::trim).any(|name| name == need || name == "all");
        assert!(!demanded, "TEU_TEST_REQUIRE asks for {need}, but: {why}");
        say(&format!("SKIP: needs {need}: {why}"));
        return false;
    }
    true
}

/// One line with the test's name, on standard error itself: what `eprintln!` prints is shown for
/// failed tests only, and a skip must not look like a test that ran.
pub fn say(text: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("?");
    let _ =
        std::io::Write::write_all(&mut std::io::stderr(), format!("{test}: {text}\n").as_bytes());
}

/// Why the machine lacks something.
pub fn missing(need: &str) -> Option<String> {
    let unless = |there: bool, why: &str| (!there).then(|| why.to_owned());
    let on_path = |name: &str| unless(find(name).is_some(), &format!("{name} is not on PATH"));
    match need {
        "root" => unless(is_root(), "not running as root"),
        "container" if is_root() => None,
        "container" => missing("userns"),
        "teu" => unless(Runtime::get().is_teu(), "the runtime under test is another one"),
        "docker" => {
            on_path("dockerd").or_else(|| missing("containerd")).or_else(|| on_path("docker"))
        }
        "podman" => on_path("podman").or_else(|| on_path("conmon")),
        "podman-network" => unless(
            find("netavark").is_some()
                || ["/usr/lib/podman/netavark", "/usr/lib/cni/bridge"].iter().any(|f| exists(f)),
            "neither netavark nor CNI's plugins are there",
        ),
        "containerd" => on_path("containerd").or_else(|| on_path("ctr")),
        "uidmap" => on_path("newuidmap").or_else(|| on_path("newgidmap")).or_else(missing_subids),
        "setcap" | "setfacl" | "setpriv" | "bash" | "zsh" | "fish" | "groff" => on_path(need),
        "idmap" => unless(kernel() >= (5, 12), "id-mapped mounts came with Linux 5.12"),
        "idmap-tmpfs" => unless(kernel() >= (6, 3), "id-mapped tmpfs came with Linux 6.3"),
        "cgroupfs" => unless(!Runtime::systemd(), "systemd manages cgroups"),
        "cgroup1" => unless(exists("/sys/fs/cgroup/devices"), "no v1 hierarchies"),
        "delegation" if is_root() => None,
        "delegation" => missing_delegation(),
        "systemd" if is_root() => unless(exists("/run/systemd/private"), "no systemd"),
        "systemd" => {
            let run = std::env::var("XDG_RUNTIME_DIR").unwrap_or_default();
            unless(exists(&format!("{run}/systemd/private")), "no systemd of the user's own")
        }
        "session" => unless(!is_root(), "root plays the ordinary user, who has no session")
            .or_else(|| missing("systemd")),
        "cgroup2" => unless(cgroup::is_v2(), "cgroup v2 does not rule"),
        "disk" => unless(cgroup::a_disk().is_some(), "there is no disk"),
        "realtime" => {
            let file = "/sys/fs/cgroup/cpu/cpu.rt_runtime_us";
            unless(exists(file), "the kernel has no realtime groups on v1")
        }
        "block-weight" => {
            let ours = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
            let dirs = ours.map(|entry| entry.path());
            let weighs = dirs.into_iter().any(|dir| {
                ["blkio.bfq.io_serviced", "blkio.weight", "io.bfq.weight", "io.weight"]
                    .iter()
                    .any(|file| dir.join(file).exists())
            });
            unless(weighs, "no I/O scheduler of this kernel weighs")
        }
        "device-rules" => {
            let v1 = missing("cgroup1");
            v1.and_then(|why| missing("cgroup2").map(|other| format!("{why}, {other}")))
        }
        "systemd-session" => unless(
            exists("/run/user/1000/bus"),
            "user 1000 has no session (loginctl enable-linger)",
        ),
        "no-systemd" => unless(!exists("/run/systemd/system"), "systemd runs"),
        "reaped-status" => unless(
            kernel() >= (6, 15),
            "before Linux 6.15 the status of a process that somebody else reaped is lost",
        ),
        "userns" => {
            let max =
                std::fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
            unless(max.trim() != "0", "user.max_user_namespaces is 0")
        }
        "timens" => unless(
            std::path::Path::new("/proc/self/timens_offsets").exists(),
            "the kernel has no time namespaces",
        ),
        "apparmor" => {
            unless(apparmor(), "AppArmor is not at work").or_else(|| on_path("apparmor_parser"))
        }
        "no-apparmor" => unless(!apparmor(), "AppArmor is at work"),
        "selinux" => unless(selinux(), "SELinux is not at work"),
        "no-selinux" => unless(!selinux(), "SELinux is at work"),
        "killable-listeners" => unless(
            kernel() >= (5, 19),
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV came with Linux 5.19",
        ),
        "two-cpus" => {
            let cpus = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
            let first = |cpu| cpus.as_ref().is_ok_and(|set| set.is_set(cpu).unwrap_or(false));
            unless(first(0) && first(1), "processors 0 and 1 are not both there to run on")
        }
        "fuse" => {
            let device = std::fs::File::options().read(true).write(true).open("/dev/fuse");
            device.err().map(|e| format!("/dev/fuse: {e}"))
        }
        "bridge" => on_path("ip").or_else(|| on_path("iptables")).or_else(|| {
            let made = crate::Cmd::new("unshare").args(["-n", "sh", "-c", BRIDGE]).run();
            unless(
                made.status == 0,
                &format!("no bridge with address translation: {}", made.stderr),
            )
        }),
        "all-capabilities" => {
            let own = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
            let mut lacking: Vec<_> =
                caps::runtime::thread_all_supported().difference(&own).copied().collect();
            lacking.sort_by_key(caps::Capability::index);
            unless(lacking.is_empty(), &format!("the tests lack {lacking:?}"))
        }
        "veth" => on_path("ip").or_else(|| {
            let script = "ip link add host0 type veth peer name peer0";
            let made = crate::Cmd::new("unshare").args(["-n", "sh", "-c", script]).run();
            unless(made.status == 0, "the kernel makes no veth pair")
        }),
        "criu" => on_path("criu").or_else(missing_verb).or_else(|| criu(&["check"])),
        "dirty-memory" => criu(&["check", "--feature", "mem_dirty_track"]),
        "lazy-pages" => criu(&["check", "--feature", "uffd-noncoop"]),
        "runc" | "crun" | "busybox" | "strace" | "ps" => on_path(need),
        "buildah" | "catatonit" | "docker-registry" | "htpasswd" | "openssl" | "skopeo"
        | "umoci" | "newuidmap" => on_path(need),
        _ => panic!("unknown need {need:?}"),
    }
}

/// The least that docker asks of the kernel for its networks.
const BRIDGE: &str =
    "ip link add docker0 type bridge && iptables -t nat -A POSTROUTING -j MASQUERADE &&
    iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT";

/// Debian's crun is built without it.
fn missing_verb() -> Option<String> {
    let asked = Runtime::get().without_driver().args(["checkpoint", "--help"]).run();
    (asked.status != 0).then(|| "the runtime has no checkpoint".into())
}

/// What CRIU says is missing on this machine.
fn criu(check: &[&str]) -> Option<String> {
    let outcome = crate::Cmd::new("criu").args(check).run();
    (outcome.status != 0).then(|| {
        let error = outcome.stderr.lines().next().unwrap_or_default().to_owned();
        format!("criu {}: {error}", check.join(" "))
    })
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// newuidmap wants an account with a name; root gives it subordinate ids, others must have those of the tests.
fn missing_subids() -> Option<String> {
    let uid = ordinary_user();
    let Some(user) = nix::unistd::User::from_uid(uid.into()).ok().flatten() else {
        return Some(format!("newuidmap wants an account for uid {uid}"));
    };
    let line = format!("{}:100000:65536", user.name);
    let has = |file: &&str| {
        std::fs::read_to_string(file).is_ok_and(|text| text.lines().any(|l| l == line))
    };
    let lacks = ["/etc/subuid", "/etc/subgid"].into_iter().find(|file| !is_root() && !has(file));
    lacks.map(|file| format!("no line {line} in {file}"))
}

/// A container's cgroup is made beside that of the tests, and is of use if controllers can be enabled there.
fn missing_delegation() -> Option<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Some("not in a cgroup of v2".into());
    };
    let own = Path::new("/sys/fs/cgroup").join(own);
    let file = own.parent()?.join("cgroup.subtree_control");
    let written = std::fs::write(&file, "+cpu +memory +pids");
    written.err().map(|e| format!("+cpu +memory +pids to {}: {e}", file.display()))
}

/// A program on `PATH`.
pub fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.is_file())
}

/// Major and minor version of the running kernel.
pub fn kernel() -> (u32, u32) {
    let name = nix::sys::utsname::uname().expect("uname");
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn apparmor() -> bool {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.trim() == "Y")
}

/// Without a policy every label is taken for the kernel's.
fn selinux() -> bool {
    let own = std::fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    std::path::Path::new("/sys/fs/selinux/enforce").exists() && !own.starts_with("kernel\0")
}
