//! `config.json`, from the image's config and the options (image specification, "Conversion to OCI
//! Runtime Configuration").

use std::path::Path;

use oci_spec::image::Config;
use serde_json::{Map, Value, json};

use super::defaults;
use super::ids::IdMaps;
use super::options::{Network, Options};
use super::user::User;
use crate::changes::set_env;
use crate::error::{Error, Result};
use crate::image::Image;

/// The version of the runtime specification whose fields are used.
const VERSION: &str = "1.0.2";
/// Quotas are of this many microseconds.
const CPU_PERIOD: u32 = 100_000;

/// What is not in image or options.
pub struct Place<'a> {
    pub name: &'a str,
    pub rootfs: &'a Path,
    /// An ordinary user's container.
    pub rootless: bool,
    /// Mounts of the container's own files.
    pub mounts: Vec<Value>,
    /// Of a user namespace of its own.
    pub ids: Option<IdMaps>,
}

/// The whole document.
pub fn spec(image: &Image, options: &Options, user: &User, place: &Place<'_>) -> Result<Value> {
    let own_network = options.network == Network::None;
    let mut mounts = defaults::mounts(place.rootless, own_network);
    mounts.extend(place.mounts.iter().cloned());
    mounts.extend(options.binds.iter().map(|bind| {
        let access = if bind.read_only { "ro" } else { "rw" };
        json!({
            "destination": bind.target, "type": "bind", "source": bind.source,
            "options": ["rbind", "rprivate", access],
        })
    }));
    let seccomp = defaults::seccomp().map_err(|e| Error::Argument(e.to_string()))?;
    let mut namespaces = vec!["mount", "uts", "pid", "ipc"];
    if own_network {
        namespaces.push("network");
    }
    if place.ids.is_some() {
        namespaces.push("user");
    }
    let namespaces: Vec<_> = namespaces.iter().map(|kind| json!({ "type": kind })).collect();
    let hostname = options.hostname.as_deref().unwrap_or(place.name);
    let mut spec = json!({
        "ociVersion": VERSION,
        "process": process(image, options, user, hostname)?,
        "root": { "path": place.rootfs, "readonly": options.read_only },
        "hostname": hostname,
        "mounts": mounts,
        "annotations": annotations(image),
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": defaults::MASKED,
            "readonlyPaths": defaults::READ_ONLY,
            "seccomp": seccomp,
            "resources": resources(options)?,
        },
    });
    if own_network {
        // As in a network of one's own nobody else is disturbed, ordinary users may do this.
        spec["linux"]["sysctl"] = json!({
            "net.ipv4.ip_unprivileged_port_start": "0",
            "net.ipv4.ping_group_range": ping_groups(place.rootless),
        });
    }
    if let Some(ids) = &place.ids {
        spec["linux"]["uidMappings"] = ids.uids.clone();
        spec["linux"]["gidMappings"] = ids.gids.clone();
    }
    Ok(spec)
}

/// All groups. Those of a user namespace may be just one.
fn ping_groups(rootless: bool) -> &'static str {
    if rootless { "0 0" } else { "0 2147483647" }
}

/// Where the process starts.
pub fn working_directory(image: &Image, options: &Options) -> String {
    let of_image = || config(image).and_then(|config| config.working_dir().clone());
    let path = options.cwd.clone().or_else(of_image).filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| "/".to_owned());
    if path.starts_with('/') { path } else { format!("/{path}") }
}

fn config(image: &Image) -> Option<&Config> {
    image.config.config().as_ref()
}

fn process(image: &Image, options: &Options, user: &User, hostname: &str) -> Result<Value> {
    let capabilities = if user.uid == 0 {
        let all = defaults::CAPABILITIES;
        json!({ "bounding": all, "effective": all, "permitted": all })
    } else {
        // As execve(2) would leave them.
        json!({ "bounding": defaults::CAPABILITIES })
    };
    Ok(json!({
        "terminal": options.terminal,
        "user": { "uid": user.uid, "gid": user.gid, "additionalGids": user.groups },
        "args": args(image, options)?,
        "env": env(image, options, user, hostname),
        "cwd": working_directory(image, options),
        "capabilities": capabilities,
    }))
}

/// Entrypoint and command. Another entrypoint leaves the image's command without meaning.
fn args(image: &Image, options: &Options) -> Result<Vec<String>> {
    let of_image = |list: Option<&Option<Vec<String>>>| list.cloned().flatten().unwrap_or_default();
    let mut args = match &options.entrypoint {
        Some(entrypoint) => entrypoint.clone(),
        None => of_image(config(image).map(Config::entrypoint)),
    };
    if !options.args.is_empty() {
        args.extend(options.args.iter().cloned());
    } else if options.entrypoint.is_none() {
        args.extend(of_image(config(image).map(Config::cmd)));
    }
    if args.is_empty() {
        return Err(Error::image(image.name(), "names no command, and none is given"));
    }
    Ok(args)
}

fn env(image: &Image, options: &Options, user: &User, hostname: &str) -> Vec<Value> {
    let mut env = Map::new();
    let of_image = config(image).and_then(|config| config.env().clone()).unwrap_or_default();
    let mut lines = vec![defaults::PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if options.terminal {
        lines.push("TERM=xterm".into());
    }
    lines.push(format!("HOME={}", user.home));
    lines.extend(of_image);
    lines.extend(options.env.iter().cloned());
    for line in lines {
        match line.split_once('=') {
            Some((key, value)) => set_env(&mut env, key, value),
            None => remove_env(&mut env, &line),
        }
    }
    env.remove("Env").and_then(|list| list.as_array().cloned()).unwrap_or_default()
}

fn remove_env(env: &mut Map<String, Value>, key: &str) {
    if let Some(Value::Array(list)) = env.get_mut("Env") {
        list.retain(|line| line.as_str().and_then(|line| line.split('=').next()) != Some(key));
    }
}

fn resources(options: &Options) -> Result<Value> {
    let mut resources = json!({ "devices": defaults::devices() });
    if let Some(memory) = options.memory {
        resources["memory"] = json!({ "limit": memory, "swap": memory.saturating_mul(2) });
    }
    if let Some(cpus) = options.cpus {
        let quota = (cpus * f64::from(CPU_PERIOD)).round();
        if !(1000.0..1e12).contains(&quota) {
            return Err(Error::Argument(format!("{cpus} cpus: has to be 0.01 or more")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let quota = quota as i64;
        resources["cpu"] = json!({ "quota": quota, "period": CPU_PERIOD });
    }
    if let Some(pids) = options.pids {
        resources["pids"] = json!({ "limit": pids });
    }
    Ok(resources)
}

/// The specification's names, and the image's labels.
fn annotations(image: &Image) -> Value {
    let mut annotations = Map::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            annotations.insert(format!("org.opencontainers.image.{name}"), json!(value));
        }
    };
    add("os", Some(image.config.os().to_string()));
    add("architecture", Some(image.config.architecture().to_string()));
    add("author", image.config.author().clone());
    add("created", image.config.created().clone());
    add("stopSignal", config(image).and_then(|config| config.stop_signal().clone()));
    let ports = config(image).and_then(|config| config.exposed_ports().clone());
    add(
        "exposedPorts",
        ports.map(|mut ports| {
            ports.sort();
            ports.join(",")
        }),
    );
    let labels = config(image).and_then(|config| config.labels().clone()).unwrap_or_default();
    annotations.extend(labels.into_iter().map(|(key, value)| (key, json!(value))));
    Value::Object(annotations)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
