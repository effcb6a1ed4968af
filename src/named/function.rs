//! A function that is called by its name.

use std::fmt;

#[cfg(feature = "lazy")]
use polars::prelude::LazyFrame;
use polars::prelude::{DataFrame, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "lazy")]
use crate::lazy::LazyApply;
use crate::options::{CallOptions, Options};
use crate::outcome::Outcome;
use crate::sync::Arc;

/// A function of a [`Registry`](crate::Registry): a closure with a name, for one verb.
///
/// [`Apply::call`](crate::Apply::call) and [`spawn_call`](crate::Apply::spawn_call) call it over a `DataFrame`,
/// [`LazyApply::call`](https://docs.rs/polars-par-apply/latest/polars_par_apply/struct.LazyApply.html#method.call) calls it in a
/// query, and the crate `polars-par-apply-cluster` calls it on a cluster. It gives what its closure gives when that is called
/// directly. A clone is the same function.
///
/// ```
/// use polars_par_apply::{CallOptions, Registry, prelude::*};
///
/// let functions = Registry::new().rows("length", f64::hypot);
/// let length = functions.get("length")?;
/// assert_eq!(length.to_string(), "length: rows(f64, f64) -> f64");
///
/// // Its output's schema, without data.
/// let input = df!["x" => [3.0], "y" => [4.0], "label" => ["a"]]?;
/// let options = CallOptions::new().select(["x", "y"]);
/// let output = length.output_schema(input.schema(), &options)?;
/// assert_eq!(output.get("par_apply"), Some(&DataType::Float64));
/// let error = length.output_schema(input.schema(), &options.select(["x", "label"])).unwrap_err();
/// assert_eq!(error.column(), Some("label"));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone)]
pub struct Function {
    definition: Arc<Definition>,
    version: Arc<str>,
}

/// What a function consists of.
pub(super) struct Definition {
    pub(super) name: String,
    /// The method of [`Apply`](crate::Apply) that the function is called by.
    pub(super) verb: &'static str,
    pub(super) signature: String,
    pub(super) is_seeded: bool,
    /// Whether the closure's type determines the output's dtypes.
    pub(super) is_fixed: bool,
    /// For functions of parts: the schema that it promises for the parts of a frame.
    pub(super) schema: Option<Box<Promised>>,
    pub(super) call: Box<FrameCall>,
    /// For functions of rows: the call that adds the results to the frame.
    pub(super) beside: Option<Box<FrameCall>>,
    #[cfg(feature = "lazy")]
    pub(super) query: Box<QueryCall>,
}

/// A call in a query.
#[cfg(feature = "lazy")]
pub(super) type QueryCall = dyn Fn(LazyApply) -> LazyFrame + Send + Sync;

/// A call over a frame, with the seed of its random streams, if it has any.
pub(super) type FrameCall =
    dyn Fn(&DataFrame, &Options<'_>, u64) -> Result<Outcome<DataFrame>> + Send + Sync;

/// Returns the schema that the parts of a frame will have, if the call over it has no fault.
pub(super) type Promised = dyn Fn(&DataFrame, &Options<'_>) -> Result<SchemaRef> + Send + Sync;

impl Function {
    pub(super) fn new(definition: Definition) -> Self {
        Function {
            definition: Arc::new(definition),
            version: Arc::from(""),
        }
    }

    pub(super) fn with_version(&self, version: &Arc<str>) -> Self {
        Function {
            definition: self.definition.clone(),
            version: version.clone(),
        }
    }

    /// Returns the name that the function was registered under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Returns the verb that the function was registered for: `"rows"`, `"filter_rows"`, `"flat_map_rows"`, `"chunks"` or
    /// `"groups"`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.definition.verb
    }

    /// Returns what the closure takes and returns, without leading arguments, such as `"(f64, &str) -> Option<f64>"`.
    ///
    /// Types have their names without modules, as the compiler that built the program writes them.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.definition.signature
    }

    /// Returns the [version](crate::Registry::version) of the registry that the function comes from, empty where none was given.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns whether the function draws random numbers, so that a call of it needs `seed`.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.definition.is_seeded
    }

    /// Returns the schema that [`Apply::call`](crate::Apply::call) with these options gives for a frame of schema `input`.
    ///
    /// The closure is not called.
    ///
    /// # Errors
    /// Every fault of the call that its options and the schema show: columns that are missing, dtypes that the closure does not
    /// take, options that the verb cannot follow. Also a closure whose type does not determine the output's dtypes, such as one
    /// that returns `AnyValue`, where [`returns`](CallOptions::returns) does not set them.
    pub fn output_schema(&self, input: &Schema, options: &CallOptions) -> Result<SchemaRef> {
        self.schema_of(&self.definition.call, input, options)
    }

    /// Returns the schema that [`Apply::call_with_columns`](crate::Apply::call_with_columns) with these options gives.
    ///
    /// It is like [`output_schema`](Function::output_schema) in all else.
    ///
    /// # Errors
    /// Those of [`output_schema`](Function::output_schema), and an error if the function is not one of `rows`.
    pub fn output_schema_with_columns(
        &self,
        input: &Schema,
        options: &CallOptions,
    ) -> Result<SchemaRef> {
        self.schema_of(self.beside()?, input, options)
    }

    fn schema_of(
        &self,
        call: &FrameCall,
        input: &Schema,
        options: &CallOptions,
    ) -> Result<SchemaRef> {
        let is_known = self.definition.is_fixed || options.returns.is_some();
        let options = Options {
            call: CallOptions {
                // A call without rows cannot be late.
                deadline: None,
                ..options.clone()
            },
            told: true,
            ..Options::default()
        };
        let empty = DataFrame::empty_with_schema(input);
        let schema = match &self.definition.schema {
            Some(schema) => schema(&empty, &options)?,
            // Without rows, the closure is not called.
            None => call(&empty, &options, 0)?.output.schema().clone(),
        };
        match is_known {
            true => Ok(schema),
            false => Err(self.refused(
                "the closure's type does not determine the output's dtype; give it with .returns([dtype])",
            )),
        }
    }

    /// Calls the function over a frame.
    pub(super) fn call(
        &self,
        frame: &DataFrame,
        options: &Options<'_>,
        seed: Option<u64>,
    ) -> Result<Outcome<DataFrame>> {
        (self.definition.call)(frame, options, self.seed(seed)?)
    }

    /// Calls the function over a frame, and adds its results to the frame.
    pub(super) fn call_with_columns(
        &self,
        frame: &DataFrame,
        options: &Options<'_>,
        seed: Option<u64>,
    ) -> Result<Outcome<DataFrame>> {
        self.beside()?(frame, options, self.seed(seed)?)
    }

    #[cfg(feature = "lazy")]
    pub(super) fn query(&self, call: LazyApply) -> LazyFrame {
        if self.definition.is_seeded {
            let function = self.clone();
            return call.refused(move || {
                function.refused("it draws random numbers, and calls in a query have no seed; call it on a DataFrame, with .seed(n)")
            });
        }
        (self.definition.query)(call)
    }

    fn beside(&self) -> Result<&FrameCall> {
        self.definition.beside.as_deref().ok_or_else(|| {
            self.refused(&format!(
                "it is a function of {}, whose results cannot be put beside the frame's columns; use .call(&function)",
                self.definition.verb
            ))
        })
    }

    /// Returns the seed of a call; it must be given if the closure draws numbers, and only then.
    fn seed(&self, seed: Option<u64>) -> Result<u64> {
        match (self.definition.is_seeded, seed) {
            (true, None) => Err(self.refused("it draws random numbers; give the call .seed(n)")),
            (false, Some(_)) => Err(self.refused(
                "it draws no random numbers; leave .seed(n) out, or register it with .function(name).seeded()",
            )),
            (_, seed) => Ok(seed.unwrap_or_default()),
        }
    }

    fn refused(&self, message: &str) -> Error {
        ErrorKind::Function {
            function: self.definition.name.clone(),
            message: message.to_string(),
        }
        .into()
    }
}

/// Writes the function's name, its verb, and what its closure takes and returns.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Definition {
            name,
            verb,
            signature,
            ..
        } = &*self.definition;
        write!(f, "{name}: {verb}{signature}")
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({self})")
    }
}
