//! Messages: a text that an address stands by, and checking one.

use leptos::prelude::*;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::layout::AddressKeys;
use qbtc_core::wallet::message::{MessageDraft, MessageProof};

use super::state::WalletState;
use crate::browser::entropy;
use crate::text;
use crate::ui::context::Shared;
use crate::ui::parts::{CopyButton, Notice, Title};
use crate::wallet::order::{self, AddressFault};

/// The longest text that is signed or checked, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1_024;

/// The page.
#[component]
pub(crate) fn Messages() -> impl IntoView {
    view! {
        <Title text=text::MESSAGES/>
        <div class="two"><Sign/><Check/></div>
    }
}

#[component]
fn Sign() -> impl IntoView {
    let wallet = WalletState::here();
    let spec = wallet.spec();
    let own = move || {
        let address = wallet.with_current(crate::wallet::account::AccountState::receive_address).flatten();
        address.map(|address| address.to_text(&spec.network().address_prefix)).unwrap_or_default()
    };
    let (address, message) = (RwSignal::new(untrack(own)), RwSignal::new(String::new()));
    let signed = RwSignal::new(None::<Result<String, String>>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        signed.set(Some(sign(wallet, &address.get_untracked(), &message.get_untracked())));
    };
    view! {
        <form class="card stack" on:submit=submit>
            <h2>{text::SIGN_MESSAGE}</h2>
            <p class="soft small">{text::SIGN_MEANS}</p>
            <div class="field">
                <label for="own">{text::OWN_ADDRESS}</label>
                <input id="own" class="mono" type="text" autocomplete="off" spellcheck="false" prop:value=address on:input=move |event| { address.set(event_target_value(&event)); signed.set(None); }/>
            </div>
            <div class="field">
                <label for="text">{text::MESSAGE}</label>
                <textarea id="text" prop:value=message on:input=move |event| { message.set(event_target_value(&event)); signed.set(None); }></textarea>
            </div>
            <div class="row"><button class="button primary" type="submit">{text::SIGN_MESSAGE}</button></div>
            <div aria-live="polite">{move || signed.get().map(|signed| match signed {
                Ok(proof) => view! {
                    <div class="field">
                        <label for="proof">{text::SIGNATURE}</label>
                        <textarea id="proof" class="mono" readonly=true prop:value=proof.clone()></textarea>
                        <div class="row"><CopyButton text=proof class="button small"/></div>
                    </div>
                }.into_any(),
                Err(error) => view! { <Notice kind="bad"><p>{error}</p></Notice> }.into_any(),
            })}</div>
        </form>
    }
}

/// The signature of an address of the account that is shown, on a text.
///
/// # Errors
/// A sentence.
pub(crate) fn sign(wallet: WalletState, address: &str, message: &str) -> Result<String, String> {
    let spec = wallet.spec();
    let address = read_address(address, &spec)?;
    if message.len() > TEXT_BYTES_MAX {
        return Err(text::MESSAGE_LONG.to_owned());
    }
    let current = wallet.current.get_untracked();
    let key = wallet.key(current, &spec).ok_or(text::LOCKED)?;
    wallet.accounts.with_untracked(|accounts| {
        let book = accounts.get(current).ok_or(text::LOCKED)?.book();
        let path = book.path_of(&address).ok_or(text::NOT_OWN)?;
        let keys = book.entry(path).and_then(|entry| entry.keys.as_ref()).ok_or(text::NOT_OWN)?;
        let told = |error: qbtc_core::wallet::message::MessageError| error.to_string();
        let mut draft =
            MessageDraft::new(&spec.chain_id(), &keys.tree(), AddressKeys::SIGNING, message).map_err(told)?;
        draft.sign(&key.secret_key(book.layout().scheme(), path), &entropy()?);
        Ok(draft.finish().map_err(told)?.to_string())
    })
}

fn read_address(typed: &str, spec: &ChainSpec) -> Result<Address, String> {
    order::address(typed, &spec.network().address_prefix).map_err(|fault| match fault {
        AddressFault::Empty => text::ADDRESS_WANTED.to_owned(),
        AddressFault::Text { error, .. } => text::mistyped(&error),
    })
}

#[component]
fn Check() -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let (address, message, proof) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let found = RwSignal::new(None::<Result<(), String>>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let check = || {
            let spec = wallet.spec();
            let address = read_address(&address.get_untracked(), &spec)?;
            let proof: MessageProof = proof
                .get_untracked()
                .parse()
                .map_err(|error: qbtc_core::wallet::message::MessageError| error.to_string())?;
            let next = Height(shared.height().saturating_add(1));
            proof.verify(address, &message.get_untracked(), next, &spec).map_err(|error| error.to_string())
        };
        found.set(Some(check()));
    };
    view! {
        <form class="card stack" on:submit=submit>
            <h2>{text::CHECK_MESSAGE}</h2>
            <div class="field">
                <label for="of">{text::ADDRESS}</label>
                <input id="of" class="mono" type="text" autocomplete="off" spellcheck="false" prop:value=address on:input=move |event| { address.set(event_target_value(&event)); found.set(None); }/>
            </div>
            <div class="field">
                <label for="said">{text::MESSAGE}</label>
                <textarea id="said" prop:value=message on:input=move |event| { message.set(event_target_value(&event)); found.set(None); }></textarea>
            </div>
            <div class="field">
                <label for="given">{text::SIGNATURE}</label>
                <textarea id="given" class="mono" spellcheck="false" prop:value=proof on:input=move |event| { proof.set(event_target_value(&event)); found.set(None); }></textarea>
            </div>
            <div class="row"><button class="button" type="submit">{text::CHECK}</button></div>
            <div aria-live="polite">{move || found.get().map(|found| match found {
                Ok(()) => view! { <Notice kind="good"><p class="strong">{text::MESSAGE_HOLDS}</p></Notice> }.into_any(),
                Err(error) => view! { <Notice kind="bad"><p class="strong">{text::MESSAGE_FAILS}</p><p>{error}</p></Notice> }.into_any(),
            })}</div>
        </form>
    }
}
