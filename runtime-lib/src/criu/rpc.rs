//! The messages, as far as they are used. Numbers and types are those of `images/rpc.proto` of CRIU
//! 4.2, which only ever grows: what an older CRIU does not know it passes over.

use prost::{Enumeration, Message};

/// What a request or an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    FeatureCheck = 9,
    Version = 10,
}

impl Kind {
    /// As CRIU's Go bindings print it, and thus runc.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::Dump => "DUMP",
            Self::Restore => "RESTORE",
            Self::PreDump => "PRE_DUMP",
            Self::Notify => "NOTIFY",
            Self::FeatureCheck => "FEATURE_CHECK",
            Self::Version => "VERSION",
        }
    }
}

/// `criu_req`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) opts: Option<Box<Opts>>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) notify_success: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub(crate) features: Option<Features>,
}

impl Request {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }
}

/// `criu_resp`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(bool, required, tag = "2")]
    pub(crate) success: bool,
    #[prost(message, optional, tag = "4")]
    pub(crate) restore: Option<Restored>,
    #[prost(message, optional, tag = "5")]
    pub(crate) notify: Option<Notice>,
    #[prost(int32, optional, tag = "7")]
    pub(crate) cr_errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub(crate) features: Option<Features>,
    /// The first error that CRIU has logged.
    #[prost(string, optional, tag = "9")]
    pub(crate) cr_errmsg: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(crate) version: Option<Version>,
}

/// `criu_restore_resp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Restored {
    #[prost(int32, required, tag = "1")]
    pub(crate) pid: i32,
}

/// `criu_notify`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Notice {
    #[prost(string, optional, tag = "1")]
    pub(crate) script: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) pid: Option<i32>,
}

/// `criu_features`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Features {
    #[prost(bool, optional, tag = "1")]
    pub(crate) mem_track: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) lazy_pages: Option<bool>,
}

/// `criu_version`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Version {
    #[prost(int32, required, tag = "1")]
    pub(crate) major_number: i32,
    #[prost(int32, required, tag = "2")]
    pub(crate) minor_number: i32,
    #[prost(string, optional, tag = "3")]
    pub(crate) gitid: Option<String>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) sublevel: Option<i32>,
}

/// `criu_page_server_info`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PageServer {
    #[prost(string, optional, tag = "1")]
    pub(crate) address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) port: Option<i32>,
}

/// `ext_mount_map`: at a dump the mount point and the name it gets in the images, at a restore that
/// name and the source.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ExternalMount {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(string, required, tag = "2")]
    pub(crate) val: String,
}

/// `join_namespace`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct JoinNamespace {
    #[prost(string, required, tag = "1")]
    pub(crate) ns: String,
    #[prost(string, required, tag = "2")]
    pub(crate) ns_file: String,
}

/// `inherit_fd`: a descriptor of CRIU's own that stands for something in the images.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct InheritFd {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(int32, required, tag = "2")]
    pub(crate) fd: i32,
}

/// `cgroup_root`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct CgroupRoot {
    #[prost(string, optional, tag = "1")]
    pub(crate) ctrl: Option<String>,
    #[prost(string, required, tag = "2")]
    pub(crate) path: String,
}

/// `criu_cg_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(crate) enum CgroupMode {
    Ignore = 0,
    Soft = 3,
    Full = 4,
    Strict = 5,
    Default = 6,
}

/// `criu_network_lock_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(crate) enum NetworkLock {
    Iptables = 1,
    Nftables = 2,
    Skip = 3,
}

/// `criu_opts`. Descriptors of directories are the caller's: CRIU opens them by way of its /proc/PID/fd.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Opts {
    #[prost(int32, required, tag = "1")]
    pub(crate) images_dir_fd: i32,
    #[prost(int32, optional, tag = "2")]
    pub(crate) pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(crate) ext_unix_sk: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(crate) evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub(crate) file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub(crate) log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(crate) log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub(crate) ps: Option<PageServer>,
    #[prost(bool, optional, tag = "12")]
    pub(crate) notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub(crate) root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub(crate) parent_img: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub(crate) track_mem: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub(crate) auto_dedup: Option<bool>,
    #[prost(int32, optional, tag = "17")]
    pub(crate) work_dir_fd: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub(crate) link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    pub(crate) ext_mnt: Vec<ExternalMount>,
    #[prost(bool, optional, tag = "24")]
    pub(crate) manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    pub(crate) cg_root: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub(crate) rst_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub(crate) inherit_fd: Vec<InheritFd>,
    #[prost(enumeration = "CgroupMode", optional, tag = "34")]
    pub(crate) manage_cgroups_mode: Option<i32>,
    #[prost(string, repeated, tag = "37")]
    pub(crate) external: Vec<String>,
    #[prost(uint32, optional, tag = "38")]
    pub(crate) empty_ns: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    pub(crate) join_ns: Vec<JoinNamespace>,
    #[prost(string, optional, tag = "44")]
    pub(crate) freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub(crate) tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub(crate) lazy_pages: Option<bool>,
    #[prost(bool, optional, tag = "50")]
    pub(crate) orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub(crate) config_file: Option<String>,
    #[prost(bool, optional, tag = "52")]
    pub(crate) tcp_close: Option<bool>,
    #[prost(string, optional, tag = "53")]
    pub(crate) lsm_profile: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub(crate) lsm_mount_context: Option<String>,
    #[prost(enumeration = "NetworkLock", optional, tag = "64")]
    pub(crate) network_lock: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `protoc --encode=criu_req` of CRIU's own rpc.proto has it.
    #[test]
    fn a_request_is_encoded_as_the_protocol_says() {
        let mut request = Request::new(Kind::Dump);
        let opts = Opts {
            images_dir_fd: 5,
            pid: Some(300),
            empty_ns: Some(0x4000_0000),
            ext_mnt: vec![ExternalMount { key: "/a".into(), val: "/b".into() }],
            ..Opts::default()
        };
        request.opts = Some(Box::new(opts));
        let expected = [
            0x08, 0x01, 0x12, 0x19, 0x08, 0x05, 0x10, 0xac, 0x02, 0xba, 0x01, 0x08, 0x0a, 0x02,
            b'/', b'a', 0x12, 0x02, b'/', b'b', 0xb0, 0x02, 0x80, 0x80, 0x80, 0x80, 0x04,
        ];
        let encoded = request.encode_to_vec();
        assert_eq!(encoded.get(..3), expected.get(..3));
        assert_eq!(Request::decode(encoded.as_slice()).unwrap(), request);
        assert_eq!(encoded.get(4..), expected.get(4..));
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        // type NOTIFY, success, and field 200 with a number.
        let bytes = [0x08, 0x06, 0x10, 0x01, 0xc0, 0x0c, 0x07];
        let response = Response::decode(bytes.as_slice()).unwrap();
        assert!(response.success);
        assert_eq!(response.kind(), Kind::Notify);
    }
}
