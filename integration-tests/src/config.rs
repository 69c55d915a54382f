//! The configuration every test starts from.

use serde_json::{Value, json};

/// A small root container: five namespaces, the usual mounts, no capabilities taken away by accident.
pub fn default() -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/probe", "report"],
            "env": ["PATH=/:/bin"],
            "cwd": "/",
            "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "teu-test",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]
            },
            {
                "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
            },
            {
                "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
            },
            {
                "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                "options": ["nosuid", "noexec", "nodev"]
            },
            {
                "destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]
            },
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
            ],
        },
    })
}

/// What an ordinary user has to change in it: a user namespace with the own ids alone, and no ids besides.
pub fn make_rootless(config: &mut Value, uid: u32, gid: u32) {
    let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
    *at(config, "/linux/uidMappings") = map(uid);
    *at(config, "/linux/gidMappings") = map(gid);
    let namespaces = at(config, "/linux/namespaces").as_array_mut().expect("namespaces");
    namespaces.push(json!({ "type": "user" }));
    for mount in at(config, "/mounts").as_array_mut().expect("mounts") {
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
}

/// The value a JSON pointer names, with every object on the way made.
pub fn at<'a>(config: &'a mut Value, pointer: &str) -> &'a mut Value {
    pointer.split('/').skip(1).fold(config, |value, key| match value {
        Value::Array(list) => {
            let index: usize = key.parse().expect("an index");
            &mut list[index]
        }
        value => {
            if !value.is_object() {
                *value = json!({});
            }
            value.as_object_mut().expect("an object").entry(key).or_insert(Value::Null)
        }
    })
}
