use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn resources(json: Value) -> LinuxResources {
    serde_json::from_value(json).unwrap()
}

fn told(mode: Mode, version: u32, json: Value) -> Vec<String> {
    let list = of_resources(&resources(json), mode, version).unwrap();
    list.into_iter().map(|(name, value)| format!("{name}={}", shown(&value))).collect()
}

fn shown(value: &Variant<'_>) -> String {
    match value {
        Variant::U64(UNLIMITED) => "infinity".into(),
        Variant::U64(number) => number.to_string(),
        Variant::Array(array) => {
            format!("{:?}", Vec::<u8>::try_from(array.try_clone().unwrap()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn v2(json: Value) -> Vec<String> {
    told(Mode::V2, 252, json)
}

#[test]
fn nothing_asked_is_nothing_told() {
    assert!(v2(json!({})).is_empty());
    assert!(v2(json!({ "memory": {}, "cpu": {}, "blockIO": {} })).is_empty());
}

#[test]
fn memory_is_converted_as_for_the_files() {
    let limits = json!({ "memory": { "limit": 100, "reservation": 50, "swap": 300 } });
    assert_eq!(v2(limits.clone()), ["MemoryMax=100", "MemoryLow=50", "MemorySwapMax=200"]);
    assert_eq!(told(Mode::V1, 252, limits), ["MemoryLimit=100"]);
    assert_eq!(
        v2(json!({ "memory": { "limit": -1 } })),
        ["MemoryMax=infinity", "MemorySwapMax=infinity"]
    );
    assert_eq!(
        v2(json!({ "memory": { "limit": 9, "swap": 9 } })),
        ["MemoryMax=9", "MemorySwapMax=0"]
    );
    let e =
        of_resources(&resources(json!({ "memory": { "swap": 5 } })), Mode::V2, 252).unwrap_err();
    assert!(e.to_string().starts_with("config.json: linux.resources.memory.swap: "), "{e}");
}

#[test]
fn shares_are_a_weight_and_idle_is_none() {
    assert_eq!(v2(json!({ "cpu": { "shares": 1024 } })), ["CPUWeight=100"]);
    assert_eq!(told(Mode::V1, 252, json!({ "cpu": { "shares": 1024 } })), ["CPUShares=1024"]);
    let idle = json!({ "cpu": { "shares": 1024, "idle": 1 } });
    assert_eq!(v2(idle.clone()), ["CPUWeight=0"]);
    assert_eq!(told(Mode::V2, 251, idle), ["CPUWeight=100"]);
}

#[test]
fn quota_is_told_in_whole_percent() {
    for (cpu, properties) in [
        (json!({ "quota": 50_000 }), &["CPUQuotaPerSecUSec=500000"][..]),
        (json!({ "quota": 12_345 }), &["CPUQuotaPerSecUSec=130000"]),
        (
            json!({ "quota": 5000, "period": 10_000 }),
            &["CPUQuotaPeriodUSec=10000", "CPUQuotaPerSecUSec=500000"],
        ),
        (json!({ "period": 10_000 }), &["CPUQuotaPeriodUSec=10000", "CPUQuotaPerSecUSec=infinity"]),
        (json!({ "quota": -1 }), &["CPUQuotaPerSecUSec=infinity"]),
    ] {
        assert_eq!(v2(json!({ "cpu": cpu })), properties);
    }
    let old = told(Mode::V2, 241, json!({ "cpu": { "quota": 5000, "period": 10_000 } }));
    assert_eq!(old, ["CPUQuotaPerSecUSec=500000"]);
}

#[test]
fn devices_are_a_list_of_pairs_that_is_emptied_first() {
    let allow = vec![("/dev/char/1:3".to_owned(), "rwm".to_owned())];
    let told = of_devices(DeviceProperties { policy: "strict", allow: allow.clone() });
    let signature = |value: &Variant<'_>| value.value_signature().to_string();
    assert_eq!(
        told.iter().map(|(_, value)| signature(value)).collect::<Vec<_>>(),
        ["a(ss)", "s", "a(ss)"]
    );
    assert_eq!(told[0], ("DeviceAllow".to_owned(), Vec::<(String, String)>::new().into()));
    assert_eq!(told[1], ("DevicePolicy".to_owned(), "strict".into()));
    assert_eq!(told[2], ("DeviceAllow".to_owned(), allow.into()));
}

#[test]
fn files_get_the_quota_that_systemd_has() {
    let of = |json: Value| {
        let changed = with_quota_of_unit(&resources(json))?;
        changed.cpu().as_ref().unwrap().quota()
    };
    assert_eq!(of(json!({ "cpu": { "quota": 12_345, "shares": 5 } })), Some(13_000));
    assert_eq!(of(json!({ "cpu": { "quota": 1, "period": 10_000 } })), Some(100));
    for same in
        [json!({}), json!({ "cpu": { "quota": 50_000 } }), json!({ "cpu": { "quota": -1 } })]
    {
        assert_eq!(of(same), None);
    }
}

#[test]
fn sets_are_bits_where_systemd_knows_them() {
    let sets = json!({ "cpu": { "cpus": "0-1,9", "mems": "0" } });
    assert_eq!(v2(sets.clone()), ["AllowedCPUs=[3, 2]", "AllowedMemoryNodes=[1]"]);
    assert!(told(Mode::V2, 243, sets).is_empty());
    for wrong in ["x", "3-1", "1-", "-1", ",", "99999999999", "0-70000"] {
        let asked = resources(json!({ "cpu": { "cpus": wrong } }));
        let e = of_resources(&asked, Mode::V2, 252).unwrap_err().to_string();
        assert!(e.starts_with("config.json: linux.resources.cpu.cpus: "), "{wrong}: {e}");
    }
}

#[test]
fn tasks_are_at_least_one() {
    for (limit, shown) in [(5, "5"), (0, "1"), (-1, "infinity")] {
        assert_eq!(v2(json!({ "pids": { "limit": limit } })), [format!("TasksMax={shown}")]);
    }
}

#[test]
fn what_unified_has_in_common_with_systemd_is_told() {
    let unified = json!({ "unified": {
        "cpu.max": "max 50000", "cpu.weight": " 7\n", "cpuset.cpus": "1", "hugetlb.2MB.max": "0",
        "memory.high": "max", "memory.low": "1", "memory.max": "2", "memory.min": "3",
        "memory.swap.max": "4", "pids.max": "0", "memory.oom.group": "1",
    } });
    assert_eq!(
        v2(unified.clone()),
        [
            "CPUQuotaPeriodUSec=50000",
            "CPUQuotaPerSecUSec=infinity",
            "CPUWeight=7",
            "AllowedCPUs=[2]",
            "MemoryHigh=infinity",
            "MemoryLow=1",
            "MemoryMax=2",
            "MemoryMin=3",
            "MemorySwapMax=4",
            "TasksMax=1",
        ]
    );
    let idle = json!({ "unified": { "cpu.idle": "1", "cpu.weight": "7" } });
    assert_eq!(v2(idle.clone()), ["CPUWeight=0"]);
    assert_eq!(told(Mode::V2, 251, idle), ["CPUWeight=7"]);
    let both = json!({ "cpu": { "idle": 1 }, "unified": { "cpu.weight": "7" } });
    assert_eq!(v2(both), ["CPUWeight=0"]);
    let policy = |version| oom_policy(&resources(unified.clone()), version);
    assert_eq!((policy(252), policy(253)), (None, Some(("OOMPolicy".into(), "kill".into()))));
    for (key, value) in
        [("cpu.max", "1 2 3"), ("cpu.max", ""), ("memory.max", "1M"), ("cpu.weight", "max")]
    {
        let asked = resources(json!({ "unified": { key: value } }));
        let e = of_resources(&asked, Mode::V2, 252).unwrap_err().to_string();
        assert!(e.starts_with(&format!("config.json: linux.resources.unified[{key:?}]: ")), "{e}");
    }
}

#[test]
fn the_version_is_asked_only_if_it_matters() {
    for (json, depends) in [
        (json!({}), false),
        (
            json!({ "memory": { "limit": 1 }, "pids": { "limit": 1 }, "cpu": { "shares": 5, "quota": 7 } }),
            false,
        ),
        (json!({ "cpu": { "period": 1 } }), true),
        (json!({ "cpu": { "cpus": "0" } }), true),
        (json!({ "cpu": { "idle": 1 } }), true),
        (json!({ "unified": { "memory.max": "1" } }), false),
        (json!({ "unified": { "cpu.max": "1" } }), true),
    ] {
        let asked = resources(json.clone());
        assert_eq!(depend_on_version(&asked), depends, "{json}");
        if !depends {
            let of = |version| of_resources(&asked, Mode::V2, version).unwrap();
            assert_eq!(of(0), of(999));
        }
    }
}

proptest! {
    #[test]
    fn every_bit_of_a_list_is_set(set in proptest::collection::btree_set(0usize..300, 1..20)) {
        let list = set.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mask = bits(&list).unwrap();
        let found = (0..mask.len() * 8).filter(|bit| mask[bit / 8] & (1 << (bit % 8)) != 0);
        prop_assert_eq!(found.collect::<std::collections::BTreeSet<_>>(), set);
    }

    #[test]
    fn no_value_is_too_much(key in "cpu.max|cpuset.cpus|memory.max|pids.max", value in "[0-9max ,-]{0,12}") {
        let _ = of_resources(&resources(json!({ "unified": { key: value } })), Mode::V2, 252);
    }
}
