//! `teu-image login` and `logout`.

use std::io::Read;

use clap::Args;
use libteu_image::registry::{self, Access, Credentials};

use crate::failure::Failure;
use crate::output;

/// The registry if none is named.
const HUB: &str = "docker.io";

/// check name and password, and keep them where docker does
#[derive(Debug, Args)]
pub struct Login {
    /// Talk without TLS, or with certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,

    /// Name
    #[arg(short, long, value_name = "name")]
    username: String,

    /// Take the password from standard input: on the command line others would see it
    #[arg(long, required = true)]
    password_stdin: bool,

    /// The registry
    #[arg(value_name = "host[:port]", default_value = HUB)]
    registry: String,
}

/// forget name and password
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry
    #[arg(value_name = "host[:port]", default_value = HUB)]
    registry: String,
}

/// Keeps them only if the registry takes them.
pub fn run(args: Login) -> Result<(), Failure> {
    let mut password = String::new();
    std::io::stdin()
        .take(64 << 10)
        .read_to_string(&mut password)
        .map_err(Failure::io("read the password"))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    let credentials = Credentials { user: args.username, password };
    let access = Access {
        insecure: args.insecure,
        credentials: Some(credentials.clone()),
        ..Access::default()
    };
    let host = if args.registry == HUB { "registry-1.docker.io" } else { &args.registry };
    registry::login(host, &access)?;
    registry::remember(&args.registry, &credentials)?;
    output::line("Login Succeeded")
}

/// The registry is not told.
pub fn forget(args: &Logout) -> Result<(), Failure> {
    Ok(registry::forget(&args.registry)?)
}
