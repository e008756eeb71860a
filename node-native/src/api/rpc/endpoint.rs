//! Calls over HTTP: who may, what they ask, and what they are told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method as HttpMethod, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::args::{Args, ArgsError};
use super::auth::{Credentials, Denied};
use super::control;
use super::error::{Code, RpcError};
use super::help;
use super::method::{Handler, Method, Size};
use super::protocol::{Body, Caller, Outcome, Request};
use crate::api::shortened;
use crate::metrics::{CallOutcome, Interface, Metrics, Rejection};

/// How long a wrong login waits for its answer, so that guessing is slow.
const DENIED_DELAY: Duration = Duration::from_millis(250);
/// How long a body may take to come.
const BODY_TIME_MAX: Duration = Duration::from_secs(120);
/// The most calls that compute at once; further ones wait.
const COMPUTING_MAX: usize = 8;
/// How long a call waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(30);
/// How long a call that waits for others may take: longer than any long poll.
const WAITING_MAX: Duration = Duration::from_secs(15 * 60);
/// The most bytes that the replies of a batch have together. What would exceed it is answered with an error in its place.
const BATCH_REPLY_BYTES_MAX: usize = 64 << 20;
/// The longest text of parameters of most methods, in bytes.
const PARAMS_BYTES_MAX: usize = 64 << 10;
/// What a body has beside a transaction or block in hex: method, id, white space, further parameters.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// The longest text of JSON that is taken apart on the event loop. Reading megabytes of it takes milliseconds, so longer ones get a thread.
const SMALL_BODY_BYTES: usize = 64 << 10;

/// What the node's operator has a say in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest block of the chain, in bytes.
    pub block_bytes_max: usize,
    /// The largest transaction of the chain, in bytes.
    pub tx_bytes_max: usize,
    /// Cancelled when the node stops.
    pub stopping: CancellationToken,
}

/// The methods, and what they work on.
pub struct Rpc<C: 'static> {
    /// What the methods work on.
    pub context: C,
    methods: BTreeMap<&'static str, Method<C>>,
    credentials: Credentials,
    settings: Settings,
    metrics: Option<Arc<Metrics>>,
    turns: Arc<Semaphore>,
    active: Mutex<BTreeMap<u64, (&'static str, Instant)>>,
    calls: AtomicU64,
}

impl<C: Send + Sync + 'static> Rpc<C> {
    /// These methods, and those that tell about methods, for whoever has a login.
    ///
    /// # Panics
    /// If two methods share a name.
    #[must_use]
    pub fn new(context: C, methods: Vec<Method<C>>, credentials: Credentials, settings: Settings) -> Self {
        let methods: Vec<_> = control::about_calls().into_iter().chain(methods).collect();
        let count = methods.len();
        let methods: BTreeMap<_, _> = methods.into_iter().map(|method| (method.name, method)).collect();
        assert_eq!(methods.len(), count, "each method has a name of its own");
        Self {
            context,
            methods,
            credentials,
            settings,
            metrics: None,
            turns: Arc::new(Semaphore::new(COMPUTING_MAX)),
            active: Mutex::default(),
            calls: AtomicU64::default(),
        }
    }

    /// With what counts the calls.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// All methods, by name.
    pub fn methods(&self) -> impl Iterator<Item = &Method<C>> {
        self.methods.values()
    }

    /// The method of this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method<C>> {
        self.methods.get(name)
    }

    /// Cancelled when the node stops.
    #[must_use]
    pub const fn stopping(&self) -> &CancellationToken {
        &self.settings.stopping
    }

    /// The calls in progress, and since when.
    #[must_use]
    pub fn active(&self) -> Vec<(&'static str, Instant)> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }

    /// The largest body that any call has, in bytes.
    #[must_use]
    pub const fn body_bytes_max(&self) -> usize {
        2 * self.settings.block_bytes_max + ENVELOPE_BYTES_MAX
    }

    const fn params_bytes_max(&self, size: Size) -> usize {
        match size {
            Size::Small => PARAMS_BYTES_MAX,
            Size::Transaction => 2 * self.settings.tx_bytes_max + ENVELOPE_BYTES_MAX,
            Size::Block => self.body_bytes_max(),
        }
    }

    /// Takes apart what stands in the place of one request, and finds what answers it.
    fn prepare(&self, raw: &RawValue) -> Call<C> {
        let began = Instant::now();
        // Names that nobody knows are counted as one, or a client could make a new series with each call.
        let call = |caller, name, asked| Call { caller, name, began, asked };
        let Request { caller, method, params } = match Request::parse(raw) {
            Ok(request) => request,
            Err((caller, error)) => return call(caller, UNKNOWN, Err(error)),
        };
        match self.named(method) {
            Ok(method) => {
                let args = self.args(method, params);
                call(caller, method.name, args.map(|args| (method.handler, args)))
            }
            Err(error) => call(caller, UNKNOWN, Err(error)),
        }
    }

    /// [`Rpc::prepare`], apart from the event loop if it takes long.
    async fn prepare_apart(self: &Arc<Self>, raw: Box<RawValue>) -> Call<C> {
        let rpc = Arc::clone(self);
        let prepared = apart(raw.get().len(), move || rpc.prepare(&raw)).await;
        prepared.unwrap_or_else(|error| Call {
            caller: Caller::nobody(),
            name: UNKNOWN,
            began: Instant::now(),
            asked: Err(error),
        })
    }

    /// The method that a request names.
    fn named(&self, method: &RawValue) -> Result<&Method<C>, RpcError> {
        let name: String = serde_json::from_str(method.get())
            .map_err(|error| RpcError::new(Code::InvalidRequest, format!("Method must be a string: {error}")))?;
        self.methods.get(name.as_str()).ok_or_else(|| {
            RpcError::new(Code::MethodNotFound, format!("Method not found: {:?}; help lists all", shortened(&name)))
        })
    }

    async fn run(self: &Arc<Self>, name: &'static str, handler: Handler<C>, args: Args) -> Outcome {
        let _active = self.begin(name);
        match handler {
            Handler::Blocking(run) => self.compute(move |rpc| run(rpc, &args)).await?,
            Handler::Waiting(run) => tokio::time::timeout(WAITING_MAX, run(Arc::clone(self), args))
                .await
                .unwrap_or_else(|_| Err(RpcError::internal(format!("{name} took too long")))),
        }
    }

    fn args(&self, method: &Method<C>, params: Option<&RawValue>) -> Result<Args, RpcError> {
        let (found, most) = (params.map_or(0, |params| params.get().len()), self.params_bytes_max(method.size));
        if found > most {
            let message = format!("parameters of {found} bytes: {} takes at most {most}", method.name);
            return Err(RpcError::new(Code::InvalidRequest, message));
        }
        let invalid = |error| RpcError::new(Code::InvalidRequest, format!("Params cannot be read: {error}"));
        let params = params.map(|params| serde_json::from_str(params.get())).transpose().map_err(invalid)?;
        Args::new(method.params, params).map_err(|error| match error {
            ArgsError::Rpc(error) => error,
            ArgsError::Count { message } => {
                RpcError::new(Code::Misc, format!("{}: {message}\n\n{}", method.name, help::page(method)))
            }
        })
    }

    /// Runs what computes on a thread of its own, when its turn comes.
    ///
    /// # Errors
    /// If its turn does not come in time, or the work panics.
    pub(super) async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, RpcError> {
        let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            self.rejected(Rejection::Busy);
            return Err(RpcError::internal(format!("{COMPUTING_MAX} calls are in progress: try again later")));
        };
        let rpc = Arc::clone(self);
        let computed = tokio::task::spawn_blocking(move || {
            // Held here, so that a client that goes away makes no room for more than are allowed.
            let _turn = turn;
            work(&rpc)
        });
        computed.await.map_err(|failed| {
            error!(%failed, "a call failed");
            RpcError::internal("the call failed")
        })
    }

    /// Counts a request that was turned away.
    fn rejected(&self, reason: Rejection) {
        if let Some(metrics) = &self.metrics {
            metrics.request_rejected(Interface::Rpc, reason);
        }
    }

    fn begin(self: &Arc<Self>, name: &'static str) -> Active<C> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.insert(number, (name, Instant::now()));
        Active { rpc: Arc::clone(self), number }
    }

    /// Runs all that a body asks for.
    async fn body(self: &Arc<Self>, bytes: Bytes) -> Reply {
        let rpc = Arc::clone(self);
        let prepared = apart(bytes.len(), move || match Body::parse(&bytes)? {
            Body::Single(raw) => Ok(Prepared::Single(rpc.prepare(raw))),
            Body::Batch(requests) => Ok(Prepared::Batch(requests.into_iter().map(ToOwned::to_owned).collect())),
        });
        match prepared.await.and_then(|prepared| prepared) {
            Ok(Prepared::Single(call)) => self.answer(call).await,
            Ok(Prepared::Batch(requests)) => self.batch(requests).await,
            Err(error) => {
                let (nobody, outcome) = (Caller::nobody(), Err(error));
                (nobody.status(&outcome), Some(nobody.reply(&outcome)))
            }
        }
    }

    /// Runs one call, counts it, and gives the reply, if one is wanted.
    async fn answer(self: &Arc<Self>, Call { caller, name, began, asked }: Call<C>) -> Reply {
        let outcome = match asked {
            Ok((handler, args)) => self.run(name, handler, args).await,
            Err(error) => Err(error),
        };
        if let Some(metrics) = &self.metrics {
            metrics.rpc_call(name, counted_as(&outcome), began.elapsed());
        }
        if caller.is_notification() {
            return (StatusCode::NO_CONTENT, None);
        }
        (caller.status(&outcome), Some(caller.reply(&outcome)))
    }

    /// Runs the requests of a batch one after the other. A batch of notifications gets no reply; an empty one gets an empty array, as
    /// Bitcoin Core has it.
    async fn batch(self: &Arc<Self>, requests: Vec<Box<RawValue>>) -> Reply {
        let is_empty = requests.is_empty();
        let (mut replies, mut is_full) = (String::from("["), false);
        for raw in requests {
            let call = self.prepare_apart(raw).await;
            let caller = call.caller.clone();
            let reply = if is_full { too_long(&caller) } else { self.answer(call).await.1 };
            let Some(reply) = reply else { continue };
            let separator = if replies.len() > 1 { "," } else { "" };
            if !is_full && replies.len() + reply.len() > BATCH_REPLY_BYTES_MAX {
                // What comes after it is not run: each could be as long.
                is_full = true;
                replies.extend(too_long(&caller).map(|reply| [separator, &reply].concat()));
            } else {
                replies.extend([separator, &reply]);
            }
        }
        if replies.len() == 1 && !is_empty {
            return (StatusCode::NO_CONTENT, None);
        }
        (StatusCode::OK, Some(replies + "]"))
    }
}

/// A request that was taken apart: who asks, and for what, or why that is no call.
struct Call<C: 'static> {
    caller: Caller,
    name: &'static str,
    began: Instant,
    asked: Result<(Handler<C>, Args), RpcError>,
}

/// A body that was taken apart.
enum Prepared<C: 'static> {
    Single(Call<C>),
    Batch(Vec<Box<RawValue>>),
}

/// The status of HTTP and the reply, if one is wanted.
type Reply = (StatusCode, Option<String>);

/// As what a call counts whose method is not known.
const UNKNOWN: &str = "unknown";

/// Takes text of so many bytes apart: at once if it is short, and on a thread of its own if that takes longer than the event loop can wait.
///
/// # Errors
/// If the work panics.
async fn apart<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, RpcError> {
    if bytes <= SMALL_BODY_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|failed| {
        error!(%failed, "a request could not be taken apart");
        RpcError::internal("the request could not be taken apart")
    })
}

/// Whose fault a failure is, for the counters.
fn counted_as(outcome: &Outcome) -> CallOutcome {
    match outcome {
        Ok(_) => CallOutcome::Ok,
        Err(RpcError { code: Code::Internal | Code::Database, .. }) => CallOutcome::Failed,
        Err(_) => CallOutcome::Refused,
    }
}

fn too_long(caller: &Caller) -> Option<String> {
    let message = format!("the replies of the batch exceed {BATCH_REPLY_BYTES_MAX} bytes: send several");
    (!caller.is_notification()).then(|| caller.reply(&Err(RpcError::new(Code::Misc, message))))
}

/// A call in progress.
struct Active<C: 'static> {
    rpc: Arc<Rpc<C>>,
    number: u64,
}

impl<C> Drop for Active<C> {
    fn drop(&mut self) {
        self.rpc.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// The route of the calls: `/`, and `/wallet/…`, which tools for Bitcoin use and which is the same here.
pub fn router<C: Send + Sync + 'static>(rpc: Arc<Rpc<C>>) -> Router {
    let calls = routing::any(answer::<C>);
    Router::new().route("/", calls.clone()).route("/wallet/{name}", calls).with_state(rpc)
}

async fn answer<C: Send + Sync + 'static>(State(rpc): State<Arc<Rpc<C>>>, request: HttpRequest) -> Response {
    if request.method() != HttpMethod::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "JSONRPC server handles only POST requests\n").into_response();
    }
    if let Err(denied) = rpc.credentials.check(request.headers().get(AUTHORIZATION)) {
        rpc.rejected(Rejection::Login);
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        return refuse(denied, peer).await;
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes = match read(request.into_body(), announced, rpc.body_bytes_max()).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    let (status, reply) = rpc.body(bytes).await;
    match reply {
        Some(reply) => {
            let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (status, json, reply + "\n").into_response()
        }
        None => status.into_response(),
    }
}

async fn refuse(denied: Denied, peer: Option<SocketAddr>) -> Response {
    if denied == Denied::Wrong {
        warn!(?peer, "a call with a wrong login was refused");
        tokio::time::sleep(DENIED_DELAY).await;
    }
    let basic = [(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"jsonrpc\""))];
    let mend = "a login is needed: that of the .cookie file in the data directory, or a configured user and password\n";
    (StatusCode::UNAUTHORIZED, basic, mend).into_response()
}

async fn read(body: HttpBody, announced: Option<u64>, limit: usize) -> Result<Bytes, Response> {
    let too_large = || {
        let message = format!("the body exceeds the limit of {limit} bytes\n");
        (StatusCode::PAYLOAD_TOO_LARGE, message).into_response()
    };
    // A client that announces too much and asks first is not told to go on.
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME_MAX, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            debug!(%error, "a body could not be read");
            // One of an announced length fits: then it has stopped, or its client is gone.
            match announced {
                Some(_) => Err((StatusCode::BAD_REQUEST, "the body ended early\n").into_response()),
                None => Err(too_large()),
            }
        }
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long\n").into_response()),
    }
}

#[cfg(test)]
mod tests;
