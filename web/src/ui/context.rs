//! What all pages share: the chain as the node tells it, the light client, which shows it, the chain's rules as the app knows them, and what is heard
//! while the page is open.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::spec::ChainSpec;

use super::{chunk, lead};
use crate::browser::clock;
use crate::browser::events::{self, Heard};
use crate::browser::extension::Document;
use crate::browser::fetch::FetchError;
use crate::browser::light::{Lead, Light};
use crate::browser::source;
use crate::extension::Begin;
use crate::light::Tip;
use crate::node::{Chain, Event};

/// How long transactions that come one after the other are gathered before a page looks again.
const POOL_PAUSE: Duration = Duration::from_millis(1_000);
/// How often the chain is asked for, whatever is heard: a socket can look alive and be dead.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A chain whose rules the app knows.
#[derive(Clone, Debug)]
pub(crate) struct Rules(pub(crate) Arc<ChainSpec>);

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.0.chain_id() == other.0.chain_id()
    }
}

/// How the page stands to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not heard of yet.
    Waiting,
    /// What happens is told as it happens.
    Live,
    /// It does not answer.
    Lost,
}

/// What all pages share.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// The chain, as the node told it last; none in an extension, which no node serves.
    pub(crate) chain: RwSignal<Option<Chain>>,
    /// The chain's name.
    pub(crate) name: Memo<Option<String>>,
    /// Why it cannot be told, if it cannot.
    pub(crate) fault: RwSignal<Option<FetchError>>,
    /// The chain's rules, if it is one that the app knows.
    pub(crate) rules: Memo<Option<Rules>>,
    /// How the page stands to its node.
    pub(crate) link: RwSignal<Link>,
    /// Which document of an extension this is; none, if a node serves the page.
    pub(crate) document: Option<Document>,
    /// The light client.
    pub(crate) light: Light,
    /// Counts up whenever the mempool has changed.
    pub(crate) pool_turn: RwSignal<u64>,
    /// Counts up whenever a block has left the chain: what was told of blocks may not hold.
    pub(crate) reorgs: RwSignal<u64>,
    /// The id of the transaction that was heard of last.
    pub(crate) heard: RwSignal<Option<String>>,
    /// Seconds since 1970, about once a second.
    pub(crate) now: RwSignal<u64>,
    /// What screen readers are told.
    pub(crate) said: RwSignal<String>,
    /// Whether the first page is there: what it does not need is fetched only then.
    is_shown: RwSignal<bool>,
    /// What lives as long as the app.
    root: StoredValue<Option<Owner>>,
}

impl Shared {
    /// Begins to listen to the node that serves the page.
    pub(crate) fn provide() -> Self {
        let chain: RwSignal<Option<Chain>> = RwSignal::new(None);
        let name = Memo::new(move |_| chain.with(|chain| chain.as_ref().map(|chain| chain.name.clone())));
        let rules = Memo::new(move |_| chain.with(|chain| chain.as_ref().and_then(rules_of)));
        let shared = Self::new(chain, name, rules, None);
        set_interval(move || shared.refresh(), HEARTBEAT);
        shared.refresh();
        events::listen(move |heard| shared.hear(heard));
        Effect::new(move |_| {
            let name = shared.chain.with_untracked(|chain| chain.as_ref().map(|chain| chain.name.clone()));
            if let (true, Some(Rules(spec)), Some(name)) = (shared.is_shown.get(), shared.rules.get(), name) {
                lead::join(shared.light, &name, &spec, Lead::WithServer);
            }
        });
        shared
    }

    /// Begins in a document of an extension, with the chain and the nodes that the user has chosen. Only the one that nobody sees, and that stays,
    /// runs the light client.
    pub(crate) fn provide_alone(begin: &Begin, document: Document) -> Self {
        let name = begin.chain.clone();
        let spec = ChainSpec::by_name(&name).map(Arc::new);
        let (told, rules) = (name.clone(), spec.clone());
        let name_told = Memo::new(move |_| Some(told.clone()));
        let rules = Memo::new(move |_| rules.clone().map(Rules));
        let shared = Self::new(RwSignal::new(None), name_told, rules, Some(document));
        if let Some(spec) = spec {
            let lead = match document {
                Document::Offscreen => Lead::With(begin.all_nodes(&spec)),
                Document::Seen => Lead::Never,
            };
            lead::join(shared.light, &name, &spec, lead);
        }
        shared
    }

    fn new(
        chain: RwSignal<Option<Chain>>,
        name: Memo<Option<String>>,
        rules: Memo<Option<Rules>>,
        document: Option<Document>,
    ) -> Self {
        let shared = Self {
            chain,
            name,
            fault: RwSignal::new(None),
            rules,
            link: RwSignal::new(Link::Waiting),
            document,
            light: Light::idle(),
            pool_turn: RwSignal::new(0),
            reorgs: RwSignal::new(0),
            heard: RwSignal::new(None),
            now: RwSignal::new(clock::now_s()),
            said: RwSignal::new(String::new()),
            is_shown: RwSignal::new(false),
            root: StoredValue::new(Owner::current()),
        };
        provide_context(shared);
        set_interval(move || shared.now.set(clock::now_s()), Duration::from_secs(1));
        shared
    }

    /// What all pages share, on any of them.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    /// Begins what lives as long as the app, on whichever of its pages it begins.
    pub(crate) fn rooted<T>(self, begin: impl FnOnce() -> T) -> T {
        match self.root.get_value() {
            Some(root) => root.with(begin),
            None => begin(),
        }
    }

    /// Notes that there is a page, and has fetched what it did not need.
    pub(crate) fn first_is_shown(self) {
        if !self.is_shown.get_untracked() {
            self.is_shown.set(true);
            chunk::fetch_all();
        }
    }

    /// Asks for the chain.
    pub(crate) fn refresh(self) {
        spawn_local(async move {
            match source::chain().await {
                Ok(chain) => {
                    self.fault.set(None);
                    if self.chain.with_untracked(|known| known.as_ref() != Some(&chain)) {
                        self.chain.set(Some(chain));
                    }
                }
                Err(error) => self.fault.set(Some(error)),
            }
        });
    }

    fn hear(self, heard: Heard) {
        match heard {
            Heard::Connected => {
                self.link.set(Link::Live);
                self.refresh();
                self.light.refresh_nodes();
                self.touch_pool();
            }
            Heard::Lost => self.link.set(Link::Lost),
            Heard::Event(Event::BlockConnected { .. }) => {
                self.refresh();
                self.touch_pool();
            }
            Heard::Event(Event::BlockDisconnected { .. }) => {
                self.reorgs.update(|reorgs| *reorgs += 1);
                self.refresh();
            }
            Heard::Event(Event::TransactionAdded { txid, .. }) => {
                self.heard.set(Some(txid));
                self.touch_pool();
            }
            Heard::Event(Event::TransactionRemoved { .. }) => self.touch_pool(),
            Heard::Event(Event::Lagged { .. } | Event::Subscribed { .. } | Event::Other) => {}
        }
    }

    fn touch_pool(self) {
        let turn = self.pool_turn.get_untracked();
        set_timeout(
            move || {
                if self.pool_turn.get_untracked() == turn {
                    self.pool_turn.set(turn + 1);
                }
            },
            POOL_PAUSE,
        );
    }

    /// The tip that the light client has shown; none, while it has no node.
    pub(crate) fn proven_tip(self) -> Option<Tip> {
        self.light.news.with(|news| news.as_ref().filter(|news| news.can_prove()).map(|news| news.tip))
    }

    /// Height and time of the tip: as the light client shows it; or else of the one that it showed last, and of what the node tells, the higher:
    /// neither goes back to what is older than what was seen. None before either did.
    fn tip(self) -> Option<(u32, u32)> {
        let of = |tip: Tip| (tip.mark.height.0, tip.time.0);
        let told = || self.chain.with(|chain| chain.as_ref().map(|chain| (chain.tip.height, chain.tip.time)));
        self.proven_tip().map(of).or_else(|| told().max(self.light.shown.get().map(of)))
    }

    /// The height of the tip; 0 while none is known.
    pub(crate) fn height(self) -> u32 {
        self.tip().map_or(0, |(height, _)| height)
    }

    /// When the tip was mined.
    pub(crate) fn tip_time(self) -> Option<u32> {
        self.tip().map(|(_, time)| time)
    }

    /// Tells screen readers something.
    pub(crate) fn say(self, what: &str) {
        self.said.set(what.to_owned());
    }
}

/// The rules of a chain that the app knows: by its name, if that is the chain of this id.
fn rules_of(chain: &Chain) -> Option<Rules> {
    let spec = ChainSpec::by_name(&chain.name)?;
    (spec.chain_id().to_string() == chain.chain_id).then(|| Rules(Arc::new(spec)))
}
