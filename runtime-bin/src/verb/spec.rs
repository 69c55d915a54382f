//! `teu spec`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use nix::unistd::{getegid, geteuid};

use crate::cli::spec::Spec;
use crate::failure::Failure;
use crate::spec;

/// Writes a config.json to start from.
pub fn run(args: &Spec) -> Result<(), Failure> {
    let document = if args.rootless {
        spec::rootless(geteuid().as_raw(), getegid().as_raw())
    } else {
        spec::example()
    };
    write_new(&args.bundle().join("config.json"), document.as_bytes())
}

/// Creates the file; one that is there already is left alone.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::AlreadyExists => Failure::File {
            action: "write",
            path: path.to_owned(),
            problem: "File config.json exists. Remove it first".to_owned(),
        },
        _ => Failure::file("write", path, &e),
    };
    File::create_new(path).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}
