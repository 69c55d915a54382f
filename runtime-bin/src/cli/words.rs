//! Which word is a flag, which is its value, and which stands for itself, by the rules of runc's parser
//! (urfave/cli 3, `Command.parseFlags`). What comes out leaves nothing for clap to guess.
//!
//! One dash does for a long name and two for a short one; a value follows in the same word behind `=`
//! or is the next word, whatever that looks like; a flag without a value can be given one (`=false`);
//! flags of teu itself may also stand behind the verb.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

use crate::failure::Failure;

/// A command line, taken apart.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Flags of the verb, in the form `--name` or `--name=value`; what is no flag at all as it was
    /// typed, for clap to complain about.
    pub own: Vec<OsString>,
    /// Flags that belong before the verb.
    pub global: Vec<OsString>,
    /// Everything else.
    pub positional: Vec<OsString>,
}

/// Where flags end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At `--`.
    Never,
    /// At the first word that is none.
    AtFirst,
}

/// Flags that a word may name.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The verb's.
    pub own: &'a Command,
    /// teu's own.
    pub global: Option<&'a Command>,
}

/// Takes `words` apart. They do not include the name of the command.
pub fn sort(known: Known<'_>, words: &[OsString], stop: Stop) -> Result<Sorted, Failure> {
    let mut sorted = Sorted::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        let over = stop == Stop::AtFirst && !sorted.positional.is_empty();
        match bytes {
            b"--" => break,
            [b'-', letter, ..] if !over && (*letter == b'-' || letter.is_ascii_alphabetic()) => {
                if known.flag(&mut sorted, word, &mut words)? == Next::Help {
                    return Ok(Sorted { own: vec!["--help".into()], ..Sorted::default() });
                }
            }
            [b'-', _, ..] => return Ok(sorted.end(word, words.as_slice())),
            _ if over => return Ok(sorted.end(word, words.as_slice())),
            _ => sorted.positional.push(word.clone()),
        }
    }
    sorted.positional.extend_from_slice(words.as_slice());
    Ok(sorted)
}

/// What follows a flag.
#[derive(PartialEq, Eq)]
enum Next {
    Word,
    Help,
}

impl Sorted {
    /// The verb's words in an order that can be read in one way alone.
    pub fn for_clap(self) -> impl Iterator<Item = OsString> {
        let rest = (!self.positional.is_empty()).then(|| OsString::from("--"));
        self.own.into_iter().chain(rest).chain(self.positional)
    }

    /// All that is left is for the verb.
    fn end(mut self, word: &OsStr, rest: &[OsString]) -> Self {
        self.positional.push(word.to_owned());
        self.positional.extend_from_slice(rest);
        self
    }
}

impl Known<'_> {
    /// Adds one word's flag, and its value if that is the next word.
    fn flag<'w>(
        self,
        sorted: &mut Sorted,
        word: &OsStr,
        words: &mut impl Iterator<Item = &'w OsString>,
    ) -> Result<Next, Failure> {
        let dashes = 1 + usize::from(word.as_bytes().starts_with(b"--"));
        let mut text = word.as_bytes().get(dashes..).unwrap_or_default();
        let mut word = word.to_owned();
        if dashes == 1 {
            let whole = text;
            while let Some((first, rest)) = self.bundled(text) {
                switch(&mut sorted.own, first, None)?;
                text = rest;
            }
            if text.len() < whole.len() {
                word = OsString::from_vec([b"-", text].concat());
            }
        }
        let mut parts = text.splitn(2, |byte| *byte == b'=');
        let name = parts.next().and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
        let value = parts.next();
        if matches!(name, "h" | "help") {
            return Ok(Next::Help);
        }
        let own = named(self.own, name);
        let global = self.global.filter(|_| own.is_none()).and_then(|global| named(global, name));
        let into = if global.is_some() { &mut sorted.global } else { &mut sorted.own };
        let Some(flag) = own.or(global) else {
            into.push(word);
            return Ok(Next::Word);
        };
        let long = long(flag);
        if !flag.get_action().takes_values() {
            switch(into, long, value)?;
        } else if let Some(value) = value.or_else(|| words.next().map(|word| word.as_bytes())) {
            into.push(OsString::from_vec([long.as_bytes(), b"=", value].concat()));
        } else {
            into.push(long.into());
        }
        Ok(Next::Word)
    }

    /// `-td` is `-t -d`, as with crun: the first switch of what is no flag's name as a whole, and the rest.
    fn bundled(self, text: &[u8]) -> Option<(String, &[u8])> {
        let known = || {
            let name = text.split(|byte| *byte == b'=').next().filter(|name| name.len() <= LONGEST);
            let name = name.and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
            matches!(name, "h" | "help")
                || named(self.own, name).is_some()
                || self.global.is_some_and(|global| named(global, name).is_some())
        };
        let (first, rest) = text.split_first().filter(|(_, rest)| !rest.is_empty() && !known())?;
        let flag = named(self.own, str::from_utf8(&[*first]).ok()?)?;
        (!flag.get_action().takes_values()).then(|| (long(flag), rest))
    }
}

fn named<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    let is = |arg: &&Arg| {
        arg.get_long() == Some(name) || letter.is_some_and(|letter| arg.get_short() == Some(letter))
    };
    command.get_arguments().filter(|arg| !arg.is_positional()).find(is)
}

/// Every flag has a long name.
fn long(flag: &Arg) -> String {
    format!("--{}", flag.get_long().unwrap_or_default())
}

/// No flag has a longer name.
const LONGEST: usize = 64;

/// A flag without a value, unless it is said to be false. The last one counts.
fn switch(into: &mut Vec<OsString>, long: String, value: Option<&[u8]>) -> Result<(), Failure> {
    let truth = match value {
        None | Some(b"") => true,
        Some(value) => str::from_utf8(value).ok().and_then(truth).ok_or_else(|| {
            let value = String::from_utf8_lossy(value);
            Failure::Argument(format!("invalid boolean value {value:?} for {long}"))
        })?,
    };
    into.retain(|word| *word != *long);
    if truth {
        into.push(long.into());
    }
    Ok(())
}

/// Every spelling of a truth value that runc takes: Go's `strconv.ParseBool`.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let switch = |name: &'static str| {
            let short = name.chars().next();
            Arg::new(name).long(name).short(short).action(clap::ArgAction::SetTrue)
        };
        Command::new("x").args([
            switch("detach"),
            switch("tty"),
            Arg::new("bundle").long("bundle").short('b'),
        ])
    }

    fn sorted(line: &str, stop: Stop) -> Result<String, Failure> {
        let command = command();
        let global = Command::new("teu").arg(Arg::new("root").long("root"));
        let known = Known { own: &command, global: Some(&global) };
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let Sorted { own, global, positional } = sort(known, &words, stop)?;
        let joined = |words: Vec<OsString>| words.join(" ".as_ref()).into_string().unwrap();
        Ok([own, global, positional].map(joined).join(" | "))
    }

    #[test]
    fn flags_are_where_runc_finds_them() {
        for (line, wanted) in [
            ("-b /x id", "--bundle=/x |  | id"),
            ("-bundle /x id", "--bundle=/x |  | id"),
            ("--b=/x id", "--bundle=/x |  | id"),
            ("id --bundle=a=b", "--bundle=a=b |  | id"),
            ("--bundle -d id", "--bundle=-d |  | id"),
            ("--bundle -- id", "--bundle=-- |  | id"),
            ("--bundle= id", "--bundle= |  | id"),
            ("id --bundle", "--bundle |  | id"),
            ("id -detach --root /r", "--detach | --root=/r | id"),
            ("-d -- id --tty", "--detach |  | id --tty"),
            ("id - -d", "--detach |  | id -"),
            ("id -9 -d", " |  | id -9 -d"),
            ("-dt id", "--detach --tty |  | id"),
            ("-tb /x id", "--tty --bundle=/x |  | id"),
            ("--dt id", "--dt |  | id"),
            ("--bogus x", "--bogus |  | x"),
            ("--detach --detach=false -t=1 id", "--tty |  | id"),
            ("id --help --bogus", "--help |  | "),
        ] {
            assert_eq!(sorted(line, Stop::Never).unwrap(), wanted, "{line}");
        }
    }

    #[test]
    fn a_word_of_very_many_switches_does_not_overflow_the_stack() {
        let many = format!("-{} id", "dt".repeat(10_000));
        assert_eq!(sorted(&many, Stop::Never).unwrap(), "--detach --tty |  | id");
    }

    #[test]
    fn a_commands_own_flags_are_left_alone() {
        for (line, wanted) in [
            ("-d id ls -d --root x", "--detach |  | id ls -d --root x"),
            ("id -- ls --", " |  | id ls --"),
            ("-- id ls", " |  | id ls"),
            ("id ls -- -d", " |  | id ls -- -d"),
            ("id -h", " |  | id -h"),
        ] {
            assert_eq!(sorted(line, Stop::AtFirst).unwrap(), wanted, "{line}");
        }
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let message = sorted("-detach=perhaps id", Stop::Never).unwrap_err().to_string();
        assert_eq!(message, "invalid boolean value \"perhaps\" for --detach");
    }
}
