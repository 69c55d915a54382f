//! `linux.intelRdt`: names of groups, and lines that are lines.

use oci_spec::runtime::Spec;

use super::{Checked, HostLimits, c_string, invalid, linux_of, list, require, text};

pub(super) fn check(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(wanted) = linux_of(spec).and_then(|linux| linux.intel_rdt().as_ref()) else {
        return Ok(());
    };
    clos_id(text(wanted.clos_id()))?;
    let field = || "linux.intelRdt.memBwSchema";
    let bandwidth = text(wanted.mem_bw_schema());
    let starts = bandwidth.is_empty() || bandwidth.starts_with("MB:");
    require(starts, field, || "must start with MB:")?;
    require(!bandwidth.contains('\n'), field, || "must be one line")?;
    for (index, line) in list(wanted.schemata()).iter().enumerate() {
        let field = || format!("linux.intelRdt.schemata[{index}]");
        require(!line.contains('\n'), field, || "must be one line")?;
    }
    Ok(())
}

/// A group is a directory right below the root of resctrl, or that itself.
fn clos_id(clos: &str) -> Checked {
    let field = || "linux.intelRdt.closID";
    c_string(clos, field)?;
    match clos {
        "/" => Ok(()),
        "." | ".." => Err(invalid(field(), "must be the name of a directory")),
        _ => require(!clos.contains(['/', '\n']), field, || "must be a single name, or /"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with(fields: &str) -> String {
        format!(r#"{{"linux": {{"intelRdt": {{{fields}}}}}}}"#)
    }

    #[test]
    fn groups_are_right_below_the_root() {
        for clos in ["", "/", "guaranteed", "a.b-c", "..."] {
            accept(check, &with(&format!(r#""closID": "{clos}""#)));
        }
        for clos in [".", "..", "a/b", "/a", "//", r"a\u0000", r"a\nb"] {
            refuse(check, &with(&format!(r#""closID": "{clos}""#)), "linux.intelRdt.closID", "");
        }
    }

    #[test]
    fn schemata_are_lines() {
        accept(check, &with(r#""memBwSchema": "MB:0=20", "schemata": ["L2:0=f", "MB:0=1"]"#));
        let field = "linux.intelRdt.memBwSchema";
        refuse(check, &with(r#""memBwSchema": "L3:0=f""#), field, "must start with MB:");
        refuse(check, &with(r#""memBwSchema": "MB:0=1\nL3:0=f""#), field, "one line");
        let field = "linux.intelRdt.schemata[1]";
        refuse(check, &with(r#""schemata": ["L2:0=f", "MB:0=1\n"]"#), field, "one line");
    }
}
