//! `qbtc rpc`: any method of the node, with parameters as people type them.

use std::io::Read;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::options::{GlobalOptions, NodeOptions};
use super::output::{plain, print};

/// A parameter from stdin: room for the largest block in hex.
const STDIN_BYTES_MAX: u64 = 160 << 20;

const EXAMPLES: &str = "\
A parameter is JSON where it reads as a number, true, false, null, a list, an object or a text in quotes, and plain text otherwise.
To give a text that reads like a number, quote it twice: '\"123\"'. A `-` stands for what stdin holds.

Examples:
  qbtc rpc help                                 all methods of the node
  qbtc rpc getblockhash 100
  qbtc rpc --named getblock blockhash=00… verbosity=2
  qbtc rpc sendrawtransaction - < tx.hex";

/// Calls a method of the node.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RpcCommand {
    /// The method.
    method: String,
    /// Its parameters, in order; with --named, each as NAME=VALUE.
    #[arg(allow_negative_numbers = true)]
    params: Vec<String>,
    /// Takes parameters by name.
    #[arg(long)]
    named: bool,
    #[command(flatten)]
    node: NodeOptions,
}

impl RpcCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = global.spec()?;
        let client = self.node.client(global, &spec)?;
        let params = self.params()?;
        let Some(result) = client.call::<Option<Box<RawValue>>>(&self.method, params)? else {
            return if global.json { print(&"null") } else { Ok(()) };
        };
        match serde_json::from_str::<String>(result.get()) {
            Ok(text) if !global.json => print(&plain(&text)),
            _ if global.json => print(&indented(result.get())),
            _ => print(&plain(&indented(result.get()))),
        }
    }

    fn params(&self) -> anyhow::Result<Value> {
        if self.params.iter().filter(|param| *param == "-" || param.ends_with("=-")).count() > 1 {
            bail!("only one parameter can be read from stdin");
        }
        if !self.named {
            return Ok(Value::Array(self.params.iter().map(|param| read_value(param)).collect::<Result<_, _>>()?));
        }
        let mut named = Map::new();
        for param in &self.params {
            let Some((name, value)) = param.split_once('=') else {
                bail!("{param:?}: expected NAME=VALUE, since --named is given");
            };
            if named.insert(name.to_owned(), read_value(value)?).is_some() {
                bail!("{name} is given twice");
            }
        }
        Ok(Value::Object(named))
    }
}

fn read_value(text: &str) -> anyhow::Result<Value> {
    if text != "-" {
        return Ok(parse_value(text));
    }
    let mut text = String::new();
    std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text).context("cannot read stdin")?;
    Ok(parse_value(text.trim()))
}

/// JSON, or the text as it is. Long runs of digits are text: they are hashes and transactions, not numbers.
fn parse_value(text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => parse_number(text).map_or_else(as_text, Value::Number),
        Some(b'{' | b'[' | b'"' | b't' | b'f' | b'n') => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        _ => as_text(),
    }
}

fn parse_number(text: &str) -> Option<Number> {
    const DIGITS_MAX: usize = 20;
    // An exponent is more likely a hex digit: no amount or height is written with one.
    let is_plain = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    is_plain.then(|| serde_json::from_str(text).ok()).flatten()
}

/// JSON with line breaks and indentation, every number and the order as the node wrote them: no amount passes through a float.
fn indented(json: &str) -> String {
    /// Deeper levels are indented no further: a node must not make lines grow with depth.
    const DEPTH_MAX: usize = 32;
    let mut text = String::with_capacity(json.len());
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    let break_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth.min(DEPTH_MAX)));
    };
    for char in json.chars() {
        if is_string {
            text.push(char);
            is_string = is_escaped || char != '"';
            is_escaped = !is_escaped && char == '\\';
            continue;
        }
        if matches!(char, '}' | ']') {
            depth = depth.saturating_sub(1);
            // What holds nothing stays in one line.
            if text.ends_with(['{', '[']) {
                text.push(char);
                continue;
            }
            break_line(&mut text, depth);
        } else if text.ends_with(['{', '[', ',']) && !char.is_ascii_whitespace() {
            break_line(&mut text, depth);
        }
        match char {
            ':' => text.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => text.push(other),
        }
        depth += usize::from(matches!(char, '{' | '['));
        is_string = char == '"';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn negative_numbers_are_parameters() {
        use clap::Parser as _;

        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            rpc: RpcCommand,
        }
        let typed = ["qbtc", "prioritisetransaction", "00", "0", "-1000", "-0.5"];
        let Typed { rpc } = Typed::try_parse_from(typed).unwrap();
        assert_eq!(rpc.params().unwrap(), json!(["00", 0, -1000, -0.5]));
        assert!(Typed::try_parse_from(["qbtc", "stop", "-x"]).is_err());
    }

    #[test]
    fn results_are_indented_and_otherwise_as_the_node_wrote_them() {
        let answer = r#"{"b":0.00001000,"a":[ 92233720368.54775807,{},[],"x\\\"{,}: "],"c":{"d":null}}"#;
        let expected = [
            "{",
            "  \"b\": 0.00001000,",
            "  \"a\": [",
            "    92233720368.54775807,",
            "    {},",
            "    [],",
            r#"    "x\\\"{,}: ""#,
            "  ],",
            "  \"c\": {",
            "    \"d\": null",
            "  }",
            "}",
        ];
        assert_eq!(indented(answer), expected.join("\n"));
        assert_eq!(
            (indented("[ ]"), indented(" true"), indented("\"a b\"")),
            ("[]".into(), "true".into(), "\"a b\"".into())
        );
        let deep = indented(&"[".repeat(10_000));
        assert!(deep.len() < 10_000 * 70, "{}", deep.len());
    }

    proptest! {
        #[test]
        fn indentation_changes_no_value(value in values()) {
            let text = value.to_string();
            prop_assert_eq!(serde_json::from_str::<Value>(&indented(&text)).unwrap(), value.clone());
            prop_assert_eq!(indented(&text), serde_json::to_string_pretty(&value).unwrap());
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn values_are_json_where_they_read_so() {
        for (text, expected) in [
            ("5", json!(5)),
            ("-1", json!(-1)),
            ("0.5", json!(0.5)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("[1,\"a\"]", json!([1, "a"])),
            ("{\"a\":1}", json!({ "a": 1 })),
            ("\"5\"", json!("5")),
            ("dbqs1abc", json!("dbqs1abc")),
            ("tomorrow", json!("tomorrow")),
            ("[1", json!("[1")),
            ("", json!("")),
            // Hex that looks like a number.
            ("12e4", json!("12e4")),
            ("0012", json!("0012")),
        ] {
            assert_eq!(parse_value(text), expected, "{text}");
        }
        let digits = "1".repeat(64);
        assert_eq!(parse_value(&digits), json!(digits));
    }

    fn command(params: &[&str], named: bool) -> RpcCommand {
        let params = params.iter().map(|param| (*param).to_owned()).collect();
        RpcCommand { method: "getblock".to_owned(), params, named, node: NodeOptions::default() }
    }

    #[test]
    fn parameters_go_by_place_or_by_name() {
        assert_eq!(command(&["ab", "2"], false).params().unwrap(), json!(["ab", 2]));
        let named = command(&["blockhash=ab", "verbosity=2"], true).params().unwrap();
        assert_eq!(named, json!({ "blockhash": "ab", "verbosity": 2 }));
        assert!(command(&["ab"], true).params().is_err());
        assert!(command(&["a=1", "a=2"], true).params().is_err());
        assert!(command(&["-", "-"], false).params().is_err());
    }
}
