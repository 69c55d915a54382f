//! A registry made of a store's blobs, whose answers a test can spoil.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::place::Place;

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn read(client: &mut TcpStream) -> Option<Self> {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            // A handshake of TLS begins with byte 22: closing makes clients talk without.
            let first_is_text = text.first().is_none_or(u8::is_ascii_alphabetic);
            if client.read(&mut byte).ok()? == 0 || !first_is_text || text.len() > 65536 {
                return None;
            }
            text.push(byte[0]);
        }
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Self { method, path, headers: headers.collect() })
    }
}

/// What it gets.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection is closed after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn write(&self, client: &mut TcpStream, with_body: bool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        client.write_all(head.as_bytes())?;
        if with_body {
            client.write_all(&self.body[..self.cut.unwrap_or(self.body.len())])?;
        }
        Ok(())
    }
}

/// The registry. It answers as long as the test runs.
pub struct Fake {
    pub port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// `answer` may have an answer of its own, or change the one that is right.
    pub fn start(
        content: Content,
        answer: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new((content, answer, Arc::clone(&log)));
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let Some(request) = Request::read(&mut client) else { return };
                    let (content, answer, log) = &*shared;
                    log.lock().unwrap().push(request.clone());
                    let answer = answer(&request, content.answer(&request));
                    let _ = answer.write(&mut client, request.method != "HEAD");
                });
            }
        });
        Self { port, log }
    }

    pub fn name(&self, rest: &str) -> String {
        format!("localhost:{}/{rest}", self.port)
    }

    /// All requests so far whose path has that in it.
    pub fn asked(&self, part: &str) -> Vec<Request> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|request| request.path.contains(part)).cloned().collect()
    }
}

/// What the registry has.
#[derive(Default)]
pub struct Content {
    blobs: PathBuf,
    /// By the last part of the path.
    documents: HashMap<String, (String, Vec<u8>)>,
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Content {
    /// The image `busybox` of a place, as `latest`.
    pub fn busybox(place: &Place) -> Self {
        let image = place.image("docker.io/library/busybox:latest");
        let digest = image["Digest"].as_str().unwrap();
        let mut content = Self::of_store(place);
        let manifest = content.blob(digest);
        content.document("latest", MANIFEST, &manifest);
        content
    }

    pub fn of_store(place: &Place) -> Self {
        Self { blobs: place.path("store/blobs/sha256"), documents: HashMap::new() }
    }

    pub fn blob(&self, digest: &str) -> Vec<u8> {
        std::fs::read(self.blobs.join(digest.trim_start_matches("sha256:"))).unwrap()
    }

    /// A document under a tag, and under its digest, which is returned.
    pub fn document(&mut self, tag: &str, media_type: &str, data: &[u8]) -> String {
        let digest = digest(data);
        for name in [tag, &digest] {
            self.documents.insert(name.to_owned(), (media_type.to_owned(), data.to_vec()));
        }
        digest
    }

    fn answer(&self, request: &Request) -> Answer {
        let last = request.path.rsplit('/').next().unwrap();
        if request.path.ends_with("/v2/") {
            return Answer::new(200, "{}");
        }
        if let Some((media_type, data)) = self.documents.get(last) {
            return Answer::new(200, data.as_slice()).header("Content-Type", media_type);
        }
        let hex = last.trim_start_matches("sha256:");
        let Ok(data) = std::fs::read(self.blobs.join(hex)) else {
            return Answer::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#);
        };
        match from(request) {
            None => Answer::new(200, data),
            Some(from) => Answer::new(206, &data[from..]),
        }
    }
}

/// The first byte of a range.
pub fn from(request: &Request) -> Option<usize> {
    request.header("range").strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// By coreutils: not by what is tested.
pub fn digest(data: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let sum = integration_tests::Cmd::new("sha256sum").arg(file.path()).run().ok();
    format!("sha256:{}", sum.out().split(' ').next().unwrap())
}
