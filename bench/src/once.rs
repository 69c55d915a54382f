//! What is counted once and not timed: system calls, and memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::measure::{Bench, Cell};
use crate::meter::Meter;
use crate::subject::Measure;

/// Whether strace can be started.
pub fn has_strace() -> bool {
    Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success())
}

impl Bench<'_> {
    /// Fills in peak memory.
    pub fn weigh(&mut self) {
        for Cell { subject, config, measure, .. } in self.cells.clone() {
            if !matches!(measure, Measure::Run | Measure::Exec) {
                continue;
            }
            let Some(who) = self.subjects.get(subject) else { continue };
            let words = who.words(self.site, config, measure);
            let weighed = (0..3).filter_map(|_| weigh(&words)).min();
            if let Some(cell) = self.cell(subject, config, measure) {
                cell.rss = weighed;
            }
        }
    }

    /// Fills in numbers of system calls.
    pub fn count_calls(&mut self) {
        for Cell { subject, config, measure, error, .. } in self.cells.clone() {
            if error.is_some() || Measure::VERBS.contains(&measure) {
                continue;
            }
            let counted = if measure == Measure::Lifecycle {
                self.count_lifecycle(subject, config)
            } else {
                let counted = self.count(subject, config, measure);
                counted.map(|calls| vec![(measure, calls)])
            };
            match counted {
                Ok(counts) => {
                    for (measure, calls) in counts {
                        self.put_calls(subject, config, measure, calls);
                    }
                }
                Err(e) => eprintln!("bench: counting system calls: {e}"),
            }
        }
    }

    fn put_calls(&mut self, subject: usize, config: Config, measure: Measure, calls: usize) {
        if let Some(cell) = self.cell(subject, config, measure) {
            cell.calls = Some(calls);
        }
    }

    fn traced(&self, subject: usize, config: Config, verb: Measure) -> Result<Vec<String>, String> {
        let who = self.subjects.get(subject).ok_or("no such subject")?;
        let file = self.site.scratch(verb.name()).to_string_lossy().into_owned();
        let strace = ["strace", "-f", "-qq", "-o", &file].map(str::to_owned);
        Ok(strace.into_iter().chain(who.words(self.site, config, verb)).collect())
    }

    fn count(&mut self, subject: usize, config: Config, verb: Measure) -> Result<usize, String> {
        self.meter.time(&self.traced(subject, config, verb)?)?;
        calls_in(&self.site.scratch(verb.name()))
    }

    /// strace stays with the container's process after `create` has ended, hence until `delete`.
    fn count_lifecycle(
        &mut self,
        subject: usize,
        config: Config,
    ) -> Result<Vec<(Measure, usize)>, String> {
        let words = self.traced(subject, config, Measure::Create)?;
        let mut create = self.meter.command(&words)?.spawn().map_err(|e| format!("strace: {e}"))?;
        let settled = settle(&self.site.scratch(Measure::Create.name()));
        let start = settled.and_then(|()| self.count(subject, config, Measure::Start));
        let delete = self.count(subject, config, Measure::Delete);
        let _ = create.wait();
        let create = calls_in(&self.site.scratch(Measure::Create.name()))?;
        let (start, delete) = (start?, delete?);
        Ok(vec![
            (Measure::Create, create),
            (Measure::Start, start),
            (Measure::Delete, delete),
            (Measure::Lifecycle, create + start + delete),
        ])
    }
}

/// Waits until nothing has been written to the file for a while.
fn settle(file: &Path) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut last = (0, Instant::now());
    while Instant::now() < deadline {
        sleep(Duration::from_millis(50));
        let size = fs::metadata(file).map_or(0, |m| m.len());
        if size != last.0 {
            last = (size, Instant::now());
        } else if size > 0 && last.1.elapsed() > Duration::from_secs(1) {
            return Ok(());
        }
    }
    Err("create did not come to rest".to_owned())
}

/// Lines that begin a call; not its end, nor signals and exits.
fn calls_in(file: &Path) -> Result<usize, String> {
    let text = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    let is_call = |line: &&str| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        call.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && call.contains('(')
    };
    Ok(text.lines().filter(is_call).count())
}

/// Runs it below a small process of our own; see [`crate::sys::Usage::max_rss_kib`].
pub fn weigh(words: &[String]) -> Option<i64> {
    let output =
        Command::new(std::env::current_exe().ok()?).arg("weigh").args(words).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// `bench weigh …`: prints the peak memory of a command line in KiB.
pub fn weigh_main(words: &[String]) -> Result<(), String> {
    println!("{}", Meter::new()?.time(words)?.usage.max_rss_kib);
    Ok(())
}
