//! The app as an extension of the browser: the wallet in the popup, the window in which the user decides what a site gets, and the document that nobody
//! sees, which holds the connections and keeps the wallet.
//!
//! No node serves any of it. So there is no explorer here, and whatever is shown of the chain is proven.

mod approve;
mod begin;
mod offscreen;
mod sites;

pub(crate) use begin::{Begin, BeginElsewhere};

use leptos::prelude::*;
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::path;
use wasm_split_helpers::wasm_split;

use super::chunk::{self, Missing};
use super::context::Shared;
use super::shell::{Focus, NotFound, Said, Theme};
use super::{explorer, proven, wallet};
use crate::browser::extension::{self, Document};
use crate::text;

/// Shows what belongs in a document.
pub(crate) fn show(document: Document) -> impl IntoView {
    chunk::view(load, move || door(document))
}

#[wasm_split(wallet, preload(load), fallible)]
pub(crate) fn door(document: Document) -> Result<AnyView, Missing> {
    Ok(match document {
        Document::Seen => view! { <Seen/> }.into_any(),
        Document::Offscreen => view! { <offscreen::Offscreen/> }.into_any(),
    })
}

/// A document that the user sees.
#[component]
fn Seen() -> impl IntoView {
    extension::follow_begin();
    let Some(begin) = extension::begin() else {
        return view! { <main id="main"><div class="wrap"><Begin is_first=true/></div></main> }.into_any();
    };
    let shared = Shared::provide_alone(&begin, Document::Seen);
    let _ = wallet::provide();
    view! {
        <Router>
            <Header/>
            <main id="main">
                <div class="wrap">
                    <Routes fallback=NotFound>
                        <Route path=path!("/wallet/:page?") view=wallet::Wallet/>
                        <Route path=path!("/approve/:id") view=approve::Approve/>
                        <Route path=path!("/sites") view=sites::Sites/>
                        <Route path=path!("/verify") view=|| explorer::show(explorer::Page::Verify)/>
                    </Routes>
                </div>
            </main>
            <footer class="foot">
                <div class="wrap"><span data-testid="proven" data-height=move || shared.proven_tip().map(|tip| tip.mark.height.0.to_string())>{move || proven::line(shared)}</span></div>
            </footer>
            <Focus/>
        </Router>
        <Said shared=shared/>
    }
    .into_any()
}

#[component]
fn Header() -> impl IntoView {
    let path = use_location().pathname;
    // Whoever is asked something is not led elsewhere.
    let is_asked = move || path.with(|path| path.starts_with("/approve/"));
    view! {
        <a class="skip" href="#main">{text::SKIP}</a>
        <header class="head">
            <div class="wrap">
                {move || match is_asked() {
                    true => view! { <span class="brand"><Brand/></span> }.into_any(),
                    false => view! { <a class="brand" href="/wallet"><Brand/></a> }.into_any(),
                }}
                {move || (!is_asked()).then(|| view! {
                    <nav aria-label=text::NAVIGATION>
                        <ul class="nav">
                            <li><A href="/wallet">{text::NAV_WALLET}</A></li>
                            <li><A href="/sites">{text::NAV_SITES}</A></li>
                            <li><A href="/verify">{text::NAV_VERIFY}</A></li>
                        </ul>
                    </nav>
                })}
                <div class="tools"><Theme/></div>
            </div>
        </header>
    }
}

#[component]
fn Brand() -> impl IntoView {
    let shared = Shared::here();
    let chain = move || shared.name.get().filter(|name| name != "main");
    view! {
        <img src="/icon.svg" alt="" width="30" height="30"/>
        "qBTC"
        {move || chain().map(|name| view! { <span class="chain">{name}</span> })}
    }
}
