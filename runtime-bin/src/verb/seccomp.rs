//! `teu seccomp`.

use std::fmt::Write;

use libteu::seccomp::{Filter, explain, load_profile};

use crate::cli::seccomp::{Action, Explain, Seccomp};
use crate::failure::Failure;
use crate::output;

/// Explains a profile, or prints its program.
pub fn run(args: &Seccomp) -> Result<(), Failure> {
    let Action::Explain(args) = &args.action;
    match load_profile(&args.bundle())? {
        Some(profile) if args.emit => output::text(&program(&Filter::compile(&profile)?)),
        Some(profile) => output::text(&format!("{}\n", explain(&profile, args.call.as_deref())?)),
        None => output::text(&unfiltered(args)),
    }
}

fn program(filter: &Filter) -> String {
    let mut text = format!("flags {:#x}\n", filter.flags());
    for (at, instruction) in filter.instructions().iter().enumerate() {
        let _ = writeln!(text, "{at:>4}  {instruction}");
    }
    text
}

fn unfiltered(args: &Explain) -> String {
    let about = args.call.as_deref().map(|call| format!("{call}: ")).unwrap_or_default();
    format!("{about}allowed, as all calls: the config has no linux.seccomp\n")
}
