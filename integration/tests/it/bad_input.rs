//! Bad input and absent servers: each ends with one clear error and what to do, or waits and says
//! so. No test leaves a half-written offset, a panic or a secret in a log.

mod config;
mod mysql;
mod offsets;
mod outage;
mod own_mysql;
