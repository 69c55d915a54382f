//! `teu gc`.

use libteu::{Garbage, GcOptions};

use crate::cli::format::Format;
use crate::cli::gc::Gc;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints what is left over; with `--delete`, what of it has been deleted. All is tried before the first
/// failure is told.
pub fn run(args: &Gc, context: &Context<'_>) -> Result<(), Failure> {
    let mut options = GcOptions::default();
    options.stopped = args.stopped;
    options.older_than = args.older_than;
    let found = context.runtime()?.garbage(&options)?;
    if !args.delete {
        return print(args, &found);
    }
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for garbage in found {
        match garbage.remove() {
            Ok(true) => deleted.push(garbage),
            Ok(false) => {}
            Err(e) => failed.push(e),
        }
    }
    print(args, &deleted)?;
    let mut failed = failed.into_iter();
    let Some(first) = failed.next() else { return Ok(()) };
    failed.for_each(|e| context.log.warn(&e.to_string()));
    Err(first.into())
}

fn print(args: &Gc, list: &[Garbage]) -> Result<(), Failure> {
    match args.format {
        _ if args.quiet => output::text(&paths(list)),
        Format::Table => output::text(&table(list)),
        Format::Json => output::json_line(&list),
    }
}

fn paths(list: &[Garbage]) -> String {
    list.iter().map(|garbage| format!("{}\n", garbage.path.display())).collect()
}

fn table(list: &[Garbage]) -> String {
    let header = ["KIND", "NAME", "AGE", "REASON", "PATH"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header).chain(list.iter().map(row)).collect();
    output::table(&rows)
}

fn row(garbage: &Garbage) -> [String; 5] {
    [
        garbage.kind.to_string(),
        garbage.name.clone(),
        age(garbage.age.as_secs()),
        garbage.reason.to_owned(),
        garbage.path.display().to_string(),
    ]
}

/// In the largest unit that it has one of.
fn age(seconds: u64) -> String {
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    let fits = units.into_iter().find(|(size, _)| seconds >= *size);
    let (size, unit) = fits.unwrap_or((1, 's'));
    format!("{}{unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let all = [0, 59, 60, 3599, 3600, 86_399, 86_400, 864_000].map(age);
        assert_eq!(all, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "10d"]);
    }

    #[test]
    fn without_garbage_there_is_a_header_and_an_empty_array() {
        assert_eq!(table(&[]), "KIND        NAME        AGE         REASON      PATH\n");
        assert_eq!(paths(&[]), "");
    }
}
