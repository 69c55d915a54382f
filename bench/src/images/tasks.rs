//! What each tool is asked to do, and how it is made to forget it again.

use std::process::{Command, Stdio};

use super::Site;

/// One command line that is timed.
pub struct Task {
    /// What is done.
    pub what: &'static str,
    /// By whom.
    pub who: &'static str,
    /// The command line.
    pub words: Vec<String>,
    /// Another process does the work, whose processor time is not seen.
    pub daemon: bool,
    /// A line for the shell, run before each time, whose status does not matter.
    reset: String,
}

impl Task {
    fn new(what: &'static str, who: &'static str, line: &str, reset: impl Into<String>) -> Self {
        let words = line.split(' ').map(str::to_owned).collect();
        Self { what, who, words, daemon: who == "ctr", reset: reset.into() }
    }

    /// Undoes the time before.
    pub fn reset(&self, site: &Site) -> Result<(), String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.reset]).current_dir(&site.dir).stdin(Stdio::null());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().map(drop).map_err(|e| format!("sh: {e}"))
    }
}

/// All of them, in the order of the table. Names of files are below the site's directory.
pub fn tasks(site: &Site) -> Vec<Task> {
    let mut tasks = unpack(site);
    tasks.extend(pull(site));
    tasks.extend(commit(site));
    tasks.retain(|task| !task.daemon || site.daemons.socket.is_some());
    tasks
}

const STORAGE: &str = "--storage-driver overlay";

/// From an image that is on this machine to its files.
fn unpack(site: &Site) -> Vec<Task> {
    let (dir, image) = (site.dir.display(), site.image("bench"));
    let own = std::env::current_exe().unwrap_or_default();
    let teu = format!("{} --store {dir}/seed", site.teu_image);
    let podman = format!("podman --root {dir}/p1 --runroot {dir}/p1-run {STORAGE}");
    vec![
        Task::new(
            "unpack",
            "floor",
            &format!("{} images-floor {dir}/layer.tar.gz", own.display()),
            "true",
        ),
        Task::new(
            "unpack",
            "teu-image",
            &format!("{teu} bundle --name unpacked {image} {dir}/bundle"),
            format!("{teu} rm unpacked; rm -rf bundle seed/layers/sha256/*"),
        ),
        Task::new(
            "unpack",
            "umoci",
            &format!("umoci unpack --image {dir}/seed:{image} {dir}/umoci"),
            "rm -rf umoci",
        ),
        Task::new(
            "unpack",
            "skopeo",
            &format!(
                "skopeo --insecure-policy copy -q oci:{dir}/seed:{image} \
                 containers-storage:[overlay@{dir}/s1+{dir}/s1-run]localhost/bench:1"
            ),
            format!("podman --root {dir}/s1 --runroot {dir}/s1-run {STORAGE} rmi -af"),
        ),
        Task::new(
            "unpack",
            "podman",
            &format!("{podman} load -q -i {dir}/bench.tar"),
            format!("{podman} rmi -af"),
        ),
        Task::new(
            "unpack",
            "ctr",
            &ctr(site, &format!("image import {dir}/bench.tar")),
            forget(site),
        ),
    ]
}

/// From the registry to files.
fn pull(site: &Site) -> Vec<Task> {
    let (dir, image) = (site.dir.display(), site.image("bench"));
    let podman = format!("podman --root {dir}/p2 --runroot {dir}/p2-run {STORAGE}");
    let from = format!("--src-tls-verify=false docker://{image}");
    let mut both = Task::new("pull + unpack", "skopeo + umoci", "sh -c", "rm -rf copy umoci");
    both.words.push(format!(
        "skopeo --insecure-policy copy -q {from} oci:{dir}/copy:x && umoci unpack --image {dir}/copy:x {dir}/umoci"
    ));
    vec![
        Task::new(
            "pull + unpack",
            "teu-image",
            &format!("{} --store {dir}/store pull -q {image}", site.teu_image),
            "rm -rf store",
        ),
        both,
        Task::new(
            "pull + unpack",
            "skopeo",
            &format!(
                "skopeo --insecure-policy copy -q {from} \
                 containers-storage:[overlay@{dir}/s1+{dir}/s1-run]localhost/bench:1"
            ),
            format!("podman --root {dir}/s1 --runroot {dir}/s1-run {STORAGE} rmi -af"),
        ),
        Task::new(
            "pull + unpack",
            "podman",
            &format!("{podman} pull -q --tls-verify=false {image}"),
            format!("{podman} rmi -af"),
        ),
        Task::new(
            "pull + unpack",
            "ctr",
            &ctr(site, &format!("image pull --plain-http {image}")),
            forget(site),
        ),
    ]
}

/// One small file that is new. umoci has to look at all of them to find it.
fn commit(site: &Site) -> Vec<Task> {
    let (dir, image) = (site.dir.display(), site.image("bench"));
    let teu = format!("{} --store {dir}/seed", site.teu_image);
    let podman = format!("podman --root {dir}/p3 --runroot {dir}/p3-run {STORAGE}");
    let umoci = format!("{dir}/commit-umoci");
    vec![
        Task::new(
            "commit",
            "teu-image",
            &format!("{teu} commit changed committed"),
            format!(
                "{teu} bundle --name changed {image} commit-teu; date +%N > commit-teu/rootfs/root/file"
            ),
        ),
        Task::new(
            "commit",
            "umoci",
            &format!("umoci repack --image {dir}/commit-copy:y {umoci}"),
            format!(
                "test -d {umoci} || {{ skopeo --insecure-policy copy -q oci:{dir}/seed:{image} oci:commit-copy:x; \
                 umoci unpack --image commit-copy:x {umoci}; }}; date +%N > {umoci}/rootfs/root/file"
            ),
        ),
        Task::new(
            "commit",
            "podman",
            &format!("{podman} commit -q changed committed"),
            format!(
                "test -d p3/overlay || {{ {podman} load -q -i bench.tar; {podman} create --name changed {image}; }}; \
                 date +%N > file; {podman} cp file changed:/root/file"
            ),
        ),
    ]
}

fn ctr(site: &Site, rest: &str) -> String {
    format!("ctr -a {} {rest}", site.daemons.socket.as_deref().unwrap_or_default())
}

/// Content goes with the last image that has it.
fn forget(site: &Site) -> String {
    let list = ctr(site, "image ls -q");
    format!("{list} | xargs -r {}", ctr(site, "image rm --sync"))
}
