//! JSON-RPC as Bitcoin Core speaks it: requests of version 1.0 and 2.0, alone and in batches, and the replies to them.
//!
//! Bodies are hostile. They are looked at as raw text first and taken apart one request at a time, so that no more of a batch is in
//! memory than was sent; nothing here recurses. What the methods do is not known here.

use axum::http::StatusCode;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Code, RpcError};

/// The most requests of a batch.
pub const BATCH_MAX: usize = 1_000;

/// What a call came to: JSON, or an error.
pub type Outcome = Result<Box<RawValue>, RpcError>;

/// The version of the protocol that a request speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.0 as Bitcoin has always had it: both `result` and `error` in a reply, and the status of HTTP follows the error.
    #[default]
    V1,
    /// 2.0: one of the two, always with status 200; a request without id gets no reply.
    V2,
}

/// A body, taken apart.
#[derive(Debug)]
pub enum Body<'a> {
    /// One request, or what stands in its place.
    Single(&'a RawValue),
    /// Several.
    Batch(Vec<&'a RawValue>),
}

/// Whom a reply goes to, as far as a request could be read.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// How it speaks.
    pub version: Version,
    /// What it called its request; `None`, if it gave no id.
    pub id: Option<Box<RawValue>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Whom the reply goes to.
    pub caller: Caller,
    /// The method's name, as JSON text has it.
    pub method: &'a RawValue,
    /// The parameters: an array or an object; `None` if there are none.
    pub params: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    /// Takes a body apart.
    ///
    /// # Errors
    /// [`Code::Parse`], if it is no JSON or neither object nor array; [`Code::InvalidRequest`] for too large a batch.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RpcError> {
        let parse = |error: serde_json::Error| RpcError::new(Code::Parse, format!("Parse error: {error}"));
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(parse)?;
        match raw.get().as_bytes().first() {
            Some(b'{') => Ok(Self::Single(raw)),
            Some(b'[') => {
                let Requests(requests) = serde_json::from_str(raw.get()).map_err(|_| too_many())?;
                Ok(Self::Batch(requests))
            }
            _ => Err(RpcError::new(Code::Parse, "Top-level object parse error: expected an object or an array")),
        }
    }
}

fn too_many() -> RpcError {
    RpcError::new(Code::InvalidRequest, format!("batch of more than {BATCH_MAX} requests: send several"))
}

/// The requests of a batch, no more of them than allowed.
struct Requests<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Requests<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "at most {BATCH_MAX} requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut requests = Vec::new();
                while let Some(request) = sequence.next_element()? {
                    if requests.len() == BATCH_MAX {
                        return Err(A::Error::custom("too many requests"));
                    }
                    requests.push(request);
                }
                Ok(requests)
            }
        }
        deserializer.deserialize_seq(Bounded).map(Self)
    }
}

impl<'a> Request<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`], with as much of the caller as could be read, as Bitcoin Core does it.
    pub fn parse(raw: &'a RawValue) -> Result<Self, (Caller, RpcError)> {
        let invalid = |message: String| RpcError::new(Code::InvalidRequest, message);
        let fields: Fields<'a> = serde_json::from_str(raw.get())
            .map_err(|error| (Caller::nobody(), invalid(format!("Invalid Request object: {error}"))))?;
        let caller = |version| Caller { version, id: fields.id.map(ToOwned::to_owned) };
        let refuse = |caller, message: &str| Err((caller, invalid(message.to_owned())));
        let version = match fields.jsonrpc.map(RawValue::get) {
            None | Some("null" | r#""1.0""#) => Version::V1,
            Some(r#""2.0""#) => Version::V2,
            Some(text) if text.starts_with('"') => {
                return refuse(caller(Version::V1), "JSON-RPC version not supported");
            }
            Some(_) => return refuse(caller(Version::V1), "jsonrpc field must be a string"),
        };
        let caller = caller(version);
        let method = match fields.method {
            None => return refuse(caller, "Missing method"),
            Some(method) if method.get() == "null" => return refuse(caller, "Missing method"),
            Some(method) if !method.get().starts_with('"') => return refuse(caller, "Method must be a string"),
            Some(method) => method,
        };
        let params = match fields.params.map(|params| (params, params.get().as_bytes().first())) {
            None | Some((_, Some(b'n'))) => None,
            Some((params, Some(b'[' | b'{'))) => Some(params),
            Some(_) => return refuse(caller, "Params must be array or object"),
        };
        Ok(Self { caller, method, params })
    }
}

/// The fields of a request as raw text. A `null` is present; only what is left out is `None`.
#[derive(serde::Deserialize)]
#[serde(expecting = "expected an object")]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Caller {
    /// Whoever sent what is no request.
    #[must_use]
    pub fn nobody() -> Self {
        Self { version: Version::V1, id: Some(RawValue::NULL.to_owned()) }
    }

    /// Whether it wants no reply.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.version == Version::V2 && self.id.is_none()
    }

    /// The reply, as JSON.
    #[must_use]
    pub fn reply(&self, outcome: &Outcome) -> String {
        let written;
        let (head, body, tail) = match (self.version, outcome) {
            (Version::V1, Ok(result)) => (r#"{"result":"#, result.get(), r#","error":null"#),
            (Version::V2, Ok(result)) => (r#"{"jsonrpc":"2.0","result":"#, result.get(), ""),
            (version, Err(refused)) => {
                written = serde_json::to_string(refused).expect("a number and a string are JSON");
                let head = match version {
                    Version::V1 => r#"{"result":null,"error":"#,
                    Version::V2 => r#"{"jsonrpc":"2.0","error":"#,
                };
                (head, &*written, "")
            }
        };
        let (id_head, id) = self.id.as_ref().map_or(("", ""), |id| (r#","id":"#, id.get()));
        // Results have megabytes: they are copied once. A line break follows, which needs no more room.
        let mut reply = String::with_capacity(head.len() + body.len() + tail.len() + id_head.len() + id.len() + 2);
        reply.extend([head, body, tail, id_head, id, "}"]);
        reply
    }

    /// The status of HTTP that goes with a reply to a single request.
    #[must_use]
    pub fn status(&self, outcome: &Outcome) -> StatusCode {
        match (self.version, outcome) {
            (Version::V2, _) | (_, Ok(_)) => StatusCode::OK,
            (Version::V1, Err(error)) => match error.code {
                Code::InvalidRequest => StatusCode::BAD_REQUEST,
                Code::MethodNotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    fn refused(text: &str) -> (Version, Option<String>, String) {
        let (caller, error) = Request::parse(raw(text)).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        (caller.version, caller.id.as_deref().map(ToString::to_string), error.message)
    }

    #[test]
    fn versions_and_ids_are_those_of_the_request() {
        for (text, version, id) in [
            (r#"{"method":"a","params":[],"id":0}"#, Version::V1, Some("0")),
            (r#"{"jsonrpc":"1.0","method":"a","id":"x\n"}"#, Version::V1, Some(r#""x\n""#)),
            (r#"{"jsonrpc":null,"method":"a","id":null}"#, Version::V1, Some("null")),
            (r#"{"jsonrpc":"2.0","method":"a","params":null}"#, Version::V2, None),
            (
                r#"{"jsonrpc":"2.0","method":"a","id":123456789012345678901234567890.5}"#,
                Version::V2,
                Some("123456789012345678901234567890.5"),
            ),
        ] {
            let request = Request::parse(raw(text)).unwrap();
            assert_eq!(
                (request.caller.version, request.caller.id.as_deref().map(RawValue::get)),
                (version, id),
                "{text}"
            );
            assert_eq!(request.method.get(), r#""a""#);
        }
    }

    #[test]
    fn each_malformed_request_has_its_error() {
        let one = |text: &str| refused(text).2;
        assert!(one("1").starts_with("Invalid Request object"));
        assert!(one(r#"{"id":1,"id":2,"method":"a"}"#).starts_with("Invalid Request object"));
        assert_eq!(
            refused(r#"{"jsonrpc":2.0,"id":7}"#),
            (Version::V1, Some("7".into()), "jsonrpc field must be a string".into())
        );
        assert_eq!(one(r#"{"jsonrpc":"2.1","method":"a"}"#), "JSON-RPC version not supported");
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7}"#), (Version::V2, Some("7".into()), "Missing method".into()));
        assert_eq!(one(r#"{"method":null}"#), "Missing method");
        assert_eq!(one(r#"{"method":1}"#), "Method must be a string");
        assert_eq!(one(r#"{"method":"a","params":"b"}"#), "Params must be array or object");
    }

    #[test]
    fn bodies_are_objects_or_bounded_arrays() {
        assert!(matches!(Body::parse(b" {} "), Ok(Body::Single(_))));
        assert!(matches!(Body::parse(b"[]"), Ok(Body::Batch(requests)) if requests.is_empty()));
        for malformed in [&b""[..], b"{", b"1", b"\"a\"", b"{} {}", b"\xff", b"{\"a\":\"\xff\"}", b"nul"] {
            assert_eq!(Body::parse(malformed).unwrap_err().code, Code::Parse, "{malformed:?}");
        }
        let batch = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert!(
            matches!(Body::parse(batch(BATCH_MAX).as_bytes()), Ok(Body::Batch(requests)) if requests.len() == BATCH_MAX)
        );
        assert_eq!(Body::parse(batch(BATCH_MAX + 1).as_bytes()).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn deep_nesting_is_no_recursion() {
        let deep = format!("{{\"id\":{}{},\"method\":\"a\"}}", "[".repeat(500_000), "]".repeat(500_000));
        assert!(Request::parse(raw(&deep)).is_ok());
    }

    #[test]
    fn replies_have_the_members_of_their_version() {
        let result: Outcome = Ok(RawValue::from_string("1.50000000".into()).unwrap());
        let error: Outcome = Err(RpcError::new(Code::Misc, "no \"way\""));
        let v1 = Caller { version: Version::V1, id: Some(raw("7").to_owned()) };
        assert_eq!(v1.reply(&result), r#"{"result":1.50000000,"error":null,"id":7}"#);
        assert_eq!(v1.reply(&error), r#"{"result":null,"error":{"code":-1,"message":"no \"way\""},"id":7}"#);
        let v2 = Caller { version: Version::V2, id: None };
        assert_eq!(v2.reply(&result), r#"{"jsonrpc":"2.0","result":1.50000000}"#);
        assert_eq!(v2.reply(&error), r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no \"way\""}}"#);
        assert!(v2.is_notification() && !v1.is_notification());
    }

    #[test]
    fn the_status_follows_the_error_in_version_1_only() {
        let error = |code| -> Outcome { Err(RpcError::new(code, "")) };
        let v1 = Caller::default();
        for (code, status) in [
            (Code::InvalidRequest, 400),
            (Code::MethodNotFound, 404),
            (Code::Parse, 500),
            (Code::InInitialDownload, 500),
        ] {
            assert_eq!(v1.status(&error(code)), status);
            assert_eq!(Caller { version: Version::V2, id: None }.status(&error(code)), 200);
        }
    }
}
