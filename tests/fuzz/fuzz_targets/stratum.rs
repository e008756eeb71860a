//! Whatever a Stratum miner may send, line by line. A line `!work N` is new work on parent N, and `!wait N` lets N seconds pass; `USER` stands
//! for a user name with an address. Each request is answered once, whatever is found for our own template is a valid block, and
//! nothing comes after the end.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use qbtc_core::hash::{BlockHash, HistoryRoot};
use qbtc_core::lock::Address;
use qbtc_core::mempool::{Mempool, Payout, Policy, TemplateContext};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{CompactBits, Height};
use qbtc_node::stratum::session::{Difficulty, LINE_BYTES_MAX, Moment, Output, Session, Settings, Work};

struct Scene {
    spec: ChainSpec,
    settings: Arc<Settings>,
    user: String,
    works: [Arc<Work>; 3],
    start: Moment,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    // Two hashes a block, so that the fuzzer finds some.
    let text = include_str!("../../../core/src/spec/dev.toml").replace("0x1f00ffff", "0x207fffff");
    let spec = ChainSpec::from_toml(&text).expect("the dev chain's spec with other bits");
    let address = Address::from_bytes([7; 32]);
    let genesis = spec.genesis().header;
    let work = |parent: u8| {
        let context = TemplateContext {
            parent: BlockHash::from_bytes([parent; 32]),
            height: Height(1),
            version: 0x2000_0000,
            bits: CompactBits(0x207f_ffff),
            median_time_past: genesis.time,
            history_root: HistoryRoot::ZERO,
        };
        let pool = Mempool::new(Policy::default(), context.height);
        let template = pool.template(&context, &Payout::to(address), &spec).expect("an empty block is possible");
        Arc::new(Work::new(template, genesis.time))
    };
    let works = [work(0), work(1), work(2)];
    let easy = Difficulty::new(1e-10).expect("above zero");
    let settings = Settings { difficulty_start: easy, difficulty_min: easy, ..Settings::new(&spec, None) };
    let start = Moment { elapsed: Duration::ZERO, time: genesis.time.saturating_add(60) };
    let user = address.to_text(&spec.network().address_prefix);
    Scene { settings: Arc::new(settings), user, works, start, spec }
});

fuzz_target!(|input: &[u8]| {
    let scene = &*SCENE;
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut now = scene.start;
    let mut session = Session::new(Arc::clone(&scene.settings), [0, 0, 0, 1], now);
    for line in text.lines().filter(|line| line.len() <= LINE_BYTES_MAX) {
        let mut answers_max = 0;
        match line.split_once(' ') {
            Some(("!work", number)) => {
                session.work(Arc::clone(&scene.works[number.parse::<usize>().unwrap_or(0) % 3]));
            }
            Some(("!wait", seconds)) => {
                now.elapsed += Duration::from_secs(seconds.parse::<u16>().unwrap_or(1).into());
                session.tick(now);
            }
            _ => {
                answers_max = 1;
                session.line(&line.replace("USER", &scene.user), now);
            }
        }
        if drain(&mut session, scene) > answers_max {
            panic!("more than one answer to {line:?}");
        }
        assert!(session.poll().is_none());
    }
});

/// Takes all outputs, and returns how many of them are answers.
fn drain(session: &mut Session, scene: &Scene) -> usize {
    let (mut answers, mut is_closed) = (0, false);
    while let Some(output) = session.poll() {
        assert!(!is_closed, "{output:?} after the end");
        match output {
            Output::Line(line) => {
                assert!(!line.contains('\n'));
                answers += usize::from(!line.starts_with(r#"{"id":null,"method":"#));
            }
            Output::Found(found) => {
                found.work.template().checked_block(&found.solution, &scene.spec).expect("our own template");
            }
            Output::Close(_) => is_closed = true,
            Output::Ready(_) | Output::Accepted(_) | Output::Refused(_) => {}
        }
    }
    answers
}
