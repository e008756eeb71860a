//! How the light client stands, in plain words: what it has proven, of how many nodes, and what is doubtful about it. And the level of what the
//! explorer shows.

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::BlockHash;

use super::context::Shared;
use super::parts::Notice;
use crate::level::Level;
use crate::light::{Doubt, Standing};
use crate::text;

/// Being alone for so many seconds is no doubt yet: each visit begins so.
const ALONE_S: u64 = 5;

/// One line: the height that is proven, and how many nodes were asked.
pub(crate) fn line(shared: Shared) -> String {
    shared.light.news.with(|news| match news {
        Some(news) => match news.standing() {
            Standing::Alone => text::LIGHT_ALONE.to_owned(),
            Standing::Proving => text::light_proving(news.peers),
            Standing::Proven => text::light_proven(news.tip.mark.height.0, news.peers),
        },
        None if shared.light.fault.with(Option::is_some) => text::LIGHT_NONE.to_owned(),
        None => text::LIGHT_STARTS.to_owned(),
    })
}

/// What is doubtful about what is proven; nothing, where all is well.
#[component]
pub(crate) fn Doubts() -> impl IntoView {
    let shared = Shared::here();
    let light = shared.light;
    let alone_since = StoredValue::new(None::<u64>);
    let doubts = Memo::new(move |_| {
        let mut doubts = light.news.with(|news| match news {
            Some(news) => news.doubts(),
            // Nobody runs the client that has shown what is here.
            None if light.shown.with(Option::is_some) => vec![Doubt::Alone],
            None => Vec::new(),
        });
        if doubts.contains(&Doubt::Alone) {
            let now = shared.now.get();
            let since = alone_since.get_value().unwrap_or(now);
            alone_since.set_value(Some(since));
            if now.saturating_sub(since) < ALONE_S {
                doubts.clear();
            }
        } else {
            alone_since.set_value(None);
        }
        doubts.into_iter().map(sentence).collect::<Vec<_>>()
    });
    view! {
        {move || doubts.with(|doubts| (!doubts.is_empty()).then(|| {
            let lines = doubts.iter().cloned().map(|doubt| view! { <p>{doubt}</p> }).collect_view();
            view! { <div data-testid="doubts"><Notice kind="warn">{lines}</Notice></div> }
        }))}
    }
}

fn sentence(doubt: Doubt) -> String {
    match doubt {
        Doubt::Alone => text::ALONE_MEANS.to_owned(),
        Doubt::FewNodes { found, wanted } => text::few_nodes(found, wanted),
        Doubt::OneNetwork => text::ONE_NETWORK.to_owned(),
        Doubt::LessWork => text::LESS_WORK.to_owned(),
        Doubt::Stale => text::STALE_TIP.to_owned(),
        Doubt::Withheld { at } => text::withheld(at.0),
    }
}

/// What has been checked without the light client, and the block in which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The id of the thing.
    pub(crate) of: String,
    pub(crate) level: Level,
    pub(crate) block: Option<(u32, String)>,
}

/// The level of what stands in a block: proven, once the light client has shown that its block is in the chain; until then what was checked
/// without it. None, while nothing is known yet.
pub(crate) fn level_of(checked: impl Fn() -> Option<Checked> + Send + Sync + 'static) -> Signal<Option<Level>> {
    let (shared, level) = (Shared::here(), RwSignal::new(None));
    let checked = Memo::new(move |_| checked());
    let reaches = Memo::new(move |_| {
        let height = checked.with(|checked| checked.as_ref()?.block.as_ref().map(|(height, _)| *height))?;
        Some(shared.proven_tip()?.mark.height.0 >= height)
    });
    Effect::new(move |_| {
        let (Some(asked), reaches) = (checked.get(), reaches.get()) else {
            return level.set(None);
        };
        shared.reorgs.track();
        let without = asked.level;
        level.set(Some(without));
        let Some((height, id)) = asked.block.clone().filter(|_| without >= Level::Block && reaches == Some(true))
        else {
            return;
        };
        let Ok(id) = id.parse::<BlockHash>() else { return };
        spawn_local(async move {
            // The page may be another thing's by then, in the same block even.
            let is_same = move || checked.try_get_untracked().flatten() == Some(asked);
            if shared.light.has_proven(height, &id).await && is_same() {
                let _ = level.try_set(Some(Level::Header));
            }
        });
    });
    level.into()
}
