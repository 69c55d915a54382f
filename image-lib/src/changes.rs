//! Changes of an image's config in a Dockerfile's words, as `commit --change` and `build` have them.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Makes each change in turn.
///
/// # Errors
/// If one is not understood.
pub fn apply(config: &mut Value, changes: &[String]) -> Result<()> {
    for change in changes {
        let (word, rest) = change.trim().split_once(char::is_whitespace).unwrap_or((change, ""));
        one(config, &word.to_ascii_uppercase(), rest.trim())
            .map_err(|problem| Error::Argument(format!("change {change:?}: {problem}")))?;
    }
    Ok(())
}

/// Makes one change: a word and what follows it.
pub fn one(config: &mut Value, word: &str, rest: &str) -> Result<(), String> {
    if rest.is_empty() {
        return Err("has nothing behind the word".into());
    }
    let config = section(config);
    match word {
        "CMD" => config.insert("Cmd".into(), command(rest)),
        "ENTRYPOINT" => config.insert("Entrypoint".into(), command(rest)),
        "USER" => config.insert("User".into(), json!(rest)),
        "WORKDIR" => {
            let dir = workdir(config.get("WorkingDir").and_then(Value::as_str), rest);
            config.insert("WorkingDir".into(), json!(dir))
        }
        "STOPSIGNAL" => config.insert("StopSignal".into(), json!(rest)),
        "ENV" => {
            for (key, value) in pairs(rest)? {
                set_env(config, &key, &value);
            }
            None
        }
        "LABEL" => {
            let labels = object(config, "Labels");
            labels.extend(pairs(rest)?.into_iter().map(|(key, value)| (key, json!(value))));
            None
        }
        "EXPOSE" => {
            for port in words(rest)? {
                object(config, "ExposedPorts").insert(port_name(&port)?, json!({}));
            }
            None
        }
        "VOLUME" => {
            let paths = match serde_json::from_str::<Vec<String>>(rest) {
                Ok(paths) => paths,
                Err(_) => words(rest)?,
            };
            let volumes = object(config, "Volumes");
            volumes.extend(paths.into_iter().map(|path| (path, json!({}))));
            None
        }
        "ONBUILD" => {
            let list = config.entry("OnBuild").or_insert_with(|| json!([]));
            match list {
                Value::Array(list) => list.push(json!(rest)),
                other => *other = json!([rest]),
            }
            None
        }
        _ => return Err("is no change of a config".into()),
    };
    Ok(())
}

/// The part of an image's config that is about containers.
pub fn section(config: &mut Value) -> &mut Map<String, Value> {
    let top = as_object(config);
    as_object(top.entry("config").or_insert(Value::Null))
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => {
            *other = json!({});
            as_object(other)
        }
    }
}

fn object<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    as_object(config.entry(key).or_insert(Value::Null))
}

/// The exec form if it is JSON, else a line for the shell.
fn command(rest: &str) -> Value {
    match serde_json::from_str::<Vec<String>>(rest) {
        Ok(words) => json!(words),
        Err(_) => json!(["/bin/sh", "-c", rest]),
    }
}

/// Relative ones go on from the one before.
fn workdir(before: Option<&str>, dir: &str) -> String {
    let joined = std::path::Path::new(before.unwrap_or("/")).join(dir);
    std::path::Path::new("/").join(joined).to_string_lossy().into_owned()
}

/// Replaces a variable, or appends it.
pub fn set_env(config: &mut Map<String, Value>, key: &str, value: &str) {
    let line = json!(format!("{key}={value}"));
    let list = config.entry("Env").or_insert_with(|| json!([]));
    let Value::Array(list) = list else {
        *list = json!([line]);
        return;
    };
    let is_it =
        |item: &&mut Value| item.as_str().is_some_and(|item| item.split('=').next() == Some(key));
    match list.iter_mut().find(is_it) {
        Some(item) => *item = line,
        None => list.push(line),
    }
}

/// `a=b "c d"=e`, or the old form of a single `key value with spaces`.
pub fn pairs(rest: &str) -> Result<Vec<(String, String)>, String> {
    let words = words(rest)?;
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or("needs a value")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} has no value"))?;
        if key.is_empty() {
            Err("a name is empty".to_owned())
        } else {
            Ok((key.into(), value.into()))
        }
    };
    words.iter().map(pair).collect()
}

/// Words as a shell would split them: quotes and backslashes, no expansion.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            None => return Err("a quote is not closed".into()),
            Some(c) if c == quote => return Ok(()),
            Some('\\') if quote == '"' => match chars.next() {
                Some(c @ ('"' | '\\' | '$')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => {}
            },
            Some(c) => word.push(c),
        }
    }
}

/// `80` is `80/tcp`.
fn port_name(port: &str) -> Result<String, String> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let bounds: Vec<_> = number.splitn(2, '-').collect();
    let valid = bounds.iter().all(|bound| bound.parse::<u16>().is_ok());
    if valid && ["tcp", "udp", "sctp"].contains(&protocol) {
        Ok(format!("{number}/{protocol}"))
    } else {
        Err(format!("{port:?} is no port"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(changes: &[&str]) -> Value {
        let mut config = json!({"config": {"Env": ["PATH=/bin", "A=1"], "WorkingDir": "/srv"}});
        apply(&mut config, &changes.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        config["config"].take()
    }

    #[test]
    fn commands_have_two_forms() {
        let config = applied(&["CMD [\"a\", \"b c\"]", "entrypoint exec it"]);
        assert_eq!(config["Cmd"], json!(["a", "b c"]));
        assert_eq!(config["Entrypoint"], json!(["/bin/sh", "-c", "exec it"]));
    }

    #[test]
    fn variables_are_replaced_or_appended() {
        let config = applied(&["ENV A=2 B='x y'", "ENV C some words", "ENV B=3"]);
        assert_eq!(config["Env"], json!(["PATH=/bin", "A=2", "B=3", "C=some words"]));
    }

    #[test]
    fn the_rest_goes_where_docker_puts_it() {
        let config = applied(&[
            "WORKDIR sub",
            "USER a:b",
            "EXPOSE 80 53/udp",
            "VOLUME /a /b",
            "VOLUME [\"/c d\"]",
            "LABEL x=1 \"y z\"=2",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN true",
        ]);
        assert_eq!(config["WorkingDir"], "/srv/sub");
        assert_eq!(config["User"], "a:b");
        assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}, "53/udp": {}}));
        assert_eq!(config["Volumes"], json!({"/a": {}, "/b": {}, "/c d": {}}));
        assert_eq!(config["Labels"], json!({"x": "1", "y z": "2"}));
        assert_eq!(
            (&config["StopSignal"], &config["OnBuild"]),
            (&json!("SIGINT"), &json!(["RUN true"]))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for change in
            ["RUN true", "CMD", "ENV A", "EXPOSE x", "EXPOSE 99999", "LABEL a='b", "ENV =x"]
        {
            assert!(apply(&mut json!({}), &[change.to_owned()]).is_err(), "{change}");
        }
    }
}
