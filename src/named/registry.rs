//! The registry of a program's functions, by name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Write};

#[cfg(feature = "lazy")]
use polars::prelude::Schema;
use polars::prelude::{DataFrame, SchemaRef};

#[cfg(feature = "lazy")]
use super::function::QueryCall;
use super::function::{Definition, FrameCall, Function, Promised};
use super::lead::NamedLead;
use super::signature::signature_of;
#[cfg(feature = "rand")]
use crate::context::Seed;
use crate::context::{Context, Leading, NoFinish, NoSeed, NoState, State};
use crate::error::{ErrorKind, Result};
use crate::function::{ChunkFn, GroupFn, RowFn, Through};
use crate::options::{CallOptions, Options};
use crate::read::{Given, near};
use crate::sync::Arc;
use crate::verbs;
use crate::write::{
    IntoGroups, IntoMask, IntoRow, IntoRows, IntoStack, OutputSchema, RowSink, Sinks, fitted,
};

/// A registry of functions that are called by their names.
///
/// Each function is registered once, with its closure, and can then be called by its name wherever the program runs: over a frame,
/// in the background, in a query, and, with the crate `polars-par-apply-cluster`, on other machines, to which a closure could not
/// be sent.
///
/// A program that runs on several machines makes its registry in one function, which is called on all of them:
///
/// ```
/// use polars_par_apply::{Registry, prelude::*};
///
/// fn registry() -> Registry {
///     Registry::new()
///         .version("2026-11")
///         .rows("length", f64::hypot)
///         .filter_rows("is_far", |x: f64, y: f64| x.hypot(y) > 6.0)
///         .flat_map_rows("words", |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>())
///         .chunks("sorted", |input: &Schema| input.clone(), |part: DataFrame| part.sort(["x"], Default::default()))
///         .groups("spread", |x: Values<'_, f64>| {
///             Some(x.iter().reduce(f64::max)? - x.iter().reduce(f64::min)?)
///         })
/// }
///
/// let functions = registry();
/// let df = df!["x" => [6.0, 3.0], "y" => [8.0, 4.0]]?;
///
/// let length = df.par_apply().names(["length"]).call(&functions.get("length")?)?;
/// assert_eq!(length, df!["length" => [10.0, 5.0]]?);
/// let far = df.par_apply().call(&functions.get("is_far")?)?;
/// assert_eq!(far.height(), 1);
/// let sorted = df.par_apply().partitions(1).call(&functions.get("sorted")?)?;
/// assert_eq!(sorted.column("x")?.f64()?.to_vec(), [Some(3.0), Some(6.0)]);
///
/// let error = functions.get("lenght").unwrap_err();
/// assert_eq!(error.to_string(), r#"function "lenght": it is not registered; did you mean "length"?"#);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a registry does nothing by itself: `.get(name)` gives its functions"]
pub struct Registry {
    version: Arc<str>,
    functions: BTreeMap<String, Function>,
    /// Names that were refused, and why.
    faults: Vec<(String, &'static str)>,
}

impl Registry {
    /// Makes a registry without functions.
    pub fn new() -> Self {
        Registry {
            version: Arc::from(""),
            functions: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// Sets the version of the functions, in any form.
    ///
    /// It is part of the [`signatures`](Registry::signatures), by which the processes of a cluster check that they have the same
    /// functions. Change it when a function changes but keeps its types.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Arc::from(version.into());
        self
    }

    /// Registers a function of rows, with a closure as [`Apply::rows`](crate::Apply::rows) takes it.
    pub fn rows<M, F>(self, name: impl Into<String>, f: F) -> Self
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.function(name).rows(f)
    }

    /// Registers a function that says which rows are kept, with a closure as [`Apply::filter_rows`](crate::Apply::filter_rows)
    /// takes it.
    pub fn filter_rows<M, F>(self, name: impl Into<String>, f: F) -> Self
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoMask,
    {
        self.function(name).filter_rows(f)
    }

    /// Registers a function that gives any number of rows for each row, with a closure as
    /// [`Apply::flat_map_rows`](crate::Apply::flat_map_rows) takes it.
    pub fn flat_map_rows<M, F>(self, name: impl Into<String>, f: F) -> Self
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRows,
    {
        self.function(name).flat_map_rows(f)
    }

    /// Registers a function of parts, with a closure as [`Apply::chunks`](crate::Apply::chunks) takes it that returns a `DataFrame`
    /// or a `Result` of one.
    ///
    /// `schema` is the schema of these frames: a `Schema`, or a closure that makes it from the input's, `|input: &Schema| …`. A
    /// frame with another schema ends the call with an error.
    pub fn chunks<M, S, F>(self, name: impl Into<String>, schema: S, f: F) -> Self
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        self.function(name).chunks(schema, f)
    }

    /// Registers a function of groups, with a closure as [`Apply::groups`](crate::Apply::groups) takes it that returns cells.
    ///
    /// A call of it needs keys, which [`by`](crate::Apply::by) sets.
    pub fn groups<M, F>(self, name: impl Into<String>, f: F) -> Self
    where
        F: GroupFn<M> + Send + 'static,
        F::Out: IntoGroups + IntoRow,
    {
        self.function(name).groups(f)
    }

    /// Begins a function with leading arguments: a state for each worker, or a random stream for each row.
    ///
    /// A verb ends it and registers the function.
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new()
    ///     .function("numbered")
    ///     .state(|| 0u64)
    ///     .rows(|seen: &mut u64, x: i64| {
    ///         *seen += 1;
    ///         x + 1
    ///     })
    ///     .rows("twice", |x: i64| 2 * x);
    /// let df = df!["x" => [1i64, 2]]?;
    /// let next = df.par_apply().call(&functions.get("numbered")?)?;
    /// assert_eq!(next, df!["par_apply" => [2i64, 3]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn function(self, name: impl Into<String>) -> FunctionBuilder {
        FunctionBuilder {
            registry: self,
            name: name.into(),
            lead: Leading {
                state: NoState,
                seed: NoSeed,
            },
        }
    }

    /// Returns the function of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Function`], if there is no function of this name, or if the registry itself has a fault that
    /// [`check`](Registry::check) finds.
    pub fn get(&self, name: &str) -> Result<Function> {
        self.check()?;
        if let Some(function) = self.functions.get(name) {
            return Ok(function.with_version(&self.version));
        }
        let names: Vec<String> = self.functions.keys().cloned().collect();
        let mut message = "it is not registered".to_string();
        let quoted = |names: &[String], between: &str| {
            let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            quoted.join(between)
        };
        match (near(name, &names).as_slice(), names.as_slice()) {
            ([], []) => message.push_str("; the registry has no functions"),
            ([], names) => {
                let listed = quoted(names, ", ");
                let _ = write!(message, "; the registered functions: {listed}");
            }
            (near, _) => {
                let listed = quoted(near, " or ");
                let _ = write!(message, "; did you mean {listed}?");
            }
        }
        let function = name.to_string();
        Err(ErrorKind::Function { function, message }.into())
    }

    /// Checks the names: no name may be empty or given twice.
    ///
    /// # Errors
    /// [`ErrorKind::Function`], for the first name at fault.
    pub fn check(&self) -> Result<()> {
        let Some((function, message)) = self.faults.first() else {
            return Ok(());
        };
        let (function, message) = (function.clone(), (*message).to_string());
        Err(ErrorKind::Function { function, message }.into())
    }

    /// Returns the functions, ordered by name.
    pub fn functions(&self) -> impl Iterator<Item = Function> {
        let functions = self.functions.values();
        functions.map(|function| function.with_version(&self.version))
    }

    /// Returns a text of the [version](Registry::version) and a line for each function, with its name, verb and types.
    ///
    /// Two programs with equal texts have functions that are called alike. Whether the functions also do the same is what the
    /// version says.
    ///
    /// ```
    /// use polars_par_apply::Registry;
    ///
    /// let functions = Registry::new().version("7").rows("length", f64::hypot);
    /// assert_eq!(functions.signatures(), "version 7\nlength: rows(f64, f64) -> f64\n");
    /// ```
    #[must_use]
    pub fn signatures(&self) -> String {
        let mut text = format!("version {}\n", self.version);
        for function in self.functions.values() {
            let seeded = match function.is_seeded() {
                true => ", seeded",
                false => "",
            };
            let _ = writeln!(text, "{function}{seeded}");
        }
        text
    }

    fn insert(&mut self, function: Function) {
        let name = function.name().to_string();
        if name.is_empty() {
            self.faults
                .push((name, "the name is empty; give each function a name"));
            return;
        }
        match self.functions.entry(name) {
            Entry::Vacant(free) => {
                free.insert(function);
            }
            Entry::Occupied(taken) => {
                let why = "it is registered twice; give one of the two another name";
                self.faults.push((taken.key().clone(), why));
            }
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Registry::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("version", &self.version)
            .field("functions", &self.functions.values())
            .finish()
    }
}

/// A builder of a named function: leading arguments first, then its verb.
///
/// [`Registry::function`] makes it.
#[derive(Clone)]
#[must_use = "a builder registers nothing before its verb"]
pub struct FunctionBuilder<L = Leading<NoState, NoSeed>> {
    registry: Registry,
    name: String,
    lead: L,
}

impl<L> fmt::Debug for FunctionBuilder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<D> FunctionBuilder<Leading<NoState, D>> {
    /// Gives the closure a state for each worker, which it takes as `&mut S` first, as with [`Apply::state`](crate::Apply::state).
    ///
    /// `init` returns the state or a `Result` of it, and is called again in each call of the function.
    pub fn state<I, O>(
        self,
        init: I,
    ) -> FunctionBuilder<Leading<State<impl Fn() -> O + Clone + Send + Sync + 'static, NoFinish>, D>>
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: 'static,
    {
        let init = Arc::new(init);
        FunctionBuilder {
            registry: self.registry,
            name: self.name,
            lead: Leading {
                state: State {
                    init: move || init(),
                    finish: NoFinish,
                },
                seed: self.lead.seed,
            },
        }
    }
}

#[cfg(feature = "rand")]
impl<S> FunctionBuilder<Leading<S, NoSeed>> {
    /// Gives the closure a random stream for each row, which it takes as `&mut RowRng`, as with
    /// [`Apply::seed`](crate::Apply::seed).
    ///
    /// It is the first argument, or the second after a state. The seed is given with each call.
    ///
    /// ```
    /// use polars_par_apply::rand::RngExt;
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let jitter = |rng: &mut RowRng, x: f64| x + rng.random_range(0.0..1.0);
    /// let functions = Registry::new().function("jitter").seeded().rows(jitter);
    ///
    /// let df = df!["x" => [1.0, 2.0]]?;
    /// let by_name = df.par_apply().seed(7).call(&functions.get("jitter")?)?;
    /// assert_eq!(by_name, df.par_apply().seed(7).rows(jitter)?.into_frame());
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn seeded(self) -> FunctionBuilder<Leading<S, Seed>> {
        FunctionBuilder {
            registry: self.registry,
            name: self.name,
            lead: Leading {
                state: self.lead.state,
                seed: Seed { seed: 0 },
            },
        }
    }
}

impl<L> FunctionBuilder<L> {
    /// Registers the function as a function of rows; see [`Registry::rows`].
    pub fn rows<M, C, F>(self, f: F) -> Registry
    where
        L: NamedLead<C>,
        C: Context + Send + 'static,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
    {
        let f = Arc::new(f);
        let (alone, lead) = (f.clone(), self.lead.clone());
        let call = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            let outcome = verbs::rows::<Through<M>, C, _, _>(
                Given::of(frame),
                options,
                lead.seeded(seed),
                &alone,
            )?;
            outcome.try_map(|output| Ok(<<F::Out as IntoRow>::Sink as RowSink>::into_frame(output)))
        };
        let (alone, lead) = (f.clone(), self.lead.clone());
        let beside = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            verbs::with_columns::<Through<M>, C, _, _>(frame, options, lead.seeded(seed), &alone)
        };
        #[cfg(feature = "lazy")]
        let query_lead = self.lead.clone();
        self.register::<M, F::Out>(OfVerb {
            verb: "rows",
            is_seeded: L::SEEDED,
            is_fixed: <<F::Out as IntoRow>::Sink as Sinks>::FIXED,
            schema: None,
            call: Box::new(call),
            beside: Some(Box::new(beside)),
            #[cfg(feature = "lazy")]
            query: Box::new(move |call| call.with_state(query_lead.clone()).add_rows(f.clone())),
        })
    }

    /// Registers the function as one that says which rows are kept; see [`Registry::filter_rows`].
    pub fn filter_rows<M, C, F>(self, f: F) -> Registry
    where
        L: NamedLead<C>,
        C: Context + Send + 'static,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoMask,
    {
        let f = Arc::new(f);
        let (alone, lead) = (f.clone(), self.lead.clone());
        let call = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            verbs::filter_rows::<Through<M>, C, _, _>(frame, options, lead.seeded(seed), &alone)
        };
        #[cfg(feature = "lazy")]
        let query_lead = self.lead.clone();
        self.register::<M, F::Out>(OfVerb {
            verb: "filter_rows",
            is_seeded: L::SEEDED,
            is_fixed: true,
            schema: None,
            call: Box::new(call),
            beside: None,
            #[cfg(feature = "lazy")]
            query: Box::new(move |call| call.with_state(query_lead.clone()).keep_rows(f.clone())),
        })
    }

    /// Registers the function as one that gives any number of rows for each row; see [`Registry::flat_map_rows`].
    pub fn flat_map_rows<M, C, F>(self, f: F) -> Registry
    where
        L: NamedLead<C>,
        C: Context + Send + 'static,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRows,
    {
        let f = Arc::new(f);
        let (alone, lead) = (f.clone(), self.lead.clone());
        let call = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            verbs::flat_map_rows::<Through<M>, C, _, _>(
                Given::of(frame),
                options,
                lead.seeded(seed),
                &alone,
            )
        };
        #[cfg(feature = "lazy")]
        let query_lead = self.lead.clone();
        self.register::<M, F::Out>(OfVerb {
            verb: "flat_map_rows",
            is_seeded: L::SEEDED,
            is_fixed: <<<F::Out as IntoRows>::Row as IntoRow>::Sink as Sinks>::FIXED,
            schema: None,
            call: Box::new(call),
            beside: None,
            #[cfg(feature = "lazy")]
            query: Box::new(move |call| call.with_state(query_lead.clone()).many_rows(f.clone())),
        })
    }

    /// Registers the function as a function of parts, whose frames have this schema; see [`Registry::chunks`].
    pub fn chunks<M, C, S, F>(self, schema: S, f: F) -> Registry
    where
        L: NamedLead<C>,
        C: Context + Send + 'static,
        S: OutputSchema,
        F: ChunkFn<M, C> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        let (f, schema) = (Arc::new(f), Arc::new(schema));
        let of_output = schema.clone();
        let of_frame = move |frame: &DataFrame, options: &Options<'_>| {
            let schema = verbs::chunks_schema::<M, C, L, F>(frame, options, &*of_output)?;
            renamed(schema, &options.call)
        };
        let (alone, lead, of_output) = (f.clone(), self.lead.clone(), schema.clone());
        let call = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            let schema = verbs::chunks_schema::<M, C, L, F>(frame, options, &*of_output)?;
            let schema = renamed(schema, &options.call)?;
            let outcome =
                verbs::chunks::<Through<M>, C, _, _>(frame, options, lead.seeded(seed), &alone)?;
            outcome.try_map(|frame| fitted(frame, &schema))
        };
        #[cfg(feature = "lazy")]
        let query_lead = self.lead.clone();
        self.register::<M, F::Out>(OfVerb {
            verb: "chunks",
            is_seeded: L::SEEDED,
            is_fixed: true,
            schema: Some(Box::new(of_frame)),
            call: Box::new(call),
            beside: None,
            #[cfg(feature = "lazy")]
            query: Box::new(move |call| {
                let schema = schema.clone();
                let schema = move |input: &Schema| schema.of(input);
                call.with_state(query_lead.clone())
                    .map_chunks(schema, f.clone())
            }),
        })
    }

    /// Registers the function as a function of groups; see [`Registry::groups`].
    pub fn groups<M, C, F>(self, f: F) -> Registry
    where
        L: NamedLead<C>,
        C: Context + Send + 'static,
        F: GroupFn<M, C> + Send + 'static,
        F::Out: IntoGroups + IntoRow,
    {
        let f = Arc::new(f);
        let (alone, lead) = (f.clone(), self.lead.clone());
        let call = move |frame: &DataFrame, options: &Options<'_>, seed: u64| {
            verbs::groups::<Through<M>, C, _, _>(
                Given::of(frame),
                options,
                lead.seeded(seed),
                &alone,
            )
        };
        #[cfg(feature = "lazy")]
        let query_lead = self.lead.clone();
        self.register::<M, F::Out>(OfVerb {
            verb: "groups",
            is_seeded: L::SEEDED,
            is_fixed: <<F::Out as IntoRow>::Sink as Sinks>::FIXED,
            schema: None,
            call: Box::new(call),
            beside: None,
            #[cfg(feature = "lazy")]
            query: Box::new(move |call| call.with_state(query_lead.clone()).of_groups(f.clone())),
        })
    }
}

/// What a verb makes of a closure.
struct OfVerb {
    verb: &'static str,
    is_seeded: bool,
    is_fixed: bool,
    schema: Option<Box<Promised>>,
    call: Box<FrameCall>,
    beside: Option<Box<FrameCall>>,
    #[cfg(feature = "lazy")]
    query: Box<QueryCall>,
}

impl<L> FunctionBuilder<L> {
    fn register<M, Out>(self, of_verb: OfVerb) -> Registry {
        let OfVerb {
            verb,
            is_seeded,
            is_fixed,
            schema,
            call,
            beside,
            #[cfg(feature = "lazy")]
            query,
        } = of_verb;
        let FunctionBuilder {
            mut registry, name, ..
        } = self;
        registry.insert(Function::new(Definition {
            name,
            verb,
            signature: signature_of::<M, Out>(),
            is_seeded,
            is_fixed,
            schema,
            call,
            beside,
            #[cfg(feature = "lazy")]
            query,
        }));
        registry
    }
}

/// Returns the schema with the names that a call sets.
fn renamed(schema: SchemaRef, options: &CallOptions) -> Result<SchemaRef> {
    let Some(names) = &options.names else {
        return Ok(schema);
    };
    if names.len() != schema.len() {
        let (names, columns) = (names.len(), schema.len());
        return Err(ErrorKind::NameCount { names, columns }.into());
    }
    let dtypes = schema.iter_values().cloned();
    Ok(Arc::new(names.iter().cloned().zip(dtypes).collect()))
}
