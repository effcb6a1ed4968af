//! Functions that are registered once under a name, and are called by this name everywhere.

mod calls;
mod function;
mod lead;
mod registry;
mod signature;

pub use calls::CallSeed;
pub use function::Function;
pub use lead::NamedLead;
pub use registry::{FunctionBuilder, Registry};
