//! What `probe report` said.

use std::ops::Deref;

use serde_json::Value;

/// The report, with shortcuts.
#[derive(Debug)]
pub struct Report(pub Value);

impl Deref for Report {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Report {
    /// The topmost mount at a place.
    #[track_caller]
    pub fn mount(&self, at: &str) -> &Value {
        self.mounts(at)
            .pop()
            .unwrap_or_else(|| panic!("nothing is mounted at {at}: {}", self.0["mounts"]))
    }

    /// Every mount at a place, in mount order.
    #[track_caller]
    pub fn mounts(&self, at: &str) -> Vec<&Value> {
        let all = self.0["mounts"].as_array().expect("/proc is mounted");
        all.iter().filter(|m| m["mountpoint"] == at).collect()
    }

    /// Whether the topmost mount at a place has an option, of its own or of its superblock.
    #[track_caller]
    pub fn mount_has(&self, at: &str, option: &str) -> bool {
        let mount = self.mount(at);
        ["options", "super_options"]
            .iter()
            .any(|list| mount[*list].as_array().unwrap().iter().any(|o| o == option))
    }

    /// A capability set, sorted.
    #[track_caller]
    pub fn caps(&self, set: &str) -> Vec<&str> {
        let list = self.0["capabilities"][set].as_array().expect("a capability set");
        list.iter().filter_map(Value::as_str).collect()
    }

    /// The soft and hard limit.
    pub fn rlimit(&self, name: &str) -> (u64, u64) {
        let pair = &self.0["rlimits"][name];
        (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap())
    }

    /// The inode number of a namespace.
    #[track_caller]
    pub fn namespace(&self, kind: &str) -> u64 {
        self.0["namespaces"][kind]
            .as_u64()
            .unwrap_or_else(|| panic!("no {kind} namespace in {}", self.0))
    }

    /// The numbers of the open descriptors.
    pub fn fds(&self) -> Vec<u32> {
        let mut list: Vec<u32> =
            self.0["fds"].as_object().unwrap().keys().map(|k| k.parse().unwrap()).collect();
        list.sort_unstable();
        list
    }

    /// The value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        let list = self.0["env"].as_array().unwrap().iter().filter_map(Value::as_str);
        list.filter_map(|e| e.split_once('=')).find(|(k, _)| *k == name).map(|(_, v)| v)
    }
}

/// The inode number of a namespace of this very process.
pub fn own_namespace(kind: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/self/ns/{kind}")).unwrap().ino()
}
