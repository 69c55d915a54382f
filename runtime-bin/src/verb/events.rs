//! `teu events`.

use std::time::{Duration, Instant};

use libteu::stats::Stats;
use libteu::{Container, ContainerId, OomEvent, Status};
use serde::Serialize;

use crate::cli::events::Events;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints the statistics once, or with the interval until the container stops, and then also each
/// time it runs out of memory.
pub fn run(args: &Events, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    if container.state()?.status == Status::Stopped {
        return Err(Failure::NotRunning(args.id.clone()));
    }
    if args.stats {
        return output::json_line(&Event::stats(&args.id, &container.stats()?));
    }
    follow(&container, args.interval, context)
}

fn follow(container: &Container, interval: Duration, context: &Context<'_>) -> Result<(), Failure> {
    let id = container.id();
    let mut events = container.oom_events()?;
    let mut last = Instant::now();
    loop {
        match events.next(Some(interval.saturating_sub(last.elapsed())))? {
            Some(OomEvent::OutOfMemory) => output::json_line(&Event::oom(id))?,
            Some(_) => return Ok(()),
            None => {
                last = Instant::now();
                match container.stats() {
                    Ok(stats) => output::json_line(&Event::stats(id, &stats))?,
                    Err(e) => context.log.error(&e),
                }
            }
        }
    }
}

/// One line, in the form of runc's types/events.go.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

/// What runc prints besides: it fills the interfaces for its own library's users alone.
#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    stats: &'a Stats,
    network_interfaces: Option<()>,
}

impl<'a> Event<'a> {
    fn oom(id: &'a ContainerId) -> Self {
        Self { kind: "oom", id: id.as_str(), data: None }
    }

    fn stats(id: &'a ContainerId, stats: &'a Stats) -> Self {
        let data = Data { stats, network_interfaces: None };
        Self { kind: "stats", id: id.as_str(), data: Some(data) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_runcs_to_the_letter() {
        let id = "c1".parse().unwrap();
        let json = |event: &Event<'_>| serde_json::to_string(event).unwrap();
        assert_eq!(json(&Event::oom(&id)), r#"{"type":"oom","id":"c1"}"#);
        let line = json(&Event::stats(&id, &Stats::default()));
        let begin = r#"{"type":"stats","id":"c1","data":{"cpu":{},"cpuset":{"cpu_exclusive":0,"#;
        assert!(line.starts_with(begin), "{line}");
        let end = r#""memory":{},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}"#;
        assert!(line.ends_with(end), "{line}");
    }
}
