//! Flags about registries, which `pull`, `push`, `run`, `login` and `search` share.

use clap::Args;
use libteu_image::registry::{Access, Credentials};

use crate::failure::Failure;

/// How registries are spoken to.
#[derive(Debug, Args)]
pub struct Flags {
    /// Talk without TLS, or with certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,

    /// Name and password, rather than those of docker's config.json
    #[arg(long, value_name = "USER:PASSWORD")]
    creds: Option<String>,

    /// Registry to be asked before docker.io
    #[arg(long, value_name = "host[:port]")]
    mirror: Option<String>,
}

impl Flags {
    /// For the library.
    pub fn access(self) -> Result<Access, Failure> {
        let credentials = self.creds.map(|text| match text.split_once(':') {
            Some((user, password)) => {
                Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
            }
            None => Err(Failure::Argument("--creds: has to be USER:PASSWORD".into())),
        });
        Ok(Access {
            insecure: self.insecure,
            credentials: credentials.transpose()?,
            mirror: self.mirror,
        })
    }
}
