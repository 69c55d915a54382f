use std::fs;
use std::path::Path;

use oci_spec::runtime::{LinuxResources, Process, Spec};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::Result;
use crate::spec::parse::{Document, parse_document};
use crate::spec::repair::FREE_MAPS;

fn document<T: Document>(value: &Value) -> Result<T> {
    parse_document(value.to_string().as_bytes(), Path::new("c")).map(|parsed| parsed.value)
}

/// Two documents that have to mean the same.
fn both<T: Document + PartialEq + fmt::Debug>(exact: &Value, other: &Value) {
    assert_eq!(document::<T>(exact).unwrap(), document::<T>(other).unwrap(), "{other}");
}

#[test]
fn security_settings_count_in_any_case() {
    let filter = |action, names| {
        json!({"SECCOMP": {"defaultaction": "SCMP_ACT_ALLOW",
        "Syscalls": [{"NAMES": names, "Action": action}]}})
    };
    let exact = json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}}});
    both::<Spec>(&exact, &json!({"Linux": filter("SCMP_ACT_ERRNO", json!(["mount"]))}));
    both::<Spec>(
        &json!({"root": {"path": "r", "readonly": true},
            "linux": {"maskedPaths": ["/a"], "readonlyPaths": ["/b"]}}),
        &json!({"Root": {"Path": "r", "readOnly": true},
            "LINUX": {"MaskedPaths": ["/a"], "readonlypaths": ["/b"]}}),
    );
    both::<Process>(
        &json!({"cwd": "/", "user": {"uid": 5}, "noNewPrivileges": true,
            "capabilities": {"bounding": []}, "execCPUAffinity": {"initial": "1"}}),
        &json!({"Cwd": "/", "USER": {"UID": 5}, "nonewprivileges": true,
            "Capabilities": {"Bounding": []}, "execCpuAffinity": {"Initial": "1"}}),
    );
    both::<LinuxResources>(
        &json!({"cpu": {"cpus": "0"}, "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "devices": [{"allow": true, "access": "r"}], "pids": {"limit": 0}}),
        &json!({"CPU": {"Cpus": "0"}, "HugePageLimits": [{"pagesize": "2MB", "Limit": 1}],
            "Devices": [{"Allow": true, "Access": "r"}], "PIDs": {"LIMIT": 0}}),
    );
}

#[test]
fn what_is_forgiven_is_forgiven_in_any_case() {
    both::<Spec>(
        &json!({"process": {"cwd": "/", "capabilities": {"bounding": ["CAP_NEW", "CAP_KILL"]},
                "execCPUAffinity": {"initial": ""}, "scheduler": {"policy": "SCHED_RR",
                "flags": ["SCHED_FLAG_RESET_ON_FORK"]}}, "linux": {"seccomp": {}}}),
        &json!({"Process": {"CWD": "/", "Capabilities": {"Bounding": ["CAP_NEW", "CAP_KILL"]},
                "ExecCPUAffinity": {"Initial": ""}, "Scheduler": {"Policy": "SCHED_RR",
                "Flags": ["SCHED_FLAG_RESET_ON_FORK"]}}, "Linux": {"Seccomp": {}}}),
    );
    let null = json!({"linux": {"Seccomp": {"DefaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"Names": null, "action": "SCMP_ACT_LOG"}]}}});
    assert!(document::<Spec>(&null).is_ok());
    let kept = json!({"Linux": {"Sysctl": {"a": null}}});
    assert!(document::<Spec>(&kept).unwrap_err().to_string().contains("Linux.Sysctl.a"));
    let named = json!({"Linux": {"Seccomp": {"Syscalls": []}, "Resources": {"PIDs": 5}}});
    let text = document::<Spec>(&named).unwrap_err().to_string();
    assert!(text.starts_with("c: Linux.Resources.PIDs: invalid type: integer `5`"), "{text}");
}

#[test]
fn two_spellings_of_one_key_are_an_error() {
    for (text, start) in [
        (r#"{"cpu": {"cpus": ""}, "CPU": {"cpus": "0"}}"#, "r: duplicate field `cpu`"),
        (
            r#"{"CPU": null, "cpu": {}, "Devices": [], "devices": []}"#,
            "r: duplicate field `devices`",
        ),
        (
            r#"{"Memory": {"Limit": 1, "LIMIT": 1}, "pids": null}"#,
            "r: Memory: duplicate field `limit`",
        ),
    ] {
        let error = parse_document::<LinuxResources>(text.as_bytes(), Path::new("r"));
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("in whatever case"), "{text}");
    }
}

/// runc's own suite has such a config.
#[test]
fn objects_in_two_spellings_are_one() {
    both::<LinuxResources>(
        &json!({"cpu": {"shares": 5, "cpus": "0", "mems": "0"}, "memory": {"limit": 1}}),
        &json!({"cpu": {"shares": 5}, "CPU": {"Cpus": "0"}, "Cpu": {"Mems": "0"}, "memory": {"limit": 1}}),
    );
    both::<Spec>(
        &json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}, "resources": {
            "rdma": {"HCA": {"hcaHandles": 1}, "hca": {"hcaHandles": 2}}}}, "root": {"path": "r"}}),
        &json!({"linux": {"resources": {"Rdma": {"HCA": {"hcahandles": 1}, "hca": {"hcaHandles": 2}}}},
            "Linux": {"Seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}, "root": {"path": "r"}}),
    );
    for twice in [
        json!({"cpu": {"shares": 1, "cpus": "0"}, "CPU": {"Shares": 2}}),
        json!({"devices": [], "Devices": [{"allow": true}]}),
        json!({"unified": {"a.b": "1"}, "Unified": {"c.d": "1"}}),
    ] {
        let text = document::<LinuxResources>(&twice).unwrap_err().to_string();
        assert!(text.contains("duplicate field"), "{text}");
    }
}

#[test]
fn keys_of_maps_are_their_own() {
    let maps = json!({"annotations": {"Process": "a", "process": "b"}, "linux": {
        "sysctl": {"Kernel.X": "1", "kernel.x": "2"}, "netDevices": {"ETH0": {"Name": "e"}},
        "resources": {"unified": {"CPU.max": "1", "cpu.max": "2"}, "rdma": {"HCA": {}}}}});
    let spec = document::<Spec>(&maps).unwrap();
    let again = serde_json::to_value(&spec).unwrap();
    assert_eq!(again["annotations"], maps["annotations"]);
    assert_eq!(again["linux"]["sysctl"], maps["linux"]["sysctl"]);
    assert_eq!(again["linux"]["netDevices"], json!({"ETH0": {"name": "e"}}));
    let unified = &maps["linux"]["resources"]["unified"];
    assert_eq!(&again["linux"]["resources"]["unified"], unified);
    assert!(again["linux"]["resources"]["rdma"]["HCA"].is_object());
}

#[test]
fn letters_fold_as_for_go() {
    assert!(same("SECCOMP", "seccomp") && same("ma\u{17f}\u{212a}edPaths", "maskedpaths"));
    assert!(!same("É", "é") && !same("cpu", "cpus") && !same("_", "\u{7f}"));
    let spec = document::<Spec>(&json!({"ho\u{17f}tname": "h"})).unwrap();
    assert_eq!(spec.hostname().as_deref(), Some("h"));
}

/// Every key of a struct in a case of its own: a bit of `bits` for each letter, again and again.
fn shuffled(value: &Value, bits: &mut u64, free: bool) -> Value {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| shuffled(item, bits, false)).collect::<Vec<_>>().into()
        }
        Value::Object(fields) => {
            let entry = |(key, value): (&String, &Value)| {
                let inside = shuffled(value, bits, FREE_MAPS.contains(&key.as_str()));
                (if free { key.clone() } else { recased(key, bits) }, inside)
            };
            fields.iter().map(entry).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn recased(key: &str, bits: &mut u64) -> String {
    let letter = |c: char| {
        *bits = bits.rotate_left(1);
        if *bits & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    key.chars().map(letter).collect()
}

/// The configs of all plans; those of exec are told apart by their name.
fn samples() -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let configs = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    configs.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_config_means_the_same_in_any_case(mut bits: u64, at: prop::sample::Index) {
        let samples = samples();
        let sample = at.get(&samples);
        both::<Spec>(sample, &shuffled(sample, &mut bits, false));
    }
}
