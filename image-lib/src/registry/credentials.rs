//! Docker's `config.json`: names and passwords, or the helper that keeps them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token that stands for one.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?}, ..)", self.user)
    }
}

impl Credentials {
    /// `name:password` in base64, as both the header and the file have it.
    pub fn basic(&self) -> String {
        Base64::encode_string(format!("{}:{}", self.user, self.password).as_bytes())
    }

    fn parse(basic: &str) -> Option<Self> {
        let text = String::from_utf8(Base64::decode_vec(basic.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        let password = password.trim_end_matches('\0').to_owned();
        Some(Self { user: user.to_owned(), password })
    }
}

/// The key of Docker Hub in that file.
const HUB: &str = "https://index.docker.io/v1/";

fn key(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

/// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
fn path() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = var("DOCKER_CONFIG").or_else(|| var("HOME").map(|home| home.join(".docker")))?;
    Some(dir.join("config.json"))
}

fn read(path: &Path) -> Result<Value> {
    match std::fs::read(path) {
        Ok(data) => serde_json::from_slice(&data).map_err(|e| Error::damaged(path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(json!({})),
        Err(e) => Err(Error::io("read", path.display(), &e)),
    }
}

/// Those for a registry, if there are any.
pub fn find(registry: &str) -> Result<Option<Credentials>> {
    let Some(path) = path() else { return Ok(None) };
    let config = read(&path)?;
    let key = key(registry);
    if let Some(helper) = helper(&config, key) {
        return ask(helper, key);
    }
    let auths = &config["auths"];
    let entry = [key.to_owned(), format!("https://{key}"), format!("http://{key}")]
        .iter()
        .find_map(|name| auths.get(name));
    Ok(entry.and_then(|entry| entry["auth"].as_str()).and_then(Credentials::parse))
}

fn helper<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    config["credHelpers"][key].as_str().or_else(|| config["credsStore"].as_str())
}

/// `docker-credential-NAME get` (docker-credential-helpers, README).
fn ask(helper: &str, key: &str) -> Result<Option<Credentials>> {
    let said = call(helper, "get", key)?;
    let Ok(answer) = serde_json::from_slice::<Value>(&said) else { return Ok(None) };
    let (user, password) = (answer["Username"].as_str(), answer["Secret"].as_str());
    Ok(user.zip(password).map(|(user, password)| Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    }))
}

fn call(helper: &str, verb: &str, input: &str) -> Result<Vec<u8>> {
    let program = format!("docker-credential-{helper}");
    if helper.contains('/') {
        return Err(Error::Argument(format!("credential helper {helper:?}: has to be a name")));
    }
    let failed = |e: std::io::Error| Error::io("run", &program, &e);
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(failed)?;
    }
    Ok(child.wait_with_output().map_err(failed)?.stdout)
}

/// Keeps them for a registry, where docker looks, too.
///
/// # Errors
/// If the file cannot be written, or the helper run.
pub fn remember(registry: &str, credentials: &Credentials) -> Result<()> {
    let key = key(registry);
    change(key, |config| match helper(config, key).map(str::to_owned) {
        Some(helper) => {
            let secret = json!({
                "ServerURL": key, "Username": credentials.user, "Secret": credentials.password,
            });
            call(&helper, "store", &secret.to_string()).map(drop)
        }
        None => {
            config["auths"][key] = json!({ "auth": credentials.basic() });
            Ok(())
        }
    })
}

/// Forgets them.
///
/// # Errors
/// If the file cannot be written, or the helper run.
pub fn forget(registry: &str) -> Result<()> {
    let key = key(registry);
    change(key, |config| {
        if let Some(auths) = config["auths"].as_object_mut() {
            auths.remove(key);
        }
        match helper(config, key).map(str::to_owned) {
            Some(helper) => call(&helper, "erase", key).map(drop),
            None => Ok(()),
        }
    })
}

/// The file is for its owner's eyes, and replaced as a whole.
fn change(key: &str, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
    let missing = || Error::Argument("neither DOCKER_CONFIG nor HOME is set".into());
    let path = path().ok_or_else(missing)?;
    let mut config = read(&path)?;
    if !config.is_object() {
        return Err(Error::damaged(&path, format!("is no object that could hold {key}")));
    }
    change(&mut config)?;
    let failed = |e: std::io::Error| Error::io("write", path.display(), &e);
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(failed)?;
    let temporary = dir.join(crate::dir::unique("config.json"));
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(format!("{config:#}\n").as_bytes()).map_err(failed)?;
    std::fs::rename(&temporary, &path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_not_shown() {
        let credentials = Credentials { user: "me".into(), password: "a:b".into() };
        assert_eq!(Credentials::parse(&credentials.basic()), Some(credentials.clone()));
        assert!(!format!("{credentials:?}").contains("a:b"));
        assert_eq!(Credentials::parse("!"), None);
    }

    #[test]
    fn docker_hub_has_a_key_of_its_own() {
        assert_eq!(key("docker.io"), HUB);
        assert_eq!(key("localhost:5000"), "localhost:5000");
    }
}
