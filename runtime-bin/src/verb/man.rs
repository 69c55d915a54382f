//! `teu man`: a page for teu and one for each verb, made from the same definitions as the parser.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::roff::{Roff, roman};

use crate::cli;
use crate::cli::man::Man;
use crate::failure::Failure;

/// System administration: the section that runc's pages are in.
const SECTION: &str = "8";

/// Writes all pages.
pub fn run(args: &Man) -> Result<(), Failure> {
    let mut all = cli::all();
    all.build();
    pages(&all, &args.directory)
}

fn pages(command: &Command, directory: &Path) -> Result<(), Failure> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        pages(verb, directory)?;
    }
    let page = clap_mangen::Man::new(command.clone())
        .section(SECTION)
        .source(concat!("teu ", env!("CARGO_PKG_VERSION")))
        .manual("System Manager's Manual");
    let path = directory.join(page.get_filename());
    rendered(&page, command)
        .and_then(|text| fs::write(&path, text))
        .map_err(|e| Failure::file("write", &path, &e))
}

fn rendered(page: &clap_mangen::Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(notes) = command.get_after_help() {
        notes_section(&notes.to_string()).to_writer(&mut text)?;
    }
    Ok(text)
}

/// What stands below the flags. Paragraphs flow, examples in JSON keep their lines.
fn notes_section(notes: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["NOTES"]);
    for paragraph in notes.split("\n\n") {
        let example = paragraph.starts_with('{');
        roff.control("PP", []);
        roff.control(if example { "nf" } else { "fi" }, []);
        for line in paragraph.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}
