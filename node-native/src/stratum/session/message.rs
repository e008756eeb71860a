//! Lines of JSON: what miners send, and what they are sent.
//!
//! A line is an object. With a `method` it is a request and gets exactly one answer that carries its `id`; without one it is a
//! miner's answer to something, and nothing is expected of it. What is written has its fields in the usual order, since there is
//! firmware that searches the text.

use serde::Serialize;
use serde_json::Value;

use super::Refusal;

/// What a line holds.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Something to answer.
    Request(Request),
    /// An answer to what was never asked.
    Answer,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// What the answer repeats: a number, a text or null.
    pub(super) id: Value,
    /// What is wanted.
    pub(super) method: String,
    /// The parameters by place.
    pub(super) params: Params,
}

/// The parameters of a request. Those that are missing are null.
#[derive(Debug)]
pub(super) struct Params(Vec<Value>);

impl Incoming {
    /// Reads a line.
    ///
    /// # Errors
    /// The id to answer to, as far as there is one, and what is wrong.
    pub(super) fn read(line: &str) -> Result<Self, (Value, Refusal)> {
        let malformed = |id, what| Err((id, Refusal::Malformed(what)));
        let Ok(value) = serde_json::from_str(line) else {
            return malformed(Value::Null, "the line is not JSON");
        };
        let Value::Object(mut fields) = value else {
            return malformed(Value::Null, "the line is not a JSON object");
        };
        let mut take = |name| fields.remove(name).unwrap_or_default();
        let (id, method, params) = (take("id"), take("method"), take("params"));
        if id.is_array() || id.is_object() {
            return malformed(Value::Null, "`id` is neither number nor text");
        }
        match (method, params) {
            (Value::Null, _) if fields.contains_key("result") || fields.contains_key("error") => Ok(Self::Answer),
            (Value::String(method), Value::Null) => {
                Ok(Self::Request(Request { id, method, params: Params(Vec::new()) }))
            }
            (Value::String(method), Value::Array(params)) => {
                Ok(Self::Request(Request { id, method, params: Params(params) }))
            }
            (Value::String(_), _) => malformed(id, "`params` is not a list"),
            _ => malformed(id, "`method` is not a text"),
        }
    }
}

impl Params {
    /// The parameter at a place; null if there is none.
    pub(super) fn at(&self, place: usize) -> &Value {
        const MISSING: Value = Value::Null;
        self.0.get(place).unwrap_or(const { &MISSING })
    }

    /// The text at a place.
    pub(super) fn text(&self, place: usize, name: &'static str) -> Result<&str, Refusal> {
        self.at(place).as_str().ok_or(Refusal::Parameter { place, name, expected: "a text" })
    }

    /// The bytes at a place, as exactly so many hex digits.
    pub(super) fn bytes<const N: usize>(&self, place: usize, name: &'static str) -> Result<[u8; N], Refusal> {
        let expected = match N {
            4 => "8 hex digits",
            8 => "16 hex digits",
            _ => "64 hex digits",
        };
        let wrong = Refusal::Parameter { place, name, expected };
        let mut bytes = [0; N];
        match self.at(place).as_str().map(|text| hex::decode_to_slice(text, &mut bytes)) {
            Some(Ok(())) => Ok(bytes),
            _ => Err(wrong),
        }
    }

    /// The 32-bit number at a place, as 8 hex digits.
    pub(super) fn number(&self, place: usize, name: &'static str) -> Result<u32, Refusal> {
        self.bytes(place, name).map(u32::from_be_bytes)
    }
}

#[derive(Serialize)]
struct Reply<'a, T> {
    id: &'a Value,
    result: T,
    error: Option<(i32, String, Option<()>)>,
}

#[derive(Serialize)]
struct Notification<'a, T> {
    id: Option<()>,
    method: &'a str,
    params: T,
}

/// The line that grants a request.
pub(super) fn reply(id: &Value, result: impl Serialize) -> String {
    line(&Reply { id, result, error: None })
}

/// The line that refuses a request.
pub(super) fn refuse(id: &Value, refusal: &Refusal) -> String {
    line(&Reply { id, result: (), error: Some((refusal.code(), refusal.to_string(), None)) })
}

/// The line that refuses an authorization. Its result is `false`, for which some software looks instead of the error.
pub(super) fn refuse_worker(id: &Value, refusal: &Refusal) -> String {
    line(&Reply { id, result: false, error: Some((refusal.code(), refusal.to_string(), None)) })
}

/// A line that nobody asked for.
pub(super) fn notification(method: &str, params: impl Serialize) -> String {
    line(&Notification { id: None, method, params })
}

fn line(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("texts, numbers and lists have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Request {
        match Incoming::read(line) {
            Ok(Incoming::Request(request)) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn requests_are_read_as_miners_write_them() {
        let minerd = request(r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}"#);
        assert_eq!((minerd.id, &*minerd.method), (1.into(), "mining.subscribe"));
        assert_eq!(minerd.params.text(0, "agent"), Ok("cpuminer/2.5.1"));
        assert_eq!(minerd.params.at(1), &Value::Null);
        assert!(request(r#"{"id":"a","method":"mining.ping"}"#).params.0.is_empty());
        assert_eq!(request(r#"{"jsonrpc":"2.0","method":"mining.ping","params":null}"#).id, Value::Null);
        assert!(matches!(Incoming::read(r#"{"id":1,"result":true,"error":null}"#), Ok(Incoming::Answer)));
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_id() {
        for (line, id) in [
            ("", Value::Null),
            ("GET / HTTP/1.1", Value::Null),
            ("[1,2]", Value::Null),
            ("null", Value::Null),
            (r#"{"id":7}"#, 7.into()),
            (r#"{"id":7,"method":7}"#, 7.into()),
            (r#"{"id":7,"method":"mining.submit","params":{"job":1}}"#, 7.into()),
            (r#"{"id":[7],"method":"mining.ping"}"#, Value::Null),
            (&"[".repeat(4_000), Value::Null),
        ] {
            let (found, refusal) = Incoming::read(line).unwrap_err();
            assert_eq!((found, refusal.code()), (id, 20), "{line}");
        }
    }

    #[test]
    fn hex_has_its_exact_length() {
        let params = |text: &str| Params(vec![text.into()]);
        assert_eq!(params("0000000a").number(0, "nonce"), Ok(10));
        assert_eq!(params("FFfffffe").number(0, "nonce"), Ok(u32::MAX - 1));
        for wrong in ["", "a", "0000000", "000000000", "0x000000", "+0000000", "0000000g", "\u{e9}\u{e9}\u{e9}\u{e9}"] {
            let refusal = params(wrong).number(0, "nonce").unwrap_err();
            assert_eq!(refusal, Refusal::Parameter { place: 0, name: "nonce", expected: "8 hex digits" }, "{wrong}");
        }
        assert!(Params(vec![10.into()]).number(0, "nonce").is_err());
    }

    #[test]
    fn lines_have_their_fields_in_the_usual_order() {
        assert_eq!(reply(&4.into(), true), r#"{"id":4,"result":true,"error":null}"#);
        assert_eq!(
            refuse(&4.into(), &Refusal::StaleJob),
            r#"{"id":4,"result":null,"error":[21,"job not found",null]}"#
        );
        let unauthorized = r#"{"id":null,"result":false,"error":[24,"unauthorized worker",null]}"#;
        assert_eq!(refuse_worker(&Value::Null, &Refusal::Unauthorized), unauthorized);
        let difficulty = notification("mining.set_difficulty", [0.5]);
        assert_eq!(difficulty, r#"{"id":null,"method":"mining.set_difficulty","params":[0.5]}"#);
    }
}
