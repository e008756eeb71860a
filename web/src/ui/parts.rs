//! Small parts that many pages are made of.

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::units::Amount as Money;

use super::context::Shared;
use crate::browser::files;
use crate::level::Level;
use crate::{format, text};

/// A coloured box with something to say: `warn`, `bad`, `good`, or nothing for plain information.
#[component]
pub(crate) fn Notice(#[prop(default = "")] kind: &'static str, children: Children) -> impl IntoView {
    let role = if kind == "bad" { "alert" } else { "note" };
    view! { <div class=format!("notice {kind}") role=role>{children()}</div> }
}

/// How sure the tab is of what a page shows, with what that means to unfold.
#[component]
pub(crate) fn Trust(#[prop(into)] level: Signal<Option<Level>>) -> impl IntoView {
    let name = move || level.get().map_or("checking", Level::name);
    let label = move || match level.get() {
        None => text::CHECKING,
        Some(Level::Word) => text::LEVEL_WORD,
        Some(Level::Block) => text::LEVEL_BLOCK,
        Some(Level::Header | Level::Filter) => text::LEVEL_PROVEN,
    };
    let meaning = move || match level.get() {
        None => text::CHECKING_MEANS,
        Some(Level::Word) => text::LEVEL_WORD_MEANS,
        Some(Level::Block) => text::LEVEL_BLOCK_MEANS,
        Some(Level::Header) => text::LEVEL_HEADER_MEANS,
        Some(Level::Filter) => text::LEVEL_FILTER_MEANS,
    };
    view! {
        <details class="trust">
            <summary><span class="badge" data-level=name>{move || shield(level.get())}{label}</span></summary>
            <p>{meaning}</p>
        </details>
    }
}

fn shield(level: Option<Level>) -> impl IntoView {
    let mark = match level {
        Some(Level::Header | Level::Filter | Level::Block) => "M5 8.200 7.200 10.400 11 6",
        _ => "M8 5v3.500M8 11v.100",
    };
    view! {
        <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.600" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
            <path d="M8 1.500 13.500 3.500v4c0 3.500-2.300 5.900-5.500 7-3.200-1.100-5.500-3.500-5.500-7v-4Z"/>
            <path d=mark/>
        </svg>
    }
}

/// A page's title, with how sure it is of what it shows.
#[component]
pub(crate) fn Title(
    #[prop(into)] text: Signal<String>,
    #[prop(optional, into)] level: Option<Signal<Option<Level>>>,
) -> impl IntoView {
    Effect::new(move |_| document().set_title(&format!("{} – qBTC", text.get())));
    view! {
        <div class="title">
            <h1 tabindex="-1">{move || text.get()}</h1>
            {level.map(|level| view! { <Trust level=level/> })}
        </div>
    }
}

/// An amount of money.
#[component]
pub(crate) fn Amount(of: Money) -> impl IntoView {
    view! { <span class="nowrap">{format::amount(of)}<span class="soft small">" QBTC"</span></span> }
}

/// The link to a page of the explorer; in an extension, which has none, what it would be about.
#[component]
fn Explored(path: &'static str, id: String) -> impl IntoView {
    let short = format::short(&id);
    match Shared::here().document {
        None => view! { <a class="id" href=format!("/{path}/{id}") title=id>{short}</a> }.into_any(),
        Some(_) => view! { <span class="id" title=id>{short}</span> }.into_any(),
    }
}

/// The link to a block by its id, shortened.
#[component]
pub(crate) fn BlockLink(id: String) -> impl IntoView {
    view! { <Explored path="block" id=id/> }
}

/// The link to a transaction, shortened.
#[component]
pub(crate) fn TxLink(id: String) -> impl IntoView {
    view! { <Explored path="tx" id=id/> }
}

/// The link to an address, shortened.
#[component]
pub(crate) fn AddressLink(address: String) -> impl IntoView {
    view! { <Explored path="address" id=address/> }
}

/// A text in full, with a button that copies it.
#[component]
pub(crate) fn Copied(text: String) -> impl IntoView {
    view! { <span class="with-copy"><span class="id">{text.clone()}</span><CopyButton text=text/></span> }
}

/// A button that copies a text.
#[component]
pub(crate) fn CopyButton(text: String, #[prop(default = "copy")] class: &'static str) -> impl IntoView {
    let (shared, is_done) = (Shared::here(), RwSignal::new(false));
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            let is_copied = files::copy(&text).await;
            shared.say(if is_copied { text::COPIED } else { text::NOT_COPIED });
            let _ = is_done.try_set(is_copied);
            let ended = move || {
                let _ = is_done.try_set(false);
            };
            set_timeout(ended, std::time::Duration::from_secs(2));
        });
    };
    view! { <button type="button" class=class on:click=copy>{move || if is_done.get() { text::COPIED } else { text::COPY }}</button> }
}

/// How long ago something was, kept up to date, with the time itself beside it for those who point at it.
#[component]
pub(crate) fn Ago(time: u32) -> impl IntoView {
    let shared = Shared::here();
    let time = u64::from(time);
    view! { <time class="nowrap" title=format::time(time)>{move || format::ago(time, shared.now.get())}</time> }
}

/// A line of facts: what it is, and the value.
#[component]
pub(crate) fn Fact(name: &'static str, children: Children) -> impl IntoView {
    view! { <div><dt>{name}</dt><dd>{children()}</dd></div> }
}

/// A large figure with its name.
#[component]
pub(crate) fn Figure(
    name: &'static str,
    #[prop(into)] value: Signal<String>,
    #[prop(optional, into)] note: Option<Signal<String>>,
) -> impl IntoView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd>{move || value.get()}</dd>
            {note.map(|note| view! { <dd class="note">{move || note.get()}</dd> })}
        </div>
    }
}
