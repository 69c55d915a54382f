//! AppArmor profiles and SELinux labels: worn inside, or refused where nobody enforces them.

use integration_tests::{Bundle, Cmd, json, known_difference, require};

const CURRENT: &str = "/proc/self/attr/current";

/// A profile in the kernel, for as long as a test runs.
struct Profile(String);

impl Profile {
    /// Allows everything but reading /secret.
    fn load(name: &str) -> Self {
        let name = format!("teu-it-{name}-{}", std::process::id());
        let flags = "flags=(attach_disconnected,mediate_deleted)";
        let rules = "file, capability, network, signal, unix, deny /secret r,";
        Self::parser("--replace", &format!("profile {name} {flags} {{ {rules} }}\n"));
        Self(name)
    }

    fn parser(action: &str, text: &str) {
        // Without the ABI of the policy the rules mean what they mean to the running kernel.
        Cmd::new("apparmor_parser")
            .args(["--quiet", "--skip-cache", action])
            .stdin(text)
            .run()
            .ok();
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        Self::parser("--remove", &format!("profile {} {{}}\n", self.0));
    }
}

#[test]
fn a_profile_confines_the_process_and_those_of_an_exec() {
    require!("root", "apparmor");
    let (own, other) = (Profile::load("own"), Profile::load("other"));
    let mut b = Bundle::new();
    b.file("secret", "hidden\n");
    b.set("/process/apparmorProfile", own.0.as_str());
    b.args(&["seq", "read", CURRENT, "--", "read", "/secret"]);
    let outcome = b.run().exits(1);
    assert_eq!(outcome.out(), format!("{} (enforce)\nEACCES", own.0));
    let c = b.start_sleeper();
    let worn = |name: &Profile| format!("{} (enforce)", name.0);
    assert_eq!(c.exec(&["read", CURRENT]).ok().out(), worn(&own));
    let flag = c.exec_with(&["--apparmor", &other.0], &["read", CURRENT]);
    assert_eq!(flag.ok().out(), worn(&other));
    let process = c.exec_process(&["read", CURRENT], |p| p["apparmorProfile"] = json!(null));
    assert_eq!(process.ok().out(), worn(&own), "a process without one has the container's");
}

#[test]
fn a_profile_goes_with_a_user_namespace_another_user_and_no_new_privileges() {
    require!("root", "apparmor", "userns");
    let profile = Profile::load("userns");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user" }));
    for map in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.set(map, json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]));
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(b.rootfs(), mode).unwrap();
    b.set("/process/user", json!({ "uid": 7, "gid": 7 }));
    b.set("/process/noNewPrivileges", true);
    b.set("/process/apparmorProfile", profile.0.as_str());
    assert_eq!(b.run_probe(&["read", CURRENT]), format!("{} (enforce)", profile.0));
}

#[test]
fn a_profile_that_is_not_loaded_is_an_error() {
    require!("root", "apparmor");
    let mut b = Bundle::new();
    b.set("/process/apparmorProfile", "teu-it-no-such-profile");
    b.run().fails_with(&["apparmor"]);
}

#[test]
fn a_label_is_worn_by_the_process_and_those_of_an_exec() {
    require!("root", "selinux");
    let worn = |text: &str| text.trim_end_matches(['\0', '\n']).to_owned();
    // Its own, which every policy knows and lets it go on with.
    let label = worn(&std::fs::read_to_string(CURRENT).unwrap());
    let mut b = Bundle::new();
    b.set("/process/selinuxLabel", label.as_str());
    assert_eq!(worn(&b.run_probe(&["read", CURRENT])), label);
    let c = b.start_sleeper();
    assert_eq!(worn(c.exec(&["read", CURRENT]).ok().out()), label);
    c.finish();
    b.set("/process/selinuxLabel", "no:such:label");
    b.run().fails_with(&["selinux"]);
}

#[test]
fn a_profile_without_apparmor_is_refused() {
    require!("root", "no-apparmor");
    let mut b = Bundle::new();
    b.set("/process/apparmorProfile", "docker-default");
    let words = ["apparmor: config provided but apparmor not supported", "failed to apply profile"];
    b.try_create().fails_with(&words);
    b.assert_clean();
    b.remove("/process/apparmorProfile");
    let c = b.start_sleeper();
    let refused = c.exec_with(&["--apparmor", "docker-default"], &["echo"]);
    refused.fails_with(&words);
}

#[test]
fn a_label_without_selinux_is_refused() {
    require!("root", "no-selinux");
    let words = "selinux label is specified in config, but selinux is disabled or not supported";
    let mut b = Bundle::new();
    b.set("/process/selinuxLabel", "system_u:system_r:container_t:s0");
    b.try_create().fails_with(&[words]);
    b.assert_clean();
    b.remove("/process/selinuxLabel");
    known_difference!("exec-label");
    let c = b.start_sleeper();
    let label = "system_u:system_r:container_t:s0";
    c.exec_with(&["--process-label", label], &["echo"]).fails_with(&[
        words,
        "attr/exec",
        "attr/keycreate",
    ]);
    c.finish();
}

#[test]
fn a_label_of_mounts_without_selinux_is_refused() {
    require!("root", "no-selinux");
    known_difference!("mount-label");
    let words = "selinux label is specified in config, but selinux is disabled or not supported";
    let mut b = Bundle::new();
    b.set("/linux/mountLabel", "system_u:object_r:container_file_t:s0");
    b.try_create().fails_with(&[words, "invalid argument"]);
    b.assert_clean();
}
