//! Choosing the chain and the nodes to begin with: before anything else, and later in the settings.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::extension;
use crate::extension::{Begin as Choice, CHAINS};
use crate::text;
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title};

/// The form. What is chosen first is the page; later it is a part of the settings.
#[component]
pub(crate) fn Begin(is_first: bool) -> impl IntoView {
    let known = extension::begin();
    let chain = RwSignal::new(known.as_ref().map_or_else(|| CHAINS[0].to_owned(), |known| known.chain.clone()));
    let nodes = RwSignal::new(known.map(|known| known.nodes.join("\n")).unwrap_or_default());
    let fault = RwSignal::new(None::<String>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        match Choice::typed(&chain.get_untracked(), &nodes.get_untracked()) {
            Err(wrong) => fault.set(Some(text::begin_fault(&wrong))),
            Ok(choice) => spawn_local(async move {
                let begun = extension::begin_with(&choice).await;
                let _ = fault.try_set(begun.err());
            }),
        }
    };
    view! {
        {is_first.then(|| view! { <Title text=text::BEGIN/> })}
        <section class="card stack">
            {(!is_first).then(|| view! { <h2>{text::BEGIN}</h2> })}
            <p class="soft small">{text::BEGIN_MEANS}</p>
            <form class="stack" on:submit=submit>
                <div class="field">
                    <label for="chain">{text::BEGIN_CHAIN}</label>
                    <select id="chain" on:change=move |event| chain.set(event_target_value(&event))>
                        {CHAINS.map(|name| view! { <option value=name selected=move || chain.get() == name>{name}</option> }).collect_view()}
                    </select>
                </div>
                <div class="field">
                    <label for="begin-nodes">{text::BEGIN_NODES}</label>
                    <textarea id="begin-nodes" class="mono small" rows="4" autocomplete="off" autocapitalize="off" spellcheck="false" prop:value=nodes
                        on:input=move |event| { nodes.set(event_target_value(&event)); fault.set(None); }></textarea>
                    <span class="hint id">{text::BEGIN_NODES_HINT}</span>
                </div>
                {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
                {(!is_first).then(|| view! { <p class="soft small">{text::BEGIN_ANEW_MEANS}</p> })}
                <div class="row"><button class=if is_first { "button primary" } else { "button" } type="submit">{if is_first { text::BEGIN_SAVE } else { text::BEGIN_ANEW }}</button></div>
            </form>
        </section>
    }
}

/// The same where no wallet is open, folded; nothing, in a web page.
#[component]
pub(crate) fn BeginElsewhere() -> impl IntoView {
    let is_extension = Shared::here().document.is_some();
    is_extension.then(|| {
        view! { <details class="card flat"><summary>{text::BEGIN_ELSEWHERE}</summary><Begin is_first=false/></details> }
    })
}
