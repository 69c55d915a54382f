//! The ids of a user namespace, as `config.json` has them.

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Of users and of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMaps {
    pub uids: Value,
    pub gids: Value,
}

impl IdMaps {
    /// Those of the calling process's user namespace, with the ids of the one that it was made in
    /// (user_namespaces(7), "User and group ID mappings").
    pub fn of_process() -> Result<Self> {
        Ok(Self { uids: read("/proc/self/uid_map")?, gids: read("/proc/self/gid_map")? })
    }
}

fn read(path: &str) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, &e))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Value {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u32>().ok());
        let (inside, outside, size) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(json!({ "containerID": inside, "hostID": outside, "size": size }))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_those_of_the_kernel() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        let expected = json!([
            { "containerID": 0, "hostID": 1000, "size": 1 },
            { "containerID": 1, "hostID": 100_000, "size": 65_536 },
        ]);
        assert_eq!(parse(map), expected);
    }
}
