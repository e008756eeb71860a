//! What the node that served the app tells: the shapes of its answers and events, and the paths at which it is asked.
//!
//! All of it is the node's word. What the tab makes of it is decided elsewhere ([`crate::proof`], [`crate::wallet`]).

pub mod path;
mod shapes;

pub use shapes::*;
