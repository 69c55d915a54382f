//! `idmap` and `ridmap`, with crun's own way to say the mapping: `idmap=uids=0-1000-1#1-2000-9;gids=...`.

use std::num::ParseIntError;

/// What `idmap` or `ridmap` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdmapOption {
    /// `ridmap`: all mounts of the tree, not only the topmost.
    pub recursive: bool,
    /// The mapping, if the option itself has one.
    pub ranges: Option<OptionRanges>,
}

/// The mapping of one option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OptionRanges {
    pub uids: Vec<OptionRange>,
    pub gids: Vec<OptionRange>,
}

/// One `FILESYSTEM-HOST-SIZE` of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionRange {
    /// `@`: the second number is an id inside of the container.
    pub relative: bool,
    /// First id on the filesystem.
    pub filesystem: u32,
    /// First id on the host, or in the container.
    pub host: u32,
    pub size: u32,
}

/// An option that is `idmap` or `ridmap`, with or without a mapping; `None` if it is another one.
pub(super) fn parse(option: &str) -> Option<Result<IdmapOption, &'static str>> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let recursive = match name {
        "idmap" => false,
        "ridmap" => true,
        _ => return None,
    };
    if value.is_empty() {
        return Some(Ok(IdmapOption { recursive, ranges: None }));
    }
    let ranges = ranges(value);
    Some(ranges.map(|ranges| IdmapOption { recursive, ranges: Some(ranges) }))
}

fn ranges(value: &str) -> Result<OptionRanges, &'static str> {
    let mut ranges = OptionRanges::default();
    for part in value.split(';').filter(|part| !part.is_empty()) {
        let (list, text) = match part.split_once('=') {
            Some(("uids", text)) => (&mut ranges.uids, text),
            Some(("gids", text)) => (&mut ranges.gids, text),
            _ => return Err("has something else than uids= and gids= in its mapping"),
        };
        for triplet in text.split('#') {
            list.push(range(triplet).ok_or("has a range that is not FILESYSTEM-HOST-SIZE")?);
        }
    }
    if ranges.uids.is_empty() || ranges.gids.is_empty() {
        return Err("must have both uids= and gids= in its mapping");
    }
    Ok(ranges)
}

fn range(text: &str) -> Option<OptionRange> {
    let (relative, text) = text.strip_prefix('@').map_or((false, text), |rest| (true, rest));
    let numbers: Result<Vec<u32>, ParseIntError> = text.split('-').map(str::parse).collect();
    match numbers.as_deref() {
        Ok([filesystem, host, size]) => {
            Some(OptionRange { relative, filesystem: *filesystem, host: *host, size: *size })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn to(relative: bool, filesystem: u32, host: u32, size: u32) -> OptionRange {
        OptionRange { relative, filesystem, host, size }
    }

    #[test]
    fn a_mapping_is_optional() {
        for (option, recursive) in
            [("idmap", false), ("ridmap", true), ("idmap=", false), ("ridmap=", true)]
        {
            assert_eq!(parse(option), Some(Ok(IdmapOption { recursive, ranges: None })));
        }
        for other in ["idmaps", "noidmap", "idma=p", "uids=0-0-1", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn ranges_are_triplets() {
        let option = "ridmap=uids=0-1000-1#@1-2-9;gids=@0-0-4294967295";
        let ranges = OptionRanges {
            uids: vec![to(false, 0, 1000, 1), to(true, 1, 2, 9)],
            gids: vec![to(true, 0, 0, u32::MAX)],
        };
        let parsed = IdmapOption { recursive: true, ranges: Some(ranges) };
        assert_eq!(parse(option), Some(Ok(parsed)));
    }

    #[test]
    fn what_crun_would_guess_at_is_refused() {
        for value in [
            "uids=0-0-1",
            "gids=0-0-1",
            "uids=0-0-1;gids=",
            "uids=0-0-1;gids=0-0",
            "uids=0-0-1;gids=0-0-1-1",
            "uids=0-0-1;gids=0-0-x",
            "uids=0-0-1;gids=0--1-1",
            "uids=0-0-1#;gids=0-0-1",
            "uids=0-0-4294967296;gids=0-0-1",
            "uids=0-0-1;gids=0-0-1;x",
            "ids=0-0-1",
        ] {
            assert!(parse(&format!("idmap={value}")).unwrap().is_err(), "{value}");
        }
    }
}
