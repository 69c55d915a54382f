//! Connections: TLS with the system's certificates, time limits, and who may do without TLS.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// To connect, and until an answer begins. A body may take as long as it does, if only something comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where distributions keep the certificates they trust; OpenSSL's variable says otherwise.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// An agent that keeps connections open.
pub fn agent(verify: bool) -> Agent {
    let tls = TlsConfig::builder().root_certs(roots()).disable_verification(!verify).build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("teu-image/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn roots() -> RootCerts {
    let named = std::env::var("SSL_CERT_FILE").ok();
    let files = named.as_deref().into_iter().chain(CERTIFICATES);
    let Some(pem) = files.into_iter().find_map(|file| std::fs::read(file).ok()) else {
        return RootCerts::WebPki;
    };
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    RootCerts::Specific(Arc::new(certificates.collect()))
}

/// Whether a registry is on this very machine: what goes there, nobody else hears.
pub fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in ["docker.io", "localhost.example:80", "10.0.0.1", "127.0.0.1.example"] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
