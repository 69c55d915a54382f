//! Where the time of a start goes, for who asks.
//!
//! A [`Timer`] that is off reads no clock and makes no system call. One that is on has the executor
//! note the processor's own clock before each step, into a file in memory that both map: no system
//! call either, so that a seccomp filter does not matter, and no time namespace.

mod ticks;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::prepare::{above_streams, memory_file};
use ticks::ticks;

/// Where the time of a start went. Its `Display` is a table in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// From the beginning of the call to its end.
    pub whole: Duration,
    /// What the runtime did, one after the other.
    pub stages: Vec<StageTime>,
    /// The steps of the plan, which the executor walks at the same time.
    pub steps: Vec<StepTime>,
}

/// A part of the runtime's own work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageTime {
    /// What was done.
    pub name: Cow<'static, str>,
    /// When it began, counted from the beginning of the call.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepTime {
    /// Its number in the plan.
    pub index: usize,
    /// As [`Runtime::plan`](crate::Runtime::plan) shows it.
    pub text: String,
    /// When it began; `None` if it was passed over, or is still to come.
    pub at: Option<Duration>,
    /// How long it took; `None` if it was passed over, or has not ended.
    pub took: Option<Duration>,
}

/// Takes the time, or does nothing.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Running>);

#[derive(Debug)]
struct Running {
    begun: Instant,
    /// The same moment by the clock of the executor.
    ticks: u64,
    stages: Vec<StageTime>,
    file: Option<File>,
    /// The last step has become the container's program.
    exec: Option<Duration>,
}

impl Timer {
    /// One that runs from now on, or one that never does.
    pub(crate) fn new(wanted: bool) -> Self {
        Self(wanted.then(|| Running {
            begun: Instant::now(),
            ticks: ticks(),
            stages: Vec::new(),
            file: None,
            exec: None,
        }))
    }

    /// One that never does.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// What was done since the last stage.
    pub(crate) fn stage(&mut self, name: &'static str) {
        self.stage_of(|| name.into());
    }

    /// The same, with a name that has to be made.
    pub(crate) fn stage_of(&mut self, name: impl FnOnce() -> Cow<'static, str>) {
        if let Some(running) = &mut self.0 {
            let now = running.begun.elapsed();
            let at = running.stages.last().map_or(Duration::ZERO, |last| last.at + last.took);
            running.stages.push(StageTime { name: name(), at, took: now.saturating_sub(at) });
        }
    }

    /// From here on the container's own program runs.
    pub(crate) fn executed(&mut self) {
        if let Some(running) = &mut self.0 {
            running.exec = Some(running.begun.elapsed());
        }
    }

    /// A file with room for the times of so many steps, and its length.
    pub(crate) fn file(&mut self, steps: usize) -> Result<Option<(RawFd, usize)>> {
        let Some(running) = &mut self.0 else { return Ok(None) };
        let file = running.file.insert(File::from(above_streams(room_for(steps)?)?));
        Ok(Some((file.as_raw_fd(), steps * WORD)))
    }

    /// What was seen, with the names of the plan's steps.
    pub(crate) fn finish(self, plan: &Plan) -> Option<Timings> {
        let running = self.0?;
        let whole = running.begun.elapsed();
        let elapsed = Scale { from: running.ticks, to: ticks(), whole };
        let mut moments = vec![0; plan.steps.len() * WORD];
        if let Some(file) = &running.file {
            file.read_exact_at(&mut moments, 0).ok()?;
        }
        let moments = moments.chunks_exact(WORD).filter_map(|word| word.try_into().ok());
        let began: Vec<_> = moments.map(|word| elapsed.at(u64::from_ne_bytes(word))).collect();
        let steps = plan.steps.iter().enumerate().map(|(index, planned)| {
            let at = began.get(index).copied().flatten();
            let next = began.iter().skip(index + 1).find_map(|next| *next);
            let end = next.or(running.exec);
            let took = at.and_then(|at| Some(end?.saturating_sub(at)));
            StepTime { index, text: plan.step_text(planned), at, took }
        });
        Some(Timings { whole, steps: steps.collect(), stages: running.stages })
    }
}

/// Bytes of a moment.
const WORD: usize = size_of::<u64>();

/// Of a length that nobody can change while the executor has it mapped.
fn room_for(steps: usize) -> Result<OwnedFd> {
    const NAME: &str = "teu-times";
    let failed = |e: std::io::Error| Error::io("truncate memfd", NAME, &e);
    let file = File::from(memory_file(NAME, false)?);
    file.set_len((steps * WORD) as u64).map_err(failed)?;
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| Error::system("seal memfd", NAME, e))?;
    Ok(file.into())
}

/// Two moments, by two clocks.
struct Scale {
    from: u64,
    to: u64,
    whole: Duration,
}

impl Scale {
    /// A moment by the executor's clock as the time since the beginning; `None` if there was none.
    fn at(&self, ticks: u64) -> Option<Duration> {
        let all = u128::from(self.to.checked_sub(self.from)?);
        let part = u128::from(ticks.checked_sub(self.from)?).min(all);
        let nanoseconds = (self.whole.as_nanos() * part).checked_div(all)?;
        u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9} {:>9}  runtime", "at us", "took us")?;
        for StageTime { name, at, took } in &self.stages {
            writeln!(f, "{} {}  {name}", Micros(Some(*at)), Micros(Some(*took)))?;
        }
        writeln!(f, "{:>9} {:>9}  executor", "at us", "took us")?;
        for StepTime { index, text, at, took } in &self.steps {
            writeln!(f, "{} {}  {index:>5} {text}", Micros(*at), Micros(*took))?;
        }
        writeln!(f, "{} {}  whole", Micros(Some(Duration::ZERO)), Micros(Some(self.whole)))
    }
}

struct Micros(Option<Duration>);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{:>7}.{}", time.as_micros(), time.subsec_nanos() / 100 % 10),
            None => write!(f, "{:>9}", "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_is_off_knows_nothing() {
        let mut timer = Timer::off();
        timer.stage_of(|| panic!("no name is made"));
        timer.executed();
        assert_eq!(timer.file(7).unwrap(), None);
        assert_eq!(timer.finish(&Plan::default()), None);
    }

    #[test]
    fn stages_follow_each_other_without_a_gap() {
        let mut timer = Timer::new(true);
        for name in ["a", "b", "c"] {
            timer.stage(name);
        }
        let timings = timer.finish(&Plan::default()).unwrap();
        let mut end = Duration::ZERO;
        for stage in &timings.stages {
            assert_eq!(stage.at, end);
            end += stage.took;
        }
        assert_eq!(timings.stages.len(), 3);
        assert!(end <= timings.whole);
    }

    #[test]
    fn clocks_are_scaled_to_each_other() {
        let scale = Scale { from: 1000, to: 3000, whole: Duration::from_micros(1) };
        assert_eq!(scale.at(1000), Some(Duration::ZERO));
        assert_eq!(scale.at(2000), Some(Duration::from_nanos(500)));
        assert_eq!(scale.at(5000), Some(Duration::from_micros(1)), "never after the end");
        assert_eq!(scale.at(0), None, "not noted");
        assert_eq!(Scale { from: 7, to: 7, whole: Duration::ZERO }.at(7), None);
    }

    #[test]
    fn the_table_has_a_line_for_each() {
        let text = |at| Micros(at).to_string();
        assert_eq!(text(Some(Duration::from_nanos(1_234_567))), "   1234.5");
        assert_eq!(text(None), "        -");
        let stage =
            StageTime { name: "load".into(), at: Duration::ZERO, took: Duration::from_micros(5) };
        let step = StepTime { index: 0, text: "setsid".into(), at: None, took: None };
        let timings =
            Timings { whole: Duration::from_micros(9), stages: vec![stage], steps: vec![step] };
        let table = timings.to_string();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[1], "      0.0       5.0  load");
        assert_eq!(lines[3], "        -         -      0 setsid");
        assert_eq!(lines[4], "      0.0       9.0  whole");
    }
}
