//! The points of one verb of one configuration.

use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;

use super::calls;
use super::point::{Fault, Point};
use super::site::Site;

/// Of each verb, unless all points are asked for.
const SAMPLE: usize = 14;

/// Points that have found something once: teu's calls of a name, or those that come soon after one of that name.
const FOUND: [(&str, Where, Errno); 3] = [
    // It waited for ever for the executor's last words, which waited for the answer.
    ("docker/create", Where::Call("sendto"), Errno::EINTR),
    // The unlocking one panicked in a destructor.
    ("docker/start", Where::Call("flock"), Errno::EAGAIN),
    // The state directory stayed.
    ("docker/create", Where::SoonAfter("mkdirat"), Errno::EIO),
];

#[derive(Clone, Copy)]
enum Where {
    Call(&'static str),
    SoonAfter(&'static str),
}

/// Tries what `TEU_FAULTS` says, on the scene `CONFIG/VERB`.
pub fn main(scene: &str) -> ExitCode {
    set_child_subreaper(true).expect("prctl");
    let (config, verb) = scene.split_once('/').expect("CONFIG/VERB");
    let wanted = std::env::var("TEU_FAULTS").unwrap_or_default();
    let one = wanted.strip_prefix(scene).and_then(|rest| rest.strip_prefix('/'));
    if one.is_none() && !matches!(wanted.as_str(), "" | "all") {
        return ExitCode::SUCCESS;
    }
    let (mut site, seen) = Site::new(config, verb).unwrap_or_else(|e| panic!("{scene}: {e}"));
    let mut all = points(&seen);
    all.retain(|point| {
        !matches!(point.fault, Fault::Fail(_)) || !site.is_start_up(point.process, point.index)
    });
    let chosen = match one {
        Some(point) => vec![point.parse().expect("a point")],
        None if wanted == "all" => all.clone(),
        None => [sample(&all), found(scene, &seen[0], &all)].concat(),
    };
    let (mut failed, mut missed) = (0, 0);
    for point in &chosen {
        let (hit, result) = site.attempt(*point);
        missed += usize::from(hit.is_none());
        if let Err(e) = result {
            failed += 1;
            let call = hit.map_or("never reached".into(), calls::name);
            println!("FAILED {scene}/{point} ({call}): {e}");
            drop(site);
            (site, _) = Site::new(config, verb).expect("undisturbed");
        }
    }
    let calls: usize = seen.iter().map(Vec::len).sum();
    println!(
        "{scene}: {} of {} points tried ({calls} calls of {} processes), {missed} not reached, {failed} failed",
        chosen.len(),
        all.len(),
        seen.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn points(seen: &[Vec<i64>]) -> Vec<Point> {
    let mut points = Vec::new();
    for (process, list) in seen.iter().enumerate() {
        for (index, call) in list.iter().enumerate() {
            let errors = calls::errors(*call).unwrap_or_else(|| panic!("calls.rs lacks {call}"));
            let kills =
                if process == 0 { &[Fault::Kill][..] } else { &[Fault::Kill, Fault::KillTeu] };
            let faults =
                kills.iter().copied().chain(errors.iter().map(|errno| Fault::Fail(*errno)));
            points.extend(faults.map(|fault| Point { process, index, fault }));
        }
    }
    points
}

fn found(scene: &str, calls_of_teu: &[i64], all: &[Point]) -> Vec<Point> {
    const SOON: usize = 8;
    let is = |index: usize, name: &str| calls::name(calls_of_teu[index]) == name;
    let matches = |point: &&Point| {
        FOUND.iter().any(|(found, place, errno)| {
            let index = point.index;
            *found == scene
                && point.process == 0
                && point.fault == Fault::Fail(*errno)
                && match place {
                    Where::Call(name) => is(index, name),
                    Where::SoonAfter(name) => {
                        (index.saturating_sub(SOON)..index).any(|before| is(before, name))
                    }
                }
        })
    };
    all.iter().filter(matches).copied().collect()
}

/// The same each time, spread over all of it.
fn sample(all: &[Point]) -> Vec<Point> {
    let mut seed = 0x7465_7500_u64;
    let mut random = || {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % 1_000_003).unwrap_or(0)
    };
    let part = all.len().div_ceil(SAMPLE).max(1);
    all.chunks(part).map(|chunk| chunk[random() % chunk.len()]).collect()
}
