//! A Stratum v1 miner of our own: what a program that knows nothing of this chain makes of the lines that it gets.
//!
//! It shares no code with the server. Coinbase, merkle root and header are put together here from the text of `mining.notify` alone, as
//! miners do, so that a server that is wrong is found out. [`Miner`] is without a socket; [`Client`] gives it one. Whatever a server
//! sends that a miner could not read makes the test fail at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A miner: its side of the protocol.
#[derive(Debug)]
pub struct Miner {
    user: String,
    extranonce1: Vec<u8>,
    extranonce2_bytes: usize,
    next_extranonce2: u64,
    difficulty: f64,
    job: Option<Job>,
}

/// A job, as `mining.notify` tells it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The parent's hash, with the bytes of each word reversed.
    pub prevhash: [u8; 32],
    /// The coinbase before the extranonces.
    pub coinbase1: Vec<u8>,
    /// The coinbase behind them.
    pub coinbase2: Vec<u8>,
    /// The siblings on the way from the coinbase to the merkle root.
    pub branch: Vec<[u8; 32]>,
    /// The header's version.
    pub version: u32,
    /// The header's bits.
    pub bits: u32,
    /// The header's time.
    pub time: u32,
    /// Whether shares of older jobs are refused from now on.
    pub is_clean: bool,
    /// The difficulty of its shares.
    pub difficulty: f64,
}

/// What a line of the server says.
#[derive(Debug)]
pub enum Received {
    /// The answer to a request: its id, result and error.
    Answer(Value, Value, Value),
    /// A new job, which is now the miner's.
    Job(Job),
    /// The difficulty of the jobs that follow.
    Difficulty(f64),
}

/// A header that was tried.
#[derive(Clone, Debug)]
pub struct Share {
    /// The job's id.
    pub job: String,
    /// The miner's part of the extranonce.
    pub extranonce2: Vec<u8>,
    /// The header's time.
    pub time: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The version bits that were rolled, if any were.
    pub version_bits: Option<u32>,
    /// The header.
    pub header: [u8; 80],
    /// Its hash.
    pub hash: [u8; 32],
}

/// How a miner computes what it hands in: it counts a difficulty of 1 as so much of the hash's highest 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareRule(pub f64);

impl ShareRule {
    /// cpuminer-opt's: 2³².
    pub const CPUMINER_OPT: Self = Self(4_294_967_296.0);
    /// minerd's and cgminer's: 65535 · 2¹⁶.
    pub const MINERD: Self = Self(4_294_901_760.0);
}

impl Miner {
    /// A miner with this user name.
    #[must_use]
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            extranonce1: Vec::new(),
            extranonce2_bytes: 0,
            next_extranonce2: 0,
            difficulty: 1.0,
            job: None,
        }
    }

    /// The job at hand.
    ///
    /// # Panics
    /// If none was sent.
    #[must_use]
    pub fn job(&self) -> &Job {
        self.job.as_ref().expect("the server has sent a job")
    }

    /// Reads a line of the server.
    ///
    /// # Panics
    /// If a miner could not read it.
    pub fn receive(&mut self, line: &str) -> Received {
        let mut message: Value = serde_json::from_str(line).expect("the server sends JSON");
        let params = message["params"].take();
        match message["method"].as_str() {
            None => {
                let mut take =
                    |name| message.get_mut(name).map(Value::take).expect("an answer has id, result and error");
                Received::Answer(take("id"), take("result"), take("error"))
            }
            Some("mining.set_difficulty") => {
                self.difficulty = params[0].as_f64().expect("a difficulty is a number");
                assert!(self.difficulty > 0.0, "{line}");
                Received::Difficulty(self.difficulty)
            }
            Some("mining.notify") => {
                let job = Job::read(&params, self.difficulty);
                self.job = Some(job.clone());
                Received::Job(job)
            }
            Some(other) => panic!("a miner does not know {other}"),
        }
    }

    /// Takes over the extranonces of the answer to `mining.subscribe`.
    ///
    /// # Panics
    /// If it is no such answer.
    pub fn subscribed(&mut self, result: &Value) {
        assert!(result[0].is_array(), "the list of subscriptions: {result}");
        self.extranonce1 = bytes(&result[1]);
        self.extranonce2_bytes =
            result[2].as_u64().and_then(|count| count.try_into().ok()).expect("bytes of extranonce2");
        assert!((2..=16).contains(&self.extranonce2_bytes), "what cpuminer-opt takes: {result}");
    }

    /// The header of the job at hand with these numbers.
    #[must_use]
    pub fn try_out(&self, extranonce2: &[u8], time: u32, nonce: u32, version_bits: Option<u32>) -> Share {
        let job = self.job();
        let coinbase = [&job.coinbase1[..], &self.extranonce1, extranonce2, &job.coinbase2].concat();
        let root = job.branch.iter().fold(sha256d(&coinbase), |node, sibling| sha256d(&[node, *sibling].concat()));
        let mut header = [0; 80];
        let version = job.version | version_bits.unwrap_or(0);
        header[..4].copy_from_slice(&version.to_le_bytes());
        header[4..36].copy_from_slice(&words_reversed(job.prevhash));
        header[36..68].copy_from_slice(&root);
        header[68..72].copy_from_slice(&time.to_le_bytes());
        header[72..76].copy_from_slice(&job.bits.to_le_bytes());
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        let hash = sha256d(&header);
        Share { job: job.id.clone(), extranonce2: extranonce2.to_vec(), time, nonce, version_bits, header, hash }
    }

    /// Mines a share of the job at hand, each time with another extranonce2.
    pub fn mine(&mut self, rule: ShareRule) -> Share {
        let limit = rule.0 / self.job().difficulty;
        self.mine_until(|hash| top(hash) < limit)
    }

    /// Mines a block: a hash that meets the target of the header's own bits.
    pub fn mine_block(&mut self) -> Share {
        let target = expand(self.job().bits);
        self.mine_until(|hash| hash.iter().rev().le(target.iter()))
    }

    /// Mines until a hash is good enough.
    ///
    /// # Panics
    /// If no nonce is left.
    pub fn mine_until(&mut self, is_good: impl Fn(&[u8; 32]) -> bool) -> Share {
        self.next_extranonce2 += 1;
        let mut extranonce2 = vec![0; self.extranonce2_bytes];
        let number = self.next_extranonce2.to_le_bytes();
        let len = self.extranonce2_bytes.min(number.len());
        extranonce2[..len].copy_from_slice(&number[..len]);
        let mut share = self.try_out(&extranonce2, self.job().time, 0, None);
        for nonce in 0..=u32::MAX {
            share.header[76..].copy_from_slice(&nonce.to_le_bytes());
            share.hash = sha256d(&share.header);
            if is_good(&share.hash) {
                return Share { nonce, ..share };
            }
        }
        panic!("no nonce is good enough: the difficulty is not one for tests");
    }

    /// The request that subscribes.
    #[must_use]
    pub fn subscribe_request(&self) -> Value {
        json!({"id": 1, "method": "mining.subscribe", "params": ["qbtc-tests/1"]})
    }

    /// The request that authorizes.
    #[must_use]
    pub fn authorize_request(&self, password: &str) -> Value {
        json!({"id": 2, "method": "mining.authorize", "params": [self.user, password]})
    }

    /// The request that hands in a share.
    #[must_use]
    pub fn submit_request(&self, share: &Share) -> Value {
        let mut params = json!([
            self.user,
            share.job,
            hex::encode(&share.extranonce2),
            format!("{:08x}", share.time),
            format!("{:08x}", share.nonce)
        ]);
        if let (Some(bits), Some(params)) = (share.version_bits, params.as_array_mut()) {
            params.push(format!("{bits:08x}").into());
        }
        json!({"id": 4, "method": "mining.submit", "params": params})
    }
}

impl Job {
    fn read(params: &Value, difficulty: f64) -> Self {
        let number = |place: usize| {
            let text = params[place].as_str().filter(|text| text.len() == 8).expect("8 hex digits");
            u32::from_str_radix(text, 16).expect("8 hex digits")
        };
        let id = params[0].as_str().expect("a job has an id").to_owned();
        assert!((1..=16).contains(&id.len()), "what minerd has room for: {id}");
        Self {
            id,
            prevhash: hash(&params[1]),
            coinbase1: bytes(&params[2]),
            coinbase2: bytes(&params[3]),
            branch: params[4].as_array().expect("the branch is a list").iter().map(hash).collect(),
            version: number(5),
            bits: number(6),
            time: number(7),
            is_clean: params[8].as_bool().expect("clean_jobs is a truth value"),
            difficulty,
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a text of hex digits")).expect("hex digits")
}

fn hash(value: &Value) -> [u8; 32] {
    bytes(value).try_into().expect("64 hex digits")
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

fn words_reversed(mut hash: [u8; 32]) -> [u8; 32] {
    hash.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    hash
}

/// The highest 64 bits of a hash as a number.
fn top(hash: &[u8; 32]) -> f64 {
    hash[24..].iter().rev().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

/// A target of compact bits, as big-endian bytes.
fn expand(bits: u32) -> [u8; 32] {
    let mut target = [0; 32];
    let exponent = usize::from(bits.to_be_bytes()[0]);
    assert!((3..=32).contains(&exponent), "a target of tests: {bits:08x}");
    target[32 - exponent..][..3].copy_from_slice(&bits.to_be_bytes()[1..]);
    target
}

/// A miner with a connection.
#[derive(Debug)]
pub struct Client {
    /// The miner.
    pub miner: Miner,
    lines: BufReader<TcpStream>,
    deadline: Duration,
}

impl Client {
    /// Connects. Whatever is waited for must come within the deadline.
    ///
    /// # Panics
    /// If there is no connection.
    #[must_use]
    pub fn connect(server: SocketAddr, user: &str, deadline: Duration) -> Self {
        let stream = TcpStream::connect_timeout(&server, deadline).expect("the server accepts");
        stream.set_read_timeout(Some(deadline)).expect("above zero");
        stream.set_write_timeout(Some(deadline)).expect("above zero");
        Self { miner: Miner::new(user), lines: BufReader::new(stream), deadline }
    }

    /// Sends a line as it is.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    /// The next line; none if the server has closed the connection.
    ///
    /// # Panics
    /// If nothing comes before the deadline.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line from the server: {error}"),
        }
    }

    /// What the next line says.
    ///
    /// # Panics
    /// If there is none.
    pub fn receive(&mut self) -> Received {
        let line = self.line().expect("the server keeps the connection");
        self.miner.receive(&line)
    }

    /// Sends a request, and waits for its answer: result and error. Jobs that come meanwhile are taken.
    ///
    /// # Panics
    /// If the answer has another id.
    pub fn ask(&mut self, request: &Value) -> (Value, Value) {
        self.send(&request.to_string());
        loop {
            if let Received::Answer(id, result, error) = self.receive() {
                assert_eq!(id, request["id"], "answers come in order");
                return (result, error);
            }
        }
    }

    /// Waits for the next job.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn next_job(&mut self) -> Job {
        let until = Instant::now() + self.deadline;
        while Instant::now() < until {
            if let Received::Job(job) = self.receive() {
                return job;
            }
        }
        panic!("no job within {:?}", self.deadline);
    }

    /// Subscribes, authorizes and waits for the first job.
    ///
    /// # Panics
    /// If any of it is refused.
    pub fn log_in(&mut self, password: &str) -> Job {
        let (result, error) = self.ask(&self.miner.subscribe_request());
        assert!(error.is_null(), "{error}");
        self.miner.subscribed(&result);
        let answer = self.ask(&self.miner.authorize_request(password));
        assert_eq!(answer, (true.into(), Value::Null));
        self.next_job()
    }

    /// Hands in a share: result and error.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn submit(&mut self, share: &Share) -> (Value, Value) {
        self.ask(&self.miner.submit_request(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The conversation that the documentation of the first Stratum pool shows, from October 2012: a share of Bitcoin's.
    #[test]
    fn the_documented_share_of_bitcoin_has_its_work() {
        let mut miner = Miner::new("slush.miner1");
        let subscribed = json!([
            [
                ["mining.set_difficulty", "b4b6693b72a50c7116db18d6497cac52"],
                ["mining.notify", "ae6812eb4cd7735a302a8a9dd95cf71f"]
            ],
            "08000002",
            4
        ]);
        miner.subscribed(&subscribed);
        miner.receive(
            r#"{"params": ["bf", "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
            "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008",
            "072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000", [],
            "00000002", "1c2ac4af", "504e86b9", false], "id": null, "method": "mining.notify"}"#,
        );
        // ["slush.miner1", "bf", "00000001", "504e86ed", "b2957c02"]
        let share = miner.try_out(&[0, 0, 0, 1], 0x504e_86ed, 0xb295_7c02, None);
        assert_eq!(&share.hash[28..], [0; 4], "a share of difficulty 1 begins with 32 bits of zeros");
        let submit = miner.submit_request(&share);
        assert_eq!(submit["params"], json!(["slush.miner1", "bf", "00000001", "504e86ed", "b2957c02"]));
        let other = miner.try_out(&[0, 0, 0, 2], 0x504e_86ed, 0xb295_7c02, None);
        assert_ne!(&other.hash[28..], [0; 4]);
    }

    #[test]
    fn bits_expand_as_bitcoins_do() {
        assert_eq!(expand(0x1d00_ffff)[..8], [0, 0, 0, 0, 0xff, 0xff, 0, 0]);
        assert_eq!(expand(0x207f_ffff)[..4], [0x7f, 0xff, 0xff, 0]);
    }
}
