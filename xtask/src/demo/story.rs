//! The story that `cargo xtask demo --check` plays: what a newcomer does, and what must come of it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::PATIENCE;
use super::network::Network;
use super::page::Page;
use super::wallet::Wallet;
use crate::browser;
use crate::workspace::Workspace;

/// Plays it, one line a part; without what happens in a browser, if a reason is given.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn play(
    workspace: &Workspace,
    wallet: &Wallet,
    network: &mut Network,
    without_browser: Option<&str>,
) -> Result<()> {
    network.wait_for_money(wallet)?;
    holds("coins are mined to a wallet, and can be spent");

    let friend = wallet.create("friend")?;
    let txid = wallet.send(&friend, "1.5")?;
    let mined = wait_until(network, |network| {
        let entry = network.last().call(&["getrawtransaction", &txid, "true"]);
        Ok(entry.is_ok_and(|entry| entry["confirmations"].as_u64() > Some(0)))
    })?;
    ensure!(mined, "the payment {txid} was not mined");
    ensure!(wallet.balance_of("friend")? == "1.5", "the friend was not paid");
    holds("a payment is sent, and mined, and known to a node that it was not handed to");

    let proof = network.last().call(&["gettxoutproof", &format!("[\"{txid}\"]")])?;
    let proof = proof.as_str().unwrap_or_default();
    let proven = network.first().call(&["verifytxoutproof", proof])?;
    ensure!(proven == Value::from(vec![txid]), "the proof of one node does not hold at another: {proven}");
    holds("its merkle proof, made by one node, holds at another");

    let links = network.last().call(&["getpeerinfo"])?;
    let links = links.as_array().map_or(&[][..], Vec::as_slice);
    ensure!(links.len() >= 2, "a node has {} peers", links.len());
    let is_post_quantum = |link: &Value| link["key_exchange"] == "X25519MLKEM768";
    ensure!(links.iter().all(is_post_quantum), "not every link is safe from quantum computers");
    holds("every link has a post-quantum key exchange");

    let page = match without_browser {
        None => Some(pay_page(workspace, wallet, network)?),
        Some(_) => None,
    };
    network.kill_and_restart_last()?;
    network.wait_for_agreement()?;
    ensure!(wallet.balance_of("friend")? == "1.5", "money is lost");
    holds("a node is killed, starts again, and catches up");
    page.map_or(Ok(()), Page::end)?;
    without_browser.iter().for_each(|why| println!("skipped: the wallet in a browser: {why}"));
    Ok(())
}

/// A browser at the first node's wallet, which was paid and has paid back to the wallet that mines.
fn pay_page(workspace: &Workspace, wallet: &Wallet, network: &Network) -> Result<Page> {
    let mut page = open_page(workspace, wallet, network)?;
    wallet.send(&page.told("address:")?, "2")?;
    page.told("paid:")?;
    Ok(page)
}

/// A browser at the first node's wallet, which pays back to the wallet that mines.
fn open_page(workspace: &Workspace, wallet: &Wallet, network: &Network) -> Result<Page> {
    let mut script = browser::demo(workspace)?;
    let http = network.first().http()?;
    let pages: Vec<String> = super::PAGES.iter().map(|(_, path)| format!("http://{http}{path}")).collect();
    script.env("WALLET", format!("http://{http}/wallet")).env("PAGES", pages.join(" ")).env("BACK", wallet.address()?);
    Page::open(&mut script, workspace.log("demo-browser"))
}

/// Prints what has been seen to hold.
pub(super) fn holds(what: &str) {
    println!("ok  {what}");
}

/// Whether something becomes so.
fn wait_until(network: &mut Network, mut is_so: impl FnMut(&Network) -> Result<bool>) -> Result<bool> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        network.check()?;
        if is_so(network)? {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(false)
}
