//! How much the tests do.

/// `full` where the environment has `TIDLINE_TEST_SCALE=full`; else `normal`, which keeps a test to
/// seconds.
///
/// # Panics
/// If the variable has another value: a typo must not pass for a full run.
pub(crate) fn scale<T>(normal: T, full: T) -> T {
    match std::env::var("TIDLINE_TEST_SCALE").as_deref() {
        Ok("full") => full,
        Ok("") | Err(_) => normal,
        Ok(other) => panic!("TIDLINE_TEST_SCALE is {other:?}: only \"full\" means something"),
    }
}
