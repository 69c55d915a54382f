//! What is said on standard error while blobs come and go: a bar for each on a terminal, else lines.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};
use libteu_image::registry::Progress;

use crate::size::human;

const RUNNING: &str = "{prefix}: {bar:30} {bytes:>10} / {total_bytes} {bytes_per_sec}";
const SETTLED: &str = "{prefix}: {msg}";

/// For the library, which tells it from several threads.
pub enum Display {
    /// Says nothing.
    Quiet,
    /// A line when a blob begins, and one when it is there.
    Lines,
    /// Bars.
    Bars(Bars),
}

/// A bar for each blob, by its digest.
#[derive(Default)]
pub struct Bars {
    all: MultiProgress,
    known: Mutex<HashMap<String, ProgressBar>>,
}

impl Display {
    /// What fits standard error.
    pub fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bars(Bars::default()),
            (false, false) => Self::Lines,
        }
    }

    /// Takes the library's word.
    pub fn tell(&self, progress: Progress) {
        match self {
            Self::Quiet => {}
            Self::Lines => say(progress),
            Self::Bars(bars) => bars.show(progress),
        }
    }
}

fn say(progress: Progress) {
    let line = match progress {
        Progress::Begin { digest, size } => format!("{}: {}", short(&digest), human(size)),
        Progress::Done { digest } => format!("{}: done", short(&digest)),
        Progress::Present { digest } => format!("{}: already there", short(&digest)),
        _ => return,
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Bars {
    fn show(&self, progress: Progress) {
        match progress {
            Progress::Begin { digest, size } => drop(self.bar(&digest, size)),
            Progress::Bytes { digest, count } => self.bar(&digest, 0).inc(count),
            Progress::Done { digest } => {
                let bar = self.bar(&digest, 0);
                let size = bar.length().unwrap_or(0);
                settle(&bar, format!("done, {}", human(size)));
            }
            Progress::Present { digest } => settle(&self.bar(&digest, 0), "already there".into()),
            _ => {}
        }
    }

    fn bar(&self, digest: &str, size: u64) -> ProgressBar {
        // A panic elsewhere is no reason not to show what goes on.
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let make = || {
            // What an error stopped stays to be seen as it was.
            let bar = ProgressBar::new(size).with_finish(ProgressFinish::Abandon);
            bar.set_style(style(RUNNING));
            bar.set_prefix(short(digest).to_owned());
            self.all.add(bar)
        };
        known.entry(digest.to_owned()).or_insert_with(make).clone()
    }
}

fn settle(bar: &ProgressBar, text: String) {
    bar.set_style(style(SETTLED));
    bar.finish_with_message(text);
}

/// The templates are our own; one that is wrong would be indicatif's default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
