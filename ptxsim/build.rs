//! Names the shared library `libcuda.so` for the loader only: a test loads it by its path first, and whoever asks for
//! `libcuda.so` afterwards gets the one that is already there. Its file is called otherwise, so no search path finds it by accident.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so");
}
