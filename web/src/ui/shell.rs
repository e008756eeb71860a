//! The frame of every page: header, navigation, search, footer, and which page is where.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::path;
use wasm_bindgen::JsCast as _;

use super::context::{Link, Shared};
use super::explorer::{Page, show};
use super::{proven, search, wallet};
use crate::browser::storage;
use crate::text;

/// The app in a page that a node serves.
#[component]
pub(crate) fn App() -> impl IntoView {
    let shared = Shared::provide();
    view! {
        <Router>
            <Header/>
            <main id="main">
                <div class="wrap">
                    <Routes fallback=NotFound>
                        <Route path=path!("/") view=|| show(Page::Home)/>
                        <Route path=path!("/blocks") view=|| show(Page::Blocks)/>
                        <Route path=path!("/block/:id") view=|| show(Page::Block)/>
                        <Route path=path!("/tx/:id") view=|| show(Page::Transaction)/>
                        <Route path=path!("/address/:address") view=|| show(Page::Address)/>
                        <Route path=path!("/mempool") view=|| show(Page::Mempool)/>
                        <Route path=path!("/charts") view=|| show(Page::Charts)/>
                        <Route path=path!("/node") view=|| show(Page::Node)/>
                        <Route path=path!("/verify") view=|| show(Page::Verify)/>
                        <Route path=path!("/wallet/:page?") view=wallet::Wallet/>
                    </Routes>
                </div>
            </main>
            <Footer/>
            <Focus/>
        </Router>
        <Said shared=shared/>
    }
}

/// What screen readers are told.
#[component]
pub(crate) fn Said(shared: Shared) -> impl IntoView {
    view! { <div class="visually-hidden" role="status" aria-live="polite">{move || shared.said.get()}</div> }
}

#[component]
fn Header() -> impl IntoView {
    let shared = Shared::here();
    let chain = move || shared.name.get().filter(|name| name != "main");
    view! {
        <a class="skip" href="#main">{text::SKIP}</a>
        <header class="head">
            <div class="wrap">
                <a class="brand" href="/">
                    <img src="/icon.svg" alt="" width="30" height="30"/>
                    "qBTC"
                    {move || chain().map(|name| view! { <span class="chain">{name}</span> })}
                </a>
                <nav aria-label=text::NAVIGATION>
                    <ul class="nav">
                        <li><A href="/" exact=true>{text::NAV_EXPLORER}</A></li>
                        <li><A href="/wallet">{text::NAV_WALLET}</A></li>
                        <li><A href="/mempool">{text::NAV_MEMPOOL}</A></li>
                        <li><A href="/charts">{text::NAV_CHARTS}</A></li>
                        <li><A href="/node">{text::NAV_NODE}</A></li>
                    </ul>
                </nav>
                <search::Search/>
                <div class="tools"><Theme/></div>
            </div>
        </header>
    }
}

/// The switch between dark and light: the system's choice until it is touched.
#[component]
pub(crate) fn Theme() -> impl IntoView {
    const SETTING: &str = "theme";
    let prefers_dark = || {
        let query = window().match_media("(prefers-color-scheme: dark)").ok().flatten();
        query.is_some_and(|query| query.matches())
    };
    let is_dark = RwSignal::new(storage::setting(SETTING).map_or_else(prefers_dark, |theme| theme == "dark"));
    let name = |is_dark| if is_dark { "dark" } else { "light" };
    let apply = move |theme: &str| {
        if let Some(root) = document().document_element() {
            // An attribute of the page's own root can always be set.
            let _ = root.set_attribute("data-theme", theme);
        }
    };
    if storage::setting(SETTING).is_some() {
        apply(name(is_dark.get_untracked()));
    }
    let switch = move |_| {
        is_dark.update(|is_dark| *is_dark = !*is_dark);
        apply(name(is_dark.get_untracked()));
        storage::set_setting(SETTING, Some(name(is_dark.get_untracked())));
    };
    view! {
        <button type="button" class="icon-button" on:click=switch aria-label=text::THEME aria-pressed=move || is_dark.get().to_string()>
            <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.800" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
                <path d=move || if is_dark.get() { "M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500Z" } else { "M12 7.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9ZM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M19 5l-1.400 1.400M6.400 17.600 5 19" }/>
            </svg>
        </button>
    }
}

#[component]
fn Footer() -> impl IntoView {
    let shared = Shared::here();
    let class = move || match shared.link.get() {
        Link::Live => "dot live pulse",
        Link::Waiting => "dot",
        Link::Lost => "dot lost",
    };
    let words = move || match shared.link.get() {
        Link::Live => text::live_at(shared.height()),
        Link::Waiting => text::CONNECTING.to_owned(),
        Link::Lost => text::LOST.to_owned(),
    };
    let proven_height = move || shared.proven_tip().map(|tip| tip.mark.height.0.to_string());
    view! {
        <footer class="foot">
            <div class="wrap">
                <span class="row"><span class=class aria-hidden="true"></span><span>{words}</span></span>
                <span data-testid="proven" data-height=proven_height>{move || proven::line(shared)}</span>
                <a href="/verify">{text::NAV_VERIFY}</a>
                <a href="/docs/index.html" rel="external">{text::NAV_DOCUMENTS}</a>
                <a href="/about.html" rel="external">{text::NAV_ABOUT}</a>
                <a href="/api/docs" rel="external">{text::NAV_API}</a>
            </div>
        </footer>
    }
}

#[component]
pub(crate) fn NotFound() -> impl IntoView {
    Shared::here().first_is_shown();
    view! {
        <super::parts::Title text=text::NOT_FOUND/>
        <p class="lead">{text::NOT_FOUND_MEANS}</p>
        <p><a class="button" href="/">{text::NAV_EXPLORER}</a></p>
    }
}

/// After a page has changed, its title has the focus: screen readers read it, and the next key begins there.
#[component]
pub(crate) fn Focus() -> impl IntoView {
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let path = path.get();
        if before.is_some_and(|before| before != path) {
            let focus = || {
                let title = document().query_selector("main h1").ok().flatten();
                if let Some(title) = title.and_then(|title| title.dyn_into::<web_sys::HtmlElement>().ok()) {
                    // A title that is not shown any more needs no focus.
                    let _ = title.focus();
                }
            };
            set_timeout(focus, Duration::from_millis(50));
        }
        path
    });
}
