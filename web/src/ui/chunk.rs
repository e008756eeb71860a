//! Chunks: the parts of the program that are fetched when they are first needed. `#[wasm_split(NAME, …)]` marks the doors into each, and what only they
//! reach lies behind them (xtask/tools).
//!
//! | chunk | what is in it |
//! |---|---|
//! | main | the frame, the router, and what all pages share |
//! | `explorer` | the pages of the explorer ([`super::explorer`]) |
//! | `setup` | the wallet until it is open: its forms ([`super::wallet`]) |
//! | `wallet` | the open wallet, and the documents of an extension ([`super::wallet::door`], [`super::extension`]) |
//! | `light` | the connections of the light client ([`super::lead`]) |
//!
//! Once the first page is there, the others are fetched: a page goes on when the server that it came from is gone.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
pub(crate) use wasm_split_helpers::SplitLoaderError as Missing;

use super::context::Shared;
use super::parts::{Notice, Title};
use super::{explorer, lead, wallet};
use crate::text;

/// How long after the first page the other chunks are fetched: what that page asks for comes before.
const OTHERS_AFTER: Duration = Duration::from_millis(1_000);
/// How long to wait before a chunk is asked for again that could not be had.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What a chunk holds, once that is there. `load` fetches it, `door` then opens at once.
pub(crate) fn view<L, D>(load: impl Fn() -> L + Send + 'static, door: impl Fn() -> D + Send + 'static) -> impl IntoView
where
    L: Future<Output = Result<(), Missing>> + 'static,
    D: Future<Output = Result<AnyView, Missing>>,
{
    let shared = use_context::<Shared>();
    let is_here = RwSignal::new(None);
    let fetch = move || {
        let mut loading = Box::pin(load());
        if let Some(loaded) = at_once(loading.as_mut()) {
            return is_here.set(Some(loaded.is_ok()));
        }
        spawn_local(async move {
            let loaded = loading.await;
            let _ = is_here.try_set(Some(loaded.is_ok()));
        });
    };
    fetch();
    let fetch = StoredValue::new_local(fetch);
    let again = move |_| {
        is_here.set(None);
        fetch.with_value(|fetch| fetch());
    };
    move || {
        let opened = match is_here.get() {
            None => {
                return view! {
                    <h1 class="visually-hidden" tabindex="-1">{text::LOADING}</h1>
                    <p class="loading" role="status">{text::LOADING}</p>
                }
                .into_any();
            }
            Some(true) => at_once(std::pin::pin!(door())),
            Some(false) => None,
        };
        if let Some(Ok(view)) = opened {
            return view;
        }
        if let Some(shared) = shared {
            shared.first_is_shown();
        }
        view! {
            <Title text=text::CHUNK_MISSING/>
            <Notice kind="bad">
                <p>{text::CHUNK_MISSING_MEANS}</p>
                <div class="row"><button class="button small" type="button" on:click=again>{text::TRY_AGAIN}</button></div>
            </Notice>
        }
        .into_any()
    }
}

/// What comes of a future that waits for nothing; nothing, of one that does.
fn at_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Fetches all chunks that are not there, in the background, until they are.
pub(crate) fn fetch_all() {
    set_timeout(
        || {
            spawn_local(async {
                // One after the other: what the user asks for meanwhile comes first.
                let mut is_missing = lead::load().await.is_err();
                is_missing |= wallet::load().await.is_err();
                is_missing |= wallet::door::load().await.is_err();
                is_missing |= explorer::load().await.is_err();
                if is_missing {
                    set_timeout(fetch_all, AGAIN_AFTER);
                }
            });
        },
        OTHERS_AFTER,
    );
}
