//! What callers of `checkpoint` and `restore` may choose.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::criu::rpc;
use crate::lifecycle::CreateOptions;

/// What a checkpoint and its restore have in common. Most of it has to be the same for both.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CriuOptions {
    /// Directory of the images. A checkpoint makes it if it is missing.
    pub image_path: PathBuf,
    /// Directory of the log and of CRIU's own files, made if it is missing; default: that of the
    /// images.
    pub work_path: Option<PathBuf>,
    /// Keep open TCP connections.
    pub tcp_established: bool,
    /// Allow Unix sockets that are connected to processes outside.
    pub ext_unix_sk: bool,
    /// Allow a process whose session and terminal are the caller's.
    pub shell_job: bool,
    /// Keep file locks.
    pub file_locks: bool,
    /// Memory is not in the images, but served by the checkpoint (userfaultfd(2)).
    pub lazy_pages: bool,
    /// Take out of older images what newer ones have.
    pub auto_dedup: bool,
    /// What CRIU does with cgroups.
    pub cgroups_mode: CgroupsMode,
    /// How CRIU keeps packets away meanwhile; default: its own.
    pub network_lock: Option<NetworkLock>,
}

/// What CRIU does with the cgroups that processes were in, and their settings (criu(8),
/// `--manage-cgroups`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CgroupsMode {
    /// CRIU's own default, which is `Soft`.
    #[default]
    Default,
    /// Sets up those that it makes anew.
    Soft,
    /// Sets up all.
    Full,
    /// None may be there already.
    Strict,
    /// Leaves them alone: all processes are in the restored container's own cgroup.
    Ignore,
}

impl From<CgroupsMode> for rpc::CgroupMode {
    fn from(mode: CgroupsMode) -> Self {
        match mode {
            CgroupsMode::Default => Self::Default,
            CgroupsMode::Soft => Self::Soft,
            CgroupsMode::Full => Self::Full,
            CgroupsMode::Strict => Self::Strict,
            CgroupsMode::Ignore => Self::Ignore,
        }
    }
}

/// How packets are kept away from open connections (criu(8), `--network-lock`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkLock {
    /// By rules of iptables.
    Iptables,
    /// By rules of nftables.
    Nftables,
    /// Not at all.
    Skip,
}

impl From<NetworkLock> for rpc::NetworkLock {
    fn from(method: NetworkLock) -> Self {
        match method {
            NetworkLock::Iptables => Self::Iptables,
            NetworkLock::Nftables => Self::Nftables,
            NetworkLock::Skip => Self::Skip,
        }
    }
}

/// How a container is checkpointed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckpointOptions {
    /// What its restore will be told, too.
    pub criu: CriuOptions,
    /// Images of an earlier pre-dump, relative to `image_path`: only memory that has changed since is
    /// written.
    pub parent_path: Option<PathBuf>,
    /// Memory alone, for a checkpoint that will follow; the container goes on.
    pub pre_dump: bool,
    /// The container goes on, rather than being removed.
    pub leave_running: bool,
    /// Leave out TCP connections that are not established yet.
    pub tcp_skip_in_flight: bool,
    /// Give deleted files that are still open a name again.
    pub link_remap: bool,
    /// Closed, after a zero byte, once lazy pages are served. Only with `lazy_pages`.
    pub status: Option<OwnedFd>,
    /// The page server that memory goes to, or with `lazy_pages` the address to serve it at.
    pub page_server: Option<PageServer>,
}

/// Where a page server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageServer {
    /// A name or an address.
    pub address: String,
    /// A TCP port.
    pub port: u16,
}

/// How a container is restored.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// What the checkpoint was told, too.
    pub criu: CriuOptions,
    /// As for a new container, as far as it has not been decided by the checkpoint: streams, terminal,
    /// pid file, sockets for the pidfd and for sd_notify(3), keyring.
    pub create: CreateOptions,
    /// Close TCP connections that were open.
    pub tcp_close: bool,
    /// `TYPE:NAME` of another security label than that of the checkpoint. Needs CRIU 3.16.
    pub lsm_profile: Option<String>,
    /// Another SELinux context of mounts that have one. Needs CRIU 3.16.
    pub lsm_mount_context: Option<String>,
}
