//! The public interface against a node on the dev chain.

mod content;
mod documented;
mod hostile;
mod layers;
mod schema;
mod watched;
mod ws;
