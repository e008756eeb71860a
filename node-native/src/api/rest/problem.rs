//! What a client is told when a request is not answered as asked.
//!
//! A problem is JSON (RFC 9457, `application/problem+json`): a word that programs can go by, a sentence for people with what was found and
//! what was expected, and, where there is one, what to do about it. Nothing of the node's insides is told.

use std::fmt;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::shortened;
use crate::store::StoreError;

/// Why a request was not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16, example = 404)]
    status: StatusCode,
    /// One word for the kind of problem.
    #[schema(value_type = String, example = "not_found")]
    code: &'static str,
    /// What was found, and what was expected.
    message: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl Problem {
    const fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message, mend: None, retry_after_s: None }
    }

    /// A part of the path or query, or a body, that cannot be read.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message.into())
    }

    /// A parameter with another value than it may have.
    pub(crate) fn parameter(name: &str, found: &str, expected: impl fmt::Display) -> Self {
        Self::bad_request(format!("{name} {:?}: expected {expected}", shortened(found)))
    }

    /// Something that is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message.into())
    }

    /// Something that is not for this client.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message.into())
    }

    /// A path that there is not.
    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::not_found(format!("path {:?} is not known here", shortened(path)))
            .with_mend("all paths are listed at /api/docs")
    }

    /// A method that the path does not have.
    pub(crate) fn method(path: &str) -> Self {
        let message = format!("path {:?} does not have this method", shortened(path));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with_mend("all paths with their methods are listed at /api/docs")
    }

    /// A block that was there, and of which this node has kept the header only.
    pub(crate) fn pruned(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::GONE, "pruned", format!("{what} is pruned on this node"))
            .with_mend("ask a node that keeps all blocks (without --prune)")
    }

    /// Something that only an index can answer, which this node does not keep.
    pub(crate) fn no_index(option: &'static str) -> Self {
        let message = format!("this node does not keep the index that answers this ({option})");
        Self::new(StatusCode::NOT_IMPLEMENTED, "index_off", message).with_mend(format!("start the node with {option}"))
    }

    /// A transaction that the node does not take.
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", why.to_string())
    }

    /// A body of a kind that is not read here.
    pub(crate) fn media_type(found: Option<&str>, expected: &'static str) -> Self {
        let message = format!("Content-Type {:?}: expected {expected}", shortened(found.unwrap_or_default()));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", message)
    }

    /// A body that is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body exceeds the limit of {limit} bytes"))
    }

    /// Too many requests from one address.
    pub(crate) fn rate(wait_s: u64) -> Self {
        let message = format!("too many requests from this address: the next is answered in {wait_s} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate", message);
        Self { retry_after_s: Some(wait_s), ..problem }.with_mend("ask less often, or run a node of your own")
    }

    /// The node has its hands full, or stops.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message.into());
        Self { retry_after_s: Some(1), ..problem }
    }

    /// The node's own fault. What exactly is for the log.
    pub(crate) fn fault(error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "a request could not be answered");
        let message = "the node failed to answer; its log says why".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", message)
    }

    /// With what can be done about it.
    #[must_use]
    pub(crate) fn with_mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The word for the kind of problem.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What was found, and what was expected.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::fault(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status, self.retry_after_s);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait_s) = retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
        }
        response
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::QUOTED_CHARS_MAX;

    #[test]
    fn a_problem_says_what_was_found_and_quotes_no_more_than_fits() {
        let problem = Problem::parameter("limit", &"9".repeat(5_000), "1 to 100");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        assert_eq!(problem.message(), format!("limit {:?}: expected 1 to 100", "9".repeat(QUOTED_CHARS_MAX)));
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["status"], 400);
        assert_eq!(json["code"], "bad_request");
        assert!(json.get("mend").is_none());
    }

    #[test]
    fn a_client_that_asks_too_often_is_told_when_to_come_back() {
        let response = Problem::rate(7).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
