//! What a thread reads ahead, handed on in batches: to hand on each thing by itself costs more than to
//! read it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::vec;

/// Things of a batch, and batches that may wait.
const BATCH: usize = 1_024;
const WAITING: usize = 4;

/// The end that reads.
pub(crate) struct Giver<T> {
    batch: Vec<T>,
    to: SyncSender<Vec<T>>,
}

/// The end that follows.
pub(crate) struct Taker<T> {
    batch: vec::IntoIter<T>,
    from: Receiver<Vec<T>>,
}

pub(crate) fn channel<T>() -> (Giver<T>, Taker<T>) {
    let (to, from) = sync_channel(WAITING);
    let (batch, taken) = (Vec::new(), Vec::new().into_iter());
    (Giver { batch, to }, Taker { batch: taken, from })
}

impl<T> Giver<T> {
    pub(crate) fn give(&mut self, thing: T) {
        self.batch.push(thing);
        if self.batch.len() >= BATCH {
            self.hand_on();
        }
    }

    /// Lets nothing wait: behind what is large.
    pub(crate) fn hand_on(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // Where nobody listens any more, whoever did says why.
        let _ = self.to.send(batch);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.hand_on();
    }
}

impl<T> Iterator for Taker<T> {
    type Item = T;

    /// The next thing; `None` when the reader's thread has ended.
    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(thing) = self.batch.next() {
                return Some(thing);
            }
            self.batch = self.from.recv().ok()?.into_iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comes_in_order_and_then_the_end() {
        let (mut giver, taker) = channel();
        let thread = std::thread::spawn(move || {
            for number in 0..10_000 {
                giver.give(number);
                if number % 700 == 0 {
                    giver.hand_on();
                }
            }
        });
        assert!(taker.eq(0..10_000));
        thread.join().expect("it gave all");
    }

    #[test]
    fn whoever_gives_is_not_held_up_by_nobody() {
        let (mut giver, taker) = channel();
        drop(taker);
        (0..100_000).for_each(|number| giver.give(number));
    }
}
