//! checkpoint and restore: processes into images and back, by CRIU.

mod dump;
mod external;
mod images;
mod lane;
mod options;
mod restore;
mod service;

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

pub use options::{
    CgroupsMode, CheckpointOptions, CriuOptions, NetworkLock, PageServer, RestoreOptions,
};

pub(super) use dump::checkpoint;
pub(super) use restore::restore;

use super::{Runtime, notify};
use crate::criu::rpc::{self, Opts};
use crate::error::{Error, Result};
use crate::state::NOTIFY_DIR;
use external::External;
use images::Images;

/// runc leaves the network to others, and so do we: CRIU makes the namespace and nothing in it.
const CLONE_NEWNET: u32 = 0x4000_0000;
/// CRIU's most talkative level but one, as with runc: a log is all that there is to find out by.
const LOG_LEVEL: i32 = 4;
/// Settings of runc's that CRIU takes last, if the file is there, unless the annotation says
/// otherwise.
const CONFIG_FILE: &str = "/etc/criu/runc.conf";
/// Names another such file.
pub(crate) const CRIU_CONFIG: &str = "org.criu.config";

/// CRIU wants capabilities that nobody but root of the whole machine has.
fn require_root(runtime: &Runtime, verb: &str) -> Result<()> {
    let host = runtime.host();
    if !host.privileged() {
        return Err(Error::unsupported(verb, "needs root: not supported for rootless containers"));
    }
    if host.in_user_namespace {
        runtime.warn(&format!("{verb} is untested with rootless containers"));
    }
    Ok(())
}

/// What checkpoint and restore tell CRIU alike.
fn common(options: &CriuOptions, spec: &Spec, images: &Images, log: &str) -> Opts {
    let yes = |given: bool| given.then_some(true);
    let mut opts = Opts {
        log_level: Some(LOG_LEVEL),
        log_file: Some(log.to_owned()),
        notify_scripts: Some(true),
        ext_unix_sk: yes(options.ext_unix_sk),
        tcp_established: yes(options.tcp_established),
        shell_job: yes(options.shell_job),
        file_locks: yes(options.file_locks),
        auto_dedup: yes(options.auto_dedup),
        lazy_pages: yes(options.lazy_pages),
        orphan_pts_master: Some(true),
        manage_cgroups: Some(true),
        manage_cgroups_mode: Some(rpc::CgroupMode::from(options.cgroups_mode).into()),
        empty_ns: Some(CLONE_NEWNET),
        network_lock: options.network_lock.map(|lock| rpc::NetworkLock::from(lock).into()),
        config_file: config_file(spec),
        ..Opts::default()
    };
    images.tell(&mut opts);
    opts
}

/// The directory of the socket for sd_notify(3), which no config knows of.
fn notify_mount(state: &Path) -> External {
    let place = PathBuf::from(notify::PLACE);
    External { name: place.clone(), place, source: state.join(NOTIFY_DIR), file: false }
}

/// An annotation that is empty means none at all, as with runc.
fn config_file(spec: &Spec) -> Option<String> {
    let annotations = spec.annotations().as_ref();
    let given = annotations.and_then(|map| map.get(CRIU_CONFIG));
    let file = given.map_or(CONFIG_FILE, String::as_str);
    (!file.is_empty()).then(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_names_crius_config() {
        let of =
            |json: &str| config_file(&crate::spec::parse(json.as_bytes(), Path::new("c")).unwrap());
        assert_eq!(of("{}").as_deref(), Some("/etc/criu/runc.conf"));
        let with = r#"{"annotations": {"org.criu.config": "/x"}}"#;
        assert_eq!(of(with).as_deref(), Some("/x"));
        assert_eq!(of(r#"{"annotations": {"org.criu.config": ""}}"#), None);
    }
}
