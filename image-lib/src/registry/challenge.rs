//! `WWW-Authenticate` (RFC 9110, 11.6.1).

use std::collections::HashMap;

/// What a registry wants to be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password (RFC 7617).
    Basic,
    /// A token, to be had from `realm` (distribution specification, "Token Authentication").
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// Parses the header; `None` for schemes that are not known.
pub fn parse(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => {
            let mut values = parameters(rest);
            Some(Challenge::Bearer {
                realm: values.remove("realm")?,
                service: values.remove("service"),
                scope: values.remove("scope"),
            })
        }
        _ => None,
    }
}

/// `a="1,2", b=3`.
fn parameters(mut text: &str) -> HashMap<String, String> {
    let mut values = HashMap::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([',', ' ']).to_ascii_lowercase();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        values.insert(key, value.to_owned());
        text = rest;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed() {
        let bearer = parse(
            "Bearer realm=\"https://auth.example/token\",service=\"r\", scope=\"repository:a/b:pull,push\"",
        );
        assert_eq!(
            bearer.unwrap(),
            Challenge::Bearer {
                realm: "https://auth.example/token".into(),
                service: Some("r".into()),
                scope: Some("repository:a/b:pull,push".into()),
            }
        );
        assert_eq!(parse("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(parse("basic"), Some(Challenge::Basic));
        for header in ["", "Negotiate", "Bearer", "Bearer service=x", "Bearer realm"] {
            assert_eq!(parse(header), None, "{header}");
        }
    }
}
