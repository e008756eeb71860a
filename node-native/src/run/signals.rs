//! What ends a node from outside: Ctrl-C and a service manager's signal, alike.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::node::Node;

/// The signals that end a node, caught from the moment on that this exists.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Stops the node on the first signal; on the second the process ends at once, which loses nothing that was answered.
    pub(super) async fn stop(mut self, node: Node) {
        for is_first in [true, false] {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            if !is_first {
                std::process::exit(130);
            }
            node.stop();
        }
    }
}
