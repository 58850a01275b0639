//! The driver's entry points, as C callers see them: one device, everything at once, streams in name only.
//!
//! Errors are the driver's numbers. What went wrong in a launch is said on stderr and kept for [`ptxsim_last_fault`]; as with a real
//! device, nothing works afterwards until the context is released.
#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc)]
// SAFETY, for every function of this file: the caller keeps the contract of the CUDA driver API. Pointers to results are valid for
// writing or null, host buffers are as long as the length beside them says, names and PTX end in NUL, and `cuLaunchKernel` gets a
// pointer per parameter of the kernel, each to at least as many bytes as the parameter has.

use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::memory::Memory;
use crate::parse;
use crate::program::Kernel;
use crate::run::{Launch, SHARED_MOST, SHARED_PLAIN, launch};

type Status = c_int;
const SUCCESS: Status = 0;
const INVALID_VALUE: Status = 1;
const OUT_OF_MEMORY: Status = 2;
const INVALID_DEVICE: Status = 101;
const INVALID_IMAGE: Status = 200;
const INVALID_PTX: Status = 218;
const NOT_FOUND: Status = 500;
const LAUNCH_FAILED: Status = 719;

/// Bytes of memory the device claims to have.
const MEMORY_BYTES: u64 = 2 << 30;
/// The only context.
const CONTEXT: usize = 0x10;

#[derive(Default)]
struct Device {
    memory: Memory,
    /// A kernel's handle is its place here, from 1.
    kernels: Vec<Function>,
    modules: HashMap<usize, std::ops::Range<usize>>,
    pinned: HashMap<usize, Layout>,
    handles: usize,
    failed: bool,
    fault: CString,
    backwards: bool,
}

struct Function {
    kernel: Kernel,
    /// Most bytes of dynamic shared memory, if more was asked for.
    dynamic_most: usize,
}

static DEVICE: Mutex<Option<Device>> = Mutex::new(None);

/// The device behind its lock.
struct Held(MutexGuard<'static, Option<Device>>);

impl std::ops::Deref for Held {
    type Target = Device;
    fn deref(&self) -> &Device {
        self.0.as_ref().expect("held devices are made")
    }
}

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Device {
        self.0.as_mut().expect("held devices are made")
    }
}

fn device() -> Held {
    let mut device = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    device.get_or_insert_default();
    Held(device)
}

unsafe fn give<T>(to: *mut T, value: T) -> Status {
    if to.is_null() {
        return INVALID_VALUE;
    }
    unsafe { to.write(value) };
    SUCCESS
}

fn status(done: Result<(), String>) -> Status {
    match done {
        Ok(()) => SUCCESS,
        Err(why) => {
            eprintln!("ptxsim: {why}");
            INVALID_VALUE
        }
    }
}

/// Entry points that have nothing to do.
macro_rules! nothing {
    ($($name:ident($($argument:ident: $ty:ty),*);)*) => {
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $ty),*) -> Status {
            $(let _ = $argument;)*
            SUCCESS
        })*
    };
}

nothing! {
    cuInit(flags: c_uint);
    cuCtxSetCurrent(context: *mut c_void);
    cuStreamDestroy_v2(stream: *mut c_void);
    cuStreamWaitEvent(stream: *mut c_void, event: *mut c_void, flags: c_uint);
    cuEventRecord(event: *mut c_void, stream: *mut c_void);
    cuEventSynchronize(event: *mut c_void);
    cuEventQuery(event: *mut c_void);
    cuEventDestroy_v2(event: *mut c_void);
}

/// Blocks of later launches run from the last to the first, or as usual.
#[unsafe(no_mangle)]
pub extern "C" fn ptxsim_backwards(backwards: c_int) {
    device().backwards = backwards != 0;
}

/// What went wrong in the last launch that failed; empty if none did. Valid until the next launch.
#[unsafe(no_mangle)]
pub extern "C" fn ptxsim_last_fault() -> *const c_char {
    device().fault.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Status {
    if ordinal == 0 { unsafe { give(device, 0) } } else { INVALID_DEVICE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Status {
    unsafe { give(count, 1) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, _device: c_int) -> Status {
    let words = c"ptxsim (CPU interpreter)".to_bytes_with_nul();
    if (len as usize) < words.len() {
        return INVALID_VALUE;
    }
    unsafe { std::ptr::copy_nonoverlapping(words.as_ptr(), name.cast(), words.len()) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, _device: c_int) -> Status {
    // By number in cuda.h: threads per block, its sides, shared memory per block, warp, processors, compute capability, shared memory
    // that may be asked for. Everything else, memory pools among it, is 0: not there.
    let found = match attribute {
        1..=3 => 1024,
        4 => 64,
        5 => c_int::MAX,
        6 | 7 => 65535,
        8 => SHARED_PLAIN as c_int,
        10 => 32,
        16 => 1,
        75 => 8,
        76 => 0,
        97 => SHARED_MOST as c_int,
        _ => 0,
    };
    unsafe { give(value, found) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) -> Status {
    unsafe { give(bytes, MEMORY_BYTES as usize) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    let used = device().memory.used();
    unsafe { give(free, (MEMORY_BYTES - used) as usize).max(give(total, MEMORY_BYTES as usize)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, _device: c_int) -> Status {
    unsafe { give(context, CONTEXT as *mut c_void) }
}

/// Forgets a failed launch, as a new context would.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Status {
    device().failed = false;
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut *mut c_void) -> Status {
    unsafe { give(context, CONTEXT as *mut c_void) }
}

fn finished() -> Status {
    if device().failed { LAUNCH_FAILED } else { SUCCESS }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> Status {
    finished()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(_stream: *mut c_void) -> Status {
    finished()
}

unsafe fn handle(to: *mut *mut c_void) -> Status {
    let mut device = device();
    device.handles += 1;
    unsafe { give(to, (0x1000 + device.handles) as *mut c_void) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut *mut c_void, _flags: c_uint) -> Status {
    unsafe { handle(stream) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut *mut c_void, _flags: c_uint) -> Status {
    unsafe { handle(event) }
}

/// Time does not pass here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, _begin: *mut c_void, _end: *mut c_void) -> Status {
    unsafe { give(milliseconds, 0.0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Status {
    let mut device = device();
    if bytes == 0 {
        return INVALID_VALUE;
    }
    if device.memory.used() + bytes as u64 > MEMORY_BYTES {
        return OUT_OF_MEMORY;
    }
    unsafe { give(address, device.memory.allocate(bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(address: u64) -> Status {
    if device().memory.free(address) { SUCCESS } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    _stream: *mut c_void,
) -> Status {
    let from = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) };
    status(device().memory.write(to, from))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    _stream: *mut c_void,
) -> Status {
    let mut device = device();
    if device.failed {
        return LAUNCH_FAILED;
    }
    let to = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), bytes) };
    status(device.memory.read(from, to))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(to: u64, value: u8, bytes: usize, _stream: *mut c_void) -> Status {
    status(device().memory.write(to, &vec![value; bytes]))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(to: *mut *mut c_void, bytes: usize, _flags: c_uint) -> Status {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), 512) else { return INVALID_VALUE };
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    if memory.is_null() {
        return OUT_OF_MEMORY;
    }
    device().pinned.insert(memory as usize, layout);
    unsafe { give(to, memory.cast()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(memory: *mut c_void) -> Status {
    match device().pinned.remove(&(memory as usize)) {
        Some(layout) => {
            unsafe { std::alloc::dealloc(memory.cast(), layout) };
            SUCCESS
        }
        None => INVALID_VALUE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_void) -> Status {
    let Ok(text) = unsafe { CStr::from_ptr(image.cast()) }.to_str() else {
        eprintln!("ptxsim: only PTX can be interpreted");
        return INVALID_IMAGE;
    };
    match parse::module(text) {
        Ok(kernels) => {
            let mut device = device();
            let first = device.kernels.len();
            device.kernels.extend(kernels.into_iter().map(|kernel| Function { kernel, dynamic_most: 0 }));
            let range = first..device.kernels.len();
            device.handles += 1;
            let id = 0x1000 + device.handles;
            device.modules.insert(id, range);
            unsafe { give(module, id as *mut c_void) }
        }
        Err(why) => {
            eprintln!("ptxsim: {why}");
            INVALID_PTX
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(module: *mut c_void) -> Status {
    device().modules.remove(&(module as usize)).map_or(INVALID_VALUE, |_| SUCCESS)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(to: *mut *mut c_void, module: *mut c_void, name: *const c_char) -> Status {
    let device = device();
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let Some(range) = device.modules.get(&(module as usize)) else { return INVALID_VALUE };
    match range.clone().find(|place| device.kernels[*place].kernel.name == name) {
        Some(place) => unsafe { give(to, (place + 1) as *mut c_void) },
        None => NOT_FOUND,
    }
}

/// Attribute 8 of cuda.h, the most bytes of dynamic shared memory, is the one that can be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(function: *mut c_void, attribute: c_int, value: c_int) -> Status {
    let mut device = device();
    match device.kernels.get_mut((function as usize).wrapping_sub(1)) {
        Some(function) if attribute == 8 && (0..=SHARED_MOST as c_int).contains(&value) => {
            function.dynamic_most = value as usize;
            SUCCESS
        }
        _ => INVALID_VALUE,
    }
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: *mut c_void,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic_bytes: c_uint,
    _stream: *mut c_void,
    params: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Status {
    let mut held = device();
    let device = &mut *held;
    if device.failed {
        return LAUNCH_FAILED;
    }
    let grid = [grid_x, grid_y, grid_z];
    let Some(function) = device.kernels.get((function as usize).wrapping_sub(1)) else { return INVALID_VALUE };
    let kernel = &function.kernel;
    let dynamic_bytes = dynamic_bytes as usize;
    let shared_most = SHARED_PLAIN.max(function.dynamic_most + kernel.shared_bytes());
    if grid.contains(&0) || grid[1].max(grid[2]) > 65535 || dynamic_bytes + kernel.shared_bytes() > shared_most {
        eprintln!("ptxsim: {} cannot be launched with a grid of {grid:?} and {dynamic_bytes} B", kernel.name);
        return INVALID_VALUE;
    }
    let mut bytes = vec![0; kernel.param_bytes()];
    for (number, param) in kernel.params.iter().enumerate() {
        let size = param.ty.size();
        let from = unsafe { std::slice::from_raw_parts((*params.add(number)).cast::<u8>(), size) };
        bytes[param.at..param.at + size].copy_from_slice(from);
    }
    let block = [block_x, block_y, block_z];
    let given = Launch { grid, block, dynamic_bytes, params: &bytes, backwards: device.backwards };
    match launch(kernel, &given, &mut device.memory) {
        Ok(()) => SUCCESS,
        Err(fault) => {
            eprintln!("ptxsim: {fault}");
            device.fault = CString::new(fault).unwrap_or_default();
            device.failed = true;
            LAUNCH_FAILED
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: Status, words: *mut *const c_char) -> Status {
    let said = match error {
        SUCCESS => c"no error",
        INVALID_VALUE => c"invalid argument",
        OUT_OF_MEMORY => c"out of memory",
        INVALID_DEVICE => c"invalid device ordinal",
        INVALID_IMAGE => c"device kernel image is invalid",
        INVALID_PTX => c"a PTX JIT compilation failed",
        NOT_FOUND => c"named symbol not found",
        LAUNCH_FAILED => c"unspecified launch failure",
        _ => c"unknown error",
    };
    unsafe { give(words, said.as_ptr()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: Status, name: *mut *const c_char) -> Status {
    unsafe { cuGetErrorString(error, name) }
}
