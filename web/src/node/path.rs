//! The paths of the node's HTTP interface (docs/http.md).
//!
//! Ids and addresses come from the user or the node, so only characters that both have are let into a path.

/// The newest blocks, below a height if one is given.
#[must_use]
pub fn blocks(before: Option<u32>, limit: u32) -> String {
    let before = before.map(|before| format!("before={before}&")).unwrap_or_default();
    format!("/api/v1/blocks?{before}limit={limit}")
}

/// A block, by id or height.
#[must_use]
pub fn block(name: &str) -> String {
    format!("/api/v1/blocks/{}", segment(name))
}

/// A part of a block: `raw`, `header`, `history-proof`.
#[must_use]
pub fn block_part(name: &str, part: &str) -> String {
    format!("/api/v1/blocks/{}/{part}", segment(name))
}

/// Transactions of a block.
#[must_use]
pub fn block_transactions(name: &str, from: u32, limit: u32) -> String {
    format!("/api/v1/blocks/{}/transactions?from={from}&limit={limit}", segment(name))
}

/// A transaction.
#[must_use]
pub fn transaction(txid: &str) -> String {
    format!("/api/v1/transactions/{}", segment(txid))
}

/// A part of a transaction: `raw`, `proof`, `status`.
#[must_use]
pub fn transaction_part(txid: &str, part: &str) -> String {
    format!("/api/v1/transactions/{}/{part}", segment(txid))
}

/// What an address holds.
#[must_use]
pub fn address(address: &str) -> String {
    format!("/api/v1/addresses/{}", segment(address))
}

/// The unspent coins of an address.
#[must_use]
pub fn address_coins(address: &str, after: Option<&str>) -> String {
    let after = after.map(|after| format!("&after={}", segment(after))).unwrap_or_default();
    format!("/api/v1/addresses/{}/coins?limit=50{after}", segment(address))
}

/// What happened to an address.
#[must_use]
pub fn address_history(address: &str, before: Option<&str>) -> String {
    let before = before.map(|before| format!("&before={}", segment(before))).unwrap_or_default();
    format!("/api/v1/addresses/{}/history?limit=50{before}", segment(address))
}

/// Headers from a height on.
#[must_use]
pub fn headers(from: u32, limit: u32) -> String {
    format!("/api/v1/headers?from={from}&limit={limit}")
}

/// Filters from a height on.
#[must_use]
pub fn filters(from: u32, limit: u32) -> String {
    format!("/api/v1/filters?from={from}&limit={limit}")
}

/// The waiting transactions behind one of them.
#[must_use]
pub fn waiting(after: Option<u64>, limit: u32) -> String {
    let after = after.map(|after| format!("after={after}&")).unwrap_or_default();
    format!("/api/v1/mempool/transactions?{after}limit={limit}")
}

/// The chain as a whole.
pub const CHAIN: &str = "/api/v1/chain";
/// The mempool in numbers.
pub const MEMPOOL: &str = "/api/v1/mempool";
/// The mempool by fee rate.
pub const BANDS: &str = "/api/v1/mempool/bands";
/// What to pay.
pub const FEES: &str = "/api/v1/fees";
/// Where transactions are handed in.
pub const SUBMIT: &str = "/api/v1/transactions";
/// How the node is connected.
pub const NETWORK: &str = "/api/v1/network";
/// Whether the node does its work.
pub const HEALTH: &str = "/health";

/// What can stand in a path: letters, digits and the signs of cursors. Whatever else is left out, and the node then says that it knows
/// no such thing.
fn segment(text: &str) -> String {
    text.chars().filter(|char| char.is_ascii_alphanumeric() || matches!(char, ':' | '-')).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place_in_a_path() {
        assert_eq!(block("../../rpc?x#y"), "/api/v1/blocks/rpcxy");
        assert_eq!(
            address_coins("dbqs1q", Some("ab:0&limit=9")),
            "/api/v1/addresses/dbqs1q/coins?limit=50&after=ab:0limit9"
        );
        assert_eq!(blocks(Some(7), 5), "/api/v1/blocks?before=7&limit=5");
    }
}
