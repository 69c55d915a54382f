//! `bench images ROOTFS.tar`: teu-image beside umoci, skopeo, podman and containerd's ctr. See docs/images.md.

mod daemons;
mod floor;
mod input;
mod tasks;

use std::path::{Path, PathBuf};

use crate::measure::STOP;
use crate::meter::Meter;
use crate::stats::Series;
use crate::{host, once, sys};
use daemons::Daemons;
use tasks::{Task, tasks};

const USAGE: &str = "\
Times teu-image beside other tools, with the layer that a tar archive of a root file system becomes. Needs root.

Usage: cargo run --release -p bench -- images [--rounds N] ROOTFS.tar";

/// What was asked for.
struct Args {
    rounds: usize,
    rootfs: PathBuf,
}

/// Entry of the subcommand.
pub fn main(words: &[String]) -> Result<(), String> {
    let (Some(args), true) = (parse(words), nix::unistd::geteuid().is_root()) else {
        return Err(USAGE.to_owned());
    };
    sys::stop_on_interrupt()?;
    let teu_image = host::release_build("teu-image")?;
    let dir = tempfile::Builder::new().prefix("teu-bench-images").tempdir().map_err(text)?;
    let site = Site::make(dir.path(), &teu_image, &args.rootfs)?;
    let load = host::load_average();
    let rows = rounds(&site, tasks(&site), args.rounds);
    println!(
        "{}; {}, {} rounds; load average {load} before, {} after.\n",
        host::machine(),
        site.input,
        args.rounds,
        host::load_average()
    );
    print_table(&rows);
    print_memory(&site)
}

/// `bench images-floor LAYER`: a layer decompressed and both its streams hashed, by one thread.
pub fn floor_main(words: &[String]) -> Result<(), String> {
    let [layer] = words else { return Err(USAGE.to_owned()) };
    floor::run(Path::new(layer)).map_err(text)
}

fn parse(words: &[String]) -> Option<Args> {
    match words {
        [rootfs] => Some(Args { rounds: 5, rootfs: rootfs.into() }),
        [flag, rounds, rootfs] if flag == "--rounds" => {
            Some(Args { rounds: rounds.parse().ok()?, rootfs: rootfs.into() })
        }
        _ => None,
    }
}

/// The directory of one run: the image in every form, and the daemons that serve it.
struct Site {
    dir: PathBuf,
    teu_image: String,
    /// What it is measured with, in words.
    input: String,
    daemons: Daemons,
}

impl Site {
    fn make(dir: &Path, teu_image: &Path, rootfs: &Path) -> Result<Self, String> {
        let layer = dir.join("layer.tar.gz");
        let input = input::compress(rootfs, &layer).map_err(text)?;
        let daemons = Daemons::start(dir)?;
        let teu_image = teu_image.display().to_string();
        let site = Self { dir: dir.to_owned(), teu_image, input, daemons };
        site.publish("layer.tar.gz", "bench")?;
        Ok(site)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// An image's name in the registry.
    fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}:1", self.daemons.port)
    }

    /// teu-image with a store of that name.
    fn teu_image(&self, store: &str, rest: &[&str]) -> Vec<String> {
        let (program, store) = (self.teu_image.as_str(), self.path(store));
        let words = [&[program, "--store", &store], rest].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// Makes an image of a layer: in the store `seed`, in the registry, in an archive.
    fn publish(&self, layer: &str, name: &str) -> Result<(), String> {
        let (image, layer) = (self.image(name), self.path(layer));
        let archive = self.path(&format!("{name}.tar"));
        let mut meter = Meter::new()?;
        // Of that name the registry has no layers yet when the peak of `push` is measured.
        let again = self.image(&format!("{name}-again"));
        for rest in [
            &["import", "-c", "CMD true", &layer, &image][..],
            &["tag", &image, &again],
            &["push", "-q", &image],
            &["save", "-o", &archive, &image],
        ] {
            meter.time(&self.teu_image("seed", rest))?;
        }
        Ok(())
    }
}

/// What the tools have left mounted, the innermost first.
impl Drop for Site {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(&self.dir)) {
            let _ = nix::mount::umount2(point, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// What was measured of a task.
struct Row {
    task: Task,
    wall: Series,
    cpu: Series,
    error: Option<String>,
}

/// Every task once a round, so that whatever else the machine does hits all alike.
fn rounds(site: &Site, tasks: Vec<Task>, count: usize) -> Vec<Row> {
    let empty = |task| Row { task, wall: Series::default(), cpu: Series::default(), error: None };
    let mut rows: Vec<_> = tasks.into_iter().map(empty).collect();
    for _ in 0..count {
        for row in rows.iter_mut().filter(|row| row.error.is_none()) {
            if STOP.load(std::sync::atomic::Ordering::Relaxed) {
                return rows;
            }
            match once(site, &row.task) {
                Ok(sample) => {
                    row.wall.push(sample.wall_us / 1000.0);
                    row.cpu.push(sample.usage.cpu_us / 1000.0);
                }
                Err(e) => row.error = Some(e),
            }
        }
    }
    rows
}

/// ext4 does not give inodes away again for five seconds, and looks for others meanwhile (`recently_deleted` in
/// fs/ext4/ialloc.c): what was removed just before would be paid for by whoever makes files next.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(6);

/// What others have to write to the disk is written before: some of the tools wait for the disk.
fn once(site: &Site, task: &Task) -> Result<crate::meter::Sample, String> {
    task.reset(site)?;
    nix::unistd::sync();
    std::thread::sleep(SETTLE);
    Meter::new()?.time(&task.words)
}

fn print_table(rows: &[Row]) {
    println!("| | | median | p10 | p90 | ×floor | CPU |\n|---|---|--:|--:|--:|--:|--:|");
    let floor = rows.iter().find(|row| row.task.who == "floor").and_then(|row| row.wall.median());
    for row in rows {
        let (what, who) = (row.task.what, row.task.who);
        if let Some(e) = &row.error {
            println!("| {what} | {who} | failed: {} | | | | |", e.replace('\n', " "));
            continue;
        }
        let ms = |value: Option<f64>| value.map_or_else(|| "–".into(), |ms| format!("{ms:.0} ms"));
        let ratio = row.wall.median().zip(floor).map_or(f64::NAN, |(mine, floor)| mine / floor);
        let cpu = if row.task.daemon { "(daemon)".into() } else { ms(row.cpu.median()) };
        let [p10, p90] = [1, 9].map(|part| ms(row.wall.quantile(part, 10)));
        println!(
            "| {what} | {who} | {} | {p10} | {p90} | {ratio:.2} | {cpu} |",
            ms(row.wall.median())
        );
    }
}

/// Peaks of teu-image, for the layer of the table and for one of a gigabyte.
fn print_memory(site: &Site) -> Result<(), String> {
    input::gigabyte(&site.dir.join("gigabyte.tar.gz")).map_err(text)?;
    site.publish("gigabyte.tar.gz", "gigabyte")?;
    println!(
        "\n| peak RSS of teu-image | the layer above | 1 GiB, half zeros, half random |\n|---|--:|--:|"
    );
    for verb in ["pull", "push", "load", "save"] {
        let peak = |image: &str| {
            let name = site.image(image);
            let (store, archive) = (format!("weigh-{verb}"), site.path(&format!("{image}.tar")));
            let words = match verb {
                "pull" => site.teu_image(&store, &["pull", "-q", &name]),
                "push" => {
                    site.teu_image("seed", &["push", "-q", &site.image(&format!("{image}-again"))])
                }
                "load" => site.teu_image(&store, &["load", "-i", &archive]),
                _ => site.teu_image("seed", &["save", "-o", &site.path("out.tar"), &name]),
            };
            let peak = once::weigh(&words);
            let _ = std::fs::remove_dir_all(site.path(&store));
            peak.map_or_else(|| "failed".to_owned(), |kib| format!("{:.1} MiB", mib(kib)))
        };
        println!("| {verb} | {} | {} |", peak("bench"), peak("gigabyte"));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "no process has 2^52 KiB")]
fn mib(kib: i64) -> f64 {
    kib as f64 / 1024.0
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}
