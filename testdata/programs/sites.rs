//! Threads of Rust's library from known places; see sites.c.
use std::thread;

#[inline(never)]
fn hire(number: usize) -> thread::JoinHandle<usize> {
    let name = format!("clerk-{number}");
    let builder = thread::Builder::new().name(name);
    builder.spawn(move || number + 1).unwrap() // site builder
}

#[inline(never)]
fn delegate() -> usize {
    let helper = thread::spawn(|| 5); // site spawn
    helper.join().unwrap()
}

fn main() {
    let clerks: Vec<_> = (0..3).map(hire).collect();
    let sum: usize = clerks.into_iter().map(|clerk| clerk.join().unwrap()).sum();
    std::process::exit(i32::from(sum + delegate() != 11));
}
