//! Flags about what a container is to be like, which `run` and `bundle` share.

use std::path::PathBuf;

use clap::Args;
use libteu_image::bundle::{Bind, Network, Options};

use crate::failure::Failure;
use crate::size;

/// How a container is to run.
#[derive(Debug, Args)]
pub struct Flags {
    /// Set a variable; without a value, take the one it has here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Show something of the host in the container
    #[arg(short, long, value_name = "HOST:CONTAINER[:ro]")]
    volume: Vec<String>,

    /// Working directory
    #[arg(short, long, value_name = "dir")]
    workdir: Option<String>,

    /// User, and perhaps group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// Host name [default: the container's name]
    #[arg(short = 'h', long, value_name = "name")]
    hostname: Option<String>,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    /// Limit of memory: 64m, 1g
    #[arg(short, long, value_name = "size", value_parser = size::parse)]
    memory: Option<i64>,

    /// Limit of processor time: 1.5 is one and a half processors
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpus: Option<f64>,

    /// Limit of processes; -1 is none
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,

    /// The image's files cannot be changed
    #[arg(long)]
    read_only: bool,

    /// Network: none of the host's, or all of it
    #[arg(long, visible_alias = "network", value_name = "none|host", default_value = "none")]
    net: String,

    /// Program to run in front of the command, instead of the image's
    #[arg(long, value_name = "program")]
    entrypoint: Option<String>,
}

impl Flags {
    /// For the library.
    pub fn options(self, args: Vec<String>, terminal: bool) -> Result<Options, Failure> {
        let entrypoint = self.entrypoint.map(|program| match program.as_str() {
            "" => Vec::new(),
            _ => vec![program],
        });
        if let Some(dir) = self.workdir.as_ref().filter(|dir| !dir.starts_with('/')) {
            let problem = "is invalid, it needs to be an absolute path";
            return Err(Failure::Argument(format!("the working directory '{dir}' {problem}")));
        }
        let mut options = Options {
            args,
            entrypoint,
            cwd: self.workdir,
            user: self.user,
            hostname: self.hostname,
            memory: self.memory,
            cpus: self.cpus,
            pids: self.pids_limit,
            read_only: self.read_only,
            terminal,
            network: network(&self.net)?,
            ..Options::default()
        };
        options.env = self.env.into_iter().map(of_ours).collect();
        let binds = self.volume.iter().map(|volume| bind(volume));
        options.binds = binds.collect::<Result<_, _>>()?;
        Ok(options)
    }
}

fn network(name: &str) -> Result<Network, Failure> {
    match name {
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        _ => Err(Failure::Argument(format!("network {name:?}: there are none and host"))),
    }
}

/// As docker: `-e HOME` passes ours on, and unsets it if we have none.
fn of_ours(variable: String) -> String {
    match std::env::var(&variable) {
        Ok(value) if !variable.contains('=') => format!("{variable}={value}"),
        _ => variable,
    }
}

fn bind(volume: &str) -> Result<Bind, Failure> {
    let wrong = |problem: &str| Failure::Argument(format!("volume {volume:?}: {problem}"));
    let fields: Vec<&str> = volume.split(':').collect();
    let (source, target, access) = match fields.as_slice() {
        [source, target] => (*source, *target, "rw"),
        [source, target, access] => (*source, *target, *access),
        _ => return Err(wrong("has to be HOST:CONTAINER, perhaps with :ro")),
    };
    let read_only = match access {
        "ro" => true,
        "rw" => false,
        _ => return Err(wrong("there are ro and rw")),
    };
    if !source.starts_with(['/', '.']) || !target.starts_with('/') {
        return Err(wrong("both paths have to be absolute; volumes with names are not known"));
    }
    let source = std::fs::canonicalize(source).map_err(Failure::io(format!("volume {source}")))?;
    Ok(Bind { source, target: PathBuf::from(target), read_only })
}
