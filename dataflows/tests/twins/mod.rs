//! Slow twins that are too long to stand beside their test.

pub mod audiences;
