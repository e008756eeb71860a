//! How bytes reach a peer: each transport gives an authenticated peer id and streams.
