//! Which driver the CUDA tests run on: the interpreter `ptxsim`, or with `TRUESTREAM_REQUIRE_GPU=1` the machine's own.
#![allow(unsafe_code, dead_code)] // each test file uses its part

use std::ffi::{CStr, c_char, c_int};
use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::Library;

/// Whether a real device is asked for.
pub fn gpu_is_required() -> bool {
    std::env::var_os("TRUESTREAM_REQUIRE_GPU").is_some_and(|asked| asked == "1")
}

/// The interpreter, loaded under the driver's name; whoever looks for `libcuda.so` from now on finds this one.
pub fn interpreter() -> &'static Library {
    static LOADED: OnceLock<Library> = OnceLock::new();
    LOADED.get_or_init(|| {
        // Cargo puts a dependency's shared library beside the test that runs.
        let beside = std::env::current_exe().expect("a test has a path").with_file_name("libptxsim.so");
        let path = std::env::var_os("PTXSIM_LIB").map_or(beside, PathBuf::from);
        // SAFETY: the library has no initialisers.
        unsafe { Library::new(&path) }.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

/// Lets the interpreter pass for a device, and loads it unless a real one is required. Call it first in a test.
pub fn ready() {
    if gpu_is_required() {
        return;
    }
    static ALLOWED: OnceLock<()> = OnceLock::new();
    // SAFETY: once, before any thread of this process reads the variable through the code under test.
    ALLOWED.get_or_init(|| unsafe { std::env::set_var("TRUESTREAM_ALLOW_PTXSIM", "1") });
    interpreter();
}

/// Later blocks run from the last to the first.
pub fn run_blocks_backwards(backwards: bool) {
    // SAFETY: the symbol has this type in `ptxsim::driver`.
    let set = unsafe { interpreter().get::<extern "C" fn(c_int)>(b"ptxsim_backwards") };
    set.expect("the interpreter can turn round")(c_int::from(backwards));
}

/// What the interpreter stopped last; empty if nothing.
pub fn last_fault() -> String {
    // SAFETY: the symbol has this type; the words live until the next launch, and they are copied here.
    unsafe {
        let told = interpreter().get::<extern "C" fn() -> *const c_char>(b"ptxsim_last_fault");
        CStr::from_ptr(told.expect("the interpreter tells")()).to_string_lossy().into_owned()
    }
}
