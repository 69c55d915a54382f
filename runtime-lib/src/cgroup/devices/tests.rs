//! What the files here have in common: rules in short form, and what they mean.

use std::fs;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroupBuilder, LinuxDeviceType};
use proptest::prelude::*;

use super::rules::{Access, Kind};
use super::*;
use crate::cgroup::paths::Place;

pub(super) type Listed = (bool, Option<char>, Option<i64>, Option<i64>, &'static str);

pub(super) fn config(rules: &[Listed]) -> Vec<LinuxDeviceCgroup> {
    let one = |&(allow, kind, major, minor, access): &Listed| {
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

/// One question of the kernel's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) access: Access,
}

/// All requests for a few devices, listed in rules and not.
pub(super) fn requests() -> impl Iterator<Item = Request> {
    let numbers = || [0, 1, 3, 5, u32::MAX];
    let devices = [Kind::Block, Kind::Char].into_iter().flat_map(move |kind| {
        numbers().into_iter().flat_map(move |major| numbers().map(|minor| (kind, major, minor)))
    });
    devices.flat_map(|(kind, major, minor)| {
        (1..8).map(move |bits| Request { kind, major, minor, access: Access(bits) })
    })
}

/// The plainest reading: the last rule for each kind of access decides it, and all have to be allowed.
pub(super) fn meaning(rules: &Rules, request: Request) -> bool {
    let Request { kind, major, minor, access } = request;
    let is = |wanted: Option<u32>, n| wanted.is_none_or(|wanted| wanted == n);
    [1, 2, 4].into_iter().filter(|bit| access.0 & bit != 0).all(|bit| {
        let speaks = |rule: &&rules::Rule| {
            let d = rule.devices;
            d.kind == kind && is(d.major, major) && is(d.minor, minor) && rule.access.0 & bit != 0
        };
        rules.list.iter().rev().find(speaks).map_or(rules.allow, |rule| rule.allow)
    })
}

/// Lists in which rules meet often.
pub(super) fn lists() -> impl Strategy<Value = Vec<LinuxDeviceCgroup>> {
    let number = || {
        prop_oneof![
            2 => Just(None),
            4 => prop_oneof![Just(0_i64), Just(1), Just(3), Just(5)].prop_map(Some),
            1 => Just(Some(i64::from(u32::MAX))),
        ]
    };
    let kind = prop_oneof![1 => Just(None), 6 => Just(Some('b')), 12 => Just(Some('c'))];
    let access = proptest::sample::select(&["r", "w", "m", "rw", "rm", "wm", "rwm"][..]);
    let rule = (any::<bool>(), kind, number(), number(), access);
    proptest::collection::vec(rule, 0..14).prop_map(|rules| config(&rules))
}

fn v1(dir: &Path) -> Paths {
    let place = Place { controllers: vec!["devices".into()], mount: "/".into(), dir: dir.into() };
    Paths { v1: vec![place], ..Paths::default() }
}

#[test]
fn on_v1_the_base_is_written_before_the_exceptions() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["devices.allow", "devices.deny"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    apply(&v1(dir.path()), &[], false).unwrap();
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("devices.deny"), "a");
    assert!(read("devices.allow").starts_with("c *:* mb *:* mc 1:3 rwm"));
}

#[test]
fn without_the_controller_only_rootless_goes_on() {
    for mode in [Mode::V1, Mode::V2] {
        let none = Paths { mode, ..Paths::default() };
        assert!(matches!(apply(&none, &[], false), Err(Error::Unsupported { .. })));
        apply(&none, &[], true).unwrap();
        apply(&Paths { best_effort: true, ..none }, &[], false).unwrap();
    }
}

#[test]
fn a_malformed_rule_is_an_error_for_everybody() {
    let bad = config(&[(true, Some('c'), None, None, "x")]);
    assert!(matches!(apply(&Paths::default(), &bad, true), Err(Error::Config { .. })));
}
