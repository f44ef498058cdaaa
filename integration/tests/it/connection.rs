//! Connections to MySQL: logins of every kind, TLS, lists of servers, and networks that fail.

mod hosts;
mod login;
mod lost;
mod mariadb;
mod tls;
