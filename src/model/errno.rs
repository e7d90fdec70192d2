//! Error names by their Linux numbers (errno(3)), the same on x86-64 and aarch64.

use std::borrow::Cow;

/// 1 to 40, and those of the others that programs meet.
const NAMES: [(u16, &str); 61] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (8, "ENOEXEC"),
    (9, "EBADF"),
    (10, "ECHILD"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (15, "ENOTBLK"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (23, "ENFILE"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (26, "ETXTBSY"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (29, "ESPIPE"),
    (30, "EROFS"),
    (31, "EMLINK"),
    (32, "EPIPE"),
    (33, "EDOM"),
    (34, "ERANGE"),
    (35, "EDEADLK"),
    (36, "ENAMETOOLONG"),
    (37, "ENOLCK"),
    (38, "ENOSYS"),
    (39, "ENOTEMPTY"),
    (40, "ELOOP"),
    (61, "ENODATA"),
    (62, "ETIME"),
    (75, "EOVERFLOW"),
    (88, "ENOTSOCK"),
    (90, "EMSGSIZE"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (98, "EADDRINUSE"),
    (99, "EADDRNOTAVAIL"),
    (101, "ENETUNREACH"),
    (103, "ECONNABORTED"),
    (104, "ECONNRESET"),
    (105, "ENOBUFS"),
    (106, "EISCONN"),
    (107, "ENOTCONN"),
    (110, "ETIMEDOUT"),
    (111, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
    (114, "EALREADY"),
    (115, "EINPROGRESS"),
    (122, "EDQUOT"),
];

/// The kernel's own codes for a system call that a signal interrupted and that is begun anew. A
/// program never sees them; a tracer does (Linux, `include/linux/errno.h`).
const RESTARTS: [(u16, &str); 4] = [
    (512, "ERESTARTSYS"),
    (513, "ERESTARTNOINTR"),
    (514, "ERESTARTNOHAND"),
    (516, "ERESTART_RESTARTBLOCK"),
];

/// An error's name: `EAGAIN`, or `errno 200` for one that has none here.
///
/// ```
/// assert_eq!(tidline::model::errno_name(11), "EAGAIN");
/// assert_eq!(tidline::model::errno_name(200), "errno 200");
/// ```
#[must_use]
pub fn errno_name(number: u16) -> Cow<'static, str> {
    let known = NAMES.iter().chain(&RESTARTS);
    match known.into_iter().find(|(known, _)| *known == number) {
        Some((_, name)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("errno {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::errno_name;

    #[test]
    fn errors_by_number() {
        for (number, name) in [
            (1, "EPERM"),
            (12, "ENOMEM"),
            (38, "ENOSYS"),
            (514, "ERESTARTNOHAND"),
        ] {
            assert_eq!(errno_name(number), name);
        }
        assert_eq!(errno_name(0), "errno 0");
    }
}
