//! `teu ps`.

use clap::Args;

use crate::cli::HELP_WITH_ID;
use crate::cli::format::Format;

/// What the host's ps is told if nothing else is said.
const ALL: [&str; 1] = ["-ef"];

/// list the processes in a container
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, override_usage = "\
teu ps [OPTIONS] <container-id> [ps option]...")]
pub struct Ps {
    /// Name of the container, then options for the host's ps, whose table must have a column PID;
    /// -ef if there are none
    #[arg(
        value_names = ["container-id", "ps option"], num_args = 1.., required = true
    )]
    words: Vec<String>,

    /// Format of the list: table, or json: an array of pids
    #[arg(short, long, value_name = "format", default_value = "table", value_parser = Format::parse)]
    pub format: Format,
}

impl Ps {
    /// The container's name, unchecked.
    pub fn id(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What the host's ps is told.
    pub fn options(&self) -> Vec<&str> {
        let options: Vec<&str> = self.words.iter().skip(1).map(String::as_str).collect();
        if options.is_empty() { ALL.to_vec() } else { options }
    }
}
