//! The TIDs by which the tasks that an attach found know themselves, in a pid namespace below ours.
//!
//! (Those of newborns are read by the tracer: a newborn may be gone when its event gets here.)

use std::collections::HashMap;

use tidline::model::{Event, EventBody, Pid, Tid};

use crate::proc;

#[derive(Default)]
pub(super) struct InnerTids {
    /// Whether a process lives in such a namespace, with all its threads.
    nested: HashMap<Pid, bool>,
}

impl InnerTids {
    pub(super) fn fill_in(&mut self, event: &mut Event) {
        let EventBody::Existing { task, inner, .. } = &mut event.body else {
            return;
        };
        let read = |tid| proc::status(tid).and_then(|status| status.inner);
        let pid = task.pid;
        let nested = self.nested.entry(pid);
        if *nested.or_insert_with(|| read(Tid(pid.0)).is_some()) {
            *inner = read(task.tid);
        }
    }
}
