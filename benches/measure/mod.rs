//! How the bars are measured and told.

pub(crate) mod figures;
pub(crate) mod peak;
pub(crate) mod peer;
pub(crate) mod race;
pub(crate) mod run;
pub(crate) mod table;
