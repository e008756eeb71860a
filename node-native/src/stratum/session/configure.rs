//! `mining.configure` (BIP 310): what a miner and the server agree upon before work begins.

use serde_json::{Map, Value, json};

use super::message::Params;
use super::{Difficulty, Refusal};

/// The version bits that miners may roll (BIP 320).
pub(super) const VERSION_MASK: u32 = 0x1fff_e000;

/// What a miner asks for.
#[derive(Debug, Default)]
pub(super) struct Configure {
    /// The version bits that it wants to roll, and the fewest that are of use to it.
    pub(super) rolling: Option<(u32, u32)>,
    /// The least difficulty that it wants.
    pub(super) difficulty_min: Option<Difficulty>,
    /// The extensions that it names, as the answer repeats them.
    names: Vec<String>,
}

/// What it gets.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// The version bits that it may roll; zero if none.
    pub(super) mask: u32,
    /// Whether its least difficulty is kept.
    pub(super) difficulty_min: bool,
}

impl Configure {
    /// The extensions of one request: more are passed over. There are four.
    const NAMES_MAX: usize = 16;

    /// Reads the parameters: a list of extensions, and an object with what each of them needs.
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        let wrong = || Refusal::Parameter { place: 0, name: "extensions", expected: "a list of texts" };
        let names = params.at(0).as_array().ok_or_else(wrong)?.iter().take(Self::NAMES_MAX);
        let names: Vec<String> =
            names.map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?;
        let options = params.at(1);
        let mut configure = Self::default();
        for name in &names {
            match name.as_str() {
                "version-rolling" => configure.rolling = Some(read_rolling(options)?),
                "minimum-difficulty" => configure.difficulty_min = Some(read_difficulty_min(options)?),
                _ => {}
            }
        }
        Ok(Self { names, ..configure })
    }

    /// The bits that may be rolled: none, if they are fewer than the miner can use.
    pub(super) fn mask(&self) -> u32 {
        match self.rolling {
            Some((wanted, bits_min)) if (wanted & VERSION_MASK).count_ones() >= bits_min => wanted & VERSION_MASK,
            _ => 0,
        }
    }

    /// The answer: each extension by name, and whether it is in force.
    pub(super) fn answer(&self, configured: &Configured) -> Value {
        let mut answer = Map::new();
        for name in &self.names {
            let granted = match name.as_str() {
                "version-rolling" => {
                    let mask = if configured.mask == 0 { VERSION_MASK } else { configured.mask };
                    answer.insert("version-rolling.mask".to_owned(), json!(format!("{mask:08x}")));
                    configured.mask != 0
                }
                "minimum-difficulty" => configured.difficulty_min,
                // It need not change, so there is nothing to tell; and what a miner says of itself is welcome.
                "subscribe-extranonce" | "info" => true,
                _ => false,
            };
            answer.insert(name.clone(), json!(granted));
        }
        Value::Object(answer)
    }
}

/// The mask, of 8 hex digits, all bits if it is missing; and the fewest bits, none if it is missing.
fn read_rolling(options: &Value) -> Result<(u32, u32), Refusal> {
    const NAME: &str = "version-rolling.mask";
    let wrong = Refusal::Parameter { place: 1, name: NAME, expected: "8 hex digits" };
    let mask = match &options[NAME] {
        Value::Null => u32::MAX,
        Value::String(text) => {
            let mut bytes = [0; 4];
            hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong)?;
            u32::from_be_bytes(bytes)
        }
        _ => return Err(wrong),
    };
    let bits_min = match &options["version-rolling.min-bit-count"] {
        Value::Null => 0,
        // Some firmware writes it as text.
        Value::String(text) => text.parse().unwrap_or(u32::MAX),
        count => count.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX),
    };
    Ok((mask, bits_min))
}

fn read_difficulty_min(options: &Value) -> Result<Difficulty, Refusal> {
    const NAME: &str = "minimum-difficulty.value";
    let value = options[NAME].as_f64().and_then(Difficulty::new);
    value.ok_or(Refusal::Parameter { place: 1, name: NAME, expected: "a number above zero" })
}
