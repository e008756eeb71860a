//! Receiving: an address to show, as text and as a QR code. Above a threshold the words come first.

use fast_qr::{ECL, QRBuilder};
use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::wallet::address_book::AddressBook;

use super::state::WalletState;
use crate::format;
use crate::text;
use crate::ui::parts::{CopyButton, Notice, Title};
use crate::wallet::account::AccountState;
use crate::wallet::change::Change;

/// The page.
#[component]
pub(crate) fn Receive() -> impl IntoView {
    let wallet = WalletState::here();
    let spec = wallet.spec();
    let gate = {
        let spec = spec.clone();
        Memo::new(move |_| {
            let balance = wallet.with_current(|state| {
                let balance = state.account().balance(&spec);
                let sum = qbtc_core::units::Amount::checked_sum([balance.confirmed, balance.pending, balance.immature]);
                sum.unwrap_or(qbtc_core::units::Amount::MAX)
            });
            wallet.notes.with(|notes| notes.wants_backup(balance.unwrap_or_default()))
        })
    };
    let address = Memo::new(move |_| {
        let address = wallet.with_current(AccountState::receive_address).flatten();
        address.map(|address| address.to_text(&spec.network().address_prefix))
    });
    view! {
        <Title text=text::RECEIVE/>
        {move || if gate.get() {
            view! {
                <Notice kind="warn">
                    <p class="strong">{text::BACKUP_FIRST}</p><p>{text::BACKUP_FIRST_MEANS}</p>
                    <div class="row"><a class="button primary" href="/wallet/words">{text::SHOW_WORDS}</a></div>
                </Notice>
            }.into_any()
        } else {
            match address.get() {
                Some(address) => view! { <Shown address=address/> }.into_any(),
                None => view! { <Notice kind="bad"><p>{text::NO_ADDRESS}</p></Notice> }.into_any(),
            }
        }}
    }
}

#[component]
fn Shown(address: String) -> impl IntoView {
    let (wallet, fault) = (WalletState::here(), RwSignal::new(None::<String>));
    let next = move |_| {
        spawn_local(async move {
            let spec = wallet.spec();
            let shown = wallet.accounts.with_untracked(|accounts| {
                accounts.get(wallet.current.get_untracked()).and_then(AccountState::receive_address)
            });
            let given = match shown {
                Some(shown) => wallet.change_current(&spec, Change::GiveAway(shown)).await,
                None => Err(text::NO_ADDRESS.to_owned()),
            };
            let _ = fault.try_set(given.err());
        });
    };
    let gap = move || {
        let needed = wallet.with_current(|state| state.account().gap_needed());
        needed.filter(|needed| *needed > AddressBook::GAP_LIMIT)
    };
    let groups = format::grouped(&address).into_iter().map(|group| view! { <span>{group}</span> }).collect_view();
    view! {
        <section class="card stack narrow">
            <QrCode content=address.clone()/>
            <p class="address-groups" data-testid="address" data-address=address.clone()>{groups}</p>
            <div class="row">
                <CopyButton text=address class="button primary"/>
                <button class="button" type="button" on:click=next>{text::NEXT_ADDRESS}</button>
            </div>
            <p class="soft small">{text::RECEIVE_MEANS}</p>
            {move || gap().map(|needed| view! { <Notice kind="warn"><p>{text::many_unpaid(needed, AddressBook::GAP_LIMIT)}</p></Notice> })}
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
        </section>
    }
}

/// A text as a QR code.
#[component]
pub(crate) fn QrCode(content: String) -> impl IntoView {
    // Upper case takes a smaller code, and addresses mean the same in it.
    let Ok(code) = QRBuilder::new(content.to_uppercase()).ecl(ECL::M).build() else { return ().into_any() };
    let mut path = String::new();
    for row in 0..code.size {
        for column in (0..code.size).filter(|column| code[row][*column].value()) {
            path.push_str(&format!("M{column} {row}h1v1h-1z"));
        }
    }
    view! {
        <div class="qr">
            <svg viewBox=format!("0 0 {0} {0}", code.size) role="img" aria-label=text::QR shape-rendering="crispEdges"><path d=path fill="#000"/></svg>
        </div>
    }
    .into_any()
}
