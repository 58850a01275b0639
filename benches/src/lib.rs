//! Questions with numbers: see the binaries beside this file.
