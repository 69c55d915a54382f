//! `ARG`: what is given on the command line, declared before the first stage, and in a stage
//! (<https://docs.docker.com/reference/dockerfile/#arg>).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Known without being declared, and no part of what steps are kept by.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// All arguments of a build.
#[derive(Debug, Default)]
pub struct Args {
    given: BTreeMap<String, String>,
    /// What BuildKit tells of platforms.
    platform: BTreeMap<String, String>,
    /// Declared before the first stage.
    global: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

impl Args {
    /// `given` on the command line. `target` and `build` are platforms.
    pub fn new(given: BTreeMap<String, String>, target: (&str, &str), build: (&str, &str)) -> Self {
        let mut platform = BTreeMap::new();
        for (prefix, (os, architecture)) in [("TARGET", target), ("BUILD", build)] {
            platform.insert(format!("{prefix}PLATFORM"), format!("{os}/{architecture}"));
            platform.insert(format!("{prefix}OS"), os.to_owned());
            platform.insert(format!("{prefix}ARCH"), architecture.to_owned());
            platform.insert(format!("{prefix}VARIANT"), String::new());
        }
        Self { given, platform, ..Self::default() }
    }

    /// Declares one before the first stage.
    pub fn declare_global(&mut self, name: &str, default: Option<String>) {
        if let Some(value) = self.value(name, default) {
            self.global.insert(name.to_owned(), value);
        }
    }

    /// For `FROM`: the value of one declared before the first stage.
    pub fn global(&self, name: &str) -> Option<String> {
        self.global.get(name).or_else(|| self.platform.get(name)).cloned()
    }

    /// What one has that is declared in a stage.
    pub fn value(&self, name: &str, default: Option<String>) -> Option<String> {
        let given = self.given.get(name).cloned();
        if given.is_some() {
            self.used.borrow_mut().insert(name.to_owned());
        }
        given.or(default).or_else(|| self.global(name))
    }

    /// Given ones that every command has in its environment.
    pub fn proxies(&self) -> Vec<(String, String)> {
        let is_proxy = |name: &str| PROXIES.contains(&name.to_ascii_uppercase().as_str());
        let given = self.given.iter().filter(|(name, _)| is_proxy(name));
        given.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Given ones that nothing has declared.
    pub fn unused(&self) -> Vec<String> {
        let proxies: Vec<_> = self.proxies().into_iter().map(|(name, _)| name).collect();
        let used = self.used.borrow();
        let unused = |name: &&String| !used.contains(*name) && !proxies.contains(name);
        self.given.keys().filter(unused).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        let given = [("A", "given"), ("http_proxy", "p"), ("X", "x")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Args::new(given.into(), ("linux", "arm64"), ("linux", "amd64"))
    }

    #[test]
    fn what_is_given_goes_before_defaults() {
        let mut args = args();
        args.declare_global("A", Some("default".into()));
        args.declare_global("B", Some("default".into()));
        args.declare_global("C", None);
        let global = |name: &str| args.global(name);
        assert_eq!(global("A").as_deref(), Some("given"));
        assert_eq!(global("B").as_deref(), Some("default"));
        assert_eq!((global("C"), global("X")), (None, None));
        assert_eq!(global("TARGETPLATFORM").as_deref(), Some("linux/arm64"));
        assert_eq!(args.value("B", None).as_deref(), Some("default"));
        assert_eq!(args.value("B", Some("own".into())).as_deref(), Some("own"));
        assert_eq!(args.value("BUILDARCH", None).as_deref(), Some("amd64"));
        assert_eq!(args.unused(), ["X"]);
        assert_eq!(args.proxies(), [("http_proxy".to_owned(), "p".to_owned())]);
    }
}
