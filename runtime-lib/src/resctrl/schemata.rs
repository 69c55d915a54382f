//! Lines of a `schemata` file: `L3:0=ff;1=c0`, a resource and its share in each domain.

use oci_spec::runtime::LinuxIntelRdt;

/// Shares that a config or an update asks for. Empty text is as good as none, as in runc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schemata {
    l3_cache: String,
    mem_bw: String,
    other: Vec<String>,
}

/// Names of the config's fields.
const L3_CACHE: &str = "l3CacheSchema";
const MEM_BW: &str = "memBwSchema";
const OTHER: &str = "schemata";

impl Schemata {
    /// Those of a config.
    pub(crate) fn of(wanted: &LinuxIntelRdt) -> Self {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let other = wanted.schemata().iter().flatten().filter(|line| !line.is_empty());
        Self {
            l3_cache: text(wanted.l3_cache_schema()),
            mem_bw: text(wanted.mem_bw_schema()),
            other: other.cloned().collect(),
        }
    }

    /// Those of an update.
    pub(crate) fn of_update(l3_cache: &str, mem_bw: &str) -> Self {
        Self { l3_cache: l3_cache.into(), mem_bw: mem_bw.into(), other: Vec::new() }
    }

    /// Nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.l3_cache.is_empty() && self.mem_bw.is_empty() && self.other.is_empty()
    }

    /// What is written in one go, with the field it comes from, in the specification's order.
    pub(super) fn writes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let lines = |text: &str| format!("{text}\n");
        let all = [
            (L3_CACHE, lines(&self.l3_cache)),
            (MEM_BW, lines(&self.mem_bw)),
            (OTHER, lines(&self.other.join("\n"))),
        ];
        all.into_iter().filter(|(_, lines)| lines != "\n")
    }

    /// What these fields say in a file that was read before.
    pub(super) fn restored_from(&self, before: &str) -> Self {
        let old = |wanted: &str| {
            let names = wanted.lines().filter_map(resource);
            let lines = names.filter_map(|name| line_of(before, name));
            lines.map(str::trim).collect::<Vec<_>>().join("\n")
        };
        Self { l3_cache: old(&self.l3_cache), mem_bw: old(&self.mem_bw), other: Vec::new() }
    }

    /// Whether a file has these shares (`l3CacheSchema` and `memBwSchema`; the specification does not
    /// ask it of `schemata`). Bandwidth is rounded up to whole `steps` by the kernel.
    ///
    /// # Errors
    /// The field that differs, and how.
    pub(super) fn compared_with(
        &self,
        there: &str,
        step: impl Fn() -> Option<u64>,
    ) -> Result<(), (&'static str, String)> {
        for (field, lines) in [(L3_CACHE, &self.l3_cache), (MEM_BW, &self.mem_bw)] {
            for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                let found = resource(line).and_then(|name| line_of(there, name));
                if !found.is_some_and(|found| same(line, found, &step)) {
                    let found = found.map_or("nothing of the kind", str::trim);
                    return Err((field, format!("{line} is asked for, {found} is there")));
                }
            }
        }
        Ok(())
    }
}

/// `L3` of `  L3:0=ff`.
fn resource(line: &str) -> Option<&str> {
    line.split_once(':').map(|(name, _)| name.trim())
}

fn line_of<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines().find(|line| resource(line) == Some(name))
}

/// Domains that are not asked for may have whatever they have.
fn same(wanted: &str, there: &str, step: &impl Fn() -> Option<u64>) -> bool {
    let there: Vec<_> = shares(there).collect();
    shares(wanted).all(|(domain, share)| {
        there.iter().filter(|(other, _)| *other == domain).any(|(_, other)| {
            digits(share) == digits(other) || rounded(share, step) == Some((*other).to_owned())
        })
    })
}

fn shares(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let list = line.split_once(':').map_or("", |(_, list)| list);
    list.split(';').filter_map(|share| share.split_once('=')).map(|(d, s)| (d.trim(), s.trim()))
}

/// Masks are hexadecimal, and padded with zeros when they are shown.
fn digits(number: &str) -> String {
    let lower = number.to_ascii_lowercase();
    let digits = lower.trim_start_matches("0x").trim_start_matches('0');
    digits.to_owned()
}

fn rounded(bandwidth: &str, step: &impl Fn() -> Option<u64>) -> Option<String> {
    let bandwidth: u64 = bandwidth.parse().ok()?;
    bandwidth.checked_next_multiple_of(step()?).map(|rounded| rounded.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a kernel with two sockets shows it.
    const THERE: &str = "    MB:0= 20;1= 70\n    L3:0=0000f;1=fffff\n    L2:0=f";

    fn compared(l3: &str, mb: &str) -> Result<(), (&'static str, String)> {
        Schemata::of_update(l3, mb).compared_with(THERE, || Some(10))
    }

    #[test]
    fn every_field_is_a_write_of_its_own_in_the_specifications_order() {
        let json = r#"{"schemata": ["L2:0=f", "", "MB:0=10"], "memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f"}"#;
        let wanted: LinuxIntelRdt = serde_json::from_str(json).unwrap();
        let writes: Vec<_> = Schemata::of(&wanted).writes().collect();
        let expected = [
            ("l3CacheSchema", "L3:0=f\n"),
            ("memBwSchema", "MB:0=20\n"),
            ("schemata", "L2:0=f\nMB:0=10\n"),
        ];
        assert_eq!(writes, expected.map(|(field, lines)| (field, lines.to_owned())));
    }

    #[test]
    fn nothing_asked_for_is_nothing_written() {
        for json in ["{}", r#"{"closID": "a", "l3CacheSchema": "", "schemata": [""]}"#] {
            let schemata = Schemata::of(&serde_json::from_str(json).unwrap());
            assert!(schemata.is_empty() && schemata.writes().next().is_none(), "{json}");
        }
    }

    #[test]
    fn the_same_share_may_be_written_in_several_ways() {
        for (l3, mb) in [
            ("L3:0=f;1=fffff", "MB:0=20;1=70"),
            ("L3:1=0xFFFFF;0=0f", "MB:1=70"),
            ("L3: 0=f", "MB:0=11;1=61"),
            ("L3:0=f\nL2:0=f", ""),
        ] {
            assert_eq!(compared(l3, mb), Ok(()), "{l3} {mb}");
        }
    }

    #[test]
    fn another_share_is_told_with_what_is_there() {
        let (field, text) = compared("L3:0=1f", "").unwrap_err();
        assert_eq!(field, "l3CacheSchema");
        assert_eq!(text, "L3:0=1f is asked for, L3:0=0000f;1=fffff is there");
        assert_eq!(compared("", "MB:0=21").unwrap_err().0, "memBwSchema");
        assert!(compared("L3CODE:0=f", "").unwrap_err().1.contains("nothing of the kind"));
        assert!(compared("L3:2=f", "").is_err() && compared("nonsense", "").is_err());
    }

    #[test]
    fn what_was_there_can_be_written_back() {
        let wanted = Schemata::of_update("L3:0=3", "MB:1=100");
        let old = wanted.restored_from(THERE);
        assert_eq!(old, Schemata::of_update("L3:0=0000f;1=fffff", "MB:0= 20;1= 70"));
        assert_eq!(Schemata::of_update("", "MB:0=5").restored_from("L3:0=f"), Schemata::default());
    }

    proptest! {
        #[test]
        fn a_file_has_what_it_shows(shares in prop::collection::btree_map(0u32..64, 1u64.., 1..8)) {
            let list: Vec<_> = shares.iter().map(|(d, s)| format!("{d}={s:x}")).collect();
            let padded: Vec<_> = shares.iter().map(|(d, s)| format!("{d}={s:016X}")).collect();
            let wanted = Schemata::of_update(&format!("L3:{}", list.join(";")), "");
            let there = format!("     L3:{}\n", padded.join(";"));
            prop_assert_eq!(wanted.compared_with(&there, || None), Ok(()));
        }

        #[test]
        fn no_text_is_too_odd(wanted in ".{0,40}", there in ".{0,40}") {
            let _ = Schemata::of_update(&wanted, &wanted).compared_with(&there, || Some(0));
        }
    }
}
