//! Which signatures count.

use super::fingerprint::Fingerprint;

/// How far in the future a signature may be made, seconds: one day, for clocks that disagree.
pub(super) const FUTURE_TOLERANCE: i64 = 86_400;

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodSignature {
    /// The primary key.
    pub fingerprint: Fingerprint,
    /// The key that made it: the primary key or a subkey.
    pub signing_key: Fingerprint,
    /// When, Unix seconds, as the signature says.
    pub made: i64,
    /// When the key ended, Unix seconds, if it has: it counts because it was accepted.
    pub expired: Option<i64>,
}

/// Which signatures count.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The primary keys that may sign.
    pub configured: &'a [Fingerprint],
    /// The time, Unix seconds.
    pub now: i64,
    /// Primary keys that count although they have expired; not what they signed after their end.
    pub accept_expired: &'a [Fingerprint],
}

impl<'a> Policy<'a> {
    /// Signatures of these primary keys, none of them expired.
    #[must_use]
    pub fn new(configured: &'a [Fingerprint], now: i64) -> Self {
        Self { configured, now, accept_expired: &[] }
    }
}
