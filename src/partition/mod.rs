//! The places to cut a frame: parts as NumPy cuts them, and blocks of rows that are in one chunk of every column.

mod chunk;
mod halo;
mod layout;
mod split;

pub use chunk::Chunk;
pub(crate) use halo::Halo;
pub(crate) use layout::BlockStart;
pub(crate) use layout::{BLOCK, CONVERTED_BLOCK, ChunkEnds, Layout};
pub(crate) use split::{Cut, array_split, room_for, room_for_all, slice};
