//! Words for the service manager: sd_notify(3), without its library.
//!
//! A datagram to the socket that `$NOTIFY_SOCKET` names. Nobody waits for it: what the socket does
//! not take is not said.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::say::say;

/// The service manager, if there is one that wants to know.
pub(crate) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// For what was the value of `$NOTIFY_SOCKET`.
    pub(crate) fn new(variable: Option<&OsStr>) -> Self {
        let Some(name) = variable.filter(|name| !name.is_empty()) else {
            return Notify(None);
        };
        match open(name.as_bytes()) {
            Ok(open) => Notify(Some(open)),
            Err(error) => {
                let name = tidline::text::escape(name.as_bytes());
                say(format_args!(
                    "cannot tell the service manager at NOTIFY_SOCKET={name}: {error}"
                ));
                Notify(None)
            }
        }
    }

    /// Whether anybody listens.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Tells it, such as `READY=1`; several on a line each.
    pub(crate) fn send(&self, words: &str) {
        if let Some((socket, address)) = &self.0 {
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}

fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name {
        [b'/', ..] => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        _ => return Err(io::Error::other("neither a path nor an abstract socket")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abstract_socket_is_told() {
        let name = format!("tidline-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::new(Some(OsStr::new(&format!("@{name}"))));
        notify.send("READY=1");
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1");
    }

    #[test]
    fn without_a_socket_nobody_is_told() {
        for variable in [None, Some(""), Some("vsock:2:1"), Some("relative")] {
            let notify = Notify::new(variable.map(OsStr::new));
            assert!(!notify.is_wanted(), "{variable:?}");
            notify.send("READY=1");
        }
    }
}
