//! What is printed: lines, tables and JSON to standard output, complaints to standard error.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use libteu_image::layer::Skipped;
use serde_json::Value;

use crate::failure::Failure;

/// The gap behind the widest cell of a column.
const GAP: usize = 3;

/// One line.
pub fn line(text: impl Display) -> Result<(), Failure> {
    text_out(&format!("{text}\n"))
}

/// Text as it is.
pub fn text_out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// JSON for people.
pub fn json(value: &Value) -> Result<(), Failure> {
    line(format_args!("{value:#}"))
}

/// Rows below a heading, cells left-justified.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    let heading = heading.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(&heading).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row.iter()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row.iter()) {
            let _ = write!(line, "{cell:<0$}", width + GAP);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text_out(&text)
}

/// What made us give up.
pub fn complain(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "teu-image: {message}");
}

/// What could not be had on this host, and was left out of a layer.
pub fn skipped(all: &[Skipped]) {
    for Skipped { path, what } in all {
        complain(&format_args!("left out: {}: {what}", path.display()));
    }
}

/// Whether archives would be printed to a screen.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
