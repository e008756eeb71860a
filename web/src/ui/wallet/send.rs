//! Sending: a form whose fields say what is wrong with them, a payment shown as what it does, and only then a signature.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::mempool::Policy;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::pay::Order;

use super::state::WalletState;
use crate::browser::entropy;
use crate::browser::source::{self, Handed};
use crate::node::Fees;
use crate::ui::context::Shared;
use crate::ui::load::{Loaded, load};
use crate::ui::parts::{Fact, Notice, Title};
use crate::wallet::account::AccountState;
use crate::wallet::draft::{DraftError, draft_payment};
use crate::wallet::effect::{Effect, Paid};
use crate::wallet::order::{self, AddressFault, AmountFault, Request, RequestFault};
use crate::{format, text};

/// How soon a payment should be mined, in blocks, for each choice.
pub(crate) const WAITS: [u32; 3] = [1, 3, 12];

/// A payment that is ready to be signed.
type Draft = StoredValue<Option<UnsignedTx>>;

/// The form.
#[derive(Clone, Copy)]
struct Form {
    address: RwSignal<String>,
    amount: RwSignal<String>,
    is_all: RwSignal<bool>,
    /// The place in [`WAITS`].
    wait: RwSignal<usize>,
    address_fault: RwSignal<Option<RequestFault>>,
    amount_fault: RwSignal<Option<AmountFault>>,
    fault: RwSignal<Option<String>>,
}

/// The page.
#[component]
pub(crate) fn Send() -> impl IntoView {
    let form = Form {
        address: RwSignal::new(String::new()),
        amount: RwSignal::new(String::new()),
        is_all: RwSignal::new(false),
        wait: RwSignal::new(1),
        address_fault: RwSignal::new(None),
        amount_fault: RwSignal::new(None),
        fault: RwSignal::new(None),
    };
    let draft: Draft = StoredValue::new(None);
    let effect = RwSignal::new(None::<Effect>);
    let light = Shared::here().light;
    let fees = load(String::new, move |_| source::fees(light, &WAITS));
    view! {
        <Title text=text::SEND/>
        {move || match effect.get() {
            None => view! { <Fields form=form fees=fees draft=draft effect=effect/> }.into_any(),
            Some(shown) => view! { <Review shown=shown draft=draft effect=effect/> }.into_any(),
        }}
    }
}

impl Form {
    /// The address that is typed. Of a request, what it asks for is put into the fields.
    fn read_address(self, spec: &ChainSpec) -> Result<Address, RequestFault> {
        let prefix = &spec.network().address_prefix;
        let Request { address, amount } = order::request(&self.address.get_untracked(), prefix)?;
        if let Some(amount) = amount {
            self.address.set(address.to_text(prefix));
            self.amount.set(amount);
            self.is_all.set(false);
            self.amount_fault.set(None);
        }
        Ok(address)
    }

    /// The payment that is meant; what is wrong is noted beside its field.
    fn order(self, state: &AccountState, fees: Option<&Fees>, spec: &ChainSpec) -> Option<Order> {
        let address = self.read_address(spec);
        self.address_fault.set(address.as_ref().err().cloned());
        let balance = state.account().balance(spec);
        let available = balance.confirmed.checked_add(balance.pending).unwrap_or(Amount::MAX);
        let amount = match self.is_all.get_untracked() {
            true => Ok(Amount::ZERO),
            false => order::amount(&self.amount.get_untracked(), available, Policy::default().dust_min()),
        };
        self.amount_fault.set(amount.err());
        let (address, amount) = (address.ok()?, amount.ok()?);
        let fee_rate = rate(fees, self.wait.get_untracked());
        let order = Order { fee_rate, ..Order::default() };
        Some(if self.is_all.get_untracked() {
            Order { everything_to: Some(address), ..order }
        } else {
            Order { outputs: vec![TxOut { amount, lock: Lock::Address(address) }], ..order }
        })
    }
}

/// The rate for a choice: what nodes estimate, but never more than a hundred times the least, whatever it says.
pub(crate) fn rate(fees: Option<&Fees>, wait: usize) -> FeeRate {
    let least = Policy::default().relay_fee_rate_min.quanta_per_1000_bytes();
    let blocks = WAITS.get(wait).copied().unwrap_or(1);
    let estimate = fees.and_then(|fees| fees.estimates.iter().find(|estimate| estimate.blocks >= blocks));
    let rate = estimate.map_or(least, |estimate| estimate.fee_rate).max(fees.map_or(least, |fees| fees.fee_rate_min));
    FeeRate::from_quanta_per_1000_bytes(rate.clamp(least, least.saturating_mul(100)))
}

#[component]
fn Fields(form: Form, fees: Loaded<Fees>, draft: Draft, effect: RwSignal<Option<Effect>>) -> impl IntoView {
    let wallet = WalletState::here();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        form.fault.set(None);
        let spec = wallet.spec();
        let fees = fees.value.get_untracked().and_then(Result::ok);
        let current = wallet.current.get_untracked();
        let built = wallet.accounts.with_untracked(|accounts| {
            let state = accounts.get(current)?;
            let order = form.order(state, fees.as_ref(), &spec)?;
            Some(draft_payment(state, &spec, &order))
        });
        match built {
            None => {}
            Some(Err(error)) => form.fault.set(Some(draft_fault(&error))),
            Some(Ok((shown, unsigned))) => {
                draft.set_value(Some(unsigned));
                effect.set(Some(shown));
            }
        }
    };
    view! {
        <form class="card stack narrow" on:submit=submit novalidate=true>
            <AddressField form=form/>
            <AmountField form=form/>
            <fieldset class="choices">
                <legend>{text::FEE}</legend>
                {WAITS.iter().enumerate().map(|(place, blocks)| view! {
                    <label class="choice">
                        <input type="radio" name="wait" value=place.to_string() prop:checked=move || form.wait.get() == place on:change=move |_| form.wait.set(place)/>
                        <span>
                            <span class="strong">{text::wait(place)}</span><br/>
                            <span class="soft small">{text::within_blocks(*blocks)}" · "{move || format::fee_rate(rate(fees.ok().as_ref(), place).quanta_per_1000_bytes())}</span>
                        </span>
                    </label>
                }).collect_view()}
            </fieldset>
            <p class="soft small">{text::FEE_MEANS}</p>
            {move || form.fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            <button class="button primary wide" type="submit">{text::REVIEW}</button>
        </form>
    }
}

#[component]
fn AddressField(form: Form) -> impl IntoView {
    let wallet = WalletState::here();
    let contacts = move || wallet.notes.with(|notes| notes.contacts.clone());
    let choose = move |event| {
        let of = event_target_value(&event);
        if !of.is_empty() {
            form.address.set(of);
            form.address_fault.set(None);
        }
    };
    // A whole address is looked at as soon as the field is left.
    let look = move |_| {
        let found = form.read_address(&wallet.spec()).err();
        form.address_fault.set(found.filter(|fault| *fault != RequestFault::Address(AddressFault::Empty)));
    };
    view! {
        <div class="field">
            <label for="to">{text::TO}</label>
            <input id="to" class="mono" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="to-fault"
                aria-invalid=move || form.address_fault.get().is_some().to_string() prop:value=form.address on:blur=look
                on:input=move |event| { form.address.set(event_target_value(&event)); form.address_fault.set(None); }/>
            <p id="to-fault" class="fault" role="alert">{move || form.address_fault.get().map(shown_address_fault)}</p>
            <Show when=move || !contacts().is_empty()>
                <label class="hint" for="contact">{text::OR_CONTACT}</label>
                <select id="contact" on:change=choose>
                    <option value="">"–"</option>
                    {move || contacts().into_iter().map(|contact| view! { <option value=contact.of>{contact.name}</option> }).collect_view()}
                </select>
            </Show>
        </div>
    }
}

fn shown_address_fault(fault: RequestFault) -> AnyView {
    let fault = match fault {
        RequestFault::Address(fault) => fault,
        RequestFault::Amount => return text::REQUEST_AMOUNT.into_any(),
        RequestFault::Part { name } => return text::request_part(&name).into_any(),
    };
    match fault {
        AddressFault::Empty => text::ADDRESS_WANTED.into_any(),
        AddressFault::Text { error, marked: None } => text::mistyped(&error).into_any(),
        AddressFault::Text { error, marked: Some((before, at, after)) } => {
            view! { {text::mistyped(&error)}<br/><span class="mono">{before}<mark>{at}</mark>{after}</span> }.into_any()
        }
    }
}

#[component]
fn AmountField(form: Form) -> impl IntoView {
    let wallet = WalletState::here();
    let spec = wallet.spec();
    let available =
        Memo::new(move |_| wallet.with_current(|state| state.account().balance(&spec).confirmed).unwrap_or_default());
    view! {
        <div class="field">
            <label for="amount">{text::AMOUNT_IN}</label>
            <input id="amount" type="text" inputmode="decimal" autocomplete="off" aria-describedby="amount-fault amount-hint" disabled=form.is_all
                aria-invalid=move || form.amount_fault.get().is_some().to_string() prop:value=form.amount
                on:input=move |event| { form.amount.set(event_target_value(&event)); form.amount_fault.set(None); }/>
            <p id="amount-fault" class="fault" role="alert">{move || form.amount_fault.get().map(text::amount_fault)}</p>
            <p id="amount-hint" class="hint">{move || text::available(&format::amount(available.get()))}</p>
            <label class="row">
                <input type="checkbox" prop:checked=form.is_all on:change=move |event| { form.is_all.set(event_target_checked(&event)); form.amount_fault.set(None); }/>
                {text::SEND_ALL}
            </label>
        </div>
    }
}

/// Why an account cannot pay, as a sentence.
pub(crate) fn draft_fault(error: &DraftError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The payment as what it does, before it is signed.
#[component]
pub(crate) fn Review(shown: Effect, draft: Draft, effect: RwSignal<Option<Effect>>) -> impl IntoView {
    let (wallet, shared, navigate) = (WalletState::here(), Shared::here(), use_navigate());
    let (fault, is_busy) = (RwSignal::new(None::<String>), RwSignal::new(false));
    let replaces = shown.replaces.clone();
    let confirm = move |_| {
        let Some(unsigned) = draft.get_value() else { return effect.set(None) };
        is_busy.set(true);
        wallet.unsent.set(None);
        let (navigate, replaces) = (navigate.clone(), replaces.clone());
        spawn_local(async move {
            match sign_and_send(wallet, unsigned, &replaces).await {
                Ok((_, handed)) => {
                    draft.try_update_value(|draft| *draft = None);
                    shared.say(match handed {
                        Handed::Taken => text::SENT,
                        Handed::Unsure(_) | Handed::Refused(_) => text::SENT_UNSURE,
                    });
                    navigate("/wallet/history", NavigateOptions::default());
                }
                Err(error) => {
                    let _ = is_busy.try_set(false);
                    // A replacement takes the place of the payment beside which this is shown.
                    if let Some(Some(error)) = fault.try_set(Some(error)) {
                        wallet.unsent.set(Some(error));
                    }
                }
            }
        });
    };
    view! {
        <section class="card stack narrow summary" aria-labelledby="review">
            <h2 id="review">{text::REVIEW_TITLE}</h2>
            <What shown=shown/>
            <p class="soft small">{text::REVIEW_MEANS}</p>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            <div class="row">
                <button class="button primary" type="button" disabled=is_busy on:click=confirm>{move || if is_busy.get() { text::SIGNING } else { text::SIGN_AND_SEND }}</button>
                <button class="button plain" type="button" disabled=is_busy on:click=move |_| effect.set(None)>{text::BACK}</button>
            </div>
        </section>
    }
}

/// What a payment does, as people read it.
#[component]
pub(crate) fn What(shown: Effect) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let spec = wallet.spec();
    let (prefix, spacing_s) = (spec.network().address_prefix.clone(), spec.consensus().spacing_s);
    let expiry = shown.expiry_height;
    let paid = |paid: Paid| {
        let address = paid.address.map(|address| address.to_text(&prefix));
        let name = address
            .as_deref()
            .and_then(|address| wallet.notes.with_untracked(|notes| notes.name_of(address).map(str::to_owned)));
        let groups = address.as_deref().map(format::grouped).unwrap_or_default();
        view! {
            <div class="stack">
                <p class="sum">{format::amount(paid.amount)}" "<span class="soft small">"QBTC"</span></p>
                {name.map(|name| view! { <p class="strong">{name}</p> })}
                {paid.is_own.then(|| view! { <p class="soft small">{text::TO_YOURSELF}</p> })}
                <p class="address-groups">{groups.into_iter().map(|group| view! { <span>{group}</span> }).collect_view()}</p>
            </div>
        }
    };
    let fee = text::fee_line(
        &format::amount(shown.fee),
        &format::fee_rate(shown.fee_rate.quanta_per_1000_bytes()),
        &format::bytes(shown.size_bytes),
    );
    view! {
        {(shown.drops > 0).then(|| view! { <Notice kind="warn"><p>{text::drops_payments(shown.drops, &format::amount(shown.dropped))}</p></Notice> })}
        {shown.payments.iter().copied().map(paid).collect_view()}
        <dl class="facts">
            <Fact name=text::FEE>{fee}</Fact>
            <Fact name=text::LEAVES_WALLET><span class="strong">{format::amount(shown.leaves)}" QBTC"</span></Fact>
            {(shown.change > Amount::ZERO).then(|| view! { <Fact name=text::COMES_BACK>{format::amount(shown.change)}" QBTC"</Fact> })}
            <Fact name=text::TIME_LIMIT>{move || text::expires_in(expiry.0, shared.height(), spacing_s)}</Fact>
        </dl>
    }
}

/// Signs and hands in what was shown, in place of these payments; the payment's id, and what came of it.
///
/// # Errors
/// A sentence.
pub(crate) async fn sign_and_send(
    wallet: WalletState,
    unsigned: UnsignedTx,
    replaces: &[Txid],
) -> Result<(Txid, Handed), String> {
    let spec = wallet.spec();
    let key = wallet.key(wallet.current.get_untracked(), &spec).ok_or(text::LOCKED)?;
    let transaction = unsigned.sign(&key, &entropy()?).map_err(|error| error.to_string())?;
    let txid = transaction.txid();
    Ok((txid, wallet.hand_in(&spec, transaction, replaces).await?))
}
