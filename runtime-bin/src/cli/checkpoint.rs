//! `teu checkpoint`, and what it shares with `restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use libteu::{CgroupsMode, ContainerId, NetworkLock, PageServer};

use crate::cli::{HELP_WITH_ID, non_empty};

/// write the processes of a container into images, by CRIU
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "\
The container is removed, unless it is to be left running. Needs root, and criu in $PATH.")]
pub struct Checkpoint {
    /// Name of the container, which must run
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    #[command(flatten)]
    pub criu: Criu,

    /// Directory of an earlier pre-dump, relative to that of the images
    #[arg(long, value_name = "dir", default_value = "", hide_default_value = true)]
    parent_path: OsString,

    /// Leave the container running
    #[arg(long)]
    pub leave_running: bool,

    /// Leave out TCP connections that are not established yet
    #[arg(long)]
    pub tcp_skip_in_flight: bool,

    /// Give deleted files that are still open a name again where that is possible
    #[arg(long)]
    pub link_remap: bool,

    /// Write a zero byte to this file descriptor once lazy pages are served
    #[arg(
        long,
        value_name = "fd",
        default_value_t = -1,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub status_fd: i32,

    /// Send memory to a page server, or with --lazy-pages serve it there
    #[arg(
        long, value_name = "address:port", default_value = "", hide_default_value = true,
        value_parser = page_server
    )]
    pub page_server: Server,

    /// Write only memory, for a checkpoint that will follow, and leave the container running
    #[arg(long)]
    pub pre_dump: bool,
}

/// What both take.
#[derive(Debug, Args)]
pub struct Criu {
    /// Directory of the images [default: checkpoint in the working directory]
    #[arg(long, value_name = "dir", default_value = "", hide_default_value = true)]
    image_path: OsString,

    /// Directory of the log and of CRIU's own files [default: that of the images]
    #[arg(long, value_name = "dir", default_value = "", hide_default_value = true)]
    work_path: OsString,

    /// Keep open TCP connections
    #[arg(long)]
    pub tcp_established: bool,

    /// Allow Unix sockets that are connected to processes outside
    #[arg(long)]
    pub ext_unix_sk: bool,

    /// Allow a process in a session and at a terminal of the caller's
    #[arg(long)]
    pub shell_job: bool,

    /// Have memory served by the checkpoint when it is first used
    #[arg(long)]
    pub lazy_pages: bool,

    /// Keep file locks
    #[arg(long)]
    pub file_locks: bool,

    /// What CRIU does with cgroups: soft, full, strict or ignore [default: soft]
    #[arg(
        long, value_name = "mode", default_value = "", hide_default_value = true,
        value_parser = cgroups_mode
    )]
    pub manage_cgroups_mode: CgroupsMode,

    /// A namespace that is made anew and empty: network, which always is
    #[arg(long, value_name = "namespace", value_parser = empty_namespace)]
    pub empty_ns: Vec<EmptyNamespace>,

    /// Take out of older images what newer ones have
    #[arg(long)]
    pub auto_dedup: bool,

    /// How CRIU keeps packets away meanwhile: iptables, nftables or skip
    #[arg(long, value_name = "method")]
    pub network_lock: Option<Lock>,
}

impl Checkpoint {
    /// Where an earlier pre-dump is.
    pub fn parent_path(&self) -> Option<PathBuf> {
        non_empty(&self.parent_path)
    }
}

impl Criu {
    /// Where the images are.
    pub fn image_path(&self) -> PathBuf {
        non_empty(&self.image_path).unwrap_or_else(|| PathBuf::from("checkpoint"))
    }

    /// Where the log is.
    pub fn work_path(&self) -> Option<PathBuf> {
        non_empty(&self.work_path)
    }
}

/// `--page-server`: none if it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(pub Option<PageServer>);

/// runc's words, and its forms: `host:port`, `1.2.3.4:port`, `[::1]:port`.
fn page_server(text: &str) -> Result<Server, String> {
    if text.is_empty() {
        return Ok(Server(None));
    }
    let split = text.rsplit_once(':').and_then(|(address, port)| {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let whole = bare.or_else(|| (!address.contains(':')).then_some(address))?;
        (!whole.is_empty() && !port.is_empty()).then_some((whole, port))
    });
    let (address, port) = split.ok_or("use --page-server ADDRESS:PORT to specify page server")?;
    let port = port.parse().map_err(|_| "invalid port number")?;
    Ok(Server(Some(PageServer { address: address.to_owned(), port })))
}

fn cgroups_mode(text: &str) -> Result<CgroupsMode, String> {
    match text {
        "" => Ok(CgroupsMode::Default),
        "soft" => Ok(CgroupsMode::Soft),
        "full" => Ok(CgroupsMode::Full),
        "strict" => Ok(CgroupsMode::Strict),
        "ignore" => Ok(CgroupsMode::Ignore),
        _ => Err("invalid manage-cgroups-mode value".to_owned()),
    }
}

/// The one that can be empty. It is so in any case, for the network is left to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyNamespace;

fn empty_namespace(text: &str) -> Result<EmptyNamespace, String> {
    if text == "network" {
        Ok(EmptyNamespace)
    } else {
        Err(format!("namespace {text:?} is not supported"))
    }
}

/// `--network-lock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "what they are is said in the library")]
pub enum Lock {
    Iptables,
    Nftables,
    Skip,
}

impl From<Lock> for NetworkLock {
    fn from(lock: Lock) -> Self {
        match lock {
            Lock::Iptables => Self::Iptables,
            Lock::Nftables => Self::Nftables,
            Lock::Skip => Self::Skip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_servers_are_an_address_and_a_port() {
        let of = |text| page_server(text).map(|server| server.0.map(|s| (s.address, s.port)));
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("0.0.0.0:27"), Ok(Some(("0.0.0.0".into(), 27))));
        assert_eq!(of("[::1]:27"), Ok(Some(("::1".into(), 27))));
        for wrong in ["host", ":27", "host:", "::1:27", "[]:1"] {
            assert!(of(wrong).unwrap_err().contains("ADDRESS:PORT"), "{wrong}");
        }
        assert!(of("host:65536").unwrap_err().contains("invalid port"));
    }

    #[test]
    fn only_the_network_can_be_empty() {
        assert!(empty_namespace("network").is_ok());
        assert_eq!(empty_namespace("ipc"), Err("namespace \"ipc\" is not supported".into()));
    }
}
