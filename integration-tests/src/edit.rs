//! Changing a bundle's configuration.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Bundle, config};

impl Bundle {
    /// Sets a value by JSON pointer; objects on the way are made.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> &mut Self {
        *config::at(&mut self.config, pointer) = value.into();
        self
    }

    /// Appends to an array, which is made if missing.
    ///
    /// # Panics
    /// When the pointer names something else.
    pub fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        let list = config::at(&mut self.config, pointer);
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut().expect("an array").push(value);
        self
    }

    /// Removes a key.
    pub fn remove(&mut self, pointer: &str) -> &mut Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config::at(&mut self.config, parent).as_object_mut().unwrap().remove(key);
        self
    }

    /// Changes the configuration by hand.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) -> &mut Self {
        change(&mut self.config);
        self
    }

    /// The probe's arguments.
    pub fn args(&mut self, args: &[&str]) -> &mut Self {
        let line: Vec<&str> = std::iter::once("/probe").chain(args.iter().copied()).collect();
        self.set("/process/args", line)
    }

    /// Adds a mount.
    pub fn mount(
        &mut self,
        destination: &str,
        kind: &str,
        source: &str,
        options: &[&str],
    ) -> &mut Self {
        let mount = json!({ "destination": destination, "type": kind, "source": source, "options": options });
        self.push("/mounts", mount)
    }

    /// Adds a bind mount.
    pub fn bind(&mut self, source: &Path, destination: &str, options: &[&str]) -> &mut Self {
        self.mount(destination, "bind", source.to_str().unwrap(), options)
    }

    /// Takes a mount out.
    pub fn unmount(&mut self, destination: &str) -> &mut Self {
        let mounts = config::at(&mut self.config, "/mounts").as_array_mut().unwrap();
        mounts.retain(|m| m["destination"] != destination);
        self
    }

    /// Takes a namespace out.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        let list = config::at(&mut self.config, "/linux/namespaces").as_array_mut().unwrap();
        list.retain(|n| n["type"] != kind);
        self
    }

    /// Adds a namespace, replacing one of the same type.
    pub fn namespace(&mut self, value: Value) -> &mut Self {
        let kind = value["type"].as_str().unwrap().to_owned();
        self.without_namespace(&kind).push("/linux/namespaces", value)
    }

    /// Puts the container's cgroup below this one, which is made for it, in the syntax of the cgroup driver in use.
    pub fn cgroup_below(&mut self, parent: &str) -> &mut Self {
        let id = self.id();
        let path = match crate::Runtime::systemd() {
            true => format!("{parent}.slice:teu-it:{id}"),
            false => format!("/{parent}/{id}"),
        };
        self.set("/linux/cgroupsPath", path)
    }

    /// Replaces the five capability sets of the process; `None` for an absent set.
    pub fn capabilities(&mut self, sets: &Value) -> &mut Self {
        self.set("/process/capabilities", sets.clone())
    }
}
