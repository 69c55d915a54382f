//! Logical lines to instructions.

use super::healthcheck;
use super::lines::{self, Heredoc, Line, Problem, raw_word, raw_words};

/// A parsed Dockerfile.
#[derive(Debug, PartialEq)]
pub struct Dockerfile {
    /// Takes a character's meaning.
    pub escape: char,
    pub instructions: Vec<Instruction>,
}

/// One instruction and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    pub line: usize,
    /// As it was written, joined to one line.
    pub text: String,
    pub what: What,
}

/// What it says. Variables are not expanded yet.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    From { image: String, platform: Option<String>, name: Option<String> },
    Run(Run),
    Cmd(Command),
    Entrypoint(Command),
    Shell(Vec<String>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Arg(Vec<(String, Option<String>)>),
    Copy(Copy),
    Workdir(String),
    User(String),
    Volume(Vec<String>),
    Expose(String),
    Stopsignal(String),
    Healthcheck(healthcheck::Healthcheck),
    Onbuild(String),
    Maintainer(String),
}

/// A line for the shell, or words.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Shell(String),
    Exec(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub command: Command,
    /// `--network`.
    pub network: Option<String>,
    pub heredocs: Vec<Heredoc>,
}

/// `COPY` and `ADD`.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// `ADD`: archives are unpacked.
    pub add: bool,
    pub from: Option<String>,
    pub owner: Option<String>,
    pub mode: Option<String>,
    pub sources: Vec<Source>,
    pub target: String,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Path(String),
    /// Text in the Dockerfile itself.
    Inline(Heredoc),
}

/// Reads a whole file.
pub fn parse(text: &str) -> Result<Dockerfile, Problem> {
    let text = lines::split(text)?;
    let instructions = text.lines.iter().map(|line| instruction(line, text.escape));
    Ok(Dockerfile { escape: text.escape, instructions: instructions.collect::<Result<_, _>>()? })
}

/// Reads what an image has kept for its children: one instruction, with its here-documents.
pub fn trigger(text: &str) -> Result<Instruction, String> {
    let parsed = parse(text).map_err(|problem| problem.text)?;
    let mut instructions = parsed.instructions.into_iter();
    match (instructions.next(), instructions.next()) {
        (Some(one), None) => Ok(one),
        _ => Err("is not one instruction".into()),
    }
}

fn instruction(line: &Line, escape: char) -> Result<Instruction, Problem> {
    let (word, rest) = line.text.split_once(char::is_whitespace).unwrap_or((&line.text, ""));
    let rest = rest.trim();
    let word = word.to_ascii_uppercase();
    let text = format!("{word} {rest}").trim_end().to_owned();
    let wrong = |problem: String| Problem::new(line.number, format!("{text}: {problem}"));
    let mut reader = Reader { rest, flags: Vec::new(), line, escape };
    let what = reader.read(&word).and_then(|what| reader.spent().map(|()| what)).map_err(wrong)?;
    Ok(Instruction { line: line.number, text, what })
}

/// What follows the word.
struct Reader<'a> {
    rest: &'a str,
    flags: Vec<(String, Option<String>)>,
    line: &'a Line,
    escape: char,
}

impl Reader<'_> {
    fn read(&mut self, word: &str) -> Result<What, String> {
        if ["FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"].contains(&word) {
            self.take_flags();
        }
        if self.rest.is_empty() {
            return Err("needs at least one argument".into());
        }
        Ok(match word {
            "FROM" => self.from()?,
            "RUN" => self.run()?,
            "CMD" => What::Cmd(self.command()),
            "ENTRYPOINT" => What::Entrypoint(self.command()),
            "SHELL" => match self.json() {
                Some(words) if !words.is_empty() => What::Shell(words),
                _ => return Err("needs a JSON array".into()),
            },
            "ENV" => What::Env(self.pairs()?),
            "LABEL" => What::Label(self.pairs()?),
            "ARG" => What::Arg(self.arguments()?),
            "COPY" => What::Copy(self.copy(false)?),
            "ADD" => What::Copy(self.copy(true)?),
            "WORKDIR" => What::Workdir(self.rest.to_owned()),
            "USER" => What::User(self.rest.to_owned()),
            "VOLUME" => What::Volume(self.json().unwrap_or_else(|| self.words())),
            "EXPOSE" => What::Expose(self.rest.to_owned()),
            "STOPSIGNAL" => What::Stopsignal(self.rest.to_owned()),
            "HEALTHCHECK" => What::Healthcheck(self.healthcheck()?),
            "ONBUILD" => self.onbuild()?,
            "MAINTAINER" => What::Maintainer(self.rest.to_owned()),
            _ => return Err("is no instruction".into()),
        })
    }

    fn take_flags(&mut self) {
        while self.rest.starts_with("--")
            && let Some((word, rest)) = raw_word(self.rest, self.escape)
        {
            self.rest = rest.trim_start();
            let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else { break };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            self.flags.push((name.to_owned(), value));
        }
    }

    fn flag(&mut self, name: &str) -> Result<Option<String>, String> {
        let mut found = self.flags.extract_if(.., |(flag, _)| flag == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, Some(value))), None) if !value.is_empty() => Ok(Some(value)),
            (Some(_), None) => Err(format!("--{name} needs a value")),
            (Some(_), Some(_)) => Err(format!("--{name} is given twice")),
        }
    }

    /// Flags that nothing asked for are not known.
    fn spent(&self) -> Result<(), String> {
        match self.flags.first() {
            Some((name, _)) => Err(format!("--{name} is not supported")),
            None => Ok(()),
        }
    }

    fn json(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.rest).ok()
    }

    fn words(&self) -> Vec<String> {
        self.rest.split_whitespace().map(str::to_owned).collect()
    }

    fn command(&self) -> Command {
        self.json().map_or_else(|| Command::Shell(self.rest.to_owned()), Command::Exec)
    }

    fn from(&mut self) -> Result<What, String> {
        let platform = self.flag("platform")?;
        let words = self.words();
        let (image, name) = match words.as_slice() {
            [image] => (image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => (image, Some(name)),
            _ => return Err("has to be FROM image, or FROM image AS name".into()),
        };
        let name = name.map(|name| name.to_ascii_lowercase());
        if let Some(name) = &name {
            let first = name.starts_with(|c: char| c.is_ascii_lowercase());
            let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if !first || !name.chars().all(valid) {
                return Err(format!("{name:?} is no name for a stage"));
            }
        }
        Ok(What::From { image: image.clone(), platform, name })
    }

    fn run(&mut self) -> Result<What, String> {
        let network = self.flag("network")?;
        if self.flag("security")?.is_some_and(|security| security != "sandbox") {
            return Err("--security: there is sandbox only".into());
        }
        if self.flags.iter().any(|(flag, _)| flag == "mount") {
            return Err("--mount is not supported: it is BuildKit's".into());
        }
        let command = self.command();
        if command == Command::Exec(Vec::new()) {
            return Err("needs at least one argument".into());
        }
        Ok(What::Run(Run { command, network, heredocs: self.line.heredocs.clone() }))
    }

    /// `a=b "c d"=e`, or the old form of a single name and all that follows it.
    fn pairs(&self) -> Result<Vec<(String, String)>, String> {
        let words = raw_words(self.rest, self.escape);
        if words.first().is_some_and(|word| !word.contains('=')) {
            let (name, value) =
                self.rest.split_once(char::is_whitespace).ok_or("needs a name and a value")?;
            return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
        }
        let pair = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(format!("{word:?} has no name")),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("{word:?} has no value: it needs the form name=value")),
        };
        words.iter().map(pair).collect()
    }

    fn arguments(&self) -> Result<Vec<(String, Option<String>)>, String> {
        let argument = |word: String| match word.split_once('=') {
            Some(("", _)) => Err(format!("{word:?} has no name")),
            Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            None => Ok((word, None)),
        };
        raw_words(self.rest, self.escape).into_iter().map(argument).collect()
    }

    fn copy(&mut self, add: bool) -> Result<Copy, String> {
        let from = self.flag("from")?;
        let (owner, mode) = (self.flag("chown")?, self.flag("chmod")?);
        if add && from.is_some() {
            return Err("--from is COPY's".into());
        }
        // It makes layers that do not depend on those below: here they never do.
        self.flags.retain(|(flag, value)| flag != "link" || value.as_deref() == Some("false"));
        self.flags.retain(|(flag, _)| flag != "link");
        let mut words = self.json().unwrap_or_else(|| self.words());
        let target = words.pop().filter(|_| !words.is_empty()).ok_or("needs source and target")?;
        let mut heredocs = self.line.heredocs.iter();
        let source = |word: String| match heredocs.as_slice().first() {
            Some(heredoc) if word.starts_with("<<") => {
                let heredoc = heredoc.clone();
                heredocs.next();
                Source::Inline(heredoc)
            }
            _ => Source::Path(word),
        };
        let sources = words.into_iter().map(source).collect();
        Ok(Copy { add, from, owner, mode, sources, target })
    }

    fn healthcheck(&mut self) -> Result<healthcheck::Healthcheck, String> {
        let mut check = healthcheck::Healthcheck::default();
        for (name, field) in [
            ("interval", &mut check.interval),
            ("timeout", &mut check.timeout),
            ("start-period", &mut check.start_period),
            ("start-interval", &mut check.start_interval),
        ] {
            if let Some(text) = self.flag(name)? {
                *field = Some(healthcheck::duration(&text)?);
            }
        }
        if let Some(text) = self.flag("retries")? {
            let number = text.parse().map_err(|_| format!("--retries: {text:?} is no number"))?;
            check.retries = Some(number);
        }
        let (word, rest) = self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, ""));
        let rest = rest.trim();
        check.test = match (word.to_ascii_uppercase().as_str(), rest) {
            ("NONE", "") => vec!["NONE".to_owned()],
            ("CMD", "") => return Err("CMD needs a command".into()),
            ("CMD", _) => match serde_json::from_str::<Vec<String>>(rest) {
                Ok(words) => [vec!["CMD".to_owned()], words].concat(),
                Err(_) => vec!["CMD-SHELL".to_owned(), rest.to_owned()],
            },
            _ => return Err("has to be CMD with a command, or NONE".into()),
        };
        Ok(check)
    }

    /// Checked now, though it is done in another build.
    fn onbuild(&self) -> Result<What, String> {
        let inner = Line { text: self.rest.to_owned(), ..self.line.clone() };
        let parsed = instruction(&inner, self.escape).map_err(|problem| problem.text)?;
        match parsed.what {
            What::Onbuild(_) | What::From { .. } | What::Maintainer(_) => {
                Err("is not allowed as a trigger".into())
            }
            _ => {
                let mut text = parsed.text;
                for heredoc in &self.line.heredocs {
                    text.push_str(&format!("\n{}{}", heredoc.content, heredoc.name));
                }
                Ok(What::Onbuild(text))
            }
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
