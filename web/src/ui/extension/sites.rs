//! The sites that are connected, each to be disconnected.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Deserialize;

use crate::browser::extension::{self, Says};
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title};
use crate::{format, text};

/// What is kept beside a site's origin.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Granted {
    /// Since when it is connected, in milliseconds since 1970.
    since: f64,
}

type Sites = BTreeMap<String, Granted>;

/// The page.
#[component]
pub(crate) fn Sites() -> impl IntoView {
    let (sites, fault) = (RwSignal::new(None::<Sites>), RwSignal::new(None::<String>));
    let load = move || {
        spawn_local(async move {
            match extension::tell(&Says::Permissions).await {
                Ok(found) => drop(sites.try_set(Some(found))),
                Err(error) => drop(fault.try_set(Some(error))),
            }
        });
    };
    load();
    let revoke = Callback::new(move |origin: String| {
        spawn_local(async move {
            let revoked = extension::tell::<()>(&Says::Revoke { origin: &origin }).await;
            let _ = fault.try_set(revoked.err());
            load();
        });
    });
    view! {
        <Title text=text::SITES/>
        <section class="card stack">
            <p class="soft small">{text::SITES_MEAN}</p>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            {move || sites.get().map(|sites| match sites.is_empty() {
                true => view! { <p>{text::NO_SITES}</p> }.into_any(),
                false => view! { <ul class="coins" data-testid="sites">{sites.into_iter().map(|(origin, granted)| view! { <Site origin=origin granted=granted revoke=revoke/> }).collect_view()}</ul> }.into_any(),
            })}
        </section>
    }
}

#[component]
fn Site(origin: String, granted: Granted, revoke: Callback<String>) -> impl IntoView {
    let shared = Shared::here();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let since = (granted.since / 1_000.0) as u64;
    let of = origin.clone();
    view! {
        <li>
            <span><span class="id">{origin}</span><br/><span class="soft small">{move || format::ago(since, shared.now.get())}</span></span>
            <button class="button small" type="button" on:click=move |_| revoke.run(of.clone())>{text::DISCONNECT}</button>
        </li>
    }
}
