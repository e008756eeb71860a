//! A session driven by the miner of the test package, which shares no code with it, and by the lines of real ones.

mod handshake;
mod hostile;
mod shares;

use super::*;
use qbtc_core::hash::{BlockHash, HistoryRoot};
use qbtc_core::mempool::{Mempool, Payout, Policy, TemplateContext};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_tests::stratum::{Miner, Received, ShareRule};

const EXTRANONCE1: [u8; 4] = [0, 1, 2, 3];

fn address() -> Address {
    Address::from_bytes([7; 32])
}

fn user() -> String {
    format!("{}.rig", address().to_text(&ChainSpec::dev().network().address_prefix))
}

/// Work on a parent that differs with the number.
fn work(number: u8) -> Arc<Work> {
    let spec = ChainSpec::dev();
    let genesis = spec.genesis().header;
    let context = TemplateContext {
        parent: if number == 0 { genesis.id() } else { BlockHash::from_bytes([number; 32]) },
        height: Height(1),
        version: 0x2000_0000,
        bits: genesis.bits,
        median_time_past: genesis.time,
        history_root: HistoryRoot::ZERO,
    };
    let pool = Mempool::new(Policy::default(), context.height);
    let template = pool.template(&context, &Payout::to(address()), &spec).unwrap();
    Arc::new(Work::new(template, genesis.time.saturating_add(60)))
}

/// A session and the miner at its other end, without anything between them.
struct Scene {
    session: Session,
    miner: Miner,
    now: Moment,
    sent: Vec<String>,
    other: Vec<Output>,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings. The difficulty is low enough for tests.
    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let spec = ChainSpec::dev();
        let mut settings = Settings::new(&spec, None);
        settings.difficulty_start = Difficulty::new(2f64.powi(-24)).unwrap();
        settings.difficulty_min = Difficulty::new(2f64.powi(-30)).unwrap();
        change(&mut settings);
        let now = Moment { elapsed: Duration::from_secs(100), time: spec.genesis().header.time.saturating_add(60) };
        let session = Session::new(Arc::new(settings), EXTRANONCE1, now);
        Self { session, miner: Miner::new(&user()), now, sent: Vec::new(), other: Vec::new() }
    }

    /// A scene with a miner that works.
    fn working() -> Self {
        let mut scene = Self::new();
        scene.log_in();
        scene
    }

    fn log_in(&mut self) {
        let subscribed = self.ask(&self.miner.subscribe_request());
        self.miner.subscribed(&subscribed);
        assert_eq!(self.ask(&self.miner.authorize_request("x")), true);
        self.session.work(work(0));
        self.settle();
        self.other.clear();
    }

    /// Brings what was put out to the miner. Returns the last answer: its result, or its error.
    fn settle(&mut self) -> Option<Value> {
        let mut last = None;
        self.sent.clear();
        while let Some(output) = self.session.poll() {
            let Output::Line(line) = output else {
                self.other.push(output);
                continue;
            };
            if let Received::Answer(_, result, error) = self.miner.receive(&line) {
                assert!(last.is_none(), "one answer to each request");
                last = Some(if error.is_null() { result } else { error });
            }
            self.sent.push(line);
        }
        last
    }

    fn send(&mut self, line: &str) -> Option<Value> {
        self.session.line(line, self.now);
        self.settle()
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.send(&request.to_string()).expect("each request is answered")
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now.elapsed += Duration::from_secs(seconds);
        self
    }

    fn tick(&mut self) {
        self.session.tick(self.now);
        self.settle();
    }

    fn farewell(&self) -> Option<Farewell> {
        self.other.iter().find_map(|output| if let Output::Close(why) = output { Some(*why) } else { None })
    }

    fn submit_params(&mut self, params: &Value) -> Value {
        self.ask(&json!({"id": 4, "method": "mining.submit", "params": params}))
    }
}

fn code(error: &Value) -> i64 {
    error[0].as_i64().unwrap_or_else(|| panic!("no error: {error}"))
}

fn top(hash: &[u8; 32]) -> f64 {
    f64::from(u32::from_le_bytes([hash[28], hash[29], hash[30], hash[31]])) * 2f64.powi(32)
}
