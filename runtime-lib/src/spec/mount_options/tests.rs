use proptest::prelude::*;

use super::*;

fn parse(options: &[&str]) -> MountOptions {
    let options = options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>();
    MountOptions::parse(&options).unwrap()
}

fn none() -> MountOptions {
    MountOptions::default()
}

/// (set, clear) of the plain attributes.
fn attr(options: &[&str]) -> (u64, u64) {
    let parsed = parse(options);
    (parsed.attr_set, parsed.attr_clear)
}

fn rec(options: &[&str]) -> (u64, u64) {
    let parsed = parse(options);
    (parsed.rec_set, parsed.rec_clear)
}

const FLAGS: [(&str, &str, u64); 5] = [
    ("nosuid", "suid", MOUNT_ATTR_NOSUID),
    ("nodev", "dev", MOUNT_ATTR_NODEV),
    ("noexec", "exec", MOUNT_ATTR_NOEXEC),
    ("nodiratime", "diratime", MOUNT_ATTR_NODIRATIME),
    ("nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW),
];

#[test]
fn each_flag_sets_and_its_opposite_clears_plain_and_recursive() {
    for (on, off, flag) in FLAGS {
        assert_eq!(attr(&[on]), (flag, 0));
        assert_eq!(attr(&[off]), (0, flag));
        assert_eq!(parse(&[on]), MountOptions { attr_set: flag, ..none() });
        let (rec_on, rec_off) = (format!("r{on}"), format!("r{off}"));
        assert_eq!(parse(&[&rec_on]), MountOptions { rec_set: flag, ..none() });
        assert_eq!(parse(&[&rec_off]), MountOptions { rec_clear: flag, ..none() });
        assert_eq!(rec(&[&rec_on, &rec_off]), (0, flag));
    }
}

#[test]
fn read_only_is_of_the_mount_and_of_the_superblock() {
    let ro = MountOptions { attr_set: MOUNT_ATTR_RDONLY, super_flags: vec!["ro"], ..none() };
    let rw = MountOptions { attr_clear: MOUNT_ATTR_RDONLY, super_cleared: vec!["rw"], ..none() };
    assert_eq!(parse(&["ro"]), ro);
    assert_eq!(parse(&["rw"]), rw);
    assert_eq!(parse(&["ro", "rw"]), rw);
    assert_eq!(parse(&["rw", "ro"]), ro);
    assert_eq!(rec(&["rro"]), (MOUNT_ATTR_RDONLY, 0));
    assert_eq!(rec(&["rro", "rrw"]), (0, MOUNT_ATTR_RDONLY));
}

#[test]
fn access_time_is_one_choice() {
    const ALL: u64 = MOUNT_ATTR__ATIME;
    for (options, mode) in [
        (&["noatime"][..], MOUNT_ATTR_NOATIME),
        (&["relatime"], MOUNT_ATTR_RELATIME),
        (&["strictatime"], MOUNT_ATTR_STRICTATIME),
        (&["atime"], MOUNT_ATTR_RELATIME),
        (&["norelatime"], MOUNT_ATTR_RELATIME),
        (&["nostrictatime"], MOUNT_ATTR_RELATIME),
        (&["noatime", "atime"], MOUNT_ATTR_RELATIME),
        (&["strictatime", "nostrictatime"], MOUNT_ATTR_RELATIME),
        (&["strictatime", "atime"], MOUNT_ATTR_STRICTATIME),
        (&["strictatime", "norelatime"], MOUNT_ATTR_STRICTATIME),
        (&["noatime", "strictatime"], MOUNT_ATTR_STRICTATIME),
        (&["strictatime", "noatime"], MOUNT_ATTR_NOATIME),
        (&["noatime", "relatime"], MOUNT_ATTR_RELATIME),
    ] {
        assert_eq!(attr(options), (mode, ALL), "{options:?}");
        let recursive = options.iter().map(|o| format!("r{o}")).collect::<Vec<_>>();
        let recursive = recursive.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(rec(&recursive), (mode, ALL), "{recursive:?}");
    }
    let both = (MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME, ALL);
    assert_eq!(attr(&["nodiratime", "noatime"]), both);
}

#[test]
fn superblock_flags_keep_their_order_and_take_each_other_back() {
    assert_eq!(
        parse(&["sync", "dirsync", "lazytime"]).super_flags,
        ["sync", "dirsync", "lazytime"]
    );
    for (options, set, cleared) in [
        (&["sync", "async"][..], &[][..], &["async"][..]),
        (&["async", "sync"], &["sync"], &[]),
        (&["lazytime", "nolazytime"], &[], &["nolazytime"]),
        (&["nolazytime", "lazytime", "lazytime"], &["lazytime"], &[]),
    ] {
        let parsed = parse(options);
        assert_eq!((&*parsed.super_flags, &*parsed.super_cleared), (set, cleared), "{options:?}");
    }
}

#[test]
fn propagation_the_last_one_holds() {
    for (name, flag) in [
        ("shared", MS_SHARED),
        ("private", MS_PRIVATE),
        ("slave", MS_SLAVE),
        ("unbindable", MS_UNBINDABLE),
    ] {
        assert_eq!(parse(&[name]), MountOptions { propagation: Some(flag), ..none() });
        let expected =
            MountOptions { propagation: Some(flag), propagation_recursive: true, ..none() };
        assert_eq!(parse(&["private", &format!("r{name}")]), expected);
    }
}

#[test]
fn the_rest_of_the_table() {
    assert_eq!(parse(&["defaults"]), none());
    assert_eq!(parse(&["bind"]), MountOptions { bind: true, ..none() });
    let rbind = MountOptions { bind: true, bind_recursive: true, ..none() };
    assert_eq!(parse(&["rbind"]), rbind);
    assert_eq!(parse(&["rbind", "bind"]), rbind);
    assert_eq!(parse(&["remount"]), MountOptions { remount: true, ..none() });
    assert_eq!(parse(&["loud", "silent"]).silent, Some(true));
    assert_eq!(parse(&["silent", "loud"]).silent, Some(false));
    assert_eq!(parse(&["noiversion", "iversion"]).iversion, Some(true));
    assert_eq!(parse(&["iversion", "noiversion"]).iversion, Some(false));
}

#[test]
fn what_is_not_implemented_is_kept_by_name() {
    assert_eq!(parse(&["mand", "mand"]), MountOptions { not_yet: vec!["mand"], ..none() });
    assert!(!mount_options().contains(&"mand"));
    assert_eq!(parse(&["mand", "nomand"]), none());
}

#[test]
fn extensions_are_no_business_of_the_filesystem() {
    assert_eq!(parse(&["tmpcopyup"]), MountOptions { copy_up: true, ..none() });
    let links = Links { copy: true, keep_source: true, keep_destination: true };
    let all = ["copy-symlink", "src-nofollow", "dest-nofollow"];
    assert_eq!(parse(&all), MountOptions { links, ..none() });
    let ridmap = Some(IdmapOption { recursive: true, ranges: None });
    assert_eq!(parse(&["idmap", "ridmap"]), MountOptions { idmap: ridmap, ..none() });
    let wrong = ["ro", "idmap=uids=0"].map(str::to_owned);
    assert_eq!(MountOptions::parse(&wrong).unwrap_err().index, 1);
}

#[test]
fn the_table_is_the_specifications() {
    let mut names = OPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    // The specification's 61, rnodev (which its table forgets), 3 of crun.
    assert_eq!(names.len(), 65);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 65);
}

#[test]
fn data_is_split_into_keys_and_values() {
    let data = |entry: &str| {
        let pairs = parse(&[entry]).data.into_iter();
        pairs.map(|(k, v)| v.map_or(k.clone(), |v| format!("{k}={v}"))).collect::<Vec<_>>()
    };
    for (entry, pairs) in [
        ("mode=755", &["mode=755"][..]),
        ("mode=755,size=64k,nr_inodes", &["mode=755", "size=64k", "nr_inodes"]),
        ("newinstance", &["newinstance"]),
        ("a=", &["a="]),
        ("a=b=c", &["a=b=c"]),
        ("=x,,a", &["a"]),
        ("", &[]),
        (",", &[]),
        ("RO", &["RO"]),
        (r#"context="u:r:t:s0:c1,c2",mode=1"#, &["context=u:r:t:s0:c1,c2", "mode=1"]),
        (r#"rootcontext="a,b""#, &["rootcontext=a,b"]),
        (r#"label="a,b""#, &[r#"label="a"#, r#"b""#]),
        (r"lowerdir=/a\,b:/c,upperdir=/u", &[r"lowerdir=/a\,b:/c", "upperdir=/u"]),
        (r"lowerdir=/a\\,x", &[r"lowerdir=/a\\", "x"]),
        ("größe=ü,é", &["größe=ü", "é"]),
    ] {
        assert_eq!(data(entry), pairs, "{entry:?}");
    }
    assert_eq!(parse(&["a", "ro", "b=1"]).data.len(), 2);
}

#[test]
fn options_that_cannot_be_passed_on_are_named() {
    for (option, problem) in [
        ("a\0b", "contains a NUL byte"),
        ("ro\0", "contains a NUL byte"),
        ("context=\"x", "has a quote that is not closed"),
    ] {
        let error = MountOptions::parse(&["ro".to_owned(), option.to_owned()]).unwrap_err();
        assert_eq!(error, OptionError { index: 1, problem });
    }
}

fn any_option() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(OPTIONS).prop_map(|(name, _)| name.to_owned()),
        1 => ".{0,12}",
        1 => r#"(context|lowerdir|[a-z]{0,3})=["\\,a=]{0,8}"#,
    ]
}

/// Pairs of which the last one given decides, whatever stands before or between.
const PAIRS: [(&str, &str); 12] = [
    ("ro", "rw"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("noexec", "exec"),
    ("nodiratime", "diratime"),
    ("nosymfollow", "symfollow"),
    ("sync", "async"),
    ("lazytime", "nolazytime"),
    ("noatime", "strictatime"),
    ("rro", "rrw"),
    ("rnoatime", "rrelatime"),
    ("rshared", "private"),
];

proptest! {
    #[test]
    fn any_list_is_read_without_panic_and_consistently(
        options in prop::collection::vec(any_option(), 0..20),
    ) {
        if let Ok(parsed) = MountOptions::parse(&options) {
            let atime = MOUNT_ATTR__ATIME;
            for (set, clear) in
                [(parsed.attr_set, parsed.attr_clear), (parsed.rec_set, parsed.rec_clear)]
            {
                prop_assert_eq!(set & clear & !atime, 0);
                prop_assert!(set & atime == 0 || clear & atime == atime);
                prop_assert!(set & atime != atime);
            }
            prop_assert!(parsed.data.iter().all(|(key, _)| !key.is_empty()));
        }
    }

    #[test]
    fn the_last_one_wins(
        before in prop::collection::vec(prop::sample::select(OPTIONS), 0..8),
        pair in prop::sample::select(&PAIRS[..]),
        swap: bool,
    ) {
        let (first, last) = if swap { (pair.1, pair.0) } else { pair };
        let before = before.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let both = parse(&[&before[..], &[first, last]].concat());
        let only = parse(&[&before[..], &[last]].concat());
        prop_assert_eq!(both, only);
    }
}
