//! What goes to standard output: text, JSON and tables.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::failure::Failure;

/// Narrowest column of a table, and the gap behind the widest cell of a wider one.
const MIN_WIDTH: usize = 12;
const PADDING: usize = 3;

/// Writes text as it is, all of it or an error.
pub fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Says on standard error how a verb is used. What is wrong is said by the log.
pub fn usage(text: &str) {
    let _ = writeln!(io::stderr(), "{}\n", text.trim_end());
}

/// Says on standard error, for a process that had a terminal only, why its program was refused.
pub fn refusal(why: &str) {
    let _ = writeln!(io::stderr(), "{why}");
}

/// Says on standard error where the time of a start went, if that is known.
pub fn timings(process: &mut libteu::Process) {
    if let Some(timings) = process.take_timings() {
        let _ = io::stderr().write_all(timings.to_string().as_bytes());
    }
}

/// JSON on one line.
pub fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(value).map_err(invalid)?;
    line.push(b'\n');
    bytes(&line)
}

/// JSON for people.
pub fn json_pretty(value: &impl Serialize, indent: &str) -> Result<(), Failure> {
    let mut document = render_pretty(value, indent)?;
    document.push(b'\n');
    bytes(&document)
}

/// Indented JSON without a newline at the end.
pub fn render_pretty(value: &impl Serialize, indent: &str) -> Result<Vec<u8>, Failure> {
    let mut document = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    value.serialize(&mut Serializer::with_formatter(&mut document, formatter)).map_err(invalid)?;
    Ok(document)
}

/// Lays out rows as runc does: cells left-justified, the last one not padded.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [MIN_WIDTH; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + PADDING);
        }
    }
    rows.iter().map(|row| table_line(row, &widths)).collect()
}

fn table_line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    if let Some((last, cells)) = row.split_last() {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}");
        }
        line.push_str(last);
    }
    line.push('\n');
    line
}

fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

fn invalid(error: serde_json::Error) -> Failure {
    Failure::Output(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 3]) -> [String; 3] {
        cells.map(str::to_owned)
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(table(&[row(["ID", "PID", "OWNER"])]), "ID          PID         OWNER\n");
    }

    #[test]
    fn columns_grow_with_their_widest_cell() {
        let rows = [row(["ID", "PID", "OWNER"]), row(["0123456789", "1", "root"])];
        assert_eq!(table(&rows), "ID           PID         OWNER\n0123456789   1           root\n");
    }

    #[test]
    fn json_is_indented_as_asked() {
        let document = render_pretty(&serde_json::json!({"a": [1]}), "\t").unwrap();
        assert_eq!(String::from_utf8(document).unwrap(), "{\n\t\"a\": [\n\t\t1\n\t]\n}");
    }
}
