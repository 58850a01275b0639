//! Laws of the whole: see the files beside this one.

pub mod small_world;
