//! The protocol of one connection, without a socket: lines and work go in with the time, lines and blocks come out.
//!
//! A [`Session`] takes one input at a time ([`Session::line`], [`Session::work`], [`Session::tick`]) and is then polled
//! ([`Session::poll`]) until nothing is left. It wants to be called again at its [`Session::deadline`].
//!
//! Invariants: every request gets one answer, in the order of the requests, or the connection is closed; what a miner can make grow is
//! bounded by the constants of [`settings`](self); a share is judged by the difficulty that its job was sent with.
//!
//! This folder names nothing of the node, so that a fuzzer can compile it by itself.

mod configure;
mod difficulty;
mod message;
mod refusal;
mod seen;
mod settings;
mod submit;
mod vardiff;
mod work;

pub use difficulty::{Difficulty, DifficultyTextError};
pub use refusal::{Reason, Refusal};
pub use settings::{LINE_BYTES_MAX, Settings};
pub use work::Work;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use qbtc_core::lock::Address;
use qbtc_core::mempool::Solution;
use qbtc_core::units::BlockTime;
use serde_json::{Value, json};

use configure::{Configure, Configured};
use message::{Incoming, Params, Request};
use seen::SeenShares;
use settings::{BARE_NAME_BYTES_MAX, HANDSHAKE, JOBS_MAX, STRIKES_MAX, USER_BYTES_MAX, WORKERS_MAX};
use submit::{Rules, Share, Submit};
use vardiff::Vardiff;

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since the server began. Never goes back.
    pub elapsed: Duration,
    /// The time that headers are checked against.
    pub time: BlockTime,
}

/// What a session wants done.
#[derive(Debug)]
pub enum Output {
    /// Send this line, without its end.
    Line(String),
    /// The miner is ready for work that pays this address: call [`Session::work`] now, and whenever there is something new.
    Ready(Address),
    /// A share was accepted: count it.
    Accepted(Difficulty),
    /// A share was refused: count it.
    Refused(Reason),
    /// A block was found: bring it to the chain.
    Found(Found),
    /// Send what stands before this, then close the connection.
    Close(Farewell),
}

/// A solution that meets the network's target.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it solves.
    pub work: Arc<Work>,
    /// The solution.
    pub solution: Solution,
    /// Who found it.
    pub user: String,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Farewell {
    /// Not subscribed and authorized in time.
    #[error("did not subscribe and authorize within {} s", HANDSHAKE.as_secs())]
    Handshake,
    /// Silent for too long.
    #[error("silent for too long")]
    Idle,
    /// Too many lines that had to be refused.
    #[error("too many refused requests")]
    Strikes,
}

/// A job as it was sent to this miner.
#[derive(Debug)]
struct Job {
    id: String,
    work: Arc<Work>,
    difficulty: Difficulty,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    extranonce1: [u8; 4],
    began: Duration,
    heard: Duration,
    is_subscribed: bool,
    payout: Option<Address>,
    users: BTreeSet<String>,
    mask: u32,
    vardiff: Vardiff,
    told: Option<Difficulty>,
    jobs: VecDeque<Job>,
    jobs_sent: u64,
    seen: SeenShares,
    strikes: u32,
    is_closed: bool,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A connection that was just made. The extranonce is what tells this miner's work from that of all others.
    #[must_use]
    pub fn new(settings: Arc<Settings>, extranonce1: [u8; 4], now: Moment) -> Self {
        Self {
            vardiff: Vardiff::new(&settings, now.elapsed),
            settings,
            extranonce1,
            began: now.elapsed,
            heard: now.elapsed,
            is_subscribed: false,
            payout: None,
            users: BTreeSet::new(),
            mask: 0,
            told: None,
            jobs: VecDeque::new(),
            jobs_sent: 0,
            seen: SeenShares::default(),
            strikes: 0,
            is_closed: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes the next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Who is paid, once the miner has subscribed and authorized.
    #[must_use]
    pub fn payout(&self) -> Option<Address> {
        self.payout.filter(|_| self.is_subscribed)
    }

    /// When [`Session::tick`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        if self.payout().is_none() {
            return self.began.saturating_add(HANDSHAKE);
        }
        let idle = self.heard.saturating_add(self.settings.idle());
        if self.jobs.is_empty() { idle } else { idle.min(self.vardiff.deadline()) }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) {
        if self.is_closed {
            return;
        }
        if self.payout().is_none() {
            if now.elapsed >= self.began.saturating_add(HANDSHAKE) {
                self.close(Farewell::Handshake);
            }
        } else if now.elapsed >= self.heard.saturating_add(self.settings.idle()) {
            self.close(Farewell::Idle);
        } else {
            self.retarget(now);
        }
    }

    /// There is something new to work on, for the address of [`Session::payout`].
    pub fn work(&mut self, work: Arc<Work>) {
        if self.is_closed || self.payout().is_none() {
            return;
        }
        let is_clean = self.jobs.back().is_none_or(|job| job.work.parent() != work.parent());
        if is_clean {
            self.jobs.clear();
            self.seen.clear();
        }
        self.send(work, is_clean);
    }

    /// The miner has sent a line.
    pub fn line(&mut self, line: &str, now: Moment) {
        if self.is_closed {
            return;
        }
        self.heard = now.elapsed;
        match Incoming::read(line) {
            Ok(Incoming::Request(request)) => self.request(&request, now),
            Ok(Incoming::Answer) => {}
            Err((id, refusal)) => self.refuse(&id, &refusal),
        }
    }

    fn request(&mut self, Request { id, method, params }: &Request, now: Moment) {
        match method.as_str() {
            "mining.subscribe" => self.subscribe(id),
            "mining.authorize" => self.authorize(id, params, now),
            "mining.submit" => self.submit(id, params, now),
            "mining.configure" => self.configure(id, params),
            "mining.suggest_difficulty" => self.suggest(id, read_difficulty(params), now),
            "mining.suggest_target" => self.suggest(id, read_target(params), now),
            "mining.extranonce.subscribe" => self.answer(id, true),
            "mining.ping" => self.answer(id, "pong"),
            "mining.get_transactions" => self.refuse(id, &Refusal::Unsupported("the list of transactions")),
            _ => self.refuse(id, &Refusal::UnknownMethod(method.chars().take(64).collect())),
        }
    }

    fn subscribe(&mut self, id: &Value) {
        let was_ready = self.payout().is_some();
        self.is_subscribed = true;
        let extranonce1 = hex::encode(self.extranonce1);
        let subscriptions = [["mining.set_difficulty", &extranonce1], ["mining.notify", &extranonce1]];
        self.answer(id, json!([subscriptions, extranonce1, 8]));
        self.announce(was_ready);
    }

    fn authorize(&mut self, id: &Value, params: &Params, now: Moment) {
        let was_ready = self.payout().is_some();
        if let Err(refusal) = self.admit(params) {
            self.outputs.push_back(Output::Line(message::refuse_worker(id, &refusal)));
            return self.strike(&refusal);
        }
        self.answer(id, true);
        if let Some(difficulty) = params.at(1).as_str().and_then(password_difficulty) {
            self.vardiff.suggest(difficulty, now.elapsed);
            self.resend();
        }
        self.announce(was_ready);
    }

    /// Enters a worker, and binds the connection to its address.
    fn admit(&mut self, params: &Params) -> Result<(), Refusal> {
        let user = params.text(0, "user")?;
        if user.len() > USER_BYTES_MAX {
            return Err(Refusal::UserTooLong { found: user.len() });
        }
        let address = self.address_of(user)?;
        if let Some(bound) = self.payout
            && bound != address
        {
            return Err(Refusal::other_address(bound, address, &self.settings.prefix));
        }
        if self.users.len() >= WORKERS_MAX && !self.users.contains(user) {
            return Err(Refusal::TooManyWorkers);
        }
        self.payout = Some(address);
        self.users.insert(user.to_owned());
        Ok(())
    }

    /// The address of a user name: what stands before its first point. A short name without one means the operator's address, if
    /// there is one; but nothing that begins like an address, for that is a mistyped one.
    fn address_of(&self, user: &str) -> Result<Address, Refusal> {
        let prefix = &self.settings.prefix;
        let name = user.split('.').next().unwrap_or(user);
        let begins_like_one =
            name.get(..prefix.as_str().len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_str()))
                && name[prefix.as_str().len()..].starts_with('1');
        match self.settings.reward {
            Some(reward) if name.len() <= BARE_NAME_BYTES_MAX && !begins_like_one => Ok(reward),
            _ => Address::from_text(name, prefix).map_err(|error| Refusal::address(error, prefix)),
        }
    }

    fn configure(&mut self, id: &Value, params: &Params) {
        let configure = match Configure::read(params) {
            Ok(configure) => configure,
            Err(refusal) => return self.refuse(id, &refusal),
        };
        if configure.rolling.is_some() {
            self.mask = configure.mask();
        }
        let difficulty_min = configure.difficulty_min.is_some_and(|least| self.vardiff.raise_least(least));
        self.answer(id, configure.answer(&Configured { mask: self.mask, difficulty_min }));
        if difficulty_min {
            self.resend();
        }
    }

    fn suggest(&mut self, id: &Value, difficulty: Result<Difficulty, Refusal>, now: Moment) {
        match difficulty {
            Ok(difficulty) => {
                self.answer(id, true);
                self.vardiff.suggest(difficulty, now.elapsed);
                self.resend();
            }
            Err(refusal) => self.refuse(id, &refusal),
        }
    }

    fn submit(&mut self, id: &Value, params: &Params, now: Moment) {
        match self.judge(params, now) {
            Ok((user, job, share)) => {
                let Job { work, difficulty, .. } = &self.jobs[job];
                let (work, difficulty) = (Arc::clone(work), *difficulty);
                self.strikes = 0;
                self.answer(id, true);
                self.outputs.push_back(Output::Accepted(difficulty));
                if share.is_block {
                    let found = Found { work, solution: share.solution, user: user.to_owned() };
                    self.outputs.push_back(Output::Found(found));
                }
                // Shares of easier jobs that are still on their way say nothing about what is asked now.
                if self.told == Some(difficulty) {
                    self.vardiff.share(difficulty);
                }
                self.retarget(now);
            }
            Err(refusal) => {
                self.outputs.push_back(Output::Refused(refusal.reason()));
                self.refuse(id, &refusal);
            }
        }
    }

    /// Judges a share: who, for which of the jobs, and what.
    fn judge<'a>(&mut self, params: &'a Params, now: Moment) -> Result<(&'a str, usize, Share), Refusal> {
        if !self.is_subscribed {
            return Err(Refusal::NotSubscribed);
        }
        let submit = Submit::read(params)?;
        if !self.users.contains(submit.user) {
            return Err(Refusal::Unauthorized);
        }
        let place = self.jobs.iter().position(|job| job.id == submit.job).ok_or(Refusal::StaleJob)?;
        let Job { work, difficulty, .. } = &self.jobs[place];
        let share = submit.judge(&Rules {
            work,
            difficulty: *difficulty,
            extranonce1: self.extranonce1,
            mask: self.mask,
            time_max: now.time.saturating_add(self.settings.future_limit_s),
        })?;
        if !self.seen.insert(&share.hash) {
            return Err(Refusal::Duplicate);
        }
        Ok((submit.user, place, share))
    }

    /// Tells the shell that work may come, once.
    fn announce(&mut self, was_ready: bool) {
        if let Some(address) = self.payout()
            && !was_ready
        {
            self.outputs.push_back(Output::Ready(address));
        }
    }

    fn retarget(&mut self, now: Moment) {
        let Some(job) = self.jobs.back() else { return };
        self.vardiff.retarget(job.difficulty, now.elapsed);
        self.resend();
    }

    /// Sends the work at hand once more, if the difficulty has changed: it is in force for jobs that follow it.
    fn resend(&mut self) {
        let Some(job) = self.jobs.back() else { return };
        let work = Arc::clone(&job.work);
        if self.told != Some(self.difficulty(&work)) {
            self.send(work, false);
        }
    }

    /// What is asked for: never more than the network asks for.
    fn difficulty(&self, work: &Work) -> Difficulty {
        self.vardiff.current().min(work.difficulty_max())
    }

    fn send(&mut self, work: Arc<Work>, is_clean: bool) {
        let difficulty = self.difficulty(&work);
        if self.told != Some(difficulty) {
            self.told = Some(difficulty);
            self.outputs.push_back(Output::Line(message::notification("mining.set_difficulty", [difficulty])));
        }
        self.jobs_sent += 1;
        let id = format!("{:x}", self.jobs_sent);
        self.outputs.push_back(Output::Line(work.notify(&id, is_clean)));
        if self.jobs.len() == JOBS_MAX {
            self.jobs.pop_front();
        }
        self.jobs.push_back(Job { id, work, difficulty });
    }

    fn answer(&mut self, id: &Value, result: impl serde::Serialize) {
        self.outputs.push_back(Output::Line(message::reply(id, result)));
    }

    fn refuse(&mut self, id: &Value, refusal: &Refusal) {
        self.outputs.push_back(Output::Line(message::refuse(id, refusal)));
        self.strike(refusal);
    }

    fn strike(&mut self, refusal: &Refusal) {
        self.strikes = self.strikes.saturating_add(refusal.strikes());
        if self.strikes >= STRIKES_MAX {
            self.close(Farewell::Strikes);
        }
    }

    fn close(&mut self, why: Farewell) {
        self.is_closed = true;
        self.outputs.push_back(Output::Close(why));
    }
}

/// A difficulty in the password, as in `x,d=64`: what pools have taught miners to write.
fn password_difficulty(password: &str) -> Option<Difficulty> {
    let value = password.split([',', ';', ' ']).find_map(|part| part.strip_prefix("d="))?;
    value.parse().ok()
}

fn read_difficulty(params: &Params) -> Result<Difficulty, Refusal> {
    let value = params.at(0);
    let read = value.as_f64().and_then(Difficulty::new);
    read.or_else(|| value.as_str()?.parse().ok()).ok_or(Refusal::Parameter {
        place: 0,
        name: "difficulty",
        expected: "a number above zero",
    })
}

/// The difficulty of a target in big-endian hex.
fn read_target(params: &Params) -> Result<Difficulty, Refusal> {
    let mut target: [u8; 32] = params.bytes(0, "target")?;
    target.reverse();
    Ok(Difficulty::of_hash(&target))
}

#[cfg(test)]
mod tests;
