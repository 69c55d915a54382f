//! The command line.

use crate::config::Config;

/// Printed for `--help` and after mistakes.
pub const USAGE: &str = "\
Times teu, crun, runc and the floor side by side. Needs root.

Usage: cargo run --release -p bench -- [OPTIONS]

  --rounds N           timed rounds (default 100)
  --quick              10 rounds
  --only NAME,...      of spawn, floor, teu, crun, runc
  --config NAME        minimal or docker (default: both)
  --teu PATH           another teu than the workspace's release build
  --times-only         no system calls counted, no memory";

/// What was asked for.
#[derive(Debug)]
pub struct Args {
    /// Timed rounds.
    pub rounds: usize,
    /// Empty for all.
    pub only: Vec<String>,
    /// Which configurations.
    pub configs: Vec<Config>,
    /// Another teu.
    pub teu: Option<String>,
    /// Neither system calls nor memory.
    pub times_only: bool,
}

impl Args {
    /// Reads it; the error is for the user.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let (only, configs) = (Vec::new(), Config::ALL.to_vec());
        let mut args = Self { rounds: 100, only, configs, teu: None, times_only: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word}: a value is missing\n\n{USAGE}"));
            match word.as_str() {
                "--quick" => args.rounds = 10,
                "--rounds" => {
                    args.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?
                }
                "--only" => args.only = value()?.split(',').map(str::to_owned).collect(),
                "--config" => {
                    let name = value()?;
                    args.configs.retain(|config| config.name() == name);
                }
                "--teu" => args.teu = Some(value()?.clone()),
                "--times-only" => args.times_only = true,
                // cargo bench says so.
                "--bench" => {}
                _ => return Err(format!("{word}: what is that?\n\n{USAGE}")),
            }
        }
        Ok(args)
    }
}
