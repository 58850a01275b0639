//! Small worlds: noise, noise with lines, loops in tempo, notes.
