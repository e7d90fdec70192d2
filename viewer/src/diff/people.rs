//! Which task is which: inside a pair of classes, and under creators that are a pair themselves, the
//! first is the first, the second the second, and so on. TIDs are never compared.

use std::collections::{HashMap, VecDeque};

use super::change::Comparison;

/// Two tasks that are one, or one that has no other: places in their recordings.
pub(crate) type Couple = (Option<usize>, Option<usize>);

/// The couples of each row of a comparison.
pub(crate) fn couples(comparison: &Comparison) -> Vec<Vec<Couple>> {
    let (old, new) = (&comparison.old.people, &comparison.new.people);
    let mut rows_of_old: HashMap<u32, usize> = HashMap::new();
    let mut rows_of_new: HashMap<u32, usize> = HashMap::new();
    for (index, row) in comparison.rows.iter().enumerate() {
        rows_of_old.extend(row.pair.old.map(|place| (place as u32, index)));
        rows_of_new.extend(row.pair.new.map(|place| (place as u32, index)));
    }
    let mut waiting: HashMap<(usize, Option<u32>), VecDeque<usize>> = HashMap::new();
    for (place, person) in new.iter().enumerate() {
        let row = person.class.and_then(|class| rows_of_new.get(&class));
        if let Some(&row) = row {
            waiting
                .entry((row, person.parent))
                .or_default()
                .push_back(place);
        }
    }
    let mut out: Vec<Vec<Couple>> = vec![Vec::new(); comparison.rows.len()];
    let mut partner: Vec<Option<u32>> = vec![None; old.len()];
    let mut taken = vec![false; new.len()];
    // A creator comes before what it made, and has its partner by then.
    for (place, person) in old.iter().enumerate() {
        let row = person.class.and_then(|class| rows_of_old.get(&class));
        let Some(&row) = row else {
            continue;
        };
        let parent = match person.parent {
            None => Some(None),
            Some(parent) => partner.get(parent as usize).copied().flatten().map(Some),
        };
        let next = parent.and_then(|parent| waiting.get_mut(&(row, parent))?.pop_front());
        if let Some(next) = next {
            partner[place] = u32::try_from(next).ok();
            taken[next] = true;
        }
        out[row].push((Some(place), next));
    }
    for (place, person) in new.iter().enumerate().filter(|(place, _)| !taken[*place]) {
        let row = person.class.and_then(|class| rows_of_new.get(&class));
        if let Some(&row) = row {
            out[row].push((None, Some(place)));
        }
    }
    out
}
