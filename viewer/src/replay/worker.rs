//! What takes longer than a key may: reading the file again when it has grown, and working out
//! what a filter admits. It is done beside the screen, in a thread of its own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::filter::Filter;
use super::index::{Index, Show};
use crate::load;

/// How often it is looked whether the files have grown. Reading takes at most a fifth of the time.
const LOOK: Duration = Duration::from_secs(1);
const REST: u32 = 4;

/// What has been done.
pub(crate) enum News {
    Filtered(Filter, Arc<Index>),
    /// The trace as it is by now, and what the last filter admits of it.
    Grown(Arc<Show>, Option<(Filter, Arc<Index>)>),
    /// It could not be read again, and why.
    Failed(String),
}

/// What is to be done.
enum Order {
    Filter(Filter),
    /// To let go of a million tasks takes its time, too.
    LetGo(Arc<Show>),
}

/// The thread, and the way to and from it.
pub(crate) struct Worker {
    orders: Sender<Order>,
    pub(crate) news: Receiver<News>,
    thread: JoinHandle<()>,
}

/// Reads the trace for the first time; and how long its files were before.
pub(crate) fn open(files: &[PathBuf]) -> Result<(Arc<Show>, Extent)> {
    let extent = Extent::of(files);
    let show = Show::new(load::load(files)?);
    Ok((Arc::new(show), extent))
}

impl Worker {
    pub(crate) fn start(files: Vec<PathBuf>, show: Arc<Show>, extent: Extent) -> Result<Worker> {
        let (orders, taken) = mpsc::channel();
        let (told, news) = mpsc::channel();
        let mut work = Work {
            files,
            show,
            extent,
            filter: None,
            told,
        };
        let thread = thread::Builder::new().name("reader".into());
        let thread = thread.spawn(move || work.run(&taken))?;
        Ok(Worker {
            orders,
            news,
            thread,
        })
    }

    /// Has a filter worked out. A thread that is gone is noticed where its news are taken.
    pub(crate) fn filter(&self, filter: Filter) {
        let _ = self.orders.send(Order::Filter(filter));
    }

    /// Lets go of a trace that is no longer shown.
    pub(crate) fn let_go(&self, show: Arc<Show>) {
        let _ = self.orders.send(Order::LetGo(show));
    }

    /// Why the thread is gone.
    pub(crate) fn why(self) -> String {
        match self.thread.join() {
            Ok(()) => "it ended".into(),
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or(panic.downcast_ref::<&str>().copied());
                words.unwrap_or("for no known reason").into()
            }
        }
    }
}

struct Work {
    files: Vec<PathBuf>,
    show: Arc<Show>,
    extent: Extent,
    filter: Option<Filter>,
    told: Sender<News>,
}

impl Work {
    /// Until nobody is there any more.
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut look_at = Instant::now() + LOOK;
        loop {
            let wait = look_at.saturating_duration_since(Instant::now());
            let news = match orders.recv_timeout(wait) {
                Ok(Order::Filter(filter)) => Some(self.filtered(filter)),
                Ok(Order::LetGo(show)) => {
                    drop(show);
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let began = Instant::now();
                    let news = self.look();
                    look_at = Instant::now() + LOOK.max(began.elapsed() * REST);
                    news
                }
            };
            if news.is_some_and(|news| self.told.send(news).is_err()) {
                return;
            }
        }
    }

    fn filtered(&mut self, filter: Filter) -> News {
        let index = Arc::new(Index::new(&self.show.trace, &filter));
        self.filter = Some(filter.clone());
        News::Filtered(filter, index)
    }

    fn look(&mut self) -> Option<News> {
        let extent = Extent::of(&self.files);
        if extent == self.extent {
            return None;
        }
        self.extent = extent;
        let show = match load::load(&self.files) {
            Ok(trace) => Arc::new(Show::new(trace)),
            Err(error) => return Some(News::Failed(format!("{error:#}"))),
        };
        self.show = show.clone();
        let filtered = self.filter.as_ref().map(|filter| {
            let index = Index::new(&show.trace, filter);
            (filter.clone(), Arc::new(index))
        });
        Some(News::Grown(show, filtered))
    }
}

/// How long the files are, those in a folder by their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extent(Vec<(OsString, u64)>);

impl Extent {
    fn of(files: &[PathBuf]) -> Extent {
        let mut extent = Vec::new();
        for path in files {
            match fs::read_dir(path) {
                Ok(entries) => {
                    let mut lengths: Vec<_> = entries
                        .flatten()
                        .map(|entry| (entry.file_name(), length(&entry.path())))
                        .collect();
                    lengths.sort_unstable();
                    extent.extend(lengths);
                }
                Err(_) => extent.push((OsString::new(), length(path))),
            }
        }
        Extent(extent)
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
