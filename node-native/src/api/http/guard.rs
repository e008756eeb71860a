//! Keeps web pages from driving a node that runs on their reader's machine.
//!
//! A browser sends a page's requests to any address it likes, 127.0.0.1 included, and adds what tells them from those of other
//! programs: `Origin` and `Sec-Fetch-Site`, which no page can leave out or forge. A page can also have its own name resolve to
//! 127.0.0.1 (DNS rebinding) and so be of the same origin; then `Host` names it. So a request passes if its host is a literal
//! address, `localhost` or a name that the operator allowed, and if it comes from no page but those allowed.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::{Method, StatusCode, Uri, Version};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};

use super::cors;
use crate::api::shortened;
use crate::metrics::{Interface, Metrics, Rejection};

/// Which web pages may use an interface, beside those whose origin is allowed by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// None: it is for programs.
    None,
    /// Those that the interface itself has served.
    SameOrigin,
}

/// What a request must look like to be heard.
#[derive(Clone, Debug)]
pub struct Guard {
    pages: Pages,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is not heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No host, two, or one that is no text.
    #[error("the request must name exactly one host, in the Host header")]
    NoHost,
    /// A name that a web page could have made to point here.
    #[error(
        "host {found:?} is not known here: use the node's IP address or localhost, or allow the name with --allow-host"
    )]
    Host {
        /// The name found, without the port.
        found: String,
    },
    /// A page that is not allowed.
    #[error(
        "requests from the web page {found:?} are not allowed here: allow its origin with --allow-origin for the HTTP interface, or with \
         --rpc-allow-origin for JSON-RPC"
    )]
    Origin {
        /// The page's origin.
        found: String,
    },
    /// A page that did not say which.
    #[error("requests from web pages are not allowed (Sec-Fetch-Site: {found})")]
    Page {
        /// How the page stands to this host.
        found: String,
    },
}

/// How a browser says where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Guard {
    /// A guard that knows literal addresses and `localhost` only.
    #[must_use]
    pub const fn new(pages: Pages) -> Self {
        Self { pages, hosts: Vec::new(), origins: Vec::new() }
    }

    /// With further names that the node is reached by, without a port.
    #[must_use]
    pub fn with_hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.hosts.extend(hosts.into_iter().map(str::to_ascii_lowercase));
        self
    }

    /// With the origins of web pages and browser extensions that may use the interface, such as `https://wallet.example`.
    #[must_use]
    pub fn with_origins<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        self.origins.extend(origins.into_iter().map(ToOwned::to_owned));
        self
    }

    /// Whether a page of this origin is allowed by name.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    /// Whether any page is allowed by name.
    pub(super) const fn allows_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Puts the guard before all routes, and lets pages of allowed origins read what they answer.
    pub fn protect(self, router: Router, interface: Interface, metrics: Arc<Metrics>) -> Router {
        let guard = Arc::new(self);
        let gate = Gate { guard: Arc::clone(&guard), interface, metrics };
        router
            .layer(middleware::from_fn_with_state(guard, cors::share))
            .layer(middleware::from_fn_with_state(gate, pass))
    }

    /// Checks where a request comes from.
    ///
    /// # Errors
    /// [`Refusal`], with what its sender can do about it.
    pub fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let host = host(headers, request.uri(), request.version())?;
        self.check_host(host)?;
        self.check_page(request.method(), headers, host)
    }

    fn check_host(&self, host: Option<&str>) -> Result<(), Refusal> {
        // Only programs still speak HTTP/1.0, which has no Host.
        let Some(host) = host else { return Ok(()) };
        let name = without_port(host);
        let is_address = name.parse::<IpAddr>().is_ok()
            || name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(is_ipv6);
        let lower = name.to_ascii_lowercase();
        if is_address || lower == "localhost" || self.hosts.contains(&lower) {
            return Ok(());
        }
        Err(Refusal::Host { found: shortened(name) })
    }

    fn check_page(&self, method: &Method, headers: &HeaderMap, host: Option<&str>) -> Result<(), Refusal> {
        let mut named = false;
        for origin in headers.get_all(ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            let is_own = self.pages == Pages::SameOrigin && host.is_some_and(|host| is_at(&origin, host));
            if !is_own && !self.allows_origin(&origin) {
                return Err(Refusal::Origin { found: shortened(&origin) });
            }
            named = true;
        }
        if named {
            return Ok(());
        }
        for site in headers.get_all(SEC_FETCH_SITE) {
            let allowed = match (self.pages, site.as_bytes()) {
                (Pages::None, _) => false,
                (Pages::SameOrigin, b"same-origin" | b"none") => true,
                // A link on another page may lead here; what it leads to is shown to the reader, not to that page.
                (Pages::SameOrigin, _) => method == Method::GET || method == Method::HEAD,
            };
            if !allowed {
                return Err(Refusal::Page { found: shortened(&String::from_utf8_lossy(site.as_bytes())) });
            }
        }
        Ok(())
    }
}

/// A guard at its place.
#[derive(Clone)]
struct Gate {
    guard: Arc<Guard>,
    interface: Interface,
    metrics: Arc<Metrics>,
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            gate.metrics.request_rejected(gate.interface, refusal.counted_as());
            (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response()
        }
    }
}

impl Refusal {
    const fn counted_as(&self) -> Rejection {
        match self {
            Self::NoHost | Self::Host { .. } => Rejection::Host,
            Self::Origin { .. } | Self::Page { .. } => Rejection::Origin,
        }
    }
}

/// The host that a request names, with its port; `None` for the old protocol that has none.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri, version: Version) -> Result<Option<&'a str>, Refusal> {
    let mut named = headers.get_all(HOST).iter();
    match (named.next(), named.next(), uri.authority()) {
        // The target's own host goes before the header (RFC 9112, section 3.2.2).
        (_, None, Some(authority)) => Ok(Some(authority.as_str())),
        (Some(host), None, None) => host.to_str().map(Some).map_err(|_| Refusal::NoHost),
        (None, None, None) if version == Version::HTTP_10 => Ok(None),
        _ => Err(Refusal::NoHost),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// Whether an origin is that of pages served at this host.
fn is_at(origin: &str, host: &str) -> bool {
    let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    name.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let builder = axum::http::Request::builder().method(method).uri("/");
        let with = |builder: axum::http::request::Builder, (name, value): &(&str, &str)| builder.header(*name, *value);
        headers.iter().fold(builder, with).body(Body::empty()).unwrap()
    }

    #[test]
    fn only_names_that_nobody_can_rebind_pass() {
        let guard = Guard::new(Pages::None).with_hosts(["Node.example"]);
        for host in
            ["127.0.0.1", "127.0.0.1:8332", "[::1]:8332", "[::1]", "localhost", "LOCALHOST:1", "node.example:8332"]
        {
            assert_eq!(guard.check(&request("POST", &[("host", host)])), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8332", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", ""]
        {
            let refused = guard.check(&request("POST", &[("host", host)]));
            assert!(matches!(refused, Err(Refusal::Host { .. })), "{host}");
        }
        assert_eq!(guard.check(&request("POST", &[])), Err(Refusal::NoHost));
        assert_eq!(
            guard.check(&request("POST", &[("host", "localhost"), ("host", "localhost")])),
            Err(Refusal::NoHost)
        );
        let mut old = request("POST", &[]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(guard.check(&old), Ok(()));
    }

    #[test]
    fn the_target_goes_before_the_header() {
        let guard = Guard::new(Pages::None);
        let mut absolute = request("POST", &[("host", "127.0.0.1")]);
        *absolute.uri_mut() = "http://evil.example/".parse().unwrap();
        assert!(matches!(guard.check(&absolute), Err(Refusal::Host { .. })));
    }

    #[test]
    fn no_page_drives_what_is_for_programs() {
        let guard = Guard::new(Pages::None).with_origins(["chrome-extension://abc"]);
        let check = |method: &str, more: (&str, &str)| guard.check(&request(method, &[("host", "localhost:1"), more]));
        assert_eq!(check("POST", ("user-agent", "minerd")), Ok(()));
        assert_eq!(check("POST", ("origin", "chrome-extension://abc")), Ok(()));
        for origin in ["http://localhost:1", "null", "https://evil.example"] {
            assert!(matches!(check("POST", ("origin", origin)), Err(Refusal::Origin { .. })), "{origin}");
        }
        for site in ["none", "same-origin", "cross-site"] {
            assert!(matches!(check("POST", ("sec-fetch-site", site)), Err(Refusal::Page { .. })), "{site}");
        }
    }

    #[test]
    fn pages_served_here_may_use_what_is_for_pages() {
        let guard = Guard::new(Pages::SameOrigin);
        let check = |method: &str, more: (&str, &str)| guard.check(&request(method, &[("host", "localhost:1"), more]));
        assert_eq!(check("POST", ("origin", "http://localhost:1")), Ok(()));
        assert_eq!(check("POST", ("sec-fetch-site", "same-origin")), Ok(()));
        assert_eq!(check("GET", ("sec-fetch-site", "cross-site")), Ok(()));
        for origin in
            ["http://localhost:2", "http://localhost", "null", "ftp://localhost:1", "http://localhost:1.evil.example"]
        {
            assert!(matches!(check("GET", ("origin", origin)), Err(Refusal::Origin { .. })), "{origin}");
        }
        assert!(matches!(check("POST", ("sec-fetch-site", "cross-site")), Err(Refusal::Page { .. })));
    }
}
