//! Settings about bulk requests.

use std::time::Duration;

use connect::config::{ConfigError, Settings};

use crate::batch::BatchLimits;
use crate::pace::PaceLimits;

/// When a bulk request is sent, and how many at once.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryConfig {
    /// `batch.size`: actions of a request, 1 to 1,000,000. Default 5,000: with rows of 250 bytes
    /// a server takes less time for each than in requests of 2,000, which is Confluent's.
    pub max_actions: usize,
    /// `bulk.size.bytes`: size of the body, 1 KiB to 100 MiB (`http.max_content_length`). Default
    /// 5 MiB, Confluent's. -1, which is no limit in Confluent's, is the largest.
    pub max_bytes: usize,
    /// `linger.ms`: age of the oldest action while no request is under way, 0 to 60 s. Default
    /// 1 ms, Confluent's. Under load batches grow by themselves while they wait for each other.
    pub linger: Duration,
    /// `max.in.flight.requests`: requests under way at most, 1 to 1,000. Default 5, Confluent's. How
    /// many there are is found out by how the server answers.
    pub max_in_flight: usize,
}

const BYTES_MAX: i64 = 100 << 20;

impl DeliveryConfig {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            max_actions: settings.integer("batch.size", 5_000, 1..=1_000_000)?,
            max_bytes: bulk_bytes(settings)?,
            linger: settings.duration_ms("linger.ms", 1, 0..=60_000)?,
            max_in_flight: settings.integer("max.in.flight.requests", 5, 1..=1_000)?,
        })
    }

    pub(crate) fn pace(&self) -> PaceLimits {
        PaceLimits { in_flight: self.max_in_flight, bytes: self.max_bytes }
    }

    /// The limits of a request that may have so many bytes at this time.
    pub(crate) fn batch(&self, bytes: usize) -> BatchLimits {
        BatchLimits { actions: self.max_actions, bytes: bytes.min(self.max_bytes) }
    }
}

fn bulk_bytes(settings: &mut Settings) -> Result<usize, ConfigError> {
    const KEY: &str = "bulk.size.bytes";
    let bytes: i64 = settings.integer(KEY, 5 << 20, -1..=BYTES_MAX)?;
    let bytes = if bytes == -1 { BYTES_MAX } else { bytes };
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes >= 1 << 10)
        .ok_or_else(|| settings.error(KEY, "must be -1, or 1024 to 104857600"))
}
