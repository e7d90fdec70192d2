//! A map keyed by TID: looked into at every stop, so its hash is one multiplication.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidline::model::Tid;

/// TIDs are small numbers that the kernel hands out in order: nobody can make many of them collide.
pub(crate) type TidMap<V> = HashMap<Tid, V, BuildHasherDefault<TidHasher>>;

#[derive(Default)]
pub(crate) struct TidHasher(u64);

impl Hasher for TidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio: neighbours end up far apart (Knuth, TAOCP 6.4).
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
