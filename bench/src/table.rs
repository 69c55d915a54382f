//! The results as Markdown.

use crate::config::Config;
use crate::measure::{Bench, Cell};
use crate::stats::Series;
use crate::subject::Measure;

const HEADER: &str = "\
| | | median | p10 | p90 | ×floor | ×crun | CPU | peak RSS | system calls |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|";

/// One table for a configuration.
pub fn table(bench: &Bench<'_>, config: Config) -> String {
    let mut lines = vec![format!("### {}\n\n{HEADER}", config.name())];
    for measure in Measure::ALL {
        let cells = bench.cells.iter().filter(|c| c.config == config && c.measure == measure);
        for (index, cell) in cells.enumerate() {
            let label = if index == 0 { measure.name() } else { "" };
            lines.push(row(bench, label, cell));
        }
    }
    lines.join("\n")
}

fn row(bench: &Bench<'_>, label: &str, cell: &Cell) -> String {
    let name = bench.subjects.get(cell.subject).map_or("", |subject| subject.name);
    if cell.error.is_some() {
        return format!("| {label} | {name} | failed | | | | | | | |");
    }
    let dash = || "–".to_owned();
    let columns = [
        millis(cell.wall.median()),
        millis(cell.wall.quantile(1, 10)),
        millis(cell.wall.quantile(9, 10)),
        ratio(&cell.wall, other(bench, cell, "floor")),
        ratio(&cell.wall, other(bench, cell, "crun")),
        millis(cell.cpu.median()),
        cell.rss.map_or_else(dash, |kib| format!("{kib} KiB")),
        cell.calls.map_or_else(dash, |calls| calls.to_string()),
    ];
    format!("| {label} | {name} | {} |", columns.join(" | "))
}

fn other<'a>(bench: &'a Bench<'_>, cell: &Cell, name: &str) -> Option<&'a Series> {
    let index = bench.subjects.iter().position(|subject| subject.name == name)?;
    let same =
        |c: &&Cell| c.subject == index && c.config == cell.config && c.measure == cell.measure;
    bench.cells.iter().find(same).map(|found| &found.wall)
}

fn millis(micros: Option<f64>) -> String {
    micros.map_or_else(|| "–".to_owned(), |us| format!("{:.2} ms", us / 1000.0))
}

fn ratio(mine: &Series, base: Option<&Series>) -> String {
    let pair = mine.median().zip(base.and_then(Series::median));
    pair.map_or_else(|| "–".to_owned(), |(mine, base)| format!("{:.2}", mine / base))
}
