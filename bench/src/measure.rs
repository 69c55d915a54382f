//! The rounds: every subject does everything once, one after the other, with a pause before each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::config::Config;
use crate::meter::{Meter, Sample};
use crate::site::Site;
use crate::stats::Series;
use crate::subject::{Measure, Subject};

/// Set by an interrupt.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// What is known of one subject, configuration and measure.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Of whom.
    pub subject: usize,
    /// With which configuration.
    pub config: Config,
    /// Of what.
    pub measure: Measure,
    /// Microseconds from spawn to wait.
    pub wall: Series,
    /// Microseconds of processor time.
    pub cpu: Series,
    /// KiB.
    pub rss: Option<i64>,
    /// Number of system calls.
    pub calls: Option<usize>,
    /// If it failed; it is not tried again.
    pub error: Option<String>,
}

impl Cell {
    fn new(subject: usize, config: Config, measure: Measure) -> Self {
        let (wall, cpu) = (Series::default(), Series::default());
        Self { subject, config, measure, wall, cpu, rss: None, calls: None, error: None }
    }
}

/// The whole measurement.
pub struct Bench<'a> {
    /// Who.
    pub subjects: &'a [Subject],
    /// Where.
    pub site: &'a Site,
    /// With what.
    pub meter: Meter,
    /// The results.
    pub cells: Vec<Cell>,
}

impl<'a> Bench<'a> {
    /// With a cell for all there is to know.
    pub fn new(subjects: &'a [Subject], site: &'a Site, configs: &[Config], meter: Meter) -> Self {
        let mut cells = Vec::new();
        // The floor enters a runtime's container.
        let entered = subjects.iter().any(Subject::is_runtime);
        for config in configs {
            for measure in Measure::ALL {
                if measure == Measure::Exec && !entered {
                    continue;
                }
                let all = subjects.iter().enumerate().filter(|(_, s)| s.has(measure));
                cells.extend(all.map(|(index, _)| Cell::new(index, *config, measure)));
            }
        }
        Self { subjects, site, meter, cells }
    }

    /// Two rounds to get warm, then the ones that count.
    pub fn rounds(&mut self, rounds: usize) {
        for round in 0..rounds + 2 {
            // Nobody always follows the same one.
            let count = self.cells.len();
            for step in 0..count {
                if STOP.load(Ordering::Relaxed) {
                    return;
                }
                self.once((step + round * 5) % count, round >= 2, step + round);
            }
        }
    }

    /// Back to back, a start finds locks whose slow path a predecessor has just paid for.
    fn once(&mut self, index: usize, counts: bool, salt: usize) {
        let Some(cell) = self.cells.get(index) else { return };
        let Cell { subject, config, measure, .. } = *cell;
        if cell.error.is_some() || Measure::VERBS.contains(&measure) {
            return;
        }
        pause(salt);
        if measure == Measure::Lifecycle {
            self.lifecycle(subject, config, counts, salt);
        } else {
            let sample = self.time(subject, config, measure);
            self.record(subject, config, measure, counts, sample);
        }
    }

    fn lifecycle(&mut self, subject: usize, config: Config, counts: bool, salt: usize) {
        let mut total = (0.0, 0.0);
        for verb in Measure::VERBS {
            if verb != Measure::Create {
                pause(salt + 3);
            }
            let sample = self.time(subject, config, verb);
            let failure = sample.as_ref().err().cloned();
            if let Ok(sample) = &sample {
                total = (total.0 + sample.wall_us, total.1 + sample.usage.cpu_us);
            }
            self.record(subject, config, verb, counts, sample);
            if let Some(failure) = failure {
                self.record(subject, config, Measure::Lifecycle, counts, Err(failure));
                return;
            }
        }
        if let Some(cell) = self.cell(subject, config, Measure::Lifecycle).filter(|_| counts) {
            cell.wall.push(total.0);
            cell.cpu.push(total.1);
        }
    }

    fn time(&mut self, subject: usize, config: Config, verb: Measure) -> Result<Sample, String> {
        let subject = self.subjects.get(subject).ok_or("no such subject")?;
        self.meter.time(&subject.words(self.site, config, verb))
    }

    fn record(
        &mut self,
        subject: usize,
        config: Config,
        measure: Measure,
        counts: bool,
        sample: Result<Sample, String>,
    ) {
        let Some(cell) = self.cell(subject, config, measure) else { return };
        match sample {
            Ok(sample) if counts => {
                cell.wall.push(sample.wall_us);
                cell.cpu.push(sample.usage.cpu_us);
            }
            Ok(_) => {}
            Err(e) => {
                eprintln!("bench: {e}");
                cell.error = Some(e);
            }
        }
    }

    /// The cell, if there is one.
    pub fn cell(&mut self, subject: usize, config: Config, measure: Measure) -> Option<&mut Cell> {
        let same =
            |c: &&mut Cell| c.subject == subject && c.config == config && c.measure == measure;
        self.cells.iter_mut().find(same)
    }
}

/// 5 to 30 ms, the same for everybody over all.
fn pause(salt: usize) {
    sleep(Duration::from_millis(5 + (salt as u64 * 7) % 26));
}
