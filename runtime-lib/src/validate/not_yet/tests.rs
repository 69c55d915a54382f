use super::super::tests::{accept, refuse_unsupported as refuse, spec};
use super::*;

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
fn machines() {
    refuse(vm, r#"{"vm": {"kernel": {"path": "/k"}}}"#, "vm");
    accept(vm, r#"{"vm": null, "windows": null}"#);
}
