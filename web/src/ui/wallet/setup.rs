//! Making a wallet, bringing one back from its words, unlocking.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use zeroize::Zeroizing;

use super::door::{self, New, Task};
use super::state::WalletState;
use crate::browser::storage;
use crate::text;
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title};
use crate::wallet::vault::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARACTERS_MIN};

/// What the user does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Choose,
    Create,
    Restore,
}

/// The page of a tab without a wallet.
#[component]
pub(crate) fn Setup() -> impl IntoView {
    let way = RwSignal::new(Way::Choose);
    view! {
        {move || match way.get() {
            Way::Choose => view! {
                <section class="welcome narrow">
                    <Title text=text::NAV_WALLET/>
                    <p class="lead">{text::WELCOME}</p>
                    <div class="row">
                        <button class="button primary" on:click=move |_| way.set(Way::Create)>{text::CREATE}</button>
                        <button class="button" on:click=move |_| way.set(Way::Restore)>{text::RESTORE}</button>
                    </div>
                    <p class="soft small">{text::WELCOME_MEANS}</p>
                </section>
            }.into_any(),
            Way::Create => view! { <NewWallet restores=false back=Callback::new(move |()| way.set(Way::Choose))/> }.into_any(),
            Way::Restore => view! { <NewWallet restores=true back=Callback::new(move |()| way.set(Way::Choose))/> }.into_any(),
        }}
    }
}

/// What is typed into the form of a new wallet.
#[derive(Clone, Copy)]
struct Typed {
    words: RwSignal<String>,
    birthday: RwSignal<String>,
    first: RwSignal<String>,
    second: RwSignal<String>,
}

impl Typed {
    fn new() -> Self {
        let empty = || RwSignal::new(String::new());
        Self { words: empty(), birthday: empty(), first: empty(), second: empty() }
    }

    fn read(self, restores: bool, tip: u32) -> Result<New, String> {
        let passphrase = checked_passphrase(&self.first.get_untracked(), &self.second.get_untracked())?;
        let restored = restores.then(|| (Zeroizing::new(self.words.get_untracked()), self.birthday.get_untracked()));
        Ok(New { restored, passphrase, tip })
    }

    fn forget(self) {
        for signal in [self.words, self.first, self.second] {
            let _ = signal.try_set(String::new());
        }
    }
}

/// The form of a new wallet, of fresh words or of words that the user has.
#[component]
fn NewWallet(restores: bool, back: Callback<()>) -> impl IntoView {
    let (wallet, shared, navigate) = (WalletState::here(), Shared::here(), use_navigate());
    let typed = Typed::new();
    let (fault, is_busy) = (RwSignal::new(None::<String>), RwSignal::new(false));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let tip = untrack(|| shared.height());
        let new = match typed.read(restores, tip) {
            Ok(new) => new,
            Err(error) => return fault.set(Some(error)),
        };
        fault.set(None);
        is_busy.set(true);
        let navigate = navigate.clone();
        spawn_local(async move {
            let created = door::run(wallet, Task::Create(new)).await;
            let _ = is_busy.try_set(false);
            if created.is_ok() {
                typed.forget();
                // Asked when the user has just made something that is worth keeping, and not waited for: a browser may ask the user. The settings show what
                // came of it.
                spawn_local(async {
                    let _ = storage::persist().await;
                });
            }
            match created {
                Ok(()) => navigate(if restores { "/wallet" } else { "/wallet/receive" }, NavigateOptions::default()),
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    let name = if restores { text::RESTORE } else { text::CREATE };
    view! {
        <section class="narrow stack">
            <Title text=name/>
            <form class="card stack" on:submit=submit>
                {restores.then(|| view! { <WordFields typed=typed/> })}
                <PassphraseFields typed=typed/>
                {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
                <div class="row">
                    <button class="button primary" type="submit" disabled=is_busy>{move || if is_busy.get() { text::SEALING } else { name }}</button>
                    <button class="button plain" type="button" disabled=is_busy on:click=move |_| back.run(())>{text::BACK}</button>
                </div>
            </form>
        </section>
    }
}

#[component]
fn WordFields(typed: Typed) -> impl IntoView {
    let Typed { words, birthday, .. } = typed;
    view! {
        <div class="field">
            <label for="words">{text::WORDS}</label>
            <textarea id="words" class="mono" rows="4" autocomplete="off" autocapitalize="off" spellcheck="false" prop:value=words
                on:input=move |event| words.set(event_target_value(&event))></textarea>
            <span class="hint">{text::WORDS_HINT}</span>
        </div>
        <div class="field">
            <label for="birthday">{text::BIRTHDAY}</label>
            <input id="birthday" type="text" inputmode="numeric" autocomplete="off" prop:value=birthday on:input=move |event| birthday.set(event_target_value(&event))/>
            <span class="hint">{text::BIRTHDAY_HINT}</span>
        </div>
    }
}

#[component]
fn PassphraseFields(typed: Typed) -> impl IntoView {
    let Typed { first, second, .. } = typed;
    view! {
        <div class="field">
            <label for="passphrase">{text::NEW_PASSPHRASE}</label>
            <input id="passphrase" type="password" autocomplete="new-password" required=true prop:value=first on:input=move |event| first.set(event_target_value(&event))/>
            <span class="hint">{text::PASSPHRASE_HINT}</span>
        </div>
        <div class="field">
            <label for="again">{text::AGAIN}</label>
            <input id="again" type="password" autocomplete="new-password" required=true prop:value=second on:input=move |event| second.set(event_target_value(&event))/>
        </div>
    }
}

fn checked_passphrase(first: &str, second: &str) -> Result<Zeroizing<String>, String> {
    if first.chars().count() < PASSPHRASE_CHARACTERS_MIN {
        return Err(text::passphrase_short(PASSPHRASE_CHARACTERS_MIN));
    }
    if first.len() > PASSPHRASE_BYTES_MAX {
        return Err(text::PASSPHRASE_LONG.to_owned());
    }
    if first != second {
        return Err(text::PASSPHRASES_DIFFER.to_owned());
    }
    Ok(Zeroizing::new(first.to_owned()))
}

/// The page of a wallet that is locked.
#[component]
pub(crate) fn Unlock() -> impl IntoView {
    let wallet = WalletState::here();
    view! {
        <section class="narrow stack">
            <Title text=text::UNLOCK/>
            {move || wallet.unmade.get().map(|why| view! { <Notice kind="bad"><p>{why}</p></Notice> })}
            <UnlockForm/>
            <Forget/>
        </section>
    }
}

/// The form that opens a locked wallet.
#[component]
pub(crate) fn UnlockForm() -> impl IntoView {
    let wallet = WalletState::here();
    let (passphrase, fault, is_busy) =
        (RwSignal::new(String::new()), RwSignal::new(None::<String>), RwSignal::new(false));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        fault.set(None);
        is_busy.set(true);
        let typed = Zeroizing::new(passphrase.get_untracked());
        passphrase.set(String::new());
        spawn_local(async move {
            let unlocked = door::run(wallet, Task::Unlock(typed)).await;
            let _ = is_busy.try_set(false);
            if let Err(error) = unlocked {
                let _ = fault.try_set(Some(error));
            }
        });
    };
    view! {
        <form class="card stack" on:submit=submit>
            <div class="field">
                <label for="passphrase">{text::PASSPHRASE}</label>
                <input id="passphrase" type="password" autocomplete="current-password" required=true prop:value=passphrase on:input=move |event| passphrase.set(event_target_value(&event))/>
            </div>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            <div class="row"><button class="button primary wide" type="submit" disabled=is_busy>{move || if is_busy.get() { text::UNLOCKING } else { text::UNLOCK }}</button></div>
        </form>
    }
}

/// Removes the wallet from this browser, after a second thought.
#[component]
pub(crate) fn Forget() -> impl IntoView {
    let wallet = WalletState::here();
    let (typed, fault) = (RwSignal::new(String::new()), RwSignal::new(None::<String>));
    let forget = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if typed.get_untracked().trim() != text::FORGET_WORD {
            return fault.set(Some(text::FORGET_TYPE.to_owned()));
        }
        spawn_local(async move {
            if let Err(error) = door::run(wallet, Task::Forget).await {
                let _ = fault.try_set(Some(error));
            }
        });
    };
    view! {
        <details class="card flat">
            <summary>{text::FORGET}</summary>
            <form class="stack" on:submit=forget>
                <p>{text::FORGET_MEANS}</p>
                <div class="field">
                    <label for="forget">{text::FORGET_TYPE}</label>
                    <input id="forget" type="text" autocomplete="off" prop:value=typed on:input=move |event| typed.set(event_target_value(&event))/>
                </div>
                {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
                <div class="row"><button class="button danger small" type="submit">{text::FORGET}</button></div>
            </form>
        </details>
    }
}
