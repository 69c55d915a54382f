//! Times teu beside runc, crun and the bare kernel work of a container start. See docs/speed.md.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod args;
mod cgroups;
mod config;
mod elf;
mod floor;
mod host;
mod images;
mod measure;
mod meter;
mod once;
mod site;
mod stats;
mod subject;
mod sys;
mod table;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use args::Args;
use measure::{Bench, STOP};
use meter::Meter;
use site::Site;
use subject::Subject;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        Some(("floor", rest)) => floor::main(rest),
        Some(("weigh", rest)) => once::weigh_main(rest),
        Some(("images", rest)) => images::main(rest),
        Some(("images-floor", rest)) => images::floor_main(rest),
        Some(("--help" | "-h", _)) => {
            println!("{}", args::USAGE);
            Ok(())
        }
        _ => Args::parse(&words).and_then(|args| bench(&args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), String> {
    sys::stop_on_interrupt()?;
    let teu =
        args.teu.as_ref().map_or_else(|| host::release_build("teu"), |path| Ok(path.into()))?;
    let subjects = Subject::all(&args.only, &teu);
    let crun = subjects.iter().any(|subject| subject.name == "crun");
    let hidden = crun && cgroups::hide_unified()?;
    let site = Site::make(&subjects, &args.configs)?;
    let mut meter = Meter::new()?;
    site.start_sleepers(&mut meter, &args.configs);
    let load = host::load_average();
    let mut bench = Bench::new(&subjects, &site, &args.configs, meter);
    bench.rounds(args.rounds);
    if STOP.load(Ordering::Relaxed) {
        return Err("interrupted".to_owned());
    }
    println!("{}", host::describe(&subjects, &site, args.rounds, &load));
    if hidden {
        println!("The v2 hierarchy beside v1 is hidden from all, for crun refuses it.");
    }
    if !args.times_only {
        bench.weigh();
        if once::has_strace() {
            bench.count_calls();
        } else {
            eprintln!("bench: strace: absent, system calls are not counted");
        }
    }
    for config in &args.configs {
        println!("\n{}", table::table(&bench, *config));
    }
    let failed = bench.cells.iter().filter(|cell| cell.error.is_some()).count();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of the measurements failed")) }
}
