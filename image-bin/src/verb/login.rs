//! `teu-image login` and `logout`.

use std::io::Read;

use clap::Args;
use libteu_image::registry::{self, Access, Credentials};

use crate::failure::Failure;
use crate::{output, prompt};

/// The registry if none is named.
const HUB: &str = "docker.io";

/// check name and password, and keep them where docker does
#[derive(Debug, Args)]
pub struct Login {
    /// Talk without TLS, or with certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,

    /// Name; asked for on a terminal
    #[arg(short, long, value_name = "name")]
    username: Option<String>,

    /// Take the password from standard input, rather than ask for it on the terminal
    #[arg(long, requires = "username")]
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
    let user = args.username.map_or_else(|| prompt::line("Username: "), Ok)?;
    let password = if args.password_stdin { piped()? } else { prompt::secret("Password: ")? };
    let credentials = Credentials { user, password };
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

/// On the command line others would see it.
fn piped() -> Result<String, Failure> {
    let mut password = String::new();
    std::io::stdin()
        .take(64 << 10)
        .read_to_string(&mut password)
        .map_err(Failure::io("read the password"))?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

/// The registry is not told.
pub fn forget(args: &Logout) -> Result<(), Failure> {
    registry::forget(&args.registry)?;
    output::line(format_args!("Removing login credentials for {}", args.registry))
}
