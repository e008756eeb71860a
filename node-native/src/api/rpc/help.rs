//! The text of `help`, written from the table of methods.

use super::method::{Category, Method};
use super::param::{Kind, Param};

/// All methods, one line each, by category.
pub(super) fn overview<C>(methods: &[&Method<C>]) -> String {
    let mut sections: Vec<(Category, Vec<String>)> = Vec::new();
    let mut sorted = methods.to_vec();
    sorted.sort_by_key(|method| (method.category, method.name));
    for method in sorted {
        match sections.last_mut().filter(|(category, _)| *category == method.category) {
            Some((_, lines)) => lines.push(call(method)),
            None => sections.push((method.category, vec![call(method)])),
        }
    }
    let section =
        |(category, lines): &(Category, Vec<String>)| format!("== {} ==\n{}", category.heading(), lines.join("\n"));
    sections.iter().map(section).collect::<Vec<_>>().join("\n\n")
}

/// Everything about one method.
pub(super) fn page<C>(method: &Method<C>) -> String {
    let mut text = format!("{}\n\n{}\n", call(method), method.about);
    if !method.params.is_empty() {
        text += "\nArguments:\n";
        for (place, param) in method.params.iter().enumerate() {
            text += &argument(place + 1, param);
        }
    }
    text += &format!("\nResult:\n{}\n\nExamples:\n> qbtc rpc {}", method.result, method.name);
    if !method.example.is_empty() {
        text += " ";
        text += method.example;
    }
    text + "\n"
}

/// A call as one line: what may be left out stands in parentheses.
pub(super) fn call<C>(method: &Method<C>) -> String {
    let mut line = method.name.to_owned();
    let mut is_open = false;
    for param in method.params {
        match (param.default.is_some(), is_open) {
            (true, false) => line += " (",
            (false, true) => line += " )",
            _ => {}
        }
        is_open = param.default.is_some();
        line += " ";
        line += &placeholder(param);
    }
    if is_open { line + " )" } else { line }
}

fn placeholder(param: &Param) -> String {
    let name = param.name();
    match param.kind {
        Kind::Text | Kind::Hex => format!("\"{name}\""),
        Kind::Array => format!("[{name},...]"),
        Kind::Object => format!("{{\"{name}\":...}}"),
        Kind::Number | Kind::Bool | Kind::Amount | Kind::Level => name.to_owned(),
    }
}

fn argument(place: usize, param: &Param) -> String {
    let need = match param.default {
        None => "required".to_owned(),
        Some("") => "optional".to_owned(),
        Some(default) => format!("optional, default={default}"),
    };
    let also = match param.names {
        [_, others @ ..] if !others.is_empty() => format!(" Also known as {}.", others.join(", ")),
        _ => String::new(),
    };
    format!("{place}. {:<16} ({}, {need}) {}{also}\n", param.name(), param.kind.text(), param.about)
}
