use super::*;

fn image(config: Value) -> Image {
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let digest = format!("sha256:{}", "a".repeat(64));
    let descriptor = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1,
    });
    let manifest = json!({ "schemaVersion": 2, "config": descriptor, "layers": [] });
    Image {
        reference: Some("test".parse().unwrap()),
        descriptor: serde_json::from_value(descriptor.clone()).unwrap(),
        manifest: serde_json::from_value(manifest).unwrap(),
        config: serde_json::from_value(config).unwrap(),
        raw_config: Vec::new(),
    }
}

fn made(config: Value, options: &Options) -> Result<Value> {
    let user = User { uid: 0, gid: 0, groups: vec![0], home: "/root".into() };
    let (rootfs, mounts) = (Path::new("/r"), Vec::new());
    let place = Place { name: "c1", rootfs, rootless: false, mounts, ids: None };
    spec(&image(config), options, &user, &place)
}

fn args_of(config: Value, options: &Options) -> Value {
    made(config, options).unwrap()["process"]["args"].take()
}

#[test]
fn entrypoint_and_command_join_as_dockers_do() {
    let config = json!({ "Entrypoint": ["e"], "Cmd": ["c", "d"] });
    let mut options = Options::default();
    assert_eq!(args_of(config.clone(), &options), json!(["e", "c", "d"]));
    options.args = vec!["x".into()];
    assert_eq!(args_of(config.clone(), &options), json!(["e", "x"]));
    options.entrypoint = Some(vec!["n".into()]);
    assert_eq!(args_of(config.clone(), &options), json!(["n", "x"]));
    options.args.clear();
    assert_eq!(args_of(config.clone(), &options), json!(["n"]));
    options.entrypoint = Some(Vec::new());
    let error = made(config, &options).unwrap_err().to_string();
    assert_eq!(error, "image test:latest: names no command, and none is given");
}

#[test]
fn variables_of_the_options_win() {
    let config = json!({ "Cmd": ["c"], "Env": ["PATH=/bin", "A=1", "B=2"] });
    let options =
        Options { env: vec!["A=3".into(), "B".into(), "C==".into()], ..Options::default() };
    let env = made(config, &options).unwrap()["process"]["env"].take();
    assert_eq!(env, json!(["PATH=/bin", "HOSTNAME=c1", "HOME=/root", "A=3", "C=="]));
}

#[test]
fn limits_and_switches_become_fields() {
    let options = Options {
        memory: Some(64 << 20),
        cpus: Some(1.5),
        pids: Some(10),
        read_only: true,
        network: Network::Host,
        cwd: Some("srv".into()),
        ..Options::default()
    };
    let spec = made(json!({ "Cmd": ["c"] }), &options).unwrap();
    let resources = &spec["linux"]["resources"];
    assert_eq!(resources["memory"], json!({ "limit": 64 << 20, "swap": 128 << 20 }));
    assert_eq!(resources["cpu"], json!({ "quota": 150_000, "period": 100_000 }));
    assert_eq!(resources["pids"], json!({ "limit": 10 }));
    assert_eq!(spec["root"]["readonly"], true);
    assert_eq!(spec["process"]["cwd"], "/srv");
    assert!(!spec["linux"]["namespaces"].to_string().contains("network"));
    assert!(spec["linux"].get("sysctl").is_none());
    for cpus in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = Options { cpus: Some(cpus), ..Options::default() };
        assert!(made(json!({ "Cmd": ["c"] }), &options).is_err(), "{cpus}");
    }
}

#[test]
fn what_the_image_says_of_itself_is_annotated() {
    let config = json!({
        "Cmd": ["c"], "StopSignal": "SIGINT", "Labels": { "x": "y" },
        "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
    });
    let annotations = made(config, &Options::default()).unwrap()["annotations"].take();
    assert_eq!(annotations["org.opencontainers.image.stopSignal"], "SIGINT");
    assert_eq!(annotations["org.opencontainers.image.exposedPorts"], "53/udp,80/tcp");
    assert_eq!(annotations["x"], "y");
}

#[test]
fn the_document_is_what_the_specification_knows() {
    let spec = made(json!({ "Cmd": ["c"] }), &Options::default()).unwrap();
    let parsed: oci_spec::runtime::Spec = serde_json::from_value(spec).unwrap();
    assert_eq!(parsed.process().as_ref().unwrap().args().as_ref().unwrap(), &["c"]);
    let seccomp = parsed.linux().as_ref().unwrap().seccomp().as_ref().unwrap();
    assert!(seccomp.syscalls().as_ref().unwrap().len() > 5);
}
