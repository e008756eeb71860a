//! Making a wallet, bringing one back from its words or a file, unlocking.

use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use zeroize::Zeroizing;

use super::door::{self, New, Source, Task};
use super::state::WalletState;
use crate::browser::storage;
use crate::text;
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title};
use crate::wallet::vault::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARACTERS_MIN};

/// What a new wallet is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Fresh,
    Words,
    File,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Fresh => text::CREATE,
            Self::Words => text::RESTORE,
            Self::File => text::RESTORE_FILE,
        }
    }
}

/// The page of a tab without a wallet.
#[component]
pub(crate) fn Setup() -> impl IntoView {
    let chosen = RwSignal::new(None::<Way>);
    view! {
        {move || match chosen.get() {
            None => view! {
                <section class="welcome narrow">
                    <Title text=text::NAV_WALLET/>
                    <p class="lead">{text::WELCOME}</p>
                    <div class="row">
                        <button class="button primary" on:click=move |_| chosen.set(Some(Way::Fresh))>{Way::Fresh.name()}</button>
                        <button class="button" on:click=move |_| chosen.set(Some(Way::Words))>{Way::Words.name()}</button>
                        <button class="button" on:click=move |_| chosen.set(Some(Way::File))>{Way::File.name()}</button>
                    </div>
                    <p class="soft small">{text::WELCOME_MEANS}</p>
                </section>
            }.into_any(),
            Some(way) => view! { <NewWallet way=way back=Callback::new(move |()| chosen.set(None))/> }.into_any(),
        }}
    }
}

/// What is typed into the form of a new wallet.
#[derive(Clone, Copy)]
struct Typed {
    words: RwSignal<String>,
    birthday: RwSignal<String>,
    file: NodeRef<Input>,
    first: RwSignal<String>,
    second: RwSignal<String>,
}

impl Typed {
    fn new() -> Self {
        let empty = || RwSignal::new(String::new());
        Self { words: empty(), birthday: empty(), file: NodeRef::new(), first: empty(), second: empty() }
    }

    fn read(self, way: Way, tip: u32) -> Result<New, String> {
        let (first, second) = (self.first.get_untracked(), self.second.get_untracked());
        let (source, passphrase) = match way {
            Way::Fresh => (Source::Fresh, checked_passphrase(&first, &second)?),
            Way::Words => {
                let words = Zeroizing::new(self.words.get_untracked());
                (Source::Words(words, self.birthday.get_untracked()), checked_passphrase(&first, &second)?)
            }
            Way::File => (Source::File(self.file.get_untracked().ok_or(text::NO_FILE)?), Zeroizing::new(first)),
        };
        Ok(New { source, passphrase, tip })
    }

    fn forget(self) {
        for signal in [self.words, self.first, self.second] {
            let _ = signal.try_set(String::new());
        }
    }
}

/// The form of a new wallet.
#[component]
fn NewWallet(way: Way, back: Callback<()>) -> impl IntoView {
    let (wallet, shared, navigate) = (WalletState::here(), Shared::here(), use_navigate());
    let typed = Typed::new();
    let (fault, is_busy) = (RwSignal::new(None::<String>), RwSignal::new(false));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let tip = untrack(|| shared.height());
        let new = match typed.read(way, tip) {
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
                Ok(()) => {
                    let to = if way == Way::Fresh { "/wallet/receive" } else { "/wallet" };
                    navigate(to, NavigateOptions::default());
                }
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    let name = way.name();
    view! {
        <section class="narrow stack">
            <Title text=name/>
            <form class="card stack" on:submit=submit>
                {match way {
                    Way::Fresh => view! { <PassphraseFields typed=typed/> }.into_any(),
                    Way::Words => view! { <WordFields typed=typed/><PassphraseFields typed=typed/> }.into_any(),
                    Way::File => view! { <FileFields typed=typed/> }.into_any(),
                }}
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
fn FileFields(typed: Typed) -> impl IntoView {
    let Typed { file, first, .. } = typed;
    view! {
        <div class="field">
            <label for="file">{text::KEYSTORE_FILE}</label>
            <input id="file" type="file" required=true node_ref=file/>
            <span class="hint">{text::KEYSTORE_FILE_HINT}</span>
        </div>
        <div class="field">
            <label for="passphrase">{text::PASSPHRASE}</label>
            <input id="passphrase" type="password" autocomplete="current-password" required=true prop:value=first on:input=move |event| first.set(event_target_value(&event))/>
            <span class="hint">{text::FILE_PASSPHRASE_HINT}</span>
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
