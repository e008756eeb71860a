//! Holds an answer against a schema of the OpenAPI document: as much of JSON Schema as the document uses, and more strictly, since what
//! is not documented must not be served.

use serde_json::{Map, Value};

/// Checks a value.
///
/// # Errors
/// Where it differs, and how.
pub(super) fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = name.strip_prefix('#').ok_or_else(|| format!("{at}: reference to {name}"))?;
        let target = document.pointer(pointer).ok_or_else(|| format!("{at}: no {name} in the document"))?;
        return check(document, target, value, at);
    }
    if let Some(any) = schema.get("oneOf").and_then(Value::as_array) {
        let wrong: Vec<_> = any.iter().filter_map(|each| check(document, each, value, at).err()).collect();
        // Exactly one must fit.
        return if wrong.len() + 1 == any.len() { Ok(()) } else { Err(format!("{at}: {wrong:?}")) };
    }
    check_type(schema, value, at)?;
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        return Err(format!("{at}: {value} is none of {allowed:?}"));
    }
    match value {
        Value::Array(items) => {
            let schema = schema.get("items").ok_or_else(|| format!("{at}: a list of nothing known"))?;
            items
                .iter()
                .enumerate()
                .try_for_each(|(place, item)| check(document, schema, item, &format!("{at}[{place}]")))
        }
        Value::Object(fields) => check_fields(document, schema, fields, at),
        _ => Ok(()),
    }
}

fn check_type(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |allowed: &Value| allowed == found || (allowed == "number" && found == "integer");
    let is_right = match schema.get("type") {
        Some(Value::Array(any)) => any.iter().any(fits),
        Some(one) => fits(one),
        None => return Err(format!("{at}: the document says nothing of {value}")),
    };
    let least = schema.get("minimum").and_then(Value::as_f64);
    let is_in_range = value.as_f64().zip(least).is_none_or(|(value, least)| value >= least);
    if is_right && is_in_range { Ok(()) } else { Err(format!("{at}: {value} is not as in {schema}")) }
}

fn check_fields(document: &Value, schema: &Value, fields: &Map<String, Value>, at: &str) -> Result<(), String> {
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        fields.get(name).ok_or_else(|| format!("{at}: no {name}"))?;
    }
    for (name, value) in fields {
        let schema = known.get(name).ok_or_else(|| format!("{at}: {name} is not documented"))?;
        check(document, schema, value, &format!("{at}.{name}"))?;
    }
    Ok(())
}

#[test]
fn what_differs_is_found() {
    use serde_json::json;
    let document = json!({"components": {"schemas": {"Money": {
        "type": "object", "required": ["quanta"],
        "properties": {"quanta": {"type": "integer", "minimum": 0}, "text": {"type": ["string", "null"]}},
    }}}});
    let schema =
        json!({"type": "array", "items": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Money"}]}});
    let check = |value: Value| check(&document, &schema, &value, "answer");
    assert_eq!(check(json!([null, {"quanta": 1}, {"quanta": 0, "text": null}])), Ok(()));
    for wrong in [
        json!({}),
        json!([1]),
        json!([{"text": "x"}]),
        json!([{"quanta": -1}]),
        json!([{"quanta": 1.5}]),
        json!([{"quanta": 1, "text": 2}]),
        json!([{"quanta": 1, "other": 2}]),
    ] {
        assert!(check(wrong.clone()).is_err(), "{wrong}");
    }
}
