//! Work for one reward address, and the line that describes it to a miner.

use std::fmt::Write;

use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::BlockTemplate;
use qbtc_core::units::{BlockTime, Target};

use super::Difficulty;

/// A block to be found for one reward address. Miners share it: they differ by the extranonce that the server gives them.
#[derive(Debug)]
pub struct Work {
    template: BlockTemplate,
    time: BlockTime,
    target: Target,
    difficulty_max: Difficulty,
    /// All of the job's line between its id and `clean_jobs`.
    description: String,
}

impl Work {
    /// The work of a template, at this time of the clock.
    #[must_use]
    pub fn new(template: BlockTemplate, now: BlockTime) -> Self {
        let time = now.max(template.time_min());
        let target = Target::from_compact(template.context().bits).expect("the difficulty rule gives bits of a target");
        let difficulty_max = Difficulty::below_target(target);
        let description = describe(&template, time);
        Self { template, time, target, difficulty_max, description }
    }

    /// The template.
    #[must_use]
    pub const fn template(&self) -> &BlockTemplate {
        &self.template
    }

    /// The block that it is on top of.
    #[must_use]
    pub fn parent(&self) -> BlockHash {
        self.template.context().parent
    }

    /// The time that a header states unless its miner rolls it.
    #[must_use]
    pub const fn time(&self) -> BlockTime {
        self.time
    }

    /// What a hash must meet to make a block.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// The most that may be asked for a share, so that every block is one.
    #[must_use]
    pub const fn difficulty_max(&self) -> Difficulty {
        self.difficulty_max
    }

    /// The line that tells a miner to work on it.
    pub(super) fn notify(&self, job: &str, clean: bool) -> String {
        format!(r#"{{"id":null,"method":"mining.notify","params":["{job}",{},{clean}]}}"#, self.description)
    }
}

/// The parameters of `mining.notify` from the second to the last but one: prevhash, coinb1, coinb2, branch, version, nbits, ntime.
fn describe(template: &BlockTemplate, time: BlockTime) -> String {
    let (context, parts) = (template.context(), template.coinbase_parts());
    let prevhash = hex::encode(words_reversed(context.parent.to_bytes()));
    let (prefix, suffix) = (hex::encode(&parts.prefix), hex::encode(&parts.suffix));
    let mut text = format!(r#""{prevhash}","{prefix}","{suffix}",["#);
    for (place, sibling) in template.branch().iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(text, r#"{comma}"{}""#, hex::encode(sibling)).expect("a text can grow");
    }
    write!(text, r#"],"{:08x}","{:08x}","{:08x}""#, context.version, context.bits.0, time.0).expect("a text can grow");
    text
}

/// A hash with the bytes of each 32-bit word reversed: how miners of old kept headers in memory.
fn words_reversed(mut hash: [u8; 32]) -> [u8; 32] {
    hash.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the first Stratum pool's documentation, with its parent's id as an explorer shows it.
    #[test]
    fn the_parent_is_written_as_bitcoins_pools_write_it() {
        let id: BlockHash = "00000000440b921e1b77c6c0487ae5616de67f788f44ae2a5af6e2194d16b6f8".parse().unwrap();
        let sent = "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000";
        assert_eq!(hex::encode(words_reversed(id.to_bytes())), sent);
    }
}
