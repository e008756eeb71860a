//! A Stratum v1 server, for sha256d miners as they are: CPU miners, cgminer and its kin, the firmware of ASICs.

pub mod session;
