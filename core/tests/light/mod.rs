//! The light client from outside: what it asks whom, what it believes, what it hands out, and what it does about those who lie.

mod day;
mod head;
mod node;
mod query;
mod random;
mod saved;
mod scan;
mod scene;
