//! What unwinding has to know of the machine. The architectures are siblings behind one face.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(not(target_arch = "aarch64"))]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(not(target_arch = "aarch64"))]
pub(super) use x86_64::*;
