//! Sentences with something in them.

use qbtc_core::lock::AddressTextError;
use qbtc_core::wallet::departed::Why;
use qbtc_core::wallet::mnemonic::MnemonicError;

use crate::format;
use crate::wallet::notes::NameFault;
use crate::wallet::order::AmountFault;

/// One thing, or several.
fn several(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", format::number(count), if count == 1 { one } else { more })
}

#[must_use]
pub fn transactions(count: u64) -> String {
    several(count, "transaction", "transactions")
}

#[must_use]
pub fn confirmations(count: u32) -> String {
    several(count.into(), "confirmation", "confirmations")
}

#[must_use]
pub fn block_at(height: u32) -> String {
    format!("Block {}", format::number(height.into()))
}

#[must_use]
pub fn live_at(height: u32) -> String {
    format!("Live at height {}", format::number(height.into()))
}

#[must_use]
pub fn spacing(seconds: u32) -> String {
    format!("a block every {} or so", format::span(seconds.into()))
}

#[must_use]
pub fn of_at_most(most: &str) -> String {
    format!("of {most} at most")
}

#[must_use]
pub fn chart_in_words(name: &str, least: &str, most: &str, mean: &str) -> String {
    format!("{name}: from {least} to {most}, {mean} on average")
}

#[must_use]
pub fn chart_mean(mean: &str) -> String {
    format!("mean {mean}")
}

#[must_use]
pub fn beyond_tip(height: u32, tip: u32) -> String {
    format!(
        "There is no block {} yet: the chain ends at {}.",
        format::number(height.into()),
        format::number(tip.into())
    )
}

#[must_use]
pub fn id_length(found: usize) -> String {
    format!("This looks like an id, but has {found} digits: ids have 64.")
}

#[must_use]
pub fn mistyped(error: &AddressTextError) -> String {
    match error {
        AddressTextError::MixedCase => "An address has capital or small letters, not both.".to_owned(),
        AddressTextError::Character { found, position } => {
            format!("Character {position}, “{found}”, is none that addresses have.")
        }
        AddressTextError::Separator { expected } => format!("This is no address: they begin with {expected}1."),
        AddressTextError::Prefix { found, expected } => {
            format!(
                "This address begins with {found}1 and belongs to another network. Here they begin with {expected}1."
            )
        }
        AddressTextError::Length { found, expected } if found < expected => {
            format!("{} characters are missing: it has {found} of {expected}.", expected - found)
        }
        AddressTextError::Length { found, expected } => {
            format!("There are {} characters too many: it has {found} instead of {expected}.", found - expected)
        }
        AddressTextError::Checksum { likely: Some(position) } => {
            format!("Something is mistyped: look at character {position}.")
        }
        AddressTextError::Checksum { likely: None } => {
            "Several characters are mistyped. Copy the address anew.".to_owned()
        }
        AddressTextError::OldChecksum | AddressTextError::Padding => "This is no address of this network.".to_owned(),
    }
}

#[must_use]
pub fn ins_and_outs(inputs: usize, outputs: usize, rate: Option<&str>) -> String {
    let flow = format!("{} → {}", several(inputs as u64, "coin", "coins"), outputs);
    rate.map_or_else(|| flow.clone(), |rate| format!("{flow} · {rate}"))
}

#[must_use]
pub fn expires(expiry: u32, tip: u32) -> String {
    match expiry.checked_sub(tip) {
        None | Some(0) => format!("at height {}: it has expired", format::number(expiry.into())),
        Some(left) => {
            format!("after height {}, in {}", format::number(expiry.into()), several(left.into(), "block", "blocks"))
        }
    }
}

#[must_use]
pub fn expires_in(expiry: u32, tip: u32, spacing_s: u32) -> String {
    match (expiry, expiry.saturating_sub(tip)) {
        (0, _) => "never expires".to_owned(),
        (_, 0) => "expired: it will not be mined any more".to_owned(),
        (_, left) => {
            let span = format::span(u64::from(left) * u64::from(spacing_s));
            format!("expires in {} (about {span})", several(left.into(), "block", "blocks"))
        }
    }
}

#[must_use]
pub fn request_part(name: &str) -> String {
    format!(
        "This request asks for something that this wallet does not know, “{name}”. Take the address alone, if that is enough."
    )
}

#[must_use]
pub fn node_address(why: &str) -> String {
    format!("This is no address of a node: {why}.")
}

/// What the browser said when it did not keep or give something.
#[must_use]
pub fn storage_fault(error: &str) -> String {
    format!(
        "The browser could not store this. Most often the disk is full, or this page may not store data: free some space, or allow it, and try again. ({error})"
    )
}

/// Why a payment will not be mined, and what became of the coins that the account spent in it, if any.
#[must_use]
pub const fn ended(why: Why, spends: bool) -> &'static str {
    match (why, spends) {
        (Why::Expired, true) => "It was never mined, and its coins are yours again, unless another payment took them.",
        (Why::Expired, false) => "It was never mined, and cannot be any more. Ask the payer to pay again.",
        (Why::ReplacedBy(_), true) => "It will not be mined: another payment spends the same coins.",
        (Why::ReplacedBy(_), false) => {
            "The node of this page says that another payment spends the same coins. If this one is mined after all, it is shown again."
        }
        (Why::Gone, true) => "It will not be mined: a coin that it spends is gone, or was spent otherwise.",
        (Why::Gone, false) => {
            "The node of this page says that it does not wait any more: its payer has spent the coins otherwise, or it was pushed out. If it is mined after all, it is shown again."
        }
    }
}

#[must_use]
pub fn spendable_from(height: u32) -> String {
    format!("from height {}", format::number(height.into()))
}

#[must_use]
pub fn within_blocks(blocks: u32) -> String {
    several(blocks.into(), "block", "blocks")
}

#[must_use]
pub fn basis(basis: &str) -> &'static str {
    match basis {
        "floor" => "blocks have room",
        "pool" => "what waits",
        "recent_blocks" => "recent blocks",
        _ => "",
    }
}

#[must_use]
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn band(from: u64, to: Option<u64>) -> String {
    let rate = |rate: u64| {
        if rate < 10_000 { format!("{:.1}", rate as f64 / 1e3) } else { format!("{:.0}", rate as f64 / 1e3) }
    };
    to.map_or_else(|| format!("{}+ q/B", rate(from)), |to| format!("{}–{} q/B", rate(from), rate(to)))
}

#[must_use]
pub fn health(status: &str) -> &'static str {
    if status == "ok" { "All well" } else { "Failing" }
}

#[must_use]
pub fn running_for(span: &str) -> String {
    format!("running for {span}")
}

#[must_use]
pub fn known_headers(height: u32) -> String {
    format!("of {} known", format::number(height.into()))
}

#[must_use]
pub fn in_and_out(all: u64, inbound: u64, outbound: u64) -> String {
    format!("{} ({inbound} in, {outbound} out)", format::number(all))
}

#[must_use]
pub fn of_all(some: u64, all: u64) -> String {
    format!("{} of {}", format::number(some), format::number(all))
}

#[must_use]
pub fn passphrase_short(least: usize) -> String {
    format!("The passphrase is too short: {least} characters at least.")
}

#[must_use]
pub fn words_fault(error: &MnemonicError) -> String {
    match error {
        MnemonicError::WordCount { found } => format!("These are {found} words: 12, 15, 18, 21 or 24 are expected."),
        MnemonicError::UnknownWord { position, found } => {
            format!("Word {position}, “{found}”, is not on the list. Is it misspelt?")
        }
        MnemonicError::Checksum => {
            "All words are on the list, but they do not belong together: one is wrong, or two are swapped.".to_owned()
        }
        MnemonicError::EntropyLength { .. } => error.to_string(),
    }
}

#[must_use]
pub fn birthday_is(height: &str) -> String {
    format!("Beside the words, note the height {height}: a restored wallet then needs to look no further back.")
}

#[must_use]
pub fn account(name: &str, index: usize) -> String {
    if name.is_empty() { format!("Account {}", index + 1) } else { name.to_owned() }
}

/// What becomes of addresses beyond the gap limit.
#[must_use]
pub fn many_unpaid(needed: u32, looks: u32) -> String {
    format!(
        "Many addresses in a row are unpaid. Whoever restores the wallet from its words looks {looks} beyond each paid one, and does not find what is paid to the newest: qbtc wallet restore --gap {needed} does."
    )
}

/// Why a keystore file is not taken.
#[must_use]
pub fn account_too_high(found: u32, limit: usize) -> String {
    format!(
        "This file is of account {found} of its words, and the app shows the first {limit}: qbtc wallet restore --backup brings it back."
    )
}

#[must_use]
pub fn name_fault(fault: NameFault) -> String {
    match fault {
        NameFault::Empty => "Type a name.",
        NameFault::Long => "This name is too long.",
        NameFault::Full => "There are too many already.",
    }
    .to_owned()
}

#[must_use]
pub fn amount_fault(fault: AmountFault) -> String {
    match fault {
        AmountFault::Empty => "Type an amount.".to_owned(),
        AmountFault::Number => "This is not a number.".to_owned(),
        AmountFault::Decimals { found } => format!("{found} decimals are too many: a QBTC has 8."),
        AmountFault::TooLarge => "There is not that much money.".to_owned(),
        AmountFault::Zero => "Type an amount above zero.".to_owned(),
        AmountFault::Beyond { available } => format!("This is more than you have: {} QBTC.", format::amount(available)),
        AmountFault::Dust { least } => {
            format!("Too little to be worth spending: nodes pass on {} QBTC and more.", format::amount(least))
        }
    }
}

#[must_use]
pub fn available(amount: &str) -> String {
    format!("{amount} QBTC can be spent.")
}

#[must_use]
pub fn wait(place: usize) -> &'static str {
    ["Soon", "Normal", "No hurry"].get(place).copied().unwrap_or("Normal")
}

/// What a replacement takes with it.
#[must_use]
pub fn drops_payments(count: usize, amount: &str) -> String {
    match count {
        1 => format!(
            "A later payment that was made of its change goes with it: {amount} QBTC to others. Make it again afterwards."
        ),
        _ => format!(
            "{count} later payments that were made of its change go with it: {amount} QBTC to others. Make them again afterwards."
        ),
    }
}

#[must_use]
pub fn fee_line(fee: &str, rate: &str, size: &str) -> String {
    format!("{fee} QBTC · {rate} · {size}")
}

#[must_use]
pub fn fee_of(fee: &str) -> String {
    format!("fee {fee} QBTC")
}

#[must_use]
pub fn matures_in(blocks: u32) -> String {
    format!("matures in {}", several(blocks.into(), "block", "blocks"))
}

#[must_use]
pub fn as_of(height: &str, age: &str) -> String {
    format!("As of block {height}, mined {age}")
}

#[must_use]
pub fn catching_up(height: &str, tip: &str) -> String {
    format!("Looked through {height} of {tip} blocks")
}

#[must_use]
pub fn minutes(minutes: u32) -> String {
    format::span(u64::from(minutes) * 60)
}

#[must_use]
pub fn source_is(host: &str) -> String {
    format!(
        "This page comes from the node at {host}. Nodes see which blocks this wallet fetches, and never a key or an address."
    )
}

/// So many nodes, in words.
fn nodes(count: u32) -> String {
    several(count.into(), "node", "nodes")
}

#[must_use]
pub fn light_proven(height: u32, peers: u32) -> String {
    format!("Proven up to block {} · {}", format::number(height.into()), nodes(peers))
}

#[must_use]
pub fn light_proving(peers: u32) -> String {
    format!("Proving the chain · {}", nodes(peers))
}

#[must_use]
pub fn few_nodes(found: u32, wanted: usize) -> String {
    format!(
        "Only {} could be asked, and one should ask {wanted}. Whoever runs all of them could keep the newest blocks from you. Payments that are shown are real; others may be missing.",
        nodes(found)
    )
}

#[must_use]
pub fn withheld(height: u32) -> String {
    format!(
        "No node gives what is needed to look at block {}. Nothing above it is looked at until one does.",
        format::number(height.into())
    )
}

#[must_use]
pub fn milliseconds(count: u32) -> String {
    format!("answers in {} ms", format::number(count.into()))
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::Txid;

    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!((transactions(1), transactions(2)), ("1 transaction".into(), "2 transactions".into()));
        assert_eq!(expires_in(10, 9, 60), "expires in 1 block (about 1 min)");
        assert_eq!(
            (expires_in(0, 9, 60), expires(9, 9)),
            ("never expires".into(), "at height 9: it has expired".into())
        );
    }

    #[test]
    fn a_payment_that_ended_says_where_its_coins_are() {
        assert!(ended(Why::Expired, true).contains("yours again"));
        assert!(!ended(Why::Expired, false).contains("yours"));
        for why in [Why::Gone, Why::ReplacedBy(Txid::ZERO)] {
            assert!(ended(why, true).starts_with("It will not be mined"));
            // Of a stranger's payment one node's word is all that there is.
            assert!(
                ended(why, false).starts_with("The node of this page says")
                    && ended(why, false).contains("shown again")
            );
        }
    }

    #[test]
    fn a_wrong_length_says_by_how_much() {
        assert!(
            mistyped(&AddressTextError::Length { found: 60, expected: 63 }).starts_with("3 characters are missing")
        );
        assert!(mistyped(&AddressTextError::Length { found: 65, expected: 63 }).starts_with("There are 2"));
    }
}
