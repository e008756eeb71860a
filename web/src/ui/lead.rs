//! Leading the light client: behind a door of its own, with all that connects. No page waits for it.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::spec::ChainSpec;
use wasm_split_helpers::wasm_split;

use super::chunk::Missing;
use crate::browser::light::{self, AGAIN_MS, Lead, Light, Sleep};
use crate::text;

type Work = Pin<Box<dyn Future<Output = ()>>>;

#[wasm_split(light, preload(load), fallible)]
pub(crate) fn door(light: Light, chain: String, channel: String, lead: Lead) -> Result<Work, Missing> {
    Ok(Box::pin(light::lead(light, chain, channel, lead)))
}

/// Joins the tabs of a chain, and leads them when it is this tab's turn, if this tab may.
pub(crate) fn join(light: Light, chain: &str, spec: &ChainSpec, lead: Lead) {
    let Some(channel) = light.join(spec).filter(|_| lead != Lead::Never) else { return };
    let chain = chain.to_owned();
    spawn_local(async move {
        loop {
            match door(light, chain.clone(), channel.clone(), lead.clone()).await {
                Ok(leading) => return leading.await,
                Err(_) => light.fault.set(Some(text::CHUNK_MISSING.to_owned())),
            }
            Sleep::new(AGAIN_MS).await;
        }
    });
}
