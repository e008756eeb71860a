//! Checking a proof of a payment: in the tab, with no network.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::spec::ChainSpec;

use super::context::{Rules, Shared};
use super::parts::{BlockLink, Fact, Notice, Title, TxLink};
use crate::browser::files;
use crate::proof::{self, Shown};
use crate::{format, text};

/// The page.
#[component]
pub(crate) fn Verify() -> impl IntoView {
    let shared = Shared::here();
    let (typed, found) = (RwSignal::new(String::new()), RwSignal::new(None::<Result<Shown, String>>));
    let check = move || {
        // How work is shown is the same on all chains that the app knows.
        let spec = shared.rules.get_untracked().map_or_else(|| Arc::new(ChainSpec::main()), |Rules(spec)| spec);
        let shown = typed.with_untracked(|text| proof::check_file(text, &spec));
        found.set(Some(shown.map_err(|error| error.to_string())));
    };
    let input: NodeRef<leptos::html::Input> = NodeRef::new();
    let chosen = move |_| {
        let Some(input) = input.get_untracked() else { return };
        spawn_local(async move {
            #[expect(clippy::cast_precision_loss, reason = "the limit is a small number")]
            match files::chosen(&input, proof::FILE_CHARACTERS_MAX as f64).await {
                Ok(bytes) => {
                    typed.set(String::from_utf8_lossy(&bytes).into_owned());
                    check();
                }
                Err(error) => found.set(Some(Err(error))),
            }
        });
    };
    view! {
        <Title text=text::VERIFY/>
        <p class="lead">{text::VERIFY_MEANS}</p>
        <section class="card stack">
            <div class="field">
                <label for="proof-file">{text::PROOF_FILE}</label>
                <input id="proof-file" type="file" node_ref=input on:change=chosen/>
            </div>
            <form class="stack" on:submit=move |event| { event.prevent_default(); check(); }>
                <div class="field">
                    <label for="proof-text">{text::OR_PASTE}</label>
                    <textarea id="proof-text" class="mono" spellcheck="false" prop:value=typed on:input=move |event| { typed.set(event_target_value(&event)); found.set(None); }></textarea>
                </div>
                <div class="row"><button class="button primary" type="submit">{text::CHECK}</button></div>
            </form>
            <div aria-live="polite">{move || found.get().map(shown)}</div>
        </section>
    }
}

fn shown(found: Result<Shown, String>) -> AnyView {
    match found {
        Err(error) => view! { <Notice kind="bad"><p class="strong">{text::PROOF_FAILS}</p><p>{error}</p></Notice> }.into_any(),
        Ok(shown) => view! {
            <Notice kind="good"><p class="strong">{text::PROOF_HOLDS}</p><p>{text::PROOF_HOLDS_MEANS}</p></Notice>
            <dl class="facts">
                <Fact name=text::TRANSACTION>{shown.txids.iter().map(|id| view! { <div><TxLink id=id.to_string()/></div> }).collect_view()}</Fact>
                <Fact name=text::BLOCK><BlockLink id=shown.block.to_string()/></Fact>
                <Fact name=text::MINED>{format::time(shown.header.time.0.into())}</Fact>
                <Fact name=text::WORK><span class="id">{shown.work.to_string()}</span></Fact>
            </dl>
        }
        .into_any(),
    }
}
