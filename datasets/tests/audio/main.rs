//! Audio files into samples: what is in them comes out, and nothing that somebody does to them does harm.

mod breaking;
mod damage;
mod formats;
mod limits;
mod waves;
