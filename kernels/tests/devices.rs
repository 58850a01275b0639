//! Which device is taken, and that none stands in for another.
#![cfg(feature = "cuda")]

mod driver;

use kernels::{DeviceChoice, KernelError, open};

fn refusal(choice: DeviceChoice) -> String {
    match open(choice) {
        Ok((kernels, reason)) => panic!("{} was opened: {reason}", kernels.device()),
        Err(KernelError::NoCuda(reason)) => reason,
        Err(other) => panic!("{other}"),
    }
}

/// In this order, for a driver once loaded stays.
#[test]
fn cuda_is_taken_where_it_works_and_refused_with_a_reason_where_not() {
    if let Ok((kernels, reason)) = open(DeviceChoice::Cuda) {
        assert!(reason.starts_with("cuda: asked for") && !kernels.device().starts_with("cpu"));
        assert!(open(DeviceChoice::Auto).expect("a device").1.starts_with("cuda: "));
        return;
    }
    assert!(!driver::gpu_is_required(), "{}", refusal(DeviceChoice::Cuda));
    let (kernels, reason) = open(DeviceChoice::Auto).expect("the CPU");
    assert!(kernels.device() == "cpu" && reason.starts_with("cpu: ") && reason.len() > 10, "{reason}");

    // The interpreter is no device unless a test says so.
    driver::interpreter();
    assert!(refusal(DeviceChoice::Cuda).contains("interpreter"));
    assert!(open(DeviceChoice::Auto).expect("the CPU").1.contains("interpreter"));
    driver::ready();
    let (kernels, reason) = open(DeviceChoice::Auto).expect("the interpreter");
    assert!(kernels.device().starts_with("ptxsim") && reason == "cuda: ptxsim (CPU interpreter)");
}
