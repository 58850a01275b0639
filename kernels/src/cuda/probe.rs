//! Is there a device, and does it compute?

use std::panic::catch_unwind;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::is_culib_present;

use super::{Cuda, Sources};
use crate::{AudioKernels, StftPlan, Window};

/// The test interpreter's name begins so. It passes for a device only where this variable says so.
const INTERPRETER: &str = "ptxsim";
const INTERPRETER_ALLOWED: &str = "TRUESTREAM_ALLOW_PTXSIM";

/// Driver, device, kernels, self-test; the error names the first that fails.
pub fn open(sources: &Sources, timed: bool) -> Result<Cuda, String> {
    // SAFETY: only looks whether a library of that name can be loaded.
    if !unsafe { is_culib_present() } {
        return Err("no CUDA driver is installed (libcuda)".into());
    }
    // A library of that name that lacks a function, such as the stubs in some containers, makes cudarc panic.
    catch_unwind(|| opened(sources, timed))
        .unwrap_or_else(|_| Err("the installed libcuda is not a whole driver".into()))
}

fn opened(sources: &Sources, timed: bool) -> Result<Cuda, String> {
    let devices = CudaContext::device_count().map_err(|error| format!("the CUDA driver does not start: {error}"))?;
    if devices < 1 {
        return Err("the CUDA driver sees no device".into());
    }
    let context = CudaContext::new(0).map_err(|error| format!("the first CUDA device does not open: {error}"))?;
    let name = context.name().map_err(|error| format!("the first CUDA device has no name: {error}"))?;
    if name.starts_with(INTERPRETER) && std::env::var_os(INTERPRETER_ALLOWED).is_none_or(|allowed| allowed != "1") {
        return Err(format!("the only driver is an interpreter for tests; {INTERPRETER_ALLOWED}=1 allows it"));
    }
    let cuda = Cuda::new(context, name, sources, timed).map_err(|error| format!("the kernels do not load: {error}"))?;
    computes(&cuda)?;
    Ok(cuda)
}

/// A click has the same power in every bin.
fn computes(cuda: &Cuda) -> Result<(), String> {
    let mut click = [0i16; 256];
    click[100] = 16_384;
    let plan = StftPlan::new(256, 256).map_err(|error| error.to_string())?.with_window(Window::Rectangle);
    let heard = cuda.power(&[click[..].into()], &plan).map_err(|error| format!("the self-test failed: {error}"))?;
    let level = heard[0].power.iter().all(|power| (power - 0.25).abs() < 1e-4);
    if level { Ok(()) } else { Err("the self-test came out wrong".into()) }
}
