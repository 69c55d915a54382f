//! One test a scene: see `main.rs`.

mod calls;
mod places;
mod point;
mod scene;
mod site;
mod spawn;
mod tracer;
mod traces;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use integration_tests::{Cmd, available};
use libtest_mimic::{Arguments, Failed, Trial};

/// More than all points of a scene take.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

pub fn main() -> ExitCode {
    if let Ok(scene) = std::env::var("TEU_FAULTS_SCENE") {
        return match scene.strip_prefix("places/") {
            Some(place) => places::main(place),
            None => worker::main(&scene),
        };
    }
    let scenes = scene::all().chain(places::NAMES.map(|name| ("places", name)));
    let trials =
        scenes.map(|(config, verb)| trial(format!("{config}::{verb}"), format!("{config}/{verb}")));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn trial(name: String, scene: String) -> Trial {
    // What is printed about a test goes by the name of its thread.
    let thread = std::thread::Builder::new().name(name.clone());
    Trial::test(name, move || thread.spawn(move || run(&scene)).unwrap().join().unwrap())
}

fn run(scene: &str) -> Result<(), Failed> {
    if !["teu", "root", "userns"].into_iter().all(available) {
        return Ok(());
    }
    let worker =
        Cmd::new(std::env::current_exe()?).env("TEU_FAULTS_SCENE", scene).limit(LIMIT).run();
    match worker.status {
        0 => {
            eprint!("{}", worker.stdout);
            Ok(())
        }
        _ => Err(format!("{}{}", worker.stdout, worker.stderr).into()),
    }
}
