//! Asking for something and showing what came of it: nothing yet, an error with a way on, or the thing.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::parts::Notice;
use crate::browser::fetch::FetchError;
use crate::text;

/// What came of asking.
pub(crate) struct Loaded<T: Send + Sync + 'static> {
    /// Nothing yet, or what came last.
    pub(crate) value: RwSignal<Option<Result<T, FetchError>>>,
    turn: RwSignal<u64>,
}

impl<T: Send + Sync + 'static> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Loaded<T> {}

/// Asks now, and again whenever something changes that `ask` reads before it waits. `key` is what is asked for: when it changes, what was
/// there is taken away at once; otherwise it stays until the new answer is there.
pub(crate) fn load<T, K, F, A>(key: K, ask: F) -> Loaded<T>
where
    T: Clone + Send + Sync + 'static,
    K: Fn() -> String + 'static,
    F: Fn(String) -> A + 'static,
    A: Future<Output = Result<T, FetchError>> + 'static,
{
    let loaded = Loaded { value: RwSignal::new(None), turn: RwSignal::new(0) };
    let asked = StoredValue::new(0_u64);
    Effect::new(move |before: Option<String>| {
        loaded.turn.track();
        let key = key();
        if before.is_some_and(|before| before != key) {
            loaded.value.set(None);
        }
        let answer = ask(key.clone());
        asked.update_value(|asked| *asked += 1);
        let turn = asked.get_value();
        spawn_local(async move {
            let answer = answer.await;
            // Neither a page that is gone nor one that has asked again wants it.
            if asked.try_get_value() == Some(turn) {
                let _ = loaded.value.try_set(Some(answer));
            }
        });
        key
    });
    loaded
}

impl<T: Clone + Send + Sync + 'static> Loaded<T> {
    /// Asks again.
    pub(crate) fn again(self) {
        self.turn.update(|turn| *turn += 1);
    }

    /// The thing, if it is there.
    pub(crate) fn ok(self) -> Option<T> {
        self.value.get().and_then(Result::ok)
    }

    /// Shows it.
    pub(crate) fn show<V: IntoView + 'static>(self, then: impl Fn(T) -> V + Send + 'static) -> impl IntoView {
        move || {
            match self.value.get() {
            None => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Some(Err(error)) => view! {
                <Notice kind="bad">
                    <p>{error.sentence()}</p>
                    <div class="row"><button class="button small" on:click=move |_| self.again()>{text::TRY_AGAIN}</button></div>
                </Notice>
            }
            .into_any(),
            Some(Ok(value)) => then(value).into_any(),
        }
        }
    }
}
