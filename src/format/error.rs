//! What can be wrong with a trace file as a whole. Damaged parts are no errors: see
//! [`Damage`](crate::model::Damage).

/// Why a file could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The underlying read or write failed.
    #[error("{doing} at byte {offset}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where, bytes from the start of the file.
        offset: u64,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("the file is empty: the recorder did not get as far as writing its header")]
    Empty,
    /// The file does not begin with the magic bytes.
    #[error("not a tidline trace: it begins with {found}, not with {expected}")]
    NotATrace {
        /// The first bytes found, in hex.
        found: String,
        /// The magic bytes, in hex.
        expected: String,
    },
    /// The magic bytes were changed in the way a text-mode copy changes them.
    #[error(
        "a tidline trace that was copied in text mode: line ends were changed, and the data with \
         them; copy the file again in binary mode"
    )]
    TextModeCopy,
    /// The file is of a later format version.
    #[error("format version {found} is newer than this program knows (up to {known}): update it")]
    TooNew {
        /// The file's version.
        found: u16,
        /// The latest known.
        known: u16,
    },
    /// The file's header is damaged or cut.
    #[error("the file's header {problem}: it cannot be read (byte {offset})")]
    Header {
        /// Where.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// Files that were to be read as one trace are of different recordings, or one came twice.
    #[error(
        "not the files of one recording: recording {first:032x}, and file {segment} of recording \
         {other:032x}"
    )]
    NotOneRecording {
        /// The id of the first file's recording.
        first: u128,
        /// The id of the file's that does not fit.
        other: u128,
        /// That file's number in its recording.
        segment: u32,
    },
    /// A value cannot be encoded.
    #[error("{what} of {size} bytes is over the format's limit of {limit}")]
    TooLarge {
        /// The value.
        what: &'static str,
        /// Its size, bytes.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
}

/// What was being done where definitions could not be written.
pub(super) const DEFINING: &str = "writing definitions";

impl Error {
    /// Whether it is about definitions alone: no event is lost, and they can be written later.
    #[must_use]
    pub fn is_about_definitions(&self) -> bool {
        matches!(self, Error::Io { doing, .. } if *doing == DEFINING)
    }
}
