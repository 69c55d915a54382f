//! Instructions that change the config alone.

use serde_json::{Value, json};

use super::expand::Lexer;
use super::parse::{Command, What};
use super::state::State;
use crate::changes::set_env;
use crate::layer::Inside;

/// Makes the change that an instruction says; the text is what history tells of it.
///
/// # Errors
/// If its variables cannot be expanded, or what it says makes no sense.
pub fn apply(state: &mut State, what: &What, lexer: &Lexer<'_>) -> Result<String, String> {
    match what {
        What::Cmd(command) => {
            let words = command_words(state, command);
            state.has_command = true;
            set(state, "CMD", "Cmd", json!(words))
        }
        What::Entrypoint(command) => {
            let words = command_words(state, command);
            // What the base image had is an argument of its own entrypoint.
            if !state.has_command {
                state.section().remove("Cmd");
            }
            let value = if words.is_empty() { Value::Null } else { json!(words) };
            set(state, "ENTRYPOINT", "Entrypoint", value)
        }
        What::Shell(words) => {
            state.shell = Some(words.clone());
            set(state, "SHELL", "Shell", json!(words))
        }
        What::Env(pairs) => {
            let pairs = expanded(pairs, lexer)?;
            for (key, value) in &pairs {
                set_env(state.section(), key, value);
            }
            Ok(format!("ENV {}", joined(&pairs)))
        }
        What::Label(pairs) => {
            let pairs = expanded(pairs, lexer)?;
            let labels = pairs.iter().map(|(key, value)| (key.clone(), json!(value)));
            insert(state, "Labels", labels);
            Ok(format!("LABEL {}", joined(&pairs)))
        }
        What::User(user) => {
            let user = lexer.word(user)?;
            set(state, "USER", "User", json!(user))
        }
        What::Stopsignal(signal) => {
            let signal = lexer.word(signal)?;
            if !is_signal(&signal) {
                return Err(format!("{signal:?} is no signal"));
            }
            set(state, "STOPSIGNAL", "StopSignal", json!(signal))
        }
        What::Volume(paths) => {
            let paths = paths.iter().map(|path| lexer.word(path)).collect::<Result<Vec<_>, _>>()?;
            if paths.iter().any(|path| path.trim().is_empty()) {
                return Err("a path is empty".into());
            }
            insert(state, "Volumes", paths.iter().map(|path| (path.clone(), json!({}))));
            Ok(format!("VOLUME {}", json!(paths)))
        }
        What::Expose(ports) => {
            let mut names = Vec::new();
            for port in lexer.words(ports)? {
                names.extend(port_names(&port)?);
            }
            insert(state, "ExposedPorts", names.iter().map(|name| (name.clone(), json!({}))));
            Ok(format!("EXPOSE {}", names.join(" ")))
        }
        What::Healthcheck(check) => set(state, "HEALTHCHECK", "Healthcheck", check.to_json()),
        What::Onbuild(trigger) => {
            let list = state.section().entry("OnBuild").or_insert(Value::Null);
            match list {
                Value::Array(list) => list.push(json!(trigger)),
                other => *other = json!([trigger]),
            }
            Ok(format!("ONBUILD {trigger}"))
        }
        What::Maintainer(name) => {
            state.config["author"] = json!(name);
            Ok(format!("MAINTAINER {name}"))
        }
        What::From { .. } | What::Arg(_) | What::Run(_) | What::Copy(_) | What::Workdir(_) => {
            Err("is no change of a config".into())
        }
    }
}

/// A line is for the shell.
pub fn command_words(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => [state.shell(), vec![line.clone()]].concat(),
    }
}

fn set(state: &mut State, word: &str, key: &str, value: Value) -> Result<String, String> {
    let shown = match &value {
        Value::String(text) => format!("{word} {text}"),
        Value::Null => format!("{word} []"),
        other => format!("{word} {other}"),
    };
    if value.is_null() {
        state.section().remove(key);
    } else {
        state.section().insert(key.to_owned(), value);
    }
    Ok(shown)
}

fn insert(state: &mut State, key: &str, new: impl Iterator<Item = (String, Value)>) {
    let value = state.section().entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    if let Value::Object(map) = value {
        map.extend(new);
    }
}

/// All with the values that variables have before the instruction.
fn expanded(
    pairs: &[(String, String)],
    lexer: &Lexer<'_>,
) -> Result<Vec<(String, String)>, String> {
    let pair = |(key, value): &(String, String)| match lexer.word(key)? {
        key if key.is_empty() => Err("a name is empty".to_owned()),
        key => Ok((key, lexer.word(value)?)),
    };
    pairs.iter().map(pair).collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(" ")
}

/// `WORKDIR`: relative ones go on from the one before.
pub fn workdir(before: &str, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{before}/{path}") };
    // The parent of the root is the root.
    let mut clean: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    Ok(format!("/{}", clean.join("/")))
}

/// `80` is `80/tcp`, `80-82/udp` three ports.
fn port_names(port: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{port:?} is no port");
    let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    // `IP:HOST:PORT` of the old form means the port alone.
    let numbers = numbers.rsplit(':').next().unwrap_or(numbers);
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let protocol = protocol.to_ascii_lowercase();
    let (first, last): (u16, u16) =
        (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first > last || !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(wrong());
    }
    Ok((first..=last).map(|number| format!("{number}/{protocol}")).collect())
}

fn is_signal(signal: &str) -> bool {
    if let Ok(number) = signal.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let name = signal.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
}

/// A path of the image, absolute.
pub fn absolute(workdir: &str, path: &str) -> Result<String, String> {
    let joined = format!("{workdir}/{path}");
    let joined = if path.starts_with('/') { path } else { &joined };
    Inside::parse(joined.as_bytes())
        .map(|_| format!("/{}", joined.trim_start_matches('/')))
        .ok_or_else(|| format!("{path}: leads out of the image"))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
