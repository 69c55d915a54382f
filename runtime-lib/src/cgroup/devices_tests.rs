use std::fs;

use oci_spec::runtime::LinuxDeviceCgroupBuilder;
use proptest::prelude::*;

use super::*;

type Rule = (bool, Option<char>, Option<i64>, Option<i64>, &'static str);

fn config(rules: &[Rule]) -> Vec<LinuxDeviceCgroup> {
    let one = |&(allow, kind, major, minor, access): &Rule| {
        let mut rule = LinuxDeviceCgroupBuilder::default().allow(allow).build().unwrap();
        rule.set_typ(kind.map(|kind| match kind {
            'a' => LinuxDeviceType::A,
            'b' => LinuxDeviceType::B,
            'c' => LinuxDeviceType::C,
            'u' => LinuxDeviceType::U,
            _ => LinuxDeviceType::P,
        }));
        rule.set_major(major).set_minor(minor);
        rule.set_access(Some(access.to_owned()));
        rule
    };
    rules.iter().map(one).collect()
}

fn lines(model: &Model) -> Vec<String> {
    model.exceptions.iter().map(|e| line(e.devices, e.access)).collect()
}

fn defaults() -> Vec<String> {
    lines(&Model::of(&[]).unwrap())
}

fn v1(dir: &Path) -> Paths {
    let place = crate::cgroup::paths::Place {
        controllers: vec!["devices".into()],
        mount: "/".into(),
        dir: dir.to_owned(),
    };
    Paths { v1: vec![place], ..Paths::default() }
}

#[test]
fn without_rules_everything_but_the_defaults_is_denied() {
    let model = Model::of(&[]).unwrap();
    assert!(!model.allow);
    let expected = [
        "c *:* m",
        "b *:* m",
        "c 1:3 rwm",
        "c 1:8 rwm",
        "c 1:7 rwm",
        "c 5:0 rwm",
        "c 1:5 rwm",
        "c 1:9 rwm",
        "c 136:* rwm",
        "c 5:2 rwm",
        "c 10:200 rwm",
    ];
    assert_eq!(lines(&model), expected);
}

#[test]
fn what_docker_lists_twice_is_written_once() {
    let rules = config(&[
        (false, None, None, None, "rwm"),
        (true, Some('c'), Some(1), Some(5), "rwm"),
        (true, Some('c'), Some(1), Some(3), "r"),
        (true, Some('b'), Some(8), Some(0), "mwr"),
    ]);
    let lines = lines(&Model::of(&rules).unwrap());
    assert_eq!(lines.len(), defaults().len() + 1);
    assert_eq!(lines[..3], ["c 1:5 rwm", "c 1:3 rwm", "b 8:0 rwm"]);
}

#[test]
fn the_last_rule_for_all_devices_wins() {
    let all = Model::of(&config(&[
        (true, Some('c'), Some(1), Some(3), "r"),
        (true, Some('a'), None, None, "rwm"),
    ]));
    assert!(all.unwrap().allows_all());
    let none = Model::of(&config(&[
        (true, None, None, None, "rwm"),
        (false, Some('a'), Some(3), Some(4), "r"),
    ]));
    assert_eq!(lines(&none.unwrap()), defaults());
}

#[test]
fn access_is_taken_back_from_the_same_devices() {
    let rules = config(&[
        (true, Some('b'), Some(8), None, "rwm"),
        (false, Some('b'), Some(8), None, "w"),
        (true, Some('b'), Some(9), Some(1), "r"),
        (false, Some('b'), Some(9), Some(1), "rwm"),
    ]);
    let lines = lines(&Model::of(&rules).unwrap());
    assert_eq!(lines[0], "b 8:* rm");
    assert!(!lines.iter().any(|line| line.starts_with("b 9")));
}

#[test]
fn with_all_allowed_the_exceptions_are_denials() {
    let rules = config(&[
        (true, None, None, None, "rwm"),
        (false, Some('b'), Some(8), Some(1), "rw"),
        // The defaults take this one back: nobody can be denied /dev/null.
        (false, Some('c'), Some(1), Some(3), "rwm"),
    ]);
    let model = Model::of(&rules).unwrap();
    assert!(model.allow);
    assert_eq!(lines(&model), ["b 8:1 rw"]);
}

#[test]
fn a_rule_that_the_kernel_would_not_apply_is_refused() {
    let rules = config(&[
        (true, Some('b'), Some(8), None, "rw"),
        (false, Some('b'), Some(8), Some(1), "w"),
    ]);
    let text = Model::of(&rules).unwrap_err().to_string();
    assert!(text.starts_with("linux.resources.devices[1]: "), "{text}");
    assert!(text.contains("b 8:1 w") && text.contains("b 8:* rw"), "{text}");
}

#[test]
fn malformed_rules_name_their_field() {
    for (rule, field) in [
        ((true, Some('c'), None, None, ""), "[0].access"),
        ((true, Some('c'), None, None, "rx"), "[0].access"),
        ((true, Some('u'), None, None, "r"), "[0].type"),
        ((true, Some('p'), None, None, "r"), "[0].type"),
        ((true, Some('c'), Some(-2), None, "r"), "[0].major"),
        ((true, Some('c'), None, Some(1 << 32), "r"), "[0].minor"),
    ] {
        let text = Model::of(&config(&[rule])).unwrap_err().to_string();
        let expected = format!("config.json: linux.resources.devices{field}: ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn the_base_is_written_before_the_exceptions() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["devices.allow", "devices.deny"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    apply(&v1(dir.path()), &[], false).unwrap();
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("devices.deny"), "a");
    assert_eq!(read("devices.allow"), defaults().concat());
}

#[test]
fn v2_takes_only_what_needs_no_filter() {
    let v2 = Paths { mode: Mode::V2, ..Paths::default() };
    assert!(matches!(apply(&v2, &[], false), Err(Error::Unsupported { .. })));
    apply(&v2, &config(&[(true, Some('a'), None, None, "rwm")]), false).unwrap();
    let deny = config(&[(false, None, None, None, "rwm")]);
    assert!(matches!(apply(&v2, &deny, false), Err(Error::Unsupported { .. })));
    apply(&v2, &deny, true).unwrap();
}

#[test]
fn without_the_controller_only_rootless_goes_on() {
    let none = Paths::default();
    assert!(matches!(apply(&none, &[], false), Err(Error::Unsupported { .. })));
    apply(&Paths { best_effort: true, ..none }, &[], false).unwrap();
}

proptest! {
    /// The model against the plainest reading of the rules: for rules without wildcards the last
    /// one for a device and access wins.
    #[test]
    fn the_last_rule_wins(rules in proptest::collection::vec(
        (any::<bool>(), 20_i64..23, 0_i64..2, 1_u8..8), 0..12
    )) {
        let listed: Vec<_> = rules.iter().map(|&(allow, major, minor, access)| {
            let mut rule = config(&[(allow, Some('c'), Some(major), Some(minor), "r")]).remove(0);
            rule.set_access(Some(Access(access).letters()));
            rule
        }).collect();
        let model = Model::of(&listed).unwrap();
        for (major, minor, bit) in (20..23).flat_map(|a| (0..2).flat_map(move |b| [1, 2, 4].map(|c| (a, b, c)))) {
            // mknod of anything is among the defaults.
            let of_this = |&&(_, a, b, access): &&(bool, i64, i64, u8)| (a, b) == (major, minor) && access & bit != 0;
            let expected = rules.iter().rev().find(of_this).is_some_and(|rule| rule.0);
            let held = model.exceptions.iter().any(|e| {
                e.devices.major.map(i64::from) == Some(major)
                    && e.devices.minor.map(i64::from) == Some(minor)
                    && e.access.0 & bit != 0
            });
            prop_assert_eq!(held, expected);
        }
    }
}
