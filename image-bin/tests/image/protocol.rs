//! What a registry may answer: tokens, platforms, pages, cut connections, lies.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::{Cmd, Terminal, require};
use serde_json::{Value, json};

use crate::fake::{Answer, Content, Fake, INDEX, MANIFEST, digest, from};
use crate::place::Place;

fn busybox() -> Place {
    let place = Place::new();
    place.busybox();
    place
}

/// `me:secret` in base64.
const BASIC: &str = "Basic bWU6c2VjcmV0";

#[test]
fn a_token_is_fetched_with_the_password_and_shown_from_then_on() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let fake = Fake::start(Content::busybox(&source), |request, right| {
        let host = request.header("host");
        if request.path.starts_with("/token") {
            return match request.header("authorization") {
                BASIC => Answer::new(200, r#"{"token":"T"}"#),
                _ => Answer::new(401, r#"{"errors":[{"message":"who are you?"}]}"#),
            };
        }
        if request.header("authorization") == "Bearer T" {
            return right;
        }
        let challenge = format!(
            "Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"repository:user/image:pull\""
        );
        Answer::new(401, "").header("WWW-Authenticate", &challenge)
    });
    let name = fake.name("user/image");
    place.run(&["pull", &name]).fails_with(&["401", "who are you?"]);
    place.ok(&["pull", "--creds", "me:secret", &name]);
    assert_eq!(place.ok(&["run", "--rm", &name, "echo", "pulled"]), "pulled");
    let asked = fake.asked("/token");
    // Once in vain; then once for the manifest, whose token is good for config and layer.
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert!(asked[1].path.contains("service=registry"), "{asked:#?}");
    let blobs = fake.asked("/blobs/");
    assert!(blobs.iter().all(|blob| blob.header("authorization") == "Bearer T"), "{blobs:#?}");
}

#[test]
fn credential_helpers_are_asked_and_told() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let fake = Fake::start(Content::busybox(&source), |request, right| {
        let known = request.header("authorization") == BASIC;
        let challenge = || Answer::new(401, "").header("WWW-Authenticate", "Basic realm=\"r\"");
        if known { right } else { challenge() }
    });
    let (host, name) = (format!("localhost:{}", fake.port), fake.name("image"));
    let log = place.word("helper.log");
    let script = format!(
        "#!/bin/sh\nread -r line\necho \"$1 $line\" >> {log}\n\
         [ \"$1\" = get ] && echo '{{\"Username\":\"me\",\"Secret\":\"secret\"}}'\nexit 0\n"
    );
    let helper = place.path("docker-credential-test");
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(place.path("docker")).unwrap();
    let config = json!({ "credHelpers": { &host: "test" } }).to_string();
    fs::write(place.path("docker/config.json"), config).unwrap();
    let path = format!("{}:{}", place.word(""), std::env::var("PATH").unwrap());
    let ours = |words: &[&str]| {
        place.command(words).env("DOCKER_CONFIG", place.path("docker")).env("PATH", &path)
    };
    ours(&["pull", &name]).run().ok();
    ours(&["login", "-u", "me", "--password-stdin", &host]).stdin("secret\n").run().ok();
    ours(&["logout", &host]).run().ok();
    let secret = json!({ "ServerURL": host, "Username": "me", "Secret": "secret" });
    let expected = format!("get {host}\nstore {secret}\nerase {host}\n");
    assert_eq!(fs::read_to_string(&log).unwrap(), expected);
    assert!(!fs::read_to_string(place.path("docker/config.json")).unwrap().contains("bWU6"));
}

/// The busybox image for this host and one for another, in an index.
fn for_two_platforms(source: &Place) -> (Content, [String; 2]) {
    let image = source.image("docker.io/library/busybox:latest");
    let mut content = Content::of_store(source);
    let host: Value =
        serde_json::from_slice(&content.blob(image["Digest"].as_str().unwrap())).unwrap();
    let config: Value =
        serde_json::from_slice(&content.blob(image["Id"].as_str().unwrap())).unwrap();
    let mut ids = Vec::new();
    let mut entries = Vec::new();
    for architecture in [config["architecture"].as_str().unwrap(), "s390x"] {
        let (mut config, mut manifest) = (config.clone(), host.clone());
        config["architecture"] = json!(architecture);
        let data = config.to_string().into_bytes();
        let id = content.document("config", "application/json", &data);
        manifest["config"]["digest"] = json!(id);
        manifest["config"]["size"] = json!(data.len());
        let data = manifest.to_string().into_bytes();
        let digest = content.document("manifest", MANIFEST, &data);
        let platform = json!({ "os": "linux", "architecture": architecture });
        entries.push(json!({
            "mediaType": MANIFEST, "digest": digest, "size": data.len(), "platform": platform,
        }));
        ids.push(id);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
    content.document("latest", INDEX, index.as_bytes());
    (content, ids.try_into().unwrap())
}

#[test]
fn the_platform_chooses_from_an_index() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let (content, [host, other]) = for_two_platforms(&source);
    let fake = Fake::start(content, |_, right| right);
    let name = fake.name("image");
    for (flags, id) in [
        (&[][..], &host),
        (&["--platform", "linux/s390x"], &other),
        (&["--platform", "linux/amd64"], &host),
    ] {
        place.ok(&[&["pull", "-q"], flags, &[&name]].concat());
        assert_eq!(&place.image(&format!("{name}:latest"))["Id"], id.as_str(), "{flags:?}");
    }
    let missing = place.run(&["pull", "--platform", "linux/riscv64", &name]);
    missing.fails_with(&["has no manifest for linux/riscv64"]);
    place.run(&["pull", "--platform", "linux", &name]).fails_with(&["OS/ARCHITECTURE"]);
}

#[test]
fn a_mirror_stands_in_for_docker_io() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let fake = Fake::start(Content::busybox(&source), |_, right| right);
    place.ok(&["pull", "--mirror", &format!("localhost:{}", fake.port), "some"]);
    // It has docker.io's name, and is asked for as docker.io would be.
    assert_eq!(place.ok(&["run", "--rm", "docker.io/library/some:latest", "echo", "1"]), "1");
    assert_eq!(fake.asked("/v2/library/some/manifests/latest").len(), 1);
}

#[test]
fn what_was_received_before_a_cut_is_not_asked_for_again() {
    require!("root", "busybox");
    const PIECE: usize = 200_000;
    let (source, place) = (busybox(), Place::new());
    let fake = Fake::start(Content::busybox(&source), |request, mut right| {
        if request.path.contains("/blobs/") && right.body.len() > PIECE {
            right.cut = Some(PIECE);
        }
        right
    });
    place.ok(&["pull", "-q", &fake.name("image")]);
    let blobs = fake.asked("/blobs/");
    let starts: Vec<_> = blobs.iter().filter_map(from).collect();
    let expected: Vec<_> = (1..=starts.len()).map(|piece| piece * PIECE).collect();
    assert!(starts.len() >= 2, "{blobs:#?}");
    assert_eq!(starts, expected);
}

/// Nothing is to be seen of a pull that failed.
fn left_nothing(place: &Place) {
    assert_eq!(place.images().as_array().unwrap().len(), 0);
    let left = Cmd::new("find").arg(place.path("store/tmp")).args(["-mindepth", "1"]).run();
    assert_eq!(left.ok().out(), "");
    let layers = Cmd::new("find").arg(place.path("store/layers/sha256")).args(["-mindepth", "1"]);
    assert_eq!(layers.run().ok().out(), "");
}

#[test]
fn lies_about_sizes_and_digests_are_found_out() {
    require!("root", "busybox");
    let source = busybox();
    let image = source.image("docker.io/library/busybox:latest");
    let manifest = Content::of_store(&source).blob(image["Digest"].as_str().unwrap());
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let size = manifest["layers"][0]["size"].as_u64().unwrap();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let lies = [
        ("size", json!(size - 1), "expected sha256:"),
        ("size", json!(size + 1), "the connection was closed"),
        ("digest", json!(wrong), "404"),
    ];
    for (key, value, expected) in lies {
        let place = Place::new();
        let mut manifest = manifest.clone();
        manifest["layers"][0][key] = value;
        let mut content = Content::of_store(&source);
        content.document("latest", MANIFEST, manifest.to_string().as_bytes());
        let fake = Fake::start(content, |_, right| right);
        place.run(&["pull", &fake.name("image")]).fails_with(&[expected]);
        left_nothing(&place);
    }
    // A manifest that was asked for by its digest, a config that is another.
    let place = Place::new();
    let fake = Fake::start(Content::busybox(&source), |request, right| {
        if request.path.contains("/manifests/sha256:") {
            return Answer::new(200, [&right.body[..], b" "].concat());
        }
        right
    });
    let by_digest = fake.name(&format!("image@{}", image["Digest"].as_str().unwrap()));
    place.run(&["pull", &by_digest]).fails_with(&["expected sha256:"]);
    let id = image["Id"].as_str().unwrap().to_owned();
    let fake = Fake::start(Content::busybox(&source), move |request, mut right| {
        if request.path.ends_with(&id) {
            right.body[0] = b' ';
        }
        right
    });
    place.run(&["pull", &fake.name("image")]).fails_with(&["expected sha256:"]);
    left_nothing(&place);
}

/// The manifest is honest about the blob; the config lies about what it unpacks to.
#[test]
fn a_layer_that_unpacks_to_something_else_is_refused() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let image = source.image("docker.io/library/busybox:latest");
    let mut content = Content::of_store(&source);
    let parse = |data: Vec<u8>| serde_json::from_slice::<Value>(&data).unwrap();
    let mut manifest = parse(content.blob(image["Digest"].as_str().unwrap()));
    let mut config = parse(content.blob(image["Id"].as_str().unwrap()));
    config["rootfs"]["diff_ids"][0] = json!(digest(b"something else"));
    let data = config.to_string().into_bytes();
    manifest["config"]["digest"] = json!(content.document("config", "application/json", &data));
    manifest["config"]["size"] = json!(data.len());
    content.document("latest", MANIFEST, manifest.to_string().as_bytes());
    let fake = Fake::start(content, |_, right| right);
    let out = place.run(&["pull", &fake.name("image")]).fails_with(&["unpacked: digest is"]);
    let whose = format!("image {}:latest: layer sha256:", fake.name("image"));
    assert!(out.stderr.contains(&whose), "{out:#?}");
    left_nothing(&place);
}

#[test]
fn search_reads_every_page_of_the_catalog() {
    require!("root");
    let place = Place::new();
    let fake = Fake::start(Content::default(), |request, right| match request.path.as_str() {
        "/v2/_catalog?n=1000" => Answer::new(200, r#"{"repositories":["a/busy","b/other"]}"#)
            .header("Link", "</v2/_catalog?n=1000&last=b%2Fother>; rel=\"next\""),
        "/v2/_catalog?n=1000&last=b%2Fother" => {
            Answer::new(200, r#"{"repositories":["c/busybox"]}"#)
        }
        _ => right,
    });
    let found = place.ok(&["search", &fake.name("busy")]);
    assert_eq!(found, format!("{}\n{}", fake.name("a/busy"), fake.name("c/busybox")));
}

#[test]
fn search_asks_a_registry_that_can_search() {
    require!("root");
    let place = Place::new();
    let fake = Fake::start(Content::default(), |request, right| match request.path.as_str() {
        "/v1/search?q=busy%26box&n=100" => {
            Answer::new(200, r#"{"num_results":2,"results":[{"name":"busybox"},{"name":"a/b"}]}"#)
        }
        _ => right,
    });
    let found = place.ok(&["search", &fake.name("busy&box")]);
    assert_eq!(found, format!("{}\n{}", fake.name("busybox"), fake.name("a/b")));
}

#[test]
fn progress_is_bars_on_a_terminal_and_lines_elsewhere() {
    require!("root", "busybox");
    let (source, place) = (busybox(), Place::new());
    let fake = Fake::start(Content::busybox(&source), |_, right| right);
    let name = fake.name("image");
    let out = place.run(&["pull", &name]).ok();
    assert!(out.stderr.contains(": done\n") && !out.stderr.contains('\u{1b}'), "{out:#?}");
    place.ok(&["rmi", &name]);
    let mut terminal = Terminal::new();
    let pull = terminal.spawn(place.command(&["pull", &name]).env("TERM", "xterm"));
    terminal.wait_for("done, ");
    pull.succeeds();
    assert!(terminal.seen().contains('\u{1b}'));
}
