//! The search field: heights, ids, addresses, and what is wrong with what is none of them.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use qbtc_core::lock::AddressPrefix;

use super::context::Shared;
use crate::browser::fetch::{self, FetchError};
use crate::node::{Block, Transaction, path};
use crate::search::{Query, Unclear};
use crate::text;

/// What is answered below the field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Looking,
    Sentence(String),
    /// An address with the character to look at.
    Mistyped {
        before: String,
        at: String,
        after: String,
        why: String,
    },
}

/// The field.
#[component]
pub(crate) fn Search() -> impl IntoView {
    let (shared, navigate) = (Shared::here(), use_navigate());
    let (typed, answer) = (RwSignal::new(String::new()), RwSignal::new(Answer::Nothing));
    let go = move |to: String| {
        answer.set(Answer::Nothing);
        typed.set(String::new());
        navigate(&to, NavigateOptions::default());
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let prefix = shared.chain.with_untracked(|chain| chain.as_ref().map(|chain| chain.address_prefix.clone()));
        let Some(prefix) = prefix.and_then(|prefix| prefix.parse::<AddressPrefix>().ok()) else {
            return answer.set(Answer::Sentence(text::NODE_UNREACHABLE.to_owned()));
        };
        match Query::parse(&typed.get_untracked(), &prefix) {
            Query::Empty => answer.set(Answer::Nothing),
            Query::Height(height) if height > shared.height() => {
                answer.set(Answer::Sentence(text::beyond_tip(height, shared.height())));
            }
            Query::Height(height) => go(format!("/block/{height}")),
            Query::Address(address) => go(format!("/address/{address}")),
            Query::Unclear(unclear) => answer.set(explained(unclear)),
            Query::Id(id) => {
                answer.set(Answer::Looking);
                let go = go.clone();
                spawn_local(async move {
                    match found(&id).await {
                        Ok(Some(to)) => go(to),
                        Ok(None) => answer.set(Answer::Sentence(text::NO_SUCH_ID.to_owned())),
                        Err(error) => answer.set(Answer::Sentence(error.sentence())),
                    }
                });
            }
        }
    };
    view! {
        <form class="search" role="search" on:submit=submit>
            <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true">
                <path d="M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13ZM15.500 15.500 20 20"/>
            </svg>
            <input type="search" aria-label=text::SEARCH placeholder=text::SEARCH autocomplete="off" autocapitalize="off" spellcheck="false"
                aria-describedby="search-answer" maxlength="200" prop:value=typed
                on:input=move |event| { typed.set(event_target_value(&event)); answer.set(Answer::Nothing); }/>
            <div id="search-answer" role="status">{move || shown(answer.get())}</div>
        </form>
    }
}

fn shown(answer: Answer) -> AnyView {
    match answer {
        Answer::Nothing => ().into_any(),
        Answer::Looking => view! { <p class="answer">{text::LOADING}</p> }.into_any(),
        Answer::Sentence(sentence) => view! { <p class="answer">{sentence}</p> }.into_any(),
        Answer::Mistyped { before, at, after, why } => {
            view! { <p class="answer">{why}<br/><span class="mono">{before}<mark>{at}</mark>{after}</span></p> }
                .into_any()
        }
    }
}

fn explained(unclear: Unclear) -> Answer {
    match unclear {
        Unclear::Address { text: typed, error, position: Some(position) } => {
            let mut characters = typed.chars();
            let before: String = characters.by_ref().take(position.saturating_sub(1)).collect();
            let at = characters.next().map(String::from).unwrap_or_default();
            Answer::Mistyped { before, at, after: characters.collect(), why: text::mistyped(&error) }
        }
        Unclear::Address { error, .. } => Answer::Sentence(text::mistyped(&error)),
        Unclear::IdLength { found } => Answer::Sentence(text::id_length(found)),
        Unclear::Height => Answer::Sentence(text::NO_SUCH_HEIGHT.to_owned()),
        Unclear::Other => Answer::Sentence(text::SEARCH_HELP.to_owned()),
    }
}

/// Where the thing with an id is shown: nothing in an id tells a block from a transaction.
async fn found(id: &str) -> Result<Option<String>, FetchError> {
    match fetch::json::<Block>(&path::block(id)).await {
        Ok(_) => return Ok(Some(format!("/block/{id}"))),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    match fetch::json::<Transaction>(&path::transaction(id)).await {
        Ok(_) => Ok(Some(format!("/tx/{id}"))),
        Err(FetchError::Problem(problem)) if problem.mend.is_some() => Err(FetchError::Problem(problem)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
