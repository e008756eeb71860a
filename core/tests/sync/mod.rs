//! Chain synchronisation from outside: what the machine asks whom, what it believes, and what it does to those who lie.

mod announced;
mod bodies;
mod desk;
mod headers;
mod random;
mod survey;
