//! Hooks of all six kinds.

use oci_spec::runtime::{Hook, Hooks, Spec};

use super::{Checked, HostLimits, absolute, c_string, list, require};

pub(super) fn check(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(hooks) = spec.hooks() else { return Ok(()) };
    kinds(hooks).into_iter().try_for_each(|(kind, hooks)| {
        hooks.iter().enumerate().try_for_each(|(i, h)| {
            hook(h).map_err(|problem| problem.within(&format!("hooks.{kind}[{i}]")))
        })
    })
}

#[allow(deprecated)] // `prestart` is, and must still work.
fn kinds(hooks: &Hooks) -> [(&'static str, &[Hook]); 6] {
    [
        ("prestart", list(hooks.prestart())),
        ("createRuntime", list(hooks.create_runtime())),
        ("createContainer", list(hooks.create_container())),
        ("startContainer", list(hooks.start_container())),
        ("poststart", list(hooks.poststart())),
        ("poststop", list(hooks.poststop())),
    ]
}

fn hook(hook: &Hook) -> Checked {
    absolute(hook.path(), || "path")?;
    for (field, texts) in [("args", list(hook.args())), ("env", list(hook.env()))] {
        for (i, text) in texts.iter().enumerate() {
            c_string(text, || format!("{field}[{i}]"))?;
        }
    }
    let timeout = hook.timeout();
    require(
        timeout.is_none_or(|seconds| seconds > 0),
        || "timeout",
        || format!("must be greater than zero, is {}", timeout.unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    #[test]
    fn hooks_can_be_executed() {
        for kind in [
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop",
        ] {
            let good = r#"{"path": "/bin/a", "args": ["a"], "env": ["A=b", "odd"], "timeout": 1}"#;
            let with = |bad: &str| format!(r#"{{"hooks": {{"{kind}": [{good}, {bad}]}}}}"#);
            accept(check, &with(good));
            for (bad, field, problem) in [
                (r#"{"path": "bin/a"}"#, "path", "absolute"),
                (r#"{"path": ""}"#, "path", "absolute"),
                (r#"{"path": "/\u0000"}"#, "path", "NUL"),
                (r#"{"path": "/a", "args": ["a", "\u0000"]}"#, "args[1]", "NUL"),
                (r#"{"path": "/a", "env": ["\u0000"]}"#, "env[0]", "NUL"),
                (r#"{"path": "/a", "timeout": 0}"#, "timeout", "greater than zero, is 0"),
                (r#"{"path": "/a", "timeout": -5}"#, "timeout", "greater than zero"),
            ] {
                refuse(check, &with(bad), &format!("hooks.{kind}[1].{field}"), problem);
            }
        }
    }
}
