//! The parameters of one call, checked against what the method takes.

use std::ops::RangeInclusive;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use qbtc_core::hash::HashTextError;
use serde_json::{Map, Value};

use super::error::{Code, RpcError};
use super::param::Param;
use crate::api::shortened;

/// The parameters of one call: each has the type that the method takes.
#[derive(Clone, Debug)]
pub struct Args {
    params: &'static [Param],
    /// One for each parameter, `null` where it was left out.
    values: Vec<Value>,
}

/// Why parameters do not fit a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgsError {
    /// Too many, or one that is required is missing: what helps is the method's help.
    Count {
        /// What is wrong.
        message: String,
    },
    /// Anything else.
    Rpc(RpcError),
}

/// Named parameters may bring leading ones by place under this name, as Bitcoin Core has it.
const POSITIONAL: &str = "args";

impl Args {
    /// Takes parameters by place or by name.
    ///
    /// # Errors
    /// [`ArgsError`], naming what was found and what was expected.
    pub fn new(params: &'static [Param], given: Option<Value>) -> Result<Self, ArgsError> {
        let values = match given {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(Value::Object(named)) => place(params, named).map_err(ArgsError::Rpc)?,
            Some(_) => {
                let message = "Params must be array or object";
                return Err(ArgsError::Rpc(RpcError::new(Code::InvalidRequest, message)));
            }
        };
        check_count(params, &values)?;
        let mut args = Self { params, values };
        args.values.resize(params.len(), Value::Null);
        args.check_types().map_err(ArgsError::Rpc)?;
        Ok(args)
    }

    fn check_types(&self) -> Result<(), RpcError> {
        let mut wrong = Map::new();
        for (place, (param, value)) in self.params.iter().zip(&self.values).enumerate() {
            let (found, expected) = (type_name(value), param.kind.accepts());
            let is_left_out = value.is_null() && param.default.is_some();
            if is_left_out || expected.contains(&found) {
                continue;
            }
            let expected = expected.join(" or ");
            let text = format!("JSON value of type {found} is not of expected type {expected}");
            wrong.insert(format!("Position {} ({})", place + 1, param.names.join("|")), text.into());
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let wrong = serde_json::to_string_pretty(&wrong).map_err(RpcError::internal)?;
        Err(RpcError::new(Code::Type, format!("Wrong type passed:\n{wrong}")))
    }

    /// The value of a parameter, `null` if it was left out.
    ///
    /// # Panics
    /// If the method has no such parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> &Value {
        let place = self.params.iter().position(|param| param.name() == name);
        &self.values[place.expect("a method asks for parameters that it has")]
    }

    /// Takes a value out, for those that are too large to be copied.
    ///
    /// # Panics
    /// If the method has no such parameter.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Value {
        let place = self.params.iter().position(|param| param.name() == name);
        self.values[place.expect("a method asks for parameters that it has")].take()
    }

    /// A string; `None` if it was left out.
    #[must_use]
    pub fn text_or_none(&self, name: &str) -> Option<&str> {
        self.value(name).as_str()
    }

    /// A string that is required, or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.text_or_none(name).unwrap_or_default()
    }

    /// A truth value, or what counts if it was left out.
    #[must_use]
    pub fn bool(&self, name: &str, default: bool) -> bool {
        self.value(name).as_bool().unwrap_or(default)
    }

    /// A whole number; `None` if it was left out.
    ///
    /// # Errors
    /// A fraction, or a number that does not fit.
    pub fn int(&self, name: &str) -> Result<Option<i64>, RpcError> {
        match self.value(name) {
            Value::Null => Ok(None),
            value => value.as_i64().map(Some).ok_or_else(|| {
                let message = format!("JSON integer out of range: {name} is {value}, expected a whole number");
                RpcError::new(Code::Misc, message)
            }),
        }
    }

    /// A whole number in a range; `None` if it was left out.
    ///
    /// # Errors
    /// A fraction, or a number outside the range.
    pub fn int_in(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, RpcError> {
        let Some(found) = self.int(name)? else { return Ok(None) };
        let fits = u32::try_from(found).ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        fits.map(Some).ok_or_else(|| RpcError::parameter(format!("{name} is {found}: expected {least} to {most}")))
    }

    /// A level of detail: a number, or `true` for 1 and `false` for 0.
    ///
    /// # Errors
    /// As [`Args::int_in`].
    pub fn level(&self, name: &str, default: u32, most: u32) -> Result<u32, RpcError> {
        match self.value(name) {
            Value::Bool(on) => Ok(u32::from(*on)),
            _ => Ok(self.int_in(name, 0..=most)?.unwrap_or(default)),
        }
    }

    /// A hash in the order that people read it in.
    ///
    /// # Errors
    /// Anything but 64 hex digits, in Bitcoin Core's words.
    pub fn hash<H: FromStr<Err = HashTextError>>(&self, name: &str) -> Result<H, RpcError> {
        hash(name, self.text(name))
    }

    /// Bytes in hex.
    ///
    /// # Errors
    /// Anything but an even number of hex digits.
    pub fn bytes(&self, name: &str, code: Code) -> Result<Vec<u8>, RpcError> {
        let decoded = HEXLOWER_PERMISSIVE.decode(self.text(name).as_bytes());
        decoded.map_err(|error| RpcError::new(code, format!("{name} is not hex: {error}")))
    }
}

/// A hash in the order that people read it in.
///
/// # Errors
/// Anything but 64 hex digits, in Bitcoin Core's words.
pub fn hash<H: FromStr<Err = HashTextError>>(name: &str, text: &str) -> Result<H, RpcError> {
    text.parse().map_err(|error| {
        let found = shortened(text);
        RpcError::parameter(match error {
            HashTextError::Length { found: length } => {
                format!("{name} must be of length 64 (not {length}, for '{found}')")
            }
            HashTextError::Digit => format!("{name} must be hexadecimal string (not '{found}')"),
        })
    })
}

/// The name of a value's type, as Bitcoin Core says it.
#[must_use]
pub const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Puts named parameters where they belong.
fn place(params: &[Param], mut named: Map<String, Value>) -> Result<Vec<Value>, RpcError> {
    let mut values = match named.remove(POSITIONAL) {
        None => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(other) => {
            let found = type_name(&other);
            return Err(RpcError::parameter(format!("Parameter {POSITIONAL} is of type {found}: expected array")));
        }
    };
    let by_place = values.len();
    for (name, value) in named {
        let known = params.iter().position(|param| param.names.contains(&name.as_str()));
        let place = known.ok_or_else(|| RpcError::parameter(format!("Unknown named parameter {name}")))?;
        if place < by_place {
            let message = format!("Parameter {name} specified twice both as positional and named argument");
            return Err(RpcError::parameter(message));
        }
        if values.len() <= place {
            values.resize(place + 1, Value::Null);
        }
        let before = std::mem::replace(&mut values[place], value);
        if !before.is_null() {
            return Err(RpcError::parameter(format!("Parameter {name} specified multiple times")));
        }
    }
    Ok(values)
}

fn check_count(params: &[Param], values: &[Value]) -> Result<(), ArgsError> {
    let (found, most) = (values.len(), params.len());
    if found > most {
        return Err(ArgsError::Count { message: format!("{found} parameters: at most {most} are taken") });
    }
    let is_missing = |(place, param): &(usize, &Param)| {
        param.default.is_none() && values.get(*place).is_none_or(Value::is_null) && *place >= found
    };
    match params.iter().enumerate().find(is_missing) {
        Some((_, param)) => Err(ArgsError::Count { message: format!("parameter {} is missing", param.name()) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::BlockHash;
    use serde_json::json;

    use super::super::param::Kind;
    use super::*;

    const PARAMS: &[Param] = &[
        Param::required(&["hash"], Kind::Text, ""),
        Param::optional(&["verbosity", "verbose"], Kind::Level, "1", ""),
        Param::optional(&["count"], Kind::Number, "none", ""),
    ];

    fn args(given: Value) -> Result<Args, ArgsError> {
        Args::new(PARAMS, Some(given))
    }

    fn refused(given: Value) -> RpcError {
        match args(given).unwrap_err() {
            ArgsError::Rpc(error) => error,
            ArgsError::Count { message } => RpcError::new(Code::Misc, message),
        }
    }

    #[test]
    fn parameters_come_by_place_by_name_or_both() {
        for given in [
            json!(["a", 2]),
            json!({"hash": "a", "verbosity": 2}),
            json!({"verbose": 2, "hash": "a"}),
            json!({"args": ["a"], "verbose": 2}),
        ] {
            let args = args(given).unwrap();
            assert_eq!((args.text("hash"), args.level("verbosity", 0, 3)), ("a", Ok(2)));
            assert_eq!(args.int("count"), Ok(None));
        }
    }

    #[test]
    fn each_misfit_has_its_error() {
        assert_eq!(refused(json!(["a", 1, 2, 3])).message, "4 parameters: at most 3 are taken");
        assert_eq!(refused(json!([])).message, "parameter hash is missing");
        assert_eq!(
            refused(json!({"verbose": 1})).message,
            "Wrong type passed:\n{\n  \"Position 1 (hash)\": \"JSON value of type null is not of expected type string\"\n}"
        );
        assert_eq!(refused(json!({"hsh": "a"})).message, "Unknown named parameter hsh");
        assert_eq!(refused(json!({"hash": "a", "verbose": 1, "verbosity": 2})).code, Code::InvalidParameter);
        assert!(refused(json!({"args": ["a"], "hash": "b"})).message.contains("specified twice"));
        assert!(refused(json!({"args": 1})).message.contains("expected array"));
        let types = refused(json!([1, "x"]));
        assert_eq!(types.code, Code::Type);
        assert!(
            types.message.contains("Position 1 (hash)") && types.message.contains("Position 2 (verbosity|verbose)")
        );
        assert!(types.message.contains("JSON value of type string is not of expected type number or bool"));
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        let one = |value: Value| args(json!(["a", 1, value])).unwrap();
        assert_eq!(one(json!(7)).int_in("count", 1..=7), Ok(Some(7)));
        for (value, code) in [
            (json!(8), Code::InvalidParameter),
            (json!(-1), Code::InvalidParameter),
            (json!(1.5), Code::Misc),
            (json!(1e300), Code::Misc),
        ] {
            assert_eq!(one(value.clone()).int_in("count", 1..=7).unwrap_err().code, code, "{value}");
        }
        let level = |value: Value| args(json!(["a", value])).unwrap().level("verbosity", 1, 2);
        assert_eq!(
            (level(json!(true)), level(json!(false)), level(json!(2)), level(Value::Null)),
            (Ok(1), Ok(0), Ok(2), Ok(1))
        );
        assert!(level(json!(3)).is_err());
    }

    #[test]
    fn hashes_are_refused_in_the_words_of_bitcoin() {
        let one = |text: &str| args(json!([text])).unwrap().hash::<BlockHash>("hash").unwrap_err();
        assert_eq!(one("abc"), RpcError::parameter("hash must be of length 64 (not 3, for 'abc')"));
        let zz = "Z".repeat(64);
        assert_eq!(one(&zz), RpcError::parameter(format!("hash must be hexadecimal string (not '{zz}')")));
    }
}
