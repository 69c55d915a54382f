use super::super::tests::{accept, refuse_unsupported as refuse, spec};
use super::*;

#[test]
fn process_settings() {
    let with = |fields: &str| format!(r#"{{"process": {{"cwd": "/", {fields}}}}}"#);
    let nothing =
        r#""apparmorProfile": "", "selinuxLabel": "", "scheduler": null, "ioPriority": null"#;
    accept(spec_process, &with(nothing));
    for (field, value) in [
        ("scheduler", r#"{"policy": "SCHED_OTHER"}"#),
        ("ioPriority", r#"{"class": "IOPRIO_CLASS_IDLE", "priority": 0}"#),
        ("execCPUAffinity", r#"{"initial": "0-3"}"#),
        ("apparmorProfile", r#""docker-default""#),
        ("selinuxLabel", r#""u:r:t:s0""#),
    ] {
        let json = with(&format!(r#""{field}": {value}"#));
        refuse(spec_process, &json, &format!("process.{field}"));
    }
}

#[test]
fn mount_settings() {
    let with = |option: &str| {
        format!(
            r#"{{"mounts": [{{"destination": "/a", "type": "tmpfs", "options": ["{option}"]}}]}}"#
        )
    };
    accept(mounts, &with("rro"));
    let problem = mounts(&spec(&with("mand")), &super::super::tests::ROOT);
    assert_eq!(problem, Err(unsupported("mounts[0].options", format!("mand {REASON}"))));
}

#[test]
fn linux_settings() {
    let with = |fields: &str| format!(r#"{{"linux": {{{fields}}}}}"#);
    for fields in [
        r#""netDevices": {}, "timeOffsets": {}, "mountLabel": "", "seccomp": {}"#,
        r#""seccomp": null, "intelRdt": null, "resources": {"devices": [{"allow": false}]}"#,
    ] {
        accept(linux, &with(fields));
    }
    for (field, value) in [
        ("seccomp", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#),
        ("intelRdt", "{}"),
        ("memoryPolicy", r#"{"mode": "MPOL_DEFAULT"}"#),
        ("netDevices", r#"{"eth0": {}}"#),
        ("mountLabel", r#""u:r:t:s0""#),
        ("personality", r#"{"domain": "LINUX"}"#),
        ("timeOffsets", r#"{"boottime": {"secs": 1}}"#),
    ] {
        refuse(linux, &with(&format!(r#""{field}": {value}"#)), &format!("linux.{field}"));
    }
    refuse(vm, r#"{"vm": {"kernel": {"path": "/k"}}}"#, "vm");
    accept(vm, r#"{"vm": null, "windows": null}"#);
}

#[test]
fn resources_that_engines_write_without_meaning_them() {
    let with = |fields: &str| format!(r#"{{"linux": {{"resources": {fields}}}}}"#);
    for fields in [
        "{}",
        "null",
        r#"{"devices": [{"allow": false, "access": "rwm"}], "memory": {}, "cpu": {"shares": 0},
            "pids": {"limit": 0}, "blockIO": {"weight": 0}}"#,
        r#"{"memory": {"limit": 0, "reservation": 0, "swap": -1, "kernel": -1, "kernelTCP": 0,
            "swappiness": 18446744073709551615, "disableOOMKiller": false, "useHierarchy": true,
            "checkBeforeUpdate": false}}"#,
        r#"{"cpu": {"quota": -1, "period": 0, "burst": 0, "cpus": "", "mems": "", "idle": 0,
            "realtimeRuntime": 0, "realtimePeriod": 0}, "pids": {"limit": -1}}"#,
        r#"{"blockIO": {"leafWeight": 0, "weightDevice": null, "throttleReadBpsDevice": []},
            "hugepageLimits": [], "rdma": {}, "unified": null, "network": {"classID": 0}}"#,
    ] {
        accept(resources, &with(fields));
    }
}

#[test]
fn resources_that_are_meant() {
    for (outer, field, value) in [
        ("memory", "limit", "1"),
        ("memory", "reservation", "1"),
        ("memory", "swap", "1"),
        ("memory", "kernel", "1"),
        ("memory", "kernelTCP", "1"),
        ("memory", "swappiness", "0"),
        ("memory", "disableOOMKiller", "true"),
        ("cpu", "shares", "2"),
        ("cpu", "quota", "1"),
        ("cpu", "burst", "1"),
        ("cpu", "period", "100000"),
        ("cpu", "realtimeRuntime", "1"),
        ("cpu", "realtimePeriod", "1"),
        ("cpu", "cpus", r#""0""#),
        ("cpu", "mems", r#""0""#),
        ("cpu", "idle", "1"),
        ("pids", "limit", "1"),
        ("blockIO", "weight", "10"),
        ("blockIO", "leafWeight", "10"),
        ("blockIO", "weightDevice", "[{}]"),
        ("blockIO", "throttleReadBpsDevice", "[{}]"),
        ("blockIO", "throttleWriteBpsDevice", "[{}]"),
        ("blockIO", "throttleReadIOPSDevice", "[{}]"),
        ("blockIO", "throttleWriteIOPSDevice", "[{}]"),
        ("network", "classID", "1"),
        ("network", "priorities", "[{}]"),
    ] {
        let json =
            format!(r#"{{"linux": {{"resources": {{"{outer}": {{"{field}": {value}}}}}}}}}"#);
        refuse(resources, &json, &format!("linux.resources.{outer}.{field}"));
    }
    for (field, value) in [
        ("hugepageLimits", r#"[{"pageSize": "2MB", "limit": 0}]"#),
        ("rdma", r#"{"mlx5_1": {}}"#),
        ("unified", r#"{"memory.high": "1"}"#),
    ] {
        let json = format!(r#"{{"linux": {{"resources": {{"{field}": {value}}}}}}}"#);
        refuse(resources, &json, &format!("linux.resources.{field}"));
    }
}
