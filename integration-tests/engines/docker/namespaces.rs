//! Namespaces shared with the host and with other containers.

use integration_tests::engine::{Docker, Started};
use integration_tests::wait_until;

tests! { shared:
    everything_is_its_own_by_default,
    those_of_the_host,
    network_of_another_container,
    processes_of_another_container,
    shared_memory_of_another_container,
    an_end_of_the_first_process_ends_the_rest,
}

const KINDS: [&str; 5] = ["ipc", "mnt", "net", "pid", "uts"];

fn namespace(pid: i32, kind: &str) -> String {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string()
}

fn sleeper<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    docker.start_container(flags, &["sleep", "1000"])
}

/// A process of the host, as far as docker knows: its daemon.
fn daemon(docker: &Docker) -> i32 {
    let pid = std::fs::read_to_string(docker.sandbox().path("docker.pid")).unwrap();
    pid.trim().parse().unwrap()
}

fn everything_is_its_own_by_default(docker: &Docker) {
    let (one, two) = (sleeper(docker, &[]), sleeper(docker, &[]));
    for kind in KINDS {
        let all = [one.pid(), two.pid(), daemon(docker)].map(|pid| namespace(pid, kind));
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{kind}: {all:?}");
        let exec = one.exec(&["readlink", &format!("/proc/self/ns/{kind}")]).ok();
        assert_eq!(exec.out(), all[0]);
    }
}

fn those_of_the_host(docker: &Docker) {
    let flags = ["--ipc=host", "--pid=host", "--net=host", "--uts=host"];
    let box_ = sleeper(docker, &flags);
    for kind in KINDS.into_iter().filter(|kind| *kind != "mnt") {
        assert_eq!(namespace(box_.pid(), kind), namespace(daemon(docker), kind), "{kind}");
    }
    let pid = box_.pid().to_string();
    assert_eq!(box_.exec(&["cat", &format!("/proc/{pid}/comm")]).ok().stdout, "sleep\n");
    let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(box_.exec(&["hostname"]).ok().out(), own);
    // No process is pid 1 of its own there: the whole cgroup has to be killed.
    box_.exec_with(&["-d"], &["sleep", "2000"]).ok();
    let cgroup = box_.cgroup();
    box_.verb("kill", &[]).ok();
    box_.wait_status("exited");
    wait_until("all are gone", || !cgroup.dir("pids").exists());
}

fn network_of_another_container(docker: &Docker) {
    let first = sleeper(docker, &[]);
    let serve =
        ["sh", "-c", "mkdir /www; echo served > /www/index.html; exec httpd -f -p 8000 -h /www"];
    let server = docker.start_container(&[&format!("--net=container:{}", first.id())], &serve);
    assert_eq!(namespace(server.pid(), "net"), namespace(first.pid(), "net"));
    assert_ne!(namespace(server.pid(), "pid"), namespace(first.pid(), "pid"));
    let fetch = || first.exec(&["wget", "-qO-", "http://127.0.0.1:8000/"]);
    wait_until("served", || fetch().status == 0);
    assert_eq!(fetch().ok().stdout, "served\n");
}

fn processes_of_another_container(docker: &Docker) {
    let first = sleeper(docker, &[]);
    let second =
        docker.start_container(&[&format!("--pid=container:{}", first.id())], &["sleep", "2000"]);
    assert_eq!(namespace(second.pid(), "pid"), namespace(first.pid(), "pid"));
    let all = second.exec(&["ps", "-o", "args"]).ok().stdout;
    assert!(all.contains("sleep 1000") && all.contains("sleep 2000"), "{all}");
    let other = "kill $(pidof sleep | tr ' ' '\\n' | grep -v '^1$')";
    first.exec(&["sh", "-c", other]).ok();
    assert_eq!(second.wait(), 143);
    assert_eq!(first.status(), "running");
}

fn shared_memory_of_another_container(docker: &Docker) {
    let first = sleeper(docker, &["--ipc=shareable"]);
    let second = sleeper(docker, &[&format!("--ipc=container:{}", first.id())]);
    assert_eq!(namespace(second.pid(), "ipc"), namespace(first.pid(), "ipc"));
    first.exec(&["sh", "-c", "echo shared > /dev/shm/file"]).ok();
    assert_eq!(second.exec(&["cat", "/dev/shm/file"]).ok().stdout, "shared\n");
    let private = sleeper(docker, &["--ipc=private"]);
    let join = format!("--ipc=container:{}", private.id());
    docker.run(&["--rm", &join], &["true"]).fails_with(&["non-shareable IPC"]);
}

fn an_end_of_the_first_process_ends_the_rest(docker: &Docker) {
    let first = sleeper(docker, &[]);
    let joins = format!("--pid=container:{}", first.id());
    let second = docker.start_container(&[&joins], &["sleep", "2000"]);
    first.verb("kill", &[]).ok();
    assert_eq!(first.wait(), 137);
    assert_eq!(second.wait(), 137);
}
