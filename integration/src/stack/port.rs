//! Loopback ports that stay free until, and between, the starts of their server.
//!
//! A port from `bind(0)` lies in the range that the kernel hands to outgoing connections, so it
//! can be taken while its server restarts. These lie below that range, and a locked file per port
//! keeps two stacks apart even if both of their servers are down.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use super::error::{StackError, io_error};

/// The first port that is given out: above the usual fixed ports of servers.
const LOW: u16 = 20_000;

/// The last one: below 32768, where Linux's `ip_local_port_range` begins by default.
const HIGH: u16 = 31_999;

/// A port that belongs to this process as long as this value lives.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    /// Locked; the kernel unlocks it when the process dies, however it dies.
    _lease: File,
}

impl Port {
    /// Takes a port that nobody listens on and no other stack with this cache has.
    ///
    /// # Errors
    ///
    /// [`StackError::NoPort`] if all are taken; [`StackError::Io`] if the cache is not writable.
    pub(super) fn lease(cache: &Path) -> Result<Self, StackError> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = cache.join("ports");
        std::fs::create_dir_all(&folder).map_err(io_error("make the folder of ports"))?;
        let span = HIGH - LOW + 1;
        // Processes start at different places, so that they seldom meet.
        let first = u16::try_from(std::process::id() * 61 % u32::from(span)).unwrap_or(0);
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % span;
            let number = LOW + (first + step) % span;
            let path = folder.join(number.to_string());
            let lease = File::create(&path).map_err(io_error("make a port's file"))?;
            if lease.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self { number, _lease: lease });
            }
        }
        Err(StackError::NoPort { low: LOW, high: HIGH })
    }

    /// The number of the port.
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn a_leased_port_is_not_given_out_twice() {
        let cache = tempfile::tempdir().unwrap();

        let ports: Vec<Port> = (0..50).map(|_| Port::lease(cache.path()).unwrap()).collect();

        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
    }
}
