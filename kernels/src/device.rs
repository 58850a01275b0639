//! Which device, and why that one.

use crate::cpu::Cpu;
use crate::{AudioKernels, KernelError};

/// The device a caller asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA where it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA, or an error; never the CPU in its place.
    Cuda,
}

impl std::str::FromStr for DeviceChoice {
    type Err = KernelError;

    fn from_str(word: &str) -> Result<DeviceChoice, KernelError> {
        match word {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda),
            other => Err(KernelError::plan("the device", other, "auto, cpu or cuda")),
        }
    }
}

/// Opens a device and says which it took and why. Never panics where no driver is.
pub fn open(choice: DeviceChoice) -> Result<(Box<dyn AudioKernels>, String), KernelError> {
    open_with_threads(choice, None)
}

/// The same with a pool of so many threads; without a number, the pool of the caller (rayon's) is used.
pub fn open_with_threads(
    choice: DeviceChoice,
    threads: Option<usize>,
) -> Result<(Box<dyn AudioKernels>, String), KernelError> {
    let cpu = |reason: String| -> Result<(Box<dyn AudioKernels>, String), KernelError> {
        let cpu = match threads {
            Some(threads) => Cpu::with_threads(threads)?,
            None => Cpu::new(),
        };
        Ok((Box::new(cpu), reason))
    };
    match choice {
        DeviceChoice::Cpu => cpu("cpu: asked for".into()),
        DeviceChoice::Auto => match open_cuda() {
            Ok((cuda, name)) => Ok((cuda, format!("cuda: {name}"))),
            Err(reason) => cpu(format!("cpu: {reason}")),
        },
        DeviceChoice::Cuda => {
            open_cuda().map(|(cuda, name)| (cuda, format!("cuda: asked for; {name}"))).map_err(KernelError::NoCuda)
        }
    }
}

/// As long as it lives, what the CPU's kernels would share out among threads is done by the thread that made it: for callers who share out whole
/// recordings already, and who want to know what one costs.
pub struct Alone(#[expect(dead_code, reason = "it is alive, that is all")] rayon::ThreadPool);

/// Keeps the work of the kernels on this thread, which is in no pool of rayon yet.
pub fn alone() -> Result<Alone, KernelError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    pool.map(Alone).map_err(|error| KernelError::Threads { threads: 1, reason: error.to_string() })
}

#[cfg(feature = "cuda")]
fn open_cuda() -> Result<(Box<dyn AudioKernels>, String), String> {
    let cuda = crate::cuda::Cuda::open()?;
    let name = cuda.device().to_string();
    Ok((Box::new(cuda), name))
}

#[cfg(not(feature = "cuda"))]
fn open_cuda() -> Result<(Box<dyn AudioKernels>, String), String> {
    Err("this build has no CUDA (feature cuda)".into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn alone_all_work_is_done_here() {
        let threads = || (0..64).into_par_iter().map(|_| std::thread::current().id()).collect::<HashSet<_>>();
        let here = std::thread::spawn(move || {
            let _alone = alone().expect("a thread in no pool");
            (threads(), std::thread::current().id())
        });
        let (threads, here) = here.join().expect("no panic");
        assert_eq!(threads, HashSet::from([here]));
    }

    #[test]
    fn the_cpu_is_always_there_and_a_device_never_replaced() {
        let (kernels, reason) = open(DeviceChoice::Cpu).expect("the CPU");
        assert!(kernels.device().starts_with("cpu") && reason == "cpu: asked for");
        assert!(open(DeviceChoice::Auto).is_ok());
        if let Ok((kernels, _)) = open(DeviceChoice::Cuda) {
            assert!(!kernels.device().starts_with("cpu"));
        }
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
