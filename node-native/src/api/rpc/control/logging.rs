//! Changing what the node logs while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};

/// The parts of the node whose details can be logged: its modules.
const CATEGORIES: [&str; 10] = ["api", "driver", "import", "light", "miner", "node", "p2p", "run", "store", "stratum"];

/// Puts another filter in place of the one that is there.
type Apply = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Changes what is logged, in a process that allows it.
pub struct LogControl {
    base: String,
    detailed: Mutex<BTreeSet<&'static str>>,
    apply: Box<Apply>,
}

impl LogControl {
    /// Starts from a filter in the form of `--log`; `apply` puts another one in its place.
    pub fn new(base: &str, apply: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { base: base.to_owned(), detailed: Mutex::default(), apply: Box::new(apply) }
    }

    /// Logs details of some parts and no details of others, and tells of each part whether its details are logged.
    fn change(
        &self,
        include: &[&'static str],
        exclude: &[&'static str],
    ) -> Result<BTreeMap<&'static str, bool>, RpcError> {
        let mut detailed = self.detailed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = detailed.clone();
        wanted.extend(include);
        wanted.retain(|category| !exclude.contains(category));
        if wanted != *detailed {
            let details = wanted.iter().map(|category| format!(",qbtc_node::{category}=trace"));
            let filter = [self.base.clone()].into_iter().chain(details).collect::<String>();
            (self.apply)(&filter).map_err(RpcError::internal)?;
            *detailed = wanted;
        }
        Ok(CATEGORIES.into_iter().map(|category| (category, detailed.contains(category))).collect())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("base", &self.base).field("detailed", &self.detailed).finish_non_exhaustive()
    }
}

pub(super) fn methods() -> [Method<Context>; 1] {
    const PARAMS: &[Param] = &[
        Param::optional(&["include"], Kind::Array, "", "The parts of the node whose details to log; \"all\" for all."),
        Param::optional(
            &["exclude"],
            Kind::Array,
            "",
            "The parts whose details not to log any more; goes before include.",
        ),
    ];
    [Method::blocking("logging", Category::Control, logging)
        .about(
            "Tells of which parts of the node details are logged, and changes it.\n\
             The parts are api, driver, import, light, miner, node, p2p, run, store and stratum. Whatever --log asks for stays.",
            "{ \"part\": bool,... }    (json object) Of each part whether its details are logged",
        )
        .takes(PARAMS, "'[\"store\"]' '[\"api\"]'")]
}

fn logging(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let (include, exclude) = (categories(args.value("include"))?, categories(args.value("exclude"))?);
    let fixed = || RpcError::new(Code::Misc, "what this process logs cannot be changed while it runs");
    json(&rpc.context.log.as_ref().ok_or_else(fixed)?.change(&include, &exclude)?)
}

fn categories(given: &Value) -> Result<Vec<&'static str>, RpcError> {
    let mut categories = Vec::new();
    for each in given.as_array().map(Vec::as_slice).unwrap_or_default() {
        match each.as_str() {
            Some("all" | "1") => categories.extend(CATEGORIES),
            Some("none" | "0") => {}
            text => {
                let known = CATEGORIES.into_iter().find(|known| Some(*known) == text);
                let unknown =
                    || RpcError::parameter(format!("unknown logging category {each}: expected all, {CATEGORIES:?}"));
                categories.push(known.ok_or_else(unknown)?);
            }
        }
    }
    Ok(categories)
}
