//! What browsers and proxies may keep, and for how long.
//!
//! What an id names never changes once it lies deep enough in the chain that no reorg takes it back. All else is told from one tip: it
//! may be kept, but is to be asked for again, which costs next to nothing while the tip stays.

use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qbtc_core::hash::BlockHash;

/// Below so many blocks nothing is expected to change any more.
const SETTLED_BLOCKS: u32 = 100;
/// A year, the longest time that caches are asked to keep anything.
const SETTLED: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
const NEVER: &str = "no-store";

/// For how long an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// For good: what is told is named by this text, and settled.
    Settled(String),
    /// For as long as the tip is this one.
    AtTip(BlockHash),
    /// For as long as the program is this one: a text that is part of it, named by its hash.
    Program(String),
    /// For this moment.
    Moment,
}

impl Validity {
    /// Of what an id names and holds in itself, under so many blocks; `None` for what is not in the chain.
    pub(crate) fn of_content(name: &impl ToString, confirmations: Option<u32>, tip: BlockHash) -> Self {
        match confirmations {
            Some(confirmations) if confirmations > SETTLED_BLOCKS => Self::Settled(name.to_string()),
            _ => Self::AtTip(tip),
        }
    }

    /// The tag of the answer. It names the program's version too, since another one may write the same thing otherwise.
    fn tag(&self) -> Option<HeaderValue> {
        let version = env!("CARGO_PKG_VERSION");
        let text = match self {
            Self::Settled(name) | Self::Program(name) => format!("\"{name}-{version}\""),
            Self::AtTip(tip) => format!("W/\"{tip}-{version}\""),
            Self::Moment => return None,
        };
        HeaderValue::from_str(&text).ok()
    }

    const fn control(&self) -> &'static str {
        match self {
            Self::Settled(_) => SETTLED,
            Self::AtTip(_) | Self::Program(_) => ASK_AGAIN,
            Self::Moment => NEVER,
        }
    }

    /// Whether the client has this very answer, as the tag that it names tells.
    pub(crate) fn is_named_by(&self, asked: &HeaderMap) -> bool {
        let tag = self.tag();
        tag.is_some_and(|tag| asked.get_all(IF_NONE_MATCH).iter().any(|known| known != "*" && names(known, &tag)))
    }

    /// The answer with what caches are told, or just that what the client has still holds.
    pub(crate) fn respond(&self, asked: &HeaderMap, body: impl IntoResponse) -> Response {
        let tag = self.tag();
        let is_known =
            tag.as_ref().is_some_and(|tag| asked.get_all(IF_NONE_MATCH).iter().any(|known| names(known, tag)));
        let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.control()));
        if let Some(tag) = tag {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// Whether the list of tags that a client knows names this one, weakly compared (RFC 9110, section 13.1.2).
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|each| opaque(each) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tag: &str) -> HeaderMap {
        HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(tag).unwrap())])
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let tip = BlockHash::from_bytes([1; 32]);
        let validity = Validity::AtTip(tip);
        let first = validity.respond(&HeaderMap::new(), "text");
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", {tag}"), tag.replace("W/", ""), "*".to_owned()] {
            assert_eq!(validity.respond(&asked(&known), "text").status(), StatusCode::NOT_MODIFIED, "{known}");
        }
        let moved = Validity::AtTip(BlockHash::from_bytes([2; 32]));
        assert_eq!(moved.respond(&asked(&tag), "text").status(), StatusCode::OK);
    }

    #[test]
    fn only_what_is_settled_is_kept_for_good() {
        let tip = BlockHash::from_bytes([1; 32]);
        assert_eq!(Validity::of_content(&"x", Some(100), tip), Validity::AtTip(tip));
        assert_eq!(Validity::of_content(&"x", None, tip), Validity::AtTip(tip));
        let settled = Validity::of_content(&"x", Some(101), tip);
        assert_eq!(settled, Validity::Settled("x".to_owned()));
        assert_eq!(settled.respond(&HeaderMap::new(), "text").headers()[CACHE_CONTROL], SETTLED);
        let moment = Validity::Moment.respond(&asked("*"), "text");
        assert_eq!((moment.status(), moment.headers().contains_key(ETAG)), (StatusCode::OK, false));
    }
}
