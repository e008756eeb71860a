//! What must not die alone: a part of the node that panics stops the node.

use super::{Fault, Node};

/// Held by a part without which the node would seem to run and be dead: should it panic, the node stops, and says why.
pub(crate) struct StopOnPanic {
    node: Node,
    part: &'static str,
}

impl StopOnPanic {
    pub(crate) fn new(node: &Node, part: &'static str) -> Self {
        Self { node: node.clone(), part }
    }
}

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.node.shared().fail(Fault::Panicked { part: self.part });
        }
    }
}
