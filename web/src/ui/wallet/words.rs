//! The words: shown to whoever knows the passphrase, to be written down.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use qbtc_core::wallet::mnemonic::Mnemonic;
use zeroize::Zeroizing;

use super::state::WalletState;
use crate::format;
use crate::text;
use crate::ui::parts::{Notice, Title};

/// The page.
#[component]
pub(crate) fn Words() -> impl IntoView {
    let (wallet, navigate) = (WalletState::here(), use_navigate());
    let (passphrase, fault, is_busy) =
        (RwSignal::new(String::new()), RwSignal::new(None::<String>), RwSignal::new(false));
    let shown: RwSignal<Option<(Vec<&'static str>, u32)>> = RwSignal::new(None);
    // Words stay on the page no longer than the page.
    on_cleanup(move || shown.set(None));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        fault.set(None);
        is_busy.set(true);
        let typed = Zeroizing::new(passphrase.get_untracked());
        passphrase.set(String::new());
        spawn_local(async move {
            let opened = wallet.words(&typed).await;
            let _ = is_busy.try_set(false);
            let words = opened.and_then(|(entropy, birthday)| {
                let mnemonic = Mnemonic::from_entropy(&entropy).map_err(|error| error.to_string())?;
                Ok((mnemonic.words().collect::<Vec<_>>(), birthday.0))
            });
            match words {
                Ok(words) => drop(shown.try_set(Some(words))),
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    let done = move |_| {
        let navigate = navigate.clone();
        spawn_local(async move {
            let mut notes = wallet.notes.get_untracked();
            notes.is_backed_up = true;
            match wallet.keep_notes(notes).await {
                Ok(()) => navigate("/wallet", NavigateOptions::default()),
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    view! {
        <Title text=text::WRITE_WORDS/>
        <section class="card stack">
            <p>{text::WORDS_MEAN}</p>
            {move || match shown.get() {
                None => view! {
                    <form class="stack narrow" on:submit=submit>
                        <div class="field">
                            <label for="passphrase">{text::PASSPHRASE}</label>
                            <input id="passphrase" type="password" autocomplete="current-password" required=true prop:value=passphrase on:input=move |event| passphrase.set(event_target_value(&event))/>
                        </div>
                        <div class="row"><button class="button primary" type="submit" disabled=is_busy>{move || if is_busy.get() { text::UNLOCKING } else { text::SHOW_WORDS }}</button></div>
                    </form>
                }.into_any(),
                Some((words, birthday)) => view! {
                    <ol class="words" aria-label=text::WORDS>{words.into_iter().map(|word| view! { <li>{word}</li> }).collect_view()}</ol>
                    <p class="soft">{text::birthday_is(&format::number(birthday.into()))}</p>
                    <div class="row"><button class="button primary" type="button" on:click=done.clone()>{text::WRITTEN}</button></div>
                }.into_any(),
            }}
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
        </section>
    }
}
