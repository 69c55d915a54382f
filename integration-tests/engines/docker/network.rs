//! Networks: bridges with address translation, in the daemon's own network namespace.

use integration_tests::engine::{Docker, Started};
use integration_tests::{require, wait_until};

tests! { shared:
    addresses_names_and_resolvers,
    published_ports,
    containers_of_a_network_know_each_other_by_name,
    linked_containers,
    connected_and_disconnected_while_it_runs,
    an_internal_network,
    none_has_a_loopback_alone,
    network_verbs,
}

/// Serves its hostname on port 80.
fn server<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    let script = "mkdir /www; hostname > /www/index.html; exec httpd -f -h /www";
    docker.start_container(flags, &["sh", "-c", script])
}

/// A request; busybox's wget, linked statically, crashes now and then where it resolves a name.
fn request(host: &str, port: &str) -> String {
    format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} {port}")
}

/// The last line of what is served there.
fn fetch(from: &Started<'_, Docker>, host: &str, port: &str) -> Option<String> {
    let out = from.exec(&["sh", "-c", &request(host, port)]);
    (out.status == 0).then(|| out.stdout.lines().last().map(String::from))?
}

#[track_caller]
fn serves(from: &Started<'_, Docker>, host: &str, port: &str, text: &str) {
    let mut last = None;
    wait_until(&format!("http://{host}:{port}/"), || {
        last = fetch(from, host, port);
        last.is_some()
    });
    assert_eq!(last.as_deref(), Some(text));
}

fn client<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    docker.start_container(flags, &["sleep", "1000"])
}

struct Network<'a>(&'a Docker, String);

impl<'a> Network<'a> {
    fn new(docker: &'a Docker, name: &str, flags: &[&str]) -> Self {
        docker.client(&["network", "create"]).args(flags).arg(name).run().ok();
        Self(docker, name.into())
    }

    fn flag(&self) -> String {
        format!("--network={}", self.1)
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        self.0.client(&["network", "rm", &self.1]).run();
    }
}

fn addresses_names_and_resolvers(docker: &Docker) {
    require!("bridge");
    let flags = [
        "--rm",
        "--network=bridge",
        "-h",
        "own",
        "--dns=192.0.2.53",
        "--dns-search=example.test",
        "--add-host=other:192.0.2.7",
        "--mac-address=02:42:ac:11:00:99",
    ];
    let script = "cat /etc/resolv.conf /etc/hosts; cat /sys/class/net/eth0/address; ip -4 addr show eth0; ip route";
    let out = docker.run(&flags, &["sh", "-c", script]).ok().stdout;
    for text in [
        "nameserver 192.0.2.53",
        "search example.test",
        "192.0.2.7\tother",
        "\town",
        "02:42:ac:11:00:99",
        "default via",
    ] {
        assert!(out.contains(text), "{text}: {out}");
    }
}

fn published_ports(docker: &Docker) {
    require!("bridge");
    let box_ = server(docker, &["-p", "8080:80", "-p", "127.0.0.1::80", "-h", "served"]);
    let port = docker.client(&["port", box_.id()]).run().ok().stdout;
    assert!(port.contains("80/tcp -> 0.0.0.0:8080"), "{port}");
    let random = port.lines().find_map(|l| l.rsplit_once("127.0.0.1:")).unwrap().1.to_owned();
    let get = |port: &str| {
        let script = request("127.0.0.1", port).replace("nc ", "busybox nc ");
        let out = docker.sandbox().cmd("sh").args(["-c", &script]).run();
        out.stdout.lines().last().unwrap_or_default().to_owned()
    };
    wait_until("served", || get("8080") == "served");
    assert_eq!(get(&random), "served");
    let taken = docker.run(&["--rm", "-p", "8080:80"], &["true"]).exits(125);
    assert!(taken.stderr.contains("port is already allocated"), "{taken:?}");
    // From another container, by the daemon's address.
    let other = client(docker, &["--network=bridge"]);
    let gateway = box_.inspect("NetworkSettings.Gateway");
    serves(&other, &gateway, "8080", "served");
    drop(box_);
    assert_eq!(get("8080"), "");
}

fn containers_of_a_network_know_each_other_by_name(docker: &Docker) {
    require!("bridge");
    let net = Network::new(docker, "named", &["--subnet=10.77.0.0/24"]);
    let _server = server(
        docker,
        &[&net.flag(), "--name=named-web", "--network-alias=alias", "--ip=10.77.0.9", "-h", "web"],
    );
    let other = client(docker, &[&net.flag()]);
    serves(&other, "named-web", "80", "web");
    serves(&other, "alias", "80", "web");
    serves(&other, "10.77.0.9", "80", "web");
    let outside = client(docker, &["--network=bridge"]);
    assert_eq!(fetch(&outside, "named-web", "80"), None);
    let inspect = docker.client(&["network", "inspect", "named"]).run().ok().json();
    assert_eq!(inspect[0]["Containers"].as_object().unwrap().len(), 2);
}

fn linked_containers(docker: &Docker) {
    require!("bridge");
    let db =
        server(docker, &["--network=bridge", "--name=linked-db", "-h", "db", "-e", "SECRET=x"]);
    let app = client(docker, &["--link=linked-db:database"]);
    serves(&app, "database", "80", "db");
    serves(&app, "linked-db", "80", "db");
    let hosts = app.exec(&["cat", "/etc/hosts"]).ok().stdout;
    let address = db.inspect("NetworkSettings.IPAddress");
    assert!(hosts.contains(&format!("{address}\tdatabase")), "{hosts}");
    let variables = app.exec(&["env"]).ok().stdout;
    assert!(variables.contains("DATABASE_ENV_SECRET=x"), "{variables}");
}

fn connected_and_disconnected_while_it_runs(docker: &Docker) {
    require!("bridge");
    let (one, two) = (Network::new(docker, "one", &[]), Network::new(docker, "two", &[]));
    let web = server(docker, &[&one.flag(), "--name=moving-web", "-h", "web"]);
    let other = client(docker, &[&two.flag()]);
    assert_eq!(fetch(&other, "moving-web", "80"), None);
    docker.client(&["network", "connect", "two", web.id()]).run().ok();
    serves(&other, "moving-web", "80", "web");
    assert_eq!(web.exec(&["ls", "/sys/class/net"]).ok().stdout, "eth0\neth1\nlo\n");
    docker.client(&["network", "disconnect", "two", web.id()]).run().ok();
    assert_eq!(fetch(&other, "moving-web", "80"), None);
    assert_eq!(web.exec(&["ls", "/sys/class/net"]).ok().stdout, "eth0\nlo\n");
}

fn an_internal_network(docker: &Docker) {
    require!("bridge");
    let net = Network::new(docker, "inner", &["--internal", "--subnet=10.78.0.0/24"]);
    let _server = server(docker, &[&net.flag(), "--name=inner-web", "-h", "web"]);
    let box_ = client(docker, &[&net.flag()]);
    serves(&box_, "inner-web", "80", "web");
    let rules = docker.sandbox().cmd("iptables").args(["-S"]).run().ok().stdout;
    assert!(rules.contains("! -d 10.78.0.0/24"), "{rules}");
}

fn none_has_a_loopback_alone(docker: &Docker) {
    let script = "ls /sys/class/net; ip -4 addr show lo | grep inet; ip route";
    let out = docker.run(&["--rm", "--network=none"], &["sh", "-c", script]).ok().stdout;
    assert_eq!(out, "lo\n    inet 127.0.0.1/8 scope host lo\n");
}

fn network_verbs(docker: &Docker) {
    require!("bridge");
    let verb = |words: &[&str]| docker.client(&["network"]).args(words).run();
    let net = Network::new(
        docker,
        "verbs",
        &["--label=kind=verbs", "--opt=com.docker.network.bridge.name=teu-verbs"],
    );
    assert_eq!(verb(&["ls", "-q", "--filter=label=kind=verbs"]).ok().stdout.lines().count(), 1);
    docker.sandbox().cmd("ip").args(["link", "show", "teu-verbs"]).run().ok();
    let box_ = client(docker, &[&net.flag()]);
    let _unused = Network::new(docker, "unused", &["--label=kind=verbs"]);
    verb(&["prune", "-f", "--filter=label=kind=verbs"]).ok();
    verb(&["inspect", "unused"]).fails();
    verb(&["rm", "verbs"]).fails_with(&["has active endpoints"]);
    drop(box_);
    verb(&["rm", "verbs"]).ok();
    verb(&["inspect", "verbs"]).fails();
    docker.sandbox().cmd("ip").args(["link", "show", "teu-verbs"]).run().fails();
}
