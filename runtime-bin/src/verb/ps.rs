//! `teu ps`.

use std::path::Path;
use std::process::{Command, Output};

use libteu::ContainerId;

use crate::cli::format::Format;
use crate::cli::ps::Ps;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints the container's processes: their pids, or what the host's ps says of them.
pub fn run(args: &Ps, context: &Context<'_>) -> Result<(), Failure> {
    let id: ContainerId = args.id().parse()?;
    let pids = context.runtime()?.container(&id)?.pids()?;
    match args.format {
        // As for `list`, runc's answer for none is null.
        Format::Json => output::json_line(&(!pids.is_empty()).then_some(pids)),
        Format::Table => output::text(&table(&ask_ps(&args.options(), context)?, &pids)?),
    }
}

/// The host's ps with these options: what it prints.
fn ask_ps(options: &[&str], context: &Context<'_>) -> Result<String, Failure> {
    let Output { status, stdout, stderr } = Command::new("ps")
        .args(options)
        .output()
        .map_err(|e| Failure::file("run", Path::new("ps"), &e))?;
    let [stdout, stderr] = [stdout, stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    if !status.success() {
        let code = status.code().map_or_else(|| status.to_string(), |c| format!("exit status {c}"));
        return Err(Failure::Ps(format!("{code}: {}", (stdout + &stderr).trim())));
    }
    if !stderr.is_empty() {
        context.log.warn(&format_args!("ps: {}", stderr.trim()));
    }
    Ok(stdout)
}

/// The head of ps's table, and the lines of the container's processes. `pids` is sorted.
fn table(text: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|title| title == "PID");
    let column =
        column.ok_or_else(|| Failure::Ps("couldn't find PID field in ps output".to_owned()))?;
    let mut table = format!("{head}\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let field = line.split_whitespace().nth(column).unwrap_or_default();
        let pid: i32 =
            field.parse().map_err(|_| Failure::Ps(format!("unable to parse pid: {field:?}")))?;
        if pids.binary_search(&pid).is_ok() {
            table.push_str(line);
            table.push('\n');
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_their_pid_wherever_that_stands() {
        let text = "  PID TTY\n    1 ?\n   20 2\n\n  300 1\n";
        assert_eq!(table(text, &[20, 300]).unwrap(), "  PID TTY\n   20 2\n  300 1\n");
        let text = "UID PID PPID\nroot 1 20\nroot 20 1\n";
        assert_eq!(table(text, &[20]).unwrap(), "UID PID PPID\nroot 20 1\n");
        assert_eq!(table(text, &[]).unwrap(), "UID PID PPID\n");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused_in_runcs_words() {
        for (text, message) in [
            ("", "couldn't find PID field in ps output"),
            ("TTY PPID\n1 2\n", "couldn't find PID field in ps output"),
            ("TTY PID\nx\n", "unable to parse pid: \"\""),
            ("PID\nx\n", "unable to parse pid: \"x\""),
        ] {
            assert_eq!(table(text, &[]).unwrap_err().to_string(), message, "{text:?}");
        }
    }
}
