//! What the decoder's process gives up before it sees the first byte of a stranger's file.
//!
//! Limits of memory, CPU time and open files are put on it from outside (`ear.rs`); here it shuts itself in.

use serde::{Deserialize, Serialize};

/// One protection, and whether it is in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Guard {
    /// Its name: descriptors, landlock, seccomp, limits.
    pub name: String,
    /// Whether it holds.
    pub in_force: bool,
    /// What it holds, or why it does not.
    pub says: String,
}

impl Guard {
    /// A guard that holds.
    pub fn holds(name: &str, says: impl Into<String>) -> Guard {
        Guard { name: name.to_owned(), in_force: true, says: says.into() }
    }

    /// A guard that does not.
    pub fn fails(name: &str, says: impl Into<String>) -> Guard {
        Guard { name: name.to_owned(), in_force: false, says: says.into() }
    }
}

/// Closes all that this process was born with but standard input, output and error: whoever started the scan may have left files open.
#[cfg(target_os = "linux")]
pub fn close_inherited() -> Guard {
    linux::close_inherited()
}

/// Closes all that this process was born with but standard input, output and error.
#[cfg(not(target_os = "linux"))]
pub fn close_inherited() -> Guard {
    Guard::fails("descriptors", "only Linux closes all of them at once")
}

/// Shuts this thread in for good, as far as the system can, and says how far that is.
#[cfg(target_os = "linux")]
pub fn confine() -> Vec<Guard> {
    // Landlock first: the system calls that it takes are not on seccomp's list.
    vec![linux::landlock(), linux::seccomp()]
}

/// Shuts this thread in for good, as far as the system can, and says how far that is.
#[cfg(not(target_os = "linux"))]
pub fn confine() -> Vec<Guard> {
    ["landlock", "seccomp"].map(|name| Guard::fails(name, "only Linux has it")).to_vec()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr,
        RulesetError, RulesetStatus, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
        apply_filter,
    };

    use super::Guard;

    /// Closes every descriptor from 3 on.
    #[allow(unsafe_code)]
    pub(super) fn close_inherited() -> Guard {
        // SAFETY: a decoder calls this first of all, when it has one thread and has opened nothing itself: nobody in this process owns
        // what is closed here. The call takes three numbers and touches no memory of ours.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
        match closed {
            0 => Guard::holds("descriptors", "nothing that was open before it began"),
            _ => Guard::fails("descriptors", format!("close_range: {}", std::io::Error::last_os_error())),
        }
    }

    /// No file by its path, no TCP, no signal and no abstract socket beyond this process.
    pub(super) fn landlock() -> Guard {
        match restricted() {
            Ok(status) => match status.ruleset {
                RulesetStatus::FullyEnforced => {
                    Guard::holds("landlock", "no path, no TCP, no signal leaves the process")
                }
                RulesetStatus::PartiallyEnforced => {
                    Guard::holds("landlock", "no path leaves the process; the kernel is too old for part of the rest")
                }
                RulesetStatus::NotEnforced => {
                    Guard::fails("landlock", format!("the kernel says {:?}", status.landlock))
                }
            },
            Err(error) => Guard::fails("landlock", error.to_string()),
        }
    }

    fn restricted() -> Result<RestrictionStatus, RulesetError> {
        let abi = ABI::V6;
        // All rights are taken and no rule gives one back.
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .restrict_self()
    }

    /// Nothing but reading and writing what is open, memory and time. Anything else ends the process.
    pub(super) fn seccomp() -> Guard {
        let applied = filter().and_then(|filter| apply_filter(&filter).map_err(|error| error.to_string()));
        match applied {
            Ok(()) => Guard::holds("seccomp", "only open files, memory and clocks"),
            Err(error) => Guard::fails("seccomp", error),
        }
    }

    fn filter() -> Result<BpfProgram, String> {
        let in_words = |error: seccompiler::BackendError| error.to_string();
        let arch = std::env::consts::ARCH.try_into().map_err(in_words)?;
        let rules = rules().map_err(in_words)?;
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)
            .and_then(BpfProgram::try_from)
            .map_err(in_words)
    }

    fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = FREE.into_iter().map(|call| (call, Vec::new())).collect();
        // Memory, as long as it is not to be executed: argument 2 is the protection in both calls.
        let no_code = || {
            let exec = libc::PROT_EXEC as u64;
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(exec), 0)
                .and_then(|condition| SeccompRule::new(vec![condition]))
        };
        rules.insert(libc::SYS_mmap, vec![no_code()?]);
        rules.insert(libc::SYS_mprotect, vec![no_code()?]);
        // Closing a file, the standard library looks whether it is open.
        let is_open = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::F_GETFD as u64)?;
        rules.insert(libc::SYS_fcntl, vec![SeccompRule::new(vec![is_open])?]);
        // The allocator names its areas; whoever looks for a clock reads what the kernel said at the start of the process.
        let prctl = |option: u64| {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, option)
                .and_then(|condition| SeccompRule::new(vec![condition]))
        };
        rules.insert(libc::SYS_prctl, vec![prctl(libc::PR_SET_VMA as u64)?, prctl(PR_GET_AUXV)?]);
        // An abort is a signal to itself.
        let own = u64::from(std::process::id());
        let to_itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![to_itself])?]);
        Ok(rules)
    }

    /// `prctl(2)`, since Linux 6.4; libc has no name for it yet.
    const PR_GET_AUXV: u64 = 0x4155_5856;

    /// What a decoder may ask of the kernel at any time.
    const FREE: [i64; 31] = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_readv,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvmsg,
        libc::SYS_close,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getcpu,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_getrusage,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
}
