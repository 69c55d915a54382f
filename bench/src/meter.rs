//! Starts a command line and says how long it took, and what it used.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::sys::{self, Usage};

/// One timed run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// From before the spawn until after the wait.
    pub wall_us: f64,
    /// What the process, and the children it waited for, have used.
    pub usage: Usage,
}

/// Runs command lines. Their standard streams are /dev/null, but for the errors, which are kept.
#[derive(Debug)]
pub struct Meter {
    errors: File,
}

impl Meter {
    /// Keeps errors in an unnamed file.
    pub fn new() -> Result<Self, String> {
        Ok(Self { errors: tempfile::tempfile().map_err(|e| format!("temporary file: {e}"))? })
    }

    /// Runs it to its end. Anything but exit status 0 is an error.
    pub fn time(&mut self, words: &[String]) -> Result<Sample, String> {
        let mut command = self.command(words)?;
        let begin = Instant::now();
        let child = command.spawn().map_err(|e| format!("{}: {e}", words.join(" ")))?;
        let pid = child.id().cast_signed();
        let (status, usage) = sys::wait_with_usage(pid).map_err(|e| format!("wait4: {e}"))?;
        let wall_us = begin.elapsed().as_secs_f64() * 1e6;
        self.check(words, status)?;
        Ok(Sample { wall_us, usage })
    }

    /// A small environment, for cargo's LD_LIBRARY_PATH costs the dynamic ones hundreds of calls.
    /// A process group of its own: an interrupt ends the benchmark after a whole run, not within.
    pub fn command(&self, words: &[String]) -> Result<Command, String> {
        let (program, rest) = words.split_first().ok_or("nothing to run")?;
        let errors = self.errors.try_clone().map_err(|e| format!("dup: {e}"))?;
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::from(errors)).process_group(0);
        Ok(command)
    }

    /// An error with what was written, unless the wait status is 0.
    pub fn check(&mut self, words: &[String], status: i32) -> Result<(), String> {
        let text = if status == 0 { String::new() } else { self.said() };
        // The children's descriptors share this one's position.
        self.errors.set_len(0).and_then(|()| self.errors.rewind()).map_err(|e| e.to_string())?;
        if status == 0 {
            return Ok(());
        }
        Err(format!("{}: wait status {status:#x}: {}", words.join(" "), text.trim()))
    }

    fn said(&mut self) -> String {
        let mut text = Vec::new();
        let _ = self.errors.rewind();
        let _ = self.errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}
