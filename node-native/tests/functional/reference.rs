//! The reference of a node's calls, in docs/reference, written from what a node says of itself.
//!
//! `QBTC_WRITE_DOCS=1 cargo test -p qbtc-node --test functional reference` writes it; without the variable the test compares.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::support::Place;

#[test]
fn the_reference_of_json_rpc_is_what_the_node_tells() {
    let place = Place::new();
    let node = place.start(&[]);
    let overview: String = node.call("help", [(); 0]);
    let mut text = "# JSON-RPC, call by call\n\nWritten from the table that the node checks calls by: what `qbtc rpc help CALL` prints. \
                    [What all calls have in common](../rpc.md).\n"
        .to_owned();
    for line in overview.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("== ").and_then(|line| line.strip_suffix(" ==")) {
            Some(category) => write!(text, "\n## {category}\n").unwrap(),
            None => {
                let name = line.split(' ').next().unwrap();
                let page: String = node.call("help", [name]);
                write!(text, "\n### {name}\n```text\n{}\n```\n", page.trim_end()).unwrap();
            }
        }
    }
    assert!(node.stop().success());
    compare("rpc.md", &text);
}

#[test]
fn the_reference_of_rest_is_what_the_node_tells() {
    let place = Place::new();
    let node = place.start(&[]);
    let document: Value = node.get("/api/v1/openapi.json").json();
    assert!(node.stop().success());
    let mut text = "# REST, call by call\n\nWritten from the node's OpenAPI document. [What all calls have in common](../http.md).\n".to_owned();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            write!(text, "\n## {} {path}\n{}\n", method.to_uppercase(), paragraphs(call)).unwrap();
            text += &parameters(call);
            text += &answers(call);
        }
    }
    text += "\n# Shapes\n";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        text += &shape(name, schema);
    }
    compare("rest.md", &text);
}

fn compare(name: &str, text: &str) {
    let path = format!("{}/../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("QBTC_WRITE_DOCS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).find(|(written, told)| written != told);
    assert!(
        written == text,
        "docs/reference/{name} is not what the node tells (first: {differs:?}); QBTC_WRITE_DOCS=1 with this test writes it anew"
    );
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The summary and the description of a call.
fn paragraphs(call: &Value) -> String {
    let parts = ["summary", "description"].map(|name| text_of(call, name).trim());
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Text within a row of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn parameters(call: &Value) -> String {
    let Some(parameters) = call["parameters"].as_array().filter(|list| !list.is_empty()) else { return String::new() };
    let mut text = "\n| parameter | in | type | what it is |\n|---|---|---|---|\n".to_owned();
    for parameter in parameters {
        let need = if parameter["required"] == true { "" } else { ", optional" };
        let (name, place) = (text_of(parameter, "name"), text_of(parameter, "in"));
        let kind = kind(&parameter["schema"]);
        writeln!(text, "| `{name}` | {place}{need} | {kind} | {} |", cell(text_of(parameter, "description"))).unwrap();
    }
    text
}

fn answers(call: &Value) -> String {
    let mut text = "\n| status | answer | what it says |\n|---|---|---|\n".to_owned();
    for (status, answer) in call["responses"].as_object().unwrap() {
        let contents = answer["content"].as_object().into_iter().flatten();
        let bodies: Vec<String> = contents.map(|(media, body)| format!("{media}: {}", kind(&body["schema"]))).collect();
        writeln!(text, "| {status} | {} | {} |", cell(&bodies.join("; ")), cell(text_of(answer, "description")))
            .unwrap();
    }
    text
}

/// A type in words, with a link where it has a name.
fn kind(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(kinds) = schema[several].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let one = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        name => name.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn shape(name: &str, schema: &Value) -> String {
    let mut text = format!("\n## {name}\n{}\n", text_of(schema, "description"));
    let is_object = |schema: &&Value| schema["properties"].is_object();
    match schema["oneOf"].as_array() {
        Some(shapes) if shapes.iter().all(|shape| is_object(&shape)) => {
            for shape in shapes {
                text += &format!("\n{}\n{}", text_of(shape, "description"), fields(shape));
            }
            text
        }
        _ if is_object(&schema) => text + &fields(schema),
        _ => text + &format!("\n{}\n", kind(schema)),
    }
}

fn fields(schema: &Value) -> String {
    let mut text = "\n| field | type | what it is |\n|---|---|---|\n".to_owned();
    for (field, schema) in schema["properties"].as_object().unwrap() {
        writeln!(text, "| `{field}` | {} | {} |", kind(schema), cell(text_of(schema, "description"))).unwrap();
    }
    text
}
