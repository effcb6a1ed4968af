//! What the closures of a case do: for which items they fail, panic or cancel, what they are given, and how often they are called.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use arbitrary::{Result, Unstructured};
use polars_par_apply::CancelToken;

use crate::value::Value;

/// What a closure does for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Error,
    Panic,
    /// It fails this often, and succeeds when it is called again.
    ErrorAtFirst(u8),
    /// It cancels the call's token, and succeeds.
    Cancel,
}

/// For which items: those whose position, divided by a number, leaves a certain remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub every: u8,
    pub from: u8,
    pub fault: Fault,
}

impl Rule {
    pub fn some(u: &mut Unstructured<'_>) -> Result<Vec<Self>> {
        let rules = [0, 0, 1, 1, 1, 2, 3];
        let rules = *u.choose(&rules)?;
        (0..rules)
            .map(|_| {
                let every = u.int_in_range(1..=40)?;
                Ok(Rule {
                    every,
                    from: u.int_in_range(0..=every - 1)?,
                    fault: match u.int_in_range(0..=7)? {
                        0..=2 => Fault::Error,
                        3 | 4 => Fault::Panic,
                        5 | 6 => Fault::ErrorAtFirst(u.int_in_range(1..=3)?),
                        _ => Fault::Cancel,
                    },
                })
            })
            .collect()
    }

    /// Returns the rules as a closure follows them: a closure that returns no `Result` returns no error.
    pub fn followed(rules: &[Self], fails: bool) -> Vec<Self> {
        let rules = rules.iter();
        let rules = rules.map(|rule| match rule.fault {
            // A rule still comes before those after it.
            Fault::Error | Fault::ErrorAtFirst(_) if !fails => Rule {
                fault: Fault::ErrorAtFirst(0),
                ..*rule
            },
            _ => *rule,
        });
        rules.collect()
    }

    /// Returns what the first rule for an item says.
    pub fn fault(rules: &[Rule], item: usize) -> Option<Fault> {
        let is_for = |rule: &&Rule| item % usize::from(rule.every) == usize::from(rule.from);
        rules.iter().find(is_for).map(|rule| rule.fault)
    }
}

/// The state that all closures of a case share.
#[derive(Debug)]
pub struct Body {
    pub rules: Vec<Rule>,
    pub token: CancelToken,
    /// What the closure must be given for each item; `None` if it must not be called.
    pub expected: Vec<Option<Vec<Value>>>,
    calls: Vec<AtomicU32>,
    findings: Mutex<Vec<String>>,
}

impl Body {
    pub fn new(rules: &[Rule], expected: Vec<Option<Vec<Value>>>) -> Self {
        Body {
            rules: rules.to_vec(),
            token: CancelToken::new(),
            calls: expected.iter().map(|_| AtomicU32::new(0)).collect(),
            expected,
            findings: Mutex::default(),
        }
    }

    pub fn calls(&self) -> Vec<u32> {
        self.calls.iter().map(|calls| calls.load(SeqCst)).collect()
    }

    pub fn finding(&self, finding: String) {
        let mut findings = self.findings.lock().expect("no holder panics");
        findings.push(finding);
    }

    pub fn findings(&self) -> Vec<String> {
        self.findings.lock().expect("no holder panics").clone()
    }

    /// Does what a closure that can return errors does first.
    pub fn enter(&self, item: usize, seen: &[Value]) -> anyhow::Result<()> {
        match self.note(item, seen) {
            Some(true) => Err(anyhow::anyhow!("fault {item}")),
            _ => Ok(()),
        }
    }

    /// Does the same for a closure that cannot return errors.
    pub fn enter_surely(&self, item: usize, seen: &[Value]) {
        self.note(item, seen);
    }

    /// Returns whether the closure must fail.
    fn note(&self, item: usize, seen: &[Value]) -> Option<bool> {
        let Some(expected) = self.expected.get(item) else {
            self.finding(format!(
                "the closure was called for item {item}, which is not there"
            ));
            return None;
        };
        let before = self.calls[item].fetch_add(1, SeqCst);
        match expected {
            None => self.finding(format!(
                "the closure was called for item {item}, with {seen:?}"
            )),
            Some(expected) if expected != seen => self.finding(format!(
                "of item {item} the closure saw {seen:?}, and is to see {expected:?}"
            )),
            Some(_) => {}
        }
        Some(match Rule::fault(&self.rules, item) {
            None => false,
            Some(Fault::Error) => true,
            Some(Fault::ErrorAtFirst(times)) => before < times.into(),
            Some(Fault::Panic) => panic!("{PANIC} {item}"),
            Some(Fault::Cancel) => {
                self.token.cancel();
                false
            }
        })
    }
}

/// How the messages of the closures' panics begin; the hook does not print these.
pub const PANIC: &str = "closure of the fuzzer:";
