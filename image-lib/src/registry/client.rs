//! Requests to one registry: scheme, credentials, tokens, errors in its own words.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;

use oci_spec::image::Digest;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::access::{agent, is_loopback};
use super::challenge::{Challenge, parse};
use super::{Access, Credentials, credentials};
use crate::dir::MAX_DOCUMENT;
use crate::error::{Error, Result};

/// Manifests that are understood, most wanted first.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A registry.
pub struct Client {
    agent: Agent,
    /// With scheme, without a slash at the end.
    base: String,
    registry: String,
    credentials: Option<Credentials>,
    /// What to send as `Authorization`, by the scope that was asked for.
    tokens: Mutex<HashMap<String, String>>,
}

/// A manifest or index as it came.
pub struct Document {
    pub media_type: String,
    pub data: Vec<u8>,
}

impl Client {
    /// Finds out how the registry is spoken to.
    pub fn new(registry: &str, access: &Access) -> Result<Self> {
        let insecure = access.insecure || is_loopback(registry);
        let agent = agent(!insecure);
        let credentials = match &access.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => credentials::find(registry)?,
        };
        let mut base = format!("https://{registry}");
        if insecure && agent.get(format!("{base}/v2/")).call().is_err() {
            base = format!("http://{registry}");
        }
        let registry = registry.to_owned();
        Ok(Self { agent, base, registry, credentials, tokens: Mutex::default() })
    }

    /// The agent and credentials are accepted.
    pub fn check(&self) -> Result<()> {
        self.get("/v2/", "", &[]).map(drop)
    }

    /// What the registry's own search finds (`GET /v1/search`, which Docker Hub has kept); `None` if it
    /// has none.
    pub fn found(&self, word: &str) -> Result<Option<Vec<String>>> {
        let response = self.send("", |token| {
            let request = self.agent.get(self.url("/v1/search"));
            authorized(request.query("q", word).query("n", "100"), token).call()
        })?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let answer: Value = serde_json::from_slice(&self.body(response)?).unwrap_or_default();
        let Some(results) = answer["results"].as_array() else { return Ok(None) };
        let names = results.iter().filter_map(|result| result["name"].as_str());
        Ok(Some(names.map(str::to_owned).collect()))
    }

    /// All repositories, page after page.
    pub fn catalog(&self) -> Result<Vec<String>> {
        const PAGES: usize = 100;
        let mut names = Vec::new();
        let mut path = "/v2/_catalog?n=1000".to_owned();
        for _ in 0..PAGES {
            let response = self.get(&path, "registry:catalog:*", &[])?;
            let next = header(&response, "link").and_then(next_page);
            let page: Value = serde_json::from_slice(&self.body(response)?)
                .map_err(|e| self.failed("catalog", &e))?;
            let list = page["repositories"].as_array().into_iter().flatten();
            names.extend(list.filter_map(Value::as_str).map(str::to_owned));
            match next {
                Some(next) if next.starts_with('/') => path = next,
                _ => break,
            }
        }
        Ok(names)
    }

    /// A manifest or index, by tag or digest. Its digest is for the caller to verify.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Document> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let response = self.get(&path, &pull_scope(repository), &[("accept", MANIFESTS)])?;
        let media_type = header(&response, "content-type").unwrap_or_default().to_owned();
        Ok(Document { media_type, data: self.body(response)? })
    }

    /// A blob from a position on. A registry that does not know ranges begins at the beginning: then it
    /// is read up to there.
    pub fn blob(&self, repository: &str, digest: &Digest, from: u64) -> Result<impl Read + use<>> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let range = format!("bytes={from}-");
        let headers: &[(&str, &str)] = if from == 0 { &[] } else { &[("range", &range)] };
        let response = self.get(&path, &pull_scope(repository), headers)?;
        let whole = response.status() != StatusCode::PARTIAL_CONTENT;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        if from > 0 && whole {
            std::io::copy(&mut body.by_ref().take(from), &mut std::io::sink())
                .map_err(|e| self.failed("blob", &e))?;
        }
        Ok(body)
    }

    /// Whether it has a blob.
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let request = |token: Option<&str>| {
            let request = self.agent.head(self.url(&path));
            authorized(request, token).call()
        };
        match self.send(&push_scope(repository), request)?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => Err(self.failed(&path, &status)),
        }
    }

    /// Uploads a blob in one request. `open` is called again where the request has to be repeated.
    pub fn put_blob<R: Read>(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
        open: impl Fn() -> Result<R>,
    ) -> Result<()> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let scope = push_scope(repository);
        let begun = self.send(&scope, |token| {
            authorized(self.agent.post(self.url(&path)), token).send_empty()
        })?;
        let begun = self.expect(&path, begun, StatusCode::ACCEPTED)?;
        let place = header(&begun, "location").ok_or_else(|| self.failed(&path, &"no location"))?;
        let place = if place.starts_with('/') { self.url(place) } else { place.to_owned() };
        let separator = if place.contains('?') { '&' } else { '?' };
        let place = format!("{place}{separator}digest={digest}");
        let response = self.send(&scope, |token| {
            let mut body = open().map_err(|e| ureq::Error::Io(std::io::Error::other(e)))?;
            let request = self.agent.put(&place);
            authorized(request, token)
                .header("content-type", "application/octet-stream")
                .header("content-length", size.to_string())
                .send(SendBody::from_reader(&mut body))
        })?;
        self.expect("upload", response, StatusCode::CREATED).map(drop)
    }

    /// Uploads a manifest under a tag or digest.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        document: &Document,
    ) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let response = self.send(&push_scope(repository), |token| {
            authorized(self.agent.put(self.url(&path)), token)
                .header("content-type", &document.media_type)
                .send(&document.data[..])
        })?;
        self.expect(&path, response, StatusCode::CREATED).map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn get(&self, path: &str, scope: &str, headers: &[(&str, &str)]) -> Result<Response<Body>> {
        let response = self.send(scope, |token| {
            let request = authorized(self.agent.get(self.url(path)), token);
            headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value))
                .call()
        })?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(path, response))
        }
    }

    /// Sends a request, and again with what the registry wants to be shown if it does.
    fn send(
        &self,
        scope: &str,
        mut request: impl FnMut(Option<&str>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>> {
        let known = self.token(scope);
        let response = request(known.as_deref()).map_err(|e| self.failed("request", &e))?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = header(&response, "www-authenticate").and_then(parse);
        let Some(token) = self.answer(challenge, scope)? else { return Ok(response) };
        if let Ok(mut tokens) = self.tokens.lock() {
            tokens.insert(scope.to_owned(), token.clone());
        }
        request(Some(&token)).map_err(|e| self.failed("request", &e))
    }

    fn token(&self, scope: &str) -> Option<String> {
        self.tokens.lock().ok()?.get(scope).cloned()
    }

    /// The `Authorization` that answers a challenge, if we have one.
    fn answer(&self, challenge: Option<Challenge>, scope: &str) -> Result<Option<String>> {
        let basic = self.credentials.as_ref().map(|known| format!("Basic {}", known.basic()));
        let Some(Challenge::Bearer { realm, service, scope: wanted }) = challenge else {
            return Ok(basic);
        };
        if !realm.starts_with("https://") && self.base.starts_with("https://") {
            return Err(self.failed("token", &"the registry sends passwords elsewhere without TLS"));
        }
        let mut request = self.agent.get(&realm);
        for (key, value) in [("service", service), ("scope", wanted.or(Some(scope.to_owned())))] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                request = request.query(key, value);
            }
        }
        let response =
            authorized(request, basic.as_deref()).call().map_err(|e| self.failed("token", &e))?;
        if !response.status().is_success() {
            return Err(self.refusal("token", response));
        }
        let answer: Value =
            serde_json::from_slice(&self.body(response)?).map_err(|e| self.failed("token", &e))?;
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        Ok(token.map(|token| format!("Bearer {token}")))
    }

    fn body(&self, response: Response<Body>) -> Result<Vec<u8>> {
        response
            .into_body()
            .into_with_config()
            .limit(MAX_DOCUMENT)
            .read_to_vec()
            .map_err(|e| self.failed("read", &e))
    }

    fn expect(
        &self,
        what: &str,
        response: Response<Body>,
        status: StatusCode,
    ) -> Result<Response<Body>> {
        if response.status() == status { Ok(response) } else { Err(self.refusal(what, response)) }
    }

    /// The registry's own words, if it has any.
    fn refusal(&self, what: &str, response: Response<Body>) -> Error {
        let status = response.status();
        let said = self.body(response).unwrap_or_default();
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        let first = &said["errors"][0];
        let problem = match first["message"].as_str().or_else(|| first["code"].as_str()) {
            Some(message) => format!("{status}: {message}"),
            None => status.to_string(),
        };
        self.failed(what, &problem)
    }

    fn failed(&self, what: &str, problem: &dyn std::fmt::Display) -> Error {
        Error::Registry {
            registry: self.registry.clone(),
            what: what.to_owned(),
            problem: problem.to_string(),
        }
    }
}

fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

fn authorized<B>(request: ureq::RequestBuilder<B>, token: Option<&str>) -> ureq::RequestBuilder<B> {
    match token {
        Some(token) => request.header("authorization", token),
        None => request,
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// `</v2/_catalog?last=x>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (url, _) = link.strip_prefix('<')?.split_once('>')?;
    Some(url.to_owned())
}
