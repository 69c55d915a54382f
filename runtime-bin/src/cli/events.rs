//! `teu events`.

use std::time::Duration;

use clap::Args;
use libteu::ContainerId;

use crate::cli::{HELP_WITH_ID, duration};

/// tell what a container uses, and when it runs out of memory, as JSON
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Events {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    /// Time between two statistics, such as 500ms or 1m30s
    #[arg(
        long, value_name = "duration", default_value = "5s", value_parser = interval
    )]
    pub interval: Duration,

    /// Print the statistics once, then exit
    #[arg(long)]
    pub stats: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let nanoseconds = duration::parse(text)
        .ok_or_else(|| "parse error: must be a duration such as 500ms or 1m30s".to_owned())?;
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds > 0 => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err("duration interval must be greater than 0".to_owned()),
    }
}
