//! The pages of the explorer, behind one door.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::chunk::{self, Missing};
use super::context::Shared;
use super::{address, block, charts, home, mempool, node, transaction, verify};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Home,
    Blocks,
    Block,
    Transaction,
    Address,
    Mempool,
    Charts,
    Node,
    Verify,
}

#[wasm_split(explorer, preload(load), fallible)]
pub(crate) fn door(page: Page) -> Result<AnyView, Missing> {
    Shared::here().first_is_shown();
    Ok(match page {
        Page::Home => view! { <home::Home/> }.into_any(),
        Page::Blocks => view! { <home::Blocks/> }.into_any(),
        Page::Block => view! { <block::Block/> }.into_any(),
        Page::Transaction => view! { <transaction::Transaction/> }.into_any(),
        Page::Address => view! { <address::Address/> }.into_any(),
        Page::Mempool => view! { <mempool::Mempool/> }.into_any(),
        Page::Charts => view! { <charts::Charts/> }.into_any(),
        Page::Node => view! { <node::Node/> }.into_any(),
        Page::Verify => view! { <verify::Verify/> }.into_any(),
    })
}

/// Shows a page.
pub(crate) fn show(page: Page) -> impl IntoView {
    chunk::view(load, move || door(page))
}
