//! `teu update`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};
use libteu::ContainerId;

use crate::cli::{HELP_WITH_ID, bytes, non_empty};

/// change a container's limits
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = FORMAT)]
pub struct Update {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    /// Read the limits from a file, or from standard input if it is -; all other flags but those of Intel RDT
    /// are ignored
    #[arg(
        short, long, value_name = "file", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    resources: OsString,

    #[command(flatten)]
    pub limits: Limits,
}

const FORMAT: &str = r#"The file is JSON in the form of linux.resources in config.json. What it leaves out stays as it is:

{
  "memory": {"limit": 0, "reservation": 0, "swap": 0, "checkBeforeUpdate": true},
  "cpu": {
    "shares": 0, "quota": 0, "burst": 0, "period": 0, "realtimeRuntime": 0, "realtimePeriod": 0,
    "cpus": "", "mems": "", "idle": 0
  },
  "blockIO": {"weight": 0},
  "pids": {"limit": 10}
}"#;

/// One flag a limit. An empty value is as good as none, as in runc.
#[derive(Debug, Args)]
pub struct Limits {
    /// Weight of block I/O, from 10 to 1000
    #[arg(long, value_name = "weight", value_parser = Value::<u16>::number)]
    pub blkio_weight: Option<Value<u16>>,

    /// Period of the CPU quota, in microseconds
    #[arg(long, value_name = "usec", value_parser = Value::<u64>::number)]
    pub cpu_period: Option<Value<u64>>,

    /// CPU time in a period, in microseconds; -1 is no limit
    #[arg(
        long, value_name = "usec", value_parser = Value::<i64>::number
    )]
    pub cpu_quota: Option<Value<i64>>,

    /// CPU time that may be saved up for a later period, in microseconds
    #[arg(long, value_name = "usec", value_parser = Value::<u64>::number)]
    pub cpu_burst: Option<Value<u64>>,

    /// CPU shares: the weight against other containers
    #[arg(long, value_name = "shares", value_parser = Value::<u64>::number)]
    pub cpu_share: Option<Value<u64>>,

    /// Period of the realtime limit, in microseconds (cgroup v1)
    #[arg(long, value_name = "usec", value_parser = Value::<u64>::number)]
    pub cpu_rt_period: Option<Value<u64>>,

    /// Realtime CPU time in a period, in microseconds (cgroup v1)
    #[arg(
        long, value_name = "usec", value_parser = Value::<i64>::number
    )]
    pub cpu_rt_runtime: Option<Value<i64>>,

    /// CPUs to run on, such as 0-3,7
    #[arg(long, value_name = "list", default_value = "", hide_default_value = true)]
    pub cpuset_cpus: String,

    /// Memory nodes to use, such as 0-1
    #[arg(long, value_name = "list", default_value = "", hide_default_value = true)]
    pub cpuset_mems: String,

    /// Kernel memory, which no kernel since 5.16 limits
    #[arg(
        long, value_name = "bytes", value_parser = Value::bytes,
        hide = true
    )]
    pub kernel_memory: Option<Value<i64>>,

    /// Buffers of TCP (cgroup v1)
    #[arg(
        long, value_name = "bytes", value_parser = Value::bytes,
        hide = true
    )]
    pub kernel_memory_tcp: Option<Value<i64>>,

    /// Memory, in bytes or with a unit such as 512m; -1 is no limit
    #[arg(long, value_name = "bytes", value_parser = Value::bytes)]
    pub memory: Option<Value<i64>>,

    /// 1: run only when the CPU is idle (SCHED_IDLE), 0: not so
    #[arg(
        long, value_name = "0|1", value_parser = Value::<i64>::number
    )]
    pub cpu_idle: Option<Value<i64>>,

    /// Memory that is kept for the container when it is short, in bytes or with a unit
    #[arg(long, value_name = "bytes", value_parser = Value::bytes)]
    pub memory_reservation: Option<Value<i64>>,

    /// Memory and swap together, in bytes or with a unit; -1 is no limit
    #[arg(long, value_name = "bytes", value_parser = Value::bytes)]
    pub memory_swap: Option<Value<i64>>,

    /// Number of processes and threads; -1 is no limit
    #[arg(
        long, value_name = "number", value_parser = Value::<i64>::number
    )]
    pub pids_limit: Option<Value<i64>>,

    /// Intel RDT: schema of the L3 cache
    #[arg(long, value_name = "schema", default_value = "", hide_default_value = true)]
    pub l3_cache_schema: String,

    /// Intel RDT: schema of the memory bandwidth
    #[arg(long, value_name = "schema", default_value = "", hide_default_value = true)]
    pub mem_bw_schema: String,
}

/// What a flag was given, unless that was nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<T>(pub Option<T>);

impl<T: FromStr<Err: ToString>> Value<T> {
    fn number(text: &str) -> Result<Self, String> {
        Self::unless_empty(text, |text| text.parse().map_err(|e: T::Err| e.to_string()))
    }
}

impl Value<i64> {
    fn bytes(text: &str) -> Result<Self, String> {
        Self::unless_empty(text, bytes::parse)
    }
}

impl<T> Value<T> {
    fn unless_empty(
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Self, String> {
        if text.is_empty() { Ok(Self(None)) } else { parse(text).map(|value| Self(Some(value))) }
    }
}

impl Update {
    /// The file with the limits; `-` is standard input.
    pub fn resources(&self) -> Option<PathBuf> {
        non_empty(&self.resources)
    }
}
