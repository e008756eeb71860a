//! The address book: names for addresses of others.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::state::WalletState;
use crate::text;
use crate::ui::parts::{AddressLink, Notice, Title};
use crate::wallet::order::{self, AddressFault};

/// The page.
#[component]
pub(crate) fn Contacts() -> impl IntoView {
    let wallet = WalletState::here();
    let (name, address, fault) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(None::<String>));
    let keep = move |notes| {
        spawn_local(async move {
            match wallet.keep_notes(notes).await {
                Ok(()) => {
                    let _ = fault.try_set(None);
                }
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let prefix = wallet.spec().network().address_prefix.clone();
        let of = match order::address(&address.get_untracked(), &prefix) {
            Ok(of) => of.to_text(&prefix),
            Err(AddressFault::Empty) => return fault.set(Some(text::ADDRESS_WANTED.to_owned())),
            Err(AddressFault::Text { error, .. }) => return fault.set(Some(text::mistyped(&error))),
        };
        let mut notes = wallet.notes.get_untracked();
        if let Err(error) = notes.set_contact(&name.get_untracked(), &of) {
            return fault.set(Some(text::name_fault(error)));
        }
        name.set(String::new());
        address.set(String::new());
        keep(notes);
    };
    let remove = move |of: String| {
        let mut notes = wallet.notes.get_untracked();
        notes.contacts.retain(|contact| contact.of != of);
        keep(notes);
    };
    view! {
        <Title text=text::CONTACTS/>
        <section class="card">
            <Show when=move || wallet.notes.with(|notes| !notes.contacts.is_empty()) fallback=|| view! { <p class="empty">{text::NO_CONTACTS}</p> }>
                <table class="table">
                    <thead><tr><th>{text::NAME}</th><th>{text::ADDRESS}</th><th><span class="visually-hidden">{text::REMOVE}</span></th></tr></thead>
                    <tbody>
                        <For each=move || wallet.notes.with(|notes| notes.contacts.clone()) key=|contact| contact.of.clone() children=move |contact| {
                            let of = contact.of.clone();
                            view! {
                                <tr>
                                    <td>{contact.name}</td><td><AddressLink address=contact.of/></td>
                                    <td class="num"><button class="button small plain" type="button" on:click=move |_| remove(of.clone())>{text::REMOVE}</button></td>
                                </tr>
                            }
                        }/>
                    </tbody>
                </table>
            </Show>
        </section>
        <form class="card stack" on:submit=add>
            <h2>{text::ADD_CONTACT}</h2>
            <div class="field">
                <label for="name">{text::NAME}</label>
                <input id="name" type="text" autocomplete="off" maxlength="60" prop:value=name on:input=move |event| name.set(event_target_value(&event))/>
            </div>
            <div class="field">
                <label for="address">{text::ADDRESS}</label>
                <input id="address" class="mono" type="text" autocomplete="off" spellcheck="false" prop:value=address on:input=move |event| address.set(event_target_value(&event))/>
            </div>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            <div class="row"><button class="button primary" type="submit">{text::ADD_CONTACT}</button></div>
        </form>
    }
}
