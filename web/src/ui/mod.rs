//! What is seen: pages and the parts they are made of. They show what the modules beside this one know, and decide nothing.

#![allow(unreachable_pub, reason = "the macro of components makes their properties public")]
#![allow(clippy::needless_pass_by_value, reason = "components own their properties")]

mod address;
mod block;
mod chart;
mod charts;
mod chunk;
mod context;
mod explorer;
mod extension;
mod home;
mod lead;
mod load;
mod mempool;
mod node;
mod parts;
mod proven;
mod search;
mod shell;
mod transaction;
mod verify;
mod wallet;

use leptos::prelude::*;

use crate::browser::extension::document as document_of_extension;

/// Shows the app in the page, or what belongs in this document of an extension.
pub(crate) fn start() {
    prepare();
    match document_of_extension() {
        None => mount_to_body(shell::App),
        Some(document) => mount_to_body(move || extension::show(document)),
    }
}

fn prepare() {
    std::panic::set_hook(Box::new(panicked));
    if let Some(starting) = document().get_element_by_id("starting") {
        starting.remove();
    }
}

/// A fault of the app is said in the page, since nothing in it can be trusted to work any more.
fn panicked(what: &std::panic::PanicHookInfo<'_>) {
    leptos::logging::error!("{what}");
    let Ok(place) = document().create_element("p") else { return };
    place.set_text_content(Some(crate::text::FAULT));
    // Both were there a moment ago; without them nothing can be shown.
    let _ = place.set_attribute("role", "alert");
    let _ = place.set_attribute("class", "notice bad");
    if let Some(body) = document().body() {
        let _ = body.prepend_with_node_1(&place);
    }
}
