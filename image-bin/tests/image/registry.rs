//! Against Debian's docker-registry on loopback, and one that misbehaves.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use integration_tests::{Cmd, Running, Terminal, require, wait_until};

use crate::place::Place;

/// docker-registry with its own data. Killed when dropped.
struct Registry {
    port: u16,
    _running: Running,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Registry {
    fn start(place: &Place, http: &str, auth: &str) -> Self {
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
             http:\n  addr: 127.0.0.1:{port}\n{http}{auth}",
            place.word(&format!("registry-{port}"))
        );
        let file = place.word("registry.yml");
        fs::write(&file, config).unwrap();
        let command = Cmd::new("docker-registry").args(["serve", &file]);
        let running = command.limit(std::time::Duration::from_secs(120)).spawn();
        wait_until("the registry answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, _running: running }
    }

    fn name(&self, rest: &str) -> String {
        format!("localhost:{}/{rest}", self.port)
    }
}

#[test]
fn what_is_pushed_is_pulled_with_the_same_digest_by_us_and_by_skopeo() {
    require!("root", "busybox", "docker-registry", "skopeo");
    let (place, other) = (Place::new(), Place::new());
    place.busybox();
    let registry = Registry::start(&place, "", "");
    let name = registry.name("user/image:1");
    place.ok(&["tag", "busybox", &name]);
    let digest = place.ok(&["push", "-q", &name]);
    assert_eq!(place.image(&name)["Digest"], digest.as_str());
    assert!(place.run(&["push", &name]).ok().stderr.contains("already there"));
    // Pulled because it is not there.
    assert_eq!(other.ok(&["run", "--rm", &name, "echo", "pulled"]), "pulled");
    assert_eq!(other.image(&name)["Digest"], digest.as_str());
    let build = other.command(&["build", "--pull", "--network=none", "-t", "built", "-"]);
    let out =
        build.stdin(format!("FROM {name} AS x\nFROM x\nCOPY --from=x /bin /bin2\n")).run().ok();
    assert!(out.stderr.contains("already there"), "{out:?}");
    let by_digest = registry.name(&format!("user/image@{digest}"));
    other.ok(&["pull", &by_digest]);
    assert_eq!(other.ok(&["search", &registry.name("image")]), registry.name("user/image"));
    other.run(&["pull", &registry.name("user/missing")]).fails_with(&["404"]);
    let skopeo =
        |words: &[&str]| Cmd::new("skopeo").arg("--insecure-policy").args(words).run().ok();
    let copy = format!("oci:{}:x", place.word("copy"));
    let flag = "--src-tls-verify=false";
    skopeo(&["copy", "--preserve-digests", flag, &format!("docker://{name}"), &copy]);
    let again = registry.name("skopeo/image:2");
    let flag = "--dest-tls-verify=false";
    skopeo(&["copy", "--preserve-digests", flag, &copy, &format!("docker://{again}")]);
    other.ok(&["pull", &again]);
    assert_eq!(other.image(&again)["Digest"], digest.as_str());
}

#[test]
fn a_registry_with_tls_and_passwords_lets_in_who_has_logged_in() {
    require!("root", "busybox", "docker-registry", "openssl", "htpasswd");
    let place = Place::new();
    place.busybox();
    let (key, certificate) = (place.word("key.pem"), place.word("cert.pem"));
    Cmd::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &certificate])
        .run()
        .ok();
    let passwords = Cmd::new("htpasswd").args(["-Bbn", "me", "secret"]).run().ok();
    fs::write(place.path("htpasswd"), passwords.stdout).unwrap();
    let http = format!("  tls: {{ certificate: {certificate}, key: {key} }}\n");
    let auth = format!("auth:\n  htpasswd: {{ realm: r, path: {} }}\n", place.word("htpasswd"));
    let registry = Registry::start(&place, &http, &auth);
    let (host, name) = (format!("localhost:{}", registry.port), registry.name("image"));
    place.ok(&["tag", "busybox", &name]);
    let ours = |words: &[&str]| place.command(words).env("DOCKER_CONFIG", place.path("docker"));
    ours(&["push", &name]).run().fails_with(&["401"]);
    let login = |password: &str| {
        let words = ["login", "-u", "me", "--password-stdin", &host];
        ours(&words).stdin(password.to_owned()).run()
    };
    login("wrong").fails_with(&["401"]);
    assert!(!place.path("docker/config.json").exists());
    assert_eq!(login("secret\n").ok().out(), "Login Succeeded");
    ours(&["push", &name]).run().ok();
    ours(&["pull", &name]).run().ok();
    let out = ours(&["logout", &host]).run().ok();
    assert_eq!(out.out(), format!("Removing login credentials for {host}"));
    ours(&["pull", &name]).run().fails_with(&["401"]);
    ours(&["pull", "--creds", "me:secret", &name]).run().ok();
    // Asked for on a terminal, and not shown.
    ours(&["login", &host]).run().fails_with(&["from a non TTY device"]);
    let mut terminal = Terminal::new();
    let login = terminal.spawn(ours(&["login", &host]));
    terminal.wait_for("Username: ");
    terminal.type_in("me\n");
    terminal.wait_for("Password: ");
    terminal.type_in("secret\n");
    terminal.wait_for("Login Succeeded");
    login.succeeds();
    assert!(!terminal.seen().contains("secret"));
    ours(&["pull", &name]).run().ok();
    let login = terminal.spawn(ours(&["login", "-u", "me", &host]));
    wait_until("the password is asked for", || terminal.seen().matches("Password: ").count() == 2);
    terminal.type_in("sec\u{3}");
    assert_eq!(login.wait().status, 130);
    assert!(terminal.settings().local_flags.contains(nix::sys::termios::LocalFlags::ECHO));
}

/// Stands before the registry and spoils what blobs it sends.
struct Spoiler {
    port: u16,
    cuts: Arc<AtomicU32>,
}

impl Spoiler {
    /// `lie`: changes a byte. Otherwise each connection is cut after 300,000 bytes.
    fn start(behind: u16, lie: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || drop(serve(client, behind, lie, &counter)));
            }
        });
        Self { port, cuts }
    }

    /// The image's name there.
    fn name(&self) -> String {
        format!("localhost:{}/image", self.port)
    }
}

/// One request a connection; TLS is not understood, which makes clients talk without.
fn serve(mut client: TcpStream, behind: u16, lie: bool, cuts: &AtomicU32) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 || !byte[0].is_ascii() || request.len() > 65536 {
            return Ok(());
        }
        request.push(byte[0]);
        if request.len() == 1 && !request[0].is_ascii_alphabetic() {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let is_blob = text.starts_with("GET") && text.contains("/blobs/");
    let mut server = TcpStream::connect(("127.0.0.1", behind))?;
    let asked = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(asked.as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    if is_blob && lie {
        if let Some(last) = answer.last_mut() {
            *last ^= 1;
        }
    } else if is_blob && answer.len() > 300_000 {
        cuts.fetch_add(1, Ordering::Relaxed);
        answer.truncate(300_000);
    }
    client.write_all(&answer)
}

/// A registry with an image of a digest, and a spoiler before it.
fn spoiled(place: &Place, lies: bool) -> (Registry, Spoiler, String) {
    place.busybox();
    let registry = Registry::start(place, "", "");
    let name = registry.name("image");
    place.ok(&["tag", "busybox", &name]);
    let digest = place.ok(&["push", "-q", &name]);
    let spoiler = Spoiler::start(registry.port, lies);
    (registry, spoiler, digest)
}

#[test]
fn a_pull_goes_on_where_the_connection_was_cut() {
    require!("root", "busybox", "docker-registry");
    let (place, other) = (Place::new(), Place::new());
    let (_registry, spoiler, digest) = spoiled(&place, false);
    let name = spoiler.name();
    other.ok(&["pull", &name]);
    assert_eq!(other.image(&format!("{name}:latest"))["Digest"], digest.as_str());
    assert!(spoiler.cuts.load(Ordering::Relaxed) >= 2);
}

#[test]
fn a_registry_that_lies_leaves_nothing_behind() {
    require!("root", "busybox", "docker-registry");
    let (place, other) = (Place::new(), Place::new());
    let (_registry, spoiler, _) = spoiled(&place, true);
    let name = spoiler.name();
    other.run(&["pull", &name]).fails_with(&["expected sha256:"]);
    assert_eq!(other.images().as_array().unwrap().len(), 0);
    let left = Cmd::new("find").arg(other.path("store/tmp")).args(["-mindepth", "1"]).run();
    assert_eq!(left.ok().out(), "");
}
