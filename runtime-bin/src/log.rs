//! The log that engines read: runc's `--log`, `--log-format` and `--debug`.
//!
//! Without `--log` everything goes to standard error. With it, lines go to the file and errors are
//! repeated on standard error in plain words, because that is where people look.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::cli::global::{LogFormat, LogOptions};
use crate::failure::Failure;

/// Where messages go, and how they look.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    format: LogFormat,
    debug: bool,
}

/// One line, with the keys in the order in which logrus writes them.
#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: String,
}

impl Log {
    /// Opens the file at once, so that a bad name is noticed before anything is done.
    pub fn open(options: &LogOptions) -> Result<Self, Failure> {
        let file = options.path().map(open_append).transpose()?;
        Ok(Self { file, format: options.format, debug: options.debug })
    }

    /// What made teu give up.
    pub fn error(&self, message: &dyn fmt::Display) {
        let text = message.to_string();
        self.line("error", &text);
        if self.file.is_some() {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// What went wrong without stopping teu.
    pub fn warn(&self, message: &dyn fmt::Display) {
        self.line("warning", &message.to_string());
    }

    /// What only `--debug` asks for.
    pub fn debug(&self, message: fmt::Arguments<'_>) {
        if self.debug {
            self.line("debug", &message.to_string());
        }
    }

    /// A log that cannot be written to has nowhere to complain: such errors are dropped.
    fn line(&self, level: &str, msg: &str) {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let line = Line { level, msg, time }.render(self.format);
        let _ = match &self.file {
            Some(file) => (&*file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

impl teu_foreground::Log for Log {
    fn debug(&self, message: fmt::Arguments<'_>) {
        self.debug(message);
    }

    fn warn(&self, message: &dyn fmt::Display) {
        self.warn(&message);
    }
}

fn open_append(path: &Path) -> Result<File, Failure> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|e| Failure::file("open log", path, &e))
}

impl Line<'_> {
    fn render(&self, format: LogFormat) -> String {
        let Self { level, msg, time } = self;
        match format {
            LogFormat::Text => format!("time=\"{time}\" level={level} msg={}\n", Quoted(msg)),
            LogFormat::Json => {
                serde_json::to_string(self).map_or_else(|e| format!("{e}\n"), |line| line + "\n")
            }
        }
    }
}

/// A value of logrus' text format: bare if it is one plain word, else in double quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
        if self.0.chars().all(plain) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(msg: &str) -> Line<'_> {
        Line { level: "error", msg, time: "2026-01-02T03:04:05Z".to_owned() }
    }

    #[test]
    fn text_lines_look_like_logrus() {
        assert_eq!(
            line("teu: \"create\" requires exactly 1 argument(s)").render(LogFormat::Text),
            "time=\"2026-01-02T03:04:05Z\" level=error \
             msg=\"teu: \\\"create\\\" requires exactly 1 argument(s)\"\n"
        );
        assert!(line("stopped").render(LogFormat::Text).ends_with("msg=stopped\n"));
        assert!(line("a\nb").render(LogFormat::Text).ends_with("msg=\"a\\nb\"\n"));
    }

    #[test]
    fn json_lines_are_what_the_shim_reads() {
        assert_eq!(
            line("container \"x\" not running").render(LogFormat::Json),
            "{\"level\":\"error\",\"msg\":\"container \\\"x\\\" not running\",\
             \"time\":\"2026-01-02T03:04:05Z\"}\n"
        );
    }

    #[test]
    fn a_log_file_is_appended_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = LogOptions {
            log: file.path().as_os_str().to_owned(),
            format: LogFormat::Json,
            debug: false,
        };
        for _ in 0..2 {
            let log = Log::open(&options).unwrap();
            log.warn(&"careful");
            log.debug(format_args!("not asked for"));
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.matches("\"level\":\"warning\",\"msg\":\"careful\"").count(), 2);
        assert_eq!(text.lines().count(), 2);
    }
}
