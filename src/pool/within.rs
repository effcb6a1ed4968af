//! What a thread is within: the pools whose work it does, be it on a thread of theirs or for them on another's.
//!
//! It goes along with the work: to the workers of a call, whatever pool they are of, and to the jobs that the work gives a
//! pool. So a pool knows what comes from within, and need not be refused or kept waiting: those who are inside wait for it.

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;

use super::gate::Gate;
use super::team::Team;

thread_local! {
    static WITHIN: RefCell<Vec<Level>> = const { RefCell::new(Vec::new()) };
}

/// One pool's work.
#[derive(Clone, Debug)]
struct Level {
    /// What it came in through; not told of what a job was given by.
    gate: Option<Arc<Gate>>,
    team: Team,
}

impl Level {
    fn is_of(&self, gate: &Gate) -> bool {
        let own = self.gate.as_deref();
        own.is_some_and(|own| ptr::eq(own, gate))
    }

    /// Whether one of these tells as much.
    fn is_among(&self, levels: &[Level]) -> bool {
        levels.iter().any(|level| match &self.gate {
            Some(gate) => level.is_of(gate),
            None => level.team.is(&self.team),
        })
    }
}

/// Looks at what this thread is within; a thread that ends is within nothing.
fn look<R: Default>(look: impl FnOnce(&mut Vec<Level>) -> R) -> R {
    let looked = WITHIN.try_with(|within| look(&mut within.borrow_mut()));
    looked.unwrap_or_default()
}

/// Whether this thread is within something that came through the gate.
pub(super) fn is_within(gate: &Gate) -> bool {
    look(|within| within.iter().any(|level| level.is_of(gate)))
}

/// Whether this thread is within something that a pool of these threads does.
pub(super) fn is_within_team(team: &Team) -> bool {
    look(|within| within.iter().any(|level| level.team.is(team)))
}

/// What some work is within.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage(Vec<Level>);

impl Lineage {
    /// That of a call which this thread waits for.
    pub(crate) fn of_call() -> Self {
        Lineage(look(|within| within.clone()))
    }

    /// That of a job, which may outlive what gives it: of that, it has each team once, so that jobs that give jobs have no
    /// more and more of them.
    pub(super) fn of_job() -> Self {
        let mut levels: Vec<Level> = Vec::new();
        for Level { team, .. } in look(|within| within.clone()) {
            let level = Level { gate: None, team };
            if !level.is_among(&levels) {
                levels.push(level);
            }
        }
        Lineage(levels)
    }

    /// The same, and through the gate.
    pub(super) fn and(mut self, gate: &Arc<Gate>) -> Self {
        let level = Level {
            gate: Some(gate.clone()),
            team: gate.team().clone(),
        };
        if !level.is_among(&self.0) {
            self.0.push(level);
        }
        self
    }

    /// Puts this thread within it too, until the guard is dropped.
    pub(crate) fn enter(&self) -> Within {
        if self.0.is_empty() {
            return Within(0);
        }
        Within(look(|within| {
            let before = within.len();
            for level in &self.0 {
                if !level.is_among(&within[..before]) {
                    within.push(level.clone());
                }
            }
            within.len() - before
        }))
    }
}

/// How many levels more this thread is within. Guards are dropped in the reverse order of their making.
#[derive(Debug)]
pub(crate) struct Within(usize);

impl Drop for Within {
    fn drop(&mut self) {
        if self.0 > 0 {
            // Dropped outside: the last of a gate may be the last of its team.
            let left: Vec<Level> = look(|within| within.split_off(within.len() - self.0));
            drop(left);
        }
    }
}
