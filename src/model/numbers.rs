//! Maps by TIDs and pids, which are looked up for every event: with a hash that is one multiplication.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map by a number of 32 bits.
pub(super) type ByNumber<N, T> = HashMap<N, T, Numbers>;

/// Hashes numbers of 32 bits by multiplying and adding, with random numbers. Then whatever numbers a file
/// has, no two of them fall together more often than by chance (Dietzfelbinger, "Universal hashing and
/// k-wise independent random variables via integer arithmetic without primes", 1996).
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    factor: u64,
    summand: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        let random = RandomState::new();
        Numbers {
            factor: random.hash_one(0),
            summand: random.hash_one(1),
        }
    }
}

impl BuildHasher for Numbers {
    type Hasher = NumberHasher;

    fn build_hasher(&self) -> NumberHasher {
        NumberHasher {
            by: self.clone(),
            hash: 0,
        }
    }
}

/// See [`Numbers`].
pub(super) struct NumberHasher {
    by: Numbers,
    hash: u64,
}

impl Hasher for NumberHasher {
    fn write_u32(&mut self, number: u32) {
        let number = self.hash.wrapping_add(u64::from(number));
        let product = self.by.factor.wrapping_mul(number);
        // The upper half is what is random; tables take the lower bits.
        self.hash = product.wrapping_add(self.by.summand).rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tid;

    /// Numbers that a hash without chance might put together: steps of powers of two.
    #[test]
    fn no_step_makes_numbers_fall_together() {
        const NUMBERS: u32 = 1 << 10;
        let numbers = Numbers {
            factor: 0x9e37_79b9_7f4a_7c15,
            summand: 0xbf58_476d_1ce4_e5b9,
        };
        for step in [1, 3, 1 << 10, 1 << 16, 1 << 22] {
            let mut places = vec![0; NUMBERS as usize];
            for number in 0..NUMBERS {
                let hash = numbers.hash_one(Tid(number.wrapping_mul(step)));
                places[hash as usize % NUMBERS as usize] += 1;
            }
            let most = places.iter().max();
            assert!(most < Some(&8), "steps of {step}: {most:?} in one place");
        }
    }

    #[test]
    fn a_map_finds_what_was_put_into_it() {
        let mut map: ByNumber<Tid, u32> = ByNumber::default();
        map.extend((0..10_000).map(|number| (Tid(number), number)));
        assert!((0..10_000).all(|number| map.get(&Tid(number)) == Some(&number)));
        assert_eq!(map.get(&Tid(10_000)), None);
    }
}
