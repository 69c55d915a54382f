//! `teu gc`: teu's own verb.

use std::time::Duration;

use clap::Args;

use crate::cli::format::Format;
use crate::cli::{HELP, duration};

/// list what killed runs, reboots and engines that are gone have left, or delete it
#[derive(Debug, Args)]
#[command(
    help_template = HELP,
    after_help = "Found are, under the state root: stopped containers of an earlier boot or without a bundle, what \
is left\nof creates that were killed, and files of the cache of seccomp filters that no start will use. \
Nothing is\nkilled: running, created and paused containers stay, and so does what cannot be proved to be teu's.\n\n\
--stopped is for roots whose engine is gone. The age is that of teu's last word on a container, not of its\n\
end: an engine at work may be about to delete one that has just stopped."
)]
pub struct Gc {
    /// Delete what is found, instead of listing it
    #[arg(short, long)]
    pub delete: bool,

    /// Also find stopped containers whose bundle is still there
    #[arg(long)]
    pub stopped: bool,

    /// Only find what teu has not written to for so long (1h30m)
    #[arg(long, value_name = "duration", default_value = "1h", value_parser = age)]
    pub older_than: Duration,

    /// Format of the list: table or json
    #[arg(short, long, value_name = "format", default_value = "table", value_parser = Format::parse)]
    pub format: Format,

    /// Print paths only
    #[arg(short, long)]
    pub quiet: bool,
}

fn age(text: &str) -> Result<Duration, String> {
    let nanoseconds = duration::parse(text).and_then(|n| u64::try_from(n).ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| "must be a duration, as 1h30m".to_owned())
}
