use proptest::prelude::*;

use super::super::rules::Devices;
use super::super::tests::{Listed, Request, config, lists, meaning, requests};
use super::*;

fn model(rules: &[Listed]) -> Result<Model> {
    Model::of(&Rules::parse(&config(rules)).unwrap())
}

fn lines(model: &Model) -> Vec<String> {
    model.exceptions.iter().map(|e| format!("{} {}", e.devices, e.access)).collect()
}

fn defaults() -> Vec<String> {
    lines(&model(&[]).unwrap())
}

/// What the kernel answers from such a state (devcgroup_legacy_check_permission of
/// security/device_cgroup.c): allowed needs one exception for all of it, denied one for a part.
fn answer(model: &Model, request: Request) -> bool {
    let Request { kind, major, minor, access } = request;
    let device = Devices { kind, major: Some(major), minor: Some(minor) };
    let mut about = model.exceptions.iter().filter(|e| e.devices.cover(device));
    match model.allow {
        true => !about.any(|e| e.access.overlaps(access)),
        false => about.any(|e| access.without(e.access) == Access::NONE),
    }
}

#[test]
fn without_rules_everything_but_the_defaults_is_denied() {
    let model = model(&[]).unwrap();
    assert!(!model.allow);
    let expected = [
        "c *:* m",
        "b *:* m",
        "c 1:3 rwm",
        "c 1:8 rwm",
        "c 1:7 rwm",
        "c 1:5 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
        "c 136:* rwm",
        "c 10:200 rwm",
    ];
    assert_eq!(lines(&model), expected);
}

#[test]
fn what_docker_lists_twice_is_written_once() {
    let model = model(&[
        (false, None, None, None, "rwm"),
        (true, Some('c'), Some(1), Some(5), "rwm"),
        (true, Some('c'), Some(1), Some(3), "r"),
        (true, Some('b'), Some(8), Some(0), "mwr"),
    ]);
    let lines = lines(&model.unwrap());
    assert_eq!(lines.len(), defaults().len() + 1);
    assert_eq!(lines[..3], ["c 1:5 rwm", "c 1:3 rwm", "b 8:0 rwm"]);
}

#[test]
fn the_last_rule_for_all_devices_wins() {
    let all =
        model(&[(true, Some('c'), Some(1), Some(3), "r"), (true, Some('a'), None, None, "rwm")]);
    assert_eq!(all.unwrap(), Model { allow: true, exceptions: vec![] });
    let none = model(&[(true, None, None, None, "rwm"), (false, Some('a'), Some(3), Some(4), "r")]);
    assert_eq!(lines(&none.unwrap()), defaults());
}

#[test]
fn access_is_taken_back_from_the_same_devices_and_from_those_within() {
    let model = model(&[
        (true, Some('b'), Some(8), None, "rwm"),
        (false, Some('b'), Some(8), None, "w"),
        (true, Some('b'), Some(9), Some(1), "r"),
        (false, Some('b'), Some(9), Some(1), "rwm"),
        (true, Some('b'), Some(7), Some(1), "rw"),
        (false, Some('b'), Some(7), None, "w"),
    ]);
    let lines = lines(&model.unwrap());
    assert_eq!(lines[..2], ["b 8:* rm", "b 7:1 r"]);
    assert!(!lines.iter().any(|line| line.starts_with("b 9")));
}

#[test]
fn with_all_allowed_the_exceptions_are_denials() {
    let model = model(&[
        (true, None, None, None, "rwm"),
        (false, Some('b'), Some(8), Some(1), "rwm"),
        // The defaults take these back: nobody can be denied /dev/null, nor to make his own /dev.
        (false, Some('c'), Some(1), Some(3), "rwm"),
        (false, Some('c'), None, None, "m"),
    ]);
    let model = model.unwrap();
    assert!(model.allow);
    assert_eq!(lines(&model), ["b 8:1 rwm"]);
}

#[test]
fn a_rule_that_the_kernel_would_not_apply_is_refused() {
    for wider in [(Some(8), None), (None, Some(1)), (None, None)] {
        let rules =
            [(true, Some('b'), wider.0, wider.1, "rw"), (false, Some('b'), Some(8), Some(1), "w")];
        let text = model(&rules).unwrap_err().to_string();
        assert!(text.starts_with("linux.resources.devices[1]: "), "{text}");
        assert!(text.contains("(b 8:1 w)") && text.contains(":* rw") | text.contains("*:1 rw"));
    }
    // They share 8:1, and neither is within the other.
    let crossing = [(true, Some('b'), Some(8), None, "r"), (false, Some('b'), None, Some(1), "rw")];
    assert!(model(&crossing).is_err());
    // Nothing in common.
    let apart = [(true, Some('b'), Some(8), None, "r"), (false, Some('b'), Some(8), Some(1), "w")];
    model(&apart).unwrap();
}

#[test]
fn what_a_rule_for_all_devices_undoes_need_not_be_possible() {
    let rules = [
        (true, Some('b'), Some(8), None, "rw"),
        (false, Some('b'), Some(8), Some(1), "w"),
        (false, None, None, None, "rwm"),
    ];
    assert_eq!(lines(&model(&rules).unwrap()), defaults());
}

proptest! {
    /// Of what is not refused nothing is lost. An access of several kinds may need several rules,
    /// which the kernel does not put together.
    #[test]
    fn the_last_rule_wins(list in lists()) {
        let rules = Rules::parse(&list).unwrap();
        let Ok(model) = Model::of(&rules) else { return Ok(()) };
        for request in requests() {
            let (answer, meaning) = (answer(&model, request), meaning(&rules, request));
            match request.access.0.count_ones() {
                1 => prop_assert_eq!(answer, meaning, "{:?}", request),
                _ => prop_assert!(meaning || !answer, "{:?}", request),
            }
        }
    }
}
