use super::super::tests::{accept, refuse_unsupported as refuse, spec};
use super::*;

#[test]
fn process_settings() {
    let with = |fields: &str| format!(r#"{{"process": {{"cwd": "/", {fields}}}}}"#);
    let nothing =
        r#""apparmorProfile": "", "selinuxLabel": "", "scheduler": null, "ioPriority": null"#;
    accept(spec_process, &with(nothing));
    for (field, value) in
        [("apparmorProfile", r#""docker-default""#), ("selinuxLabel", r#""u:r:t:s0""#)]
    {
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
        r#""mountLabel": "", "seccomp": {}"#,
        r#""seccomp": null, "intelRdt": null, "resources": {"devices": [{"allow": false}]}"#,
    ] {
        accept(linux, &with(fields));
    }
    for (field, value) in [("intelRdt", "{}"), ("mountLabel", r#""u:r:t:s0""#)] {
        refuse(linux, &with(&format!(r#""{field}": {value}"#)), &format!("linux.{field}"));
    }
    refuse(vm, r#"{"vm": {"kernel": {"path": "/k"}}}"#, "vm");
    accept(vm, r#"{"vm": null, "windows": null}"#);
}
