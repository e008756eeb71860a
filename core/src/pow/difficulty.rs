//! The rules by which a target can follow the hash rate, and how a chain spec writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Asert, Interval};

/// How the target follows the hash rate.
///
/// In a chain spec: `{ rule = "asert", half_life_s = 172800 }`, `{ rule = "interval", blocks = 2016, clamp = 4 }` or
/// `{ rule = "fixed" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Difficulty {
    /// By how far the chain is from its schedule, at every block.
    Asert(Asert),
    /// By how long the last interval took, at the end of each, as Bitcoin does.
    Interval(Interval),
    /// Not at all: every block has the bits of the genesis block. For tests.
    Fixed,
}

/// Why numbers make no difficulty rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DifficultyError {
    /// A half-life of no time.
    #[error("half_life_s = 0: expected at least 1")]
    HalfLife,
    /// An interval too short to measure time.
    #[error("blocks = {found}: expected at least 2")]
    Blocks {
        /// The number found.
        found: u32,
    },
    /// A factor that allows no change.
    #[error("clamp = {found}: expected at least 2")]
    Clamp {
        /// The number found.
        found: u32,
    },
}

/// The rule as people write it: a table with the rule's name.
#[derive(Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "lowercase", deny_unknown_fields)]
enum Text {
    Asert { half_life_s: u32 },
    Interval { blocks: u32, clamp: u32 },
    Fixed {},
}

/// The rule as it is hashed: its place in the enum, then its numbers.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Difficulty")]
enum Binary {
    Asert { half_life_s: u32 },
    Interval { blocks: u32, clamp: u32 },
    Fixed,
}

impl From<Difficulty> for Binary {
    fn from(difficulty: Difficulty) -> Self {
        match difficulty {
            Difficulty::Asert(rule) => Self::Asert { half_life_s: rule.half_life_s() },
            Difficulty::Interval(rule) => Self::Interval { blocks: rule.blocks(), clamp: rule.clamp() },
            Difficulty::Fixed => Self::Fixed,
        }
    }
}

impl From<Binary> for Text {
    fn from(difficulty: Binary) -> Self {
        match difficulty {
            Binary::Asert { half_life_s } => Self::Asert { half_life_s },
            Binary::Interval { blocks, clamp } => Self::Interval { blocks, clamp },
            Binary::Fixed => Self::Fixed {},
        }
    }
}

impl From<Text> for Binary {
    fn from(difficulty: Text) -> Self {
        match difficulty {
            Text::Asert { half_life_s } => Self::Asert { half_life_s },
            Text::Interval { blocks, clamp } => Self::Interval { blocks, clamp },
            Text::Fixed {} => Self::Fixed,
        }
    }
}

impl TryFrom<Binary> for Difficulty {
    type Error = DifficultyError;

    fn try_from(difficulty: Binary) -> Result<Self, DifficultyError> {
        match difficulty {
            Binary::Asert { half_life_s } => Asert::new(half_life_s).map(Self::Asert),
            Binary::Interval { blocks, clamp } => Interval::new(blocks, clamp).map(Self::Interval),
            Binary::Fixed => Ok(Self::Fixed),
        }
    }
}

impl Serialize for Difficulty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let binary = Binary::from(*self);
        if serializer.is_human_readable() {
            Text::from(binary).serialize(serializer)
        } else {
            binary.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Difficulty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let binary = if deserializer.is_human_readable() {
            Text::deserialize(deserializer)?.into()
        } else {
            Binary::deserialize(deserializer)?
        };
        binary.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;
    use alloc::string::ToString;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Spec {
        difficulty: Difficulty,
    }

    fn examples() -> [(Difficulty, &'static str, &'static [u8]); 3] {
        let asert = Difficulty::Asert(Asert::new(172_800).unwrap());
        let interval = Difficulty::Interval(Interval::new(2016, 4).unwrap());
        [
            (asert, r#"difficulty = { rule = "asert", half_life_s = 172800 }"#, &[0, 0x80, 0xc6, 0x0a]),
            (interval, r#"difficulty = { rule = "interval", blocks = 2016, clamp = 4 }"#, &[1, 0xe0, 0x0f, 4]),
            (Difficulty::Fixed, r#"difficulty = { rule = "fixed" }"#, &[2]),
        ]
    }

    #[test]
    fn both_forms_round_trip() {
        for (difficulty, text, bytes) in examples() {
            let spec = Spec { difficulty };
            assert_eq!(toml::from_str(text), Ok(spec));
            let written = toml::to_string(&Spec { difficulty }).unwrap();
            assert_eq!(toml::from_str(&written), Ok(Spec { difficulty }));
            assert_eq!(encode(&difficulty), bytes);
            assert_eq!(decode(bytes, 8), Ok(difficulty));
        }
    }

    #[test]
    fn absurd_numbers_are_refused_in_both_forms() {
        for (text, bytes, reason) in [
            (r#"{ rule = "asert", half_life_s = 0 }"#, &[0, 0][..], "half_life_s = 0: expected at least 1"),
            (r#"{ rule = "interval", blocks = 1, clamp = 4 }"#, &[1, 1, 4], "blocks = 1: expected at least 2"),
            (r#"{ rule = "interval", blocks = 2, clamp = 1 }"#, &[1, 2, 1], "clamp = 1: expected at least 2"),
        ] {
            let error = toml::from_str::<Spec>(&alloc::format!("difficulty = {text}")).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert!(decode::<Difficulty>(bytes, 8).is_err());
        }
        assert!(Asert::new(1).is_ok() && Interval::new(2, 2).is_ok());
    }

    #[test]
    fn unknown_and_missing_fields_are_refused() {
        for text in [
            r#"{ rule = "asert" }"#,
            r#"{ rule = "asert", half_life_s = 600, clamp = 4 }"#,
            r#"{ rule = "fixed", half_life_s = 600 }"#,
            r#"{ rule = "lwma" }"#,
            r#"{ rule = "asert", half_life_s = -1 }"#,
        ] {
            assert!(toml::from_str::<Spec>(&alloc::format!("difficulty = {text}")).is_err(), "{text}");
        }
        assert!(decode::<Difficulty>(&[3], 8).is_err());
        assert!(decode::<Difficulty>(&[0, 0x81, 0x00], 8).is_err());
    }
}
