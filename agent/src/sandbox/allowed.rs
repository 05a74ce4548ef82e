//! The system calls that a worker may make. Anything not here fails with EPERM.

use std::collections::BTreeMap;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use crate::AgentError;

/// Input and output on descriptors that are already open, memory, threads of this process, time.
const PLAIN: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_ppoll,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

#[cfg(target_arch = "x86_64")]
const ONLY_HERE: &[i64] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ONLY_HERE: &[i64] = &[];

const PR_SET_VMA: u64 = 0x5356_4d41;

/// What is allowed, with conditions on arguments where a call can also do harm.
pub(super) fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, AgentError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = PLAIN
        .iter()
        .chain(ONLY_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    // New threads, but no new processes.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![masked(0, thread, thread)?]);
    // No new machine code.
    let executable = libc::PROT_EXEC as u64;
    rules.insert(libc::SYS_mmap, vec![masked(2, executable, 0)?]);
    rules.insert(libc::SYS_mprotect, vec![masked(2, executable, 0)?]);
    // stat of an open descriptor, not of a path.
    let empty_path = libc::AT_EMPTY_PATH as u64;
    rules.insert(
        libc::SYS_newfstatat,
        vec![masked(3, empty_path, empty_path)?],
    );
    rules.insert(libc::SYS_statx, vec![masked(2, empty_path, empty_path)?]);
    // Naming of threads and of memory.
    rules.insert(
        libc::SYS_prctl,
        vec![
            equal(0, libc::PR_SET_NAME as u64)?,
            equal(0, libc::PR_GET_NAME as u64)?,
            equal(0, PR_SET_VMA)?,
        ],
    );
    // Signals to itself: abort.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![equal(0, own)?]);
    // Reading its own limits.
    rules.insert(
        libc::SYS_prlimit64,
        vec![
            SeccompRule::new(vec![
                condition(0, SeccompCmpOp::Eq, 0)?,
                condition(2, SeccompCmpOp::Eq, 0)?,
            ])
            .map_err(unbuildable)?,
        ],
    );
    Ok(rules)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, AgentError> {
    let condition = condition(argument, SeccompCmpOp::MaskedEq(mask), value)?;
    SeccompRule::new(vec![condition]).map_err(unbuildable)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, AgentError> {
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, value)?]).map_err(unbuildable)
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, AgentError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(unbuildable)
}

fn unbuildable(fault: seccompiler::BackendError) -> AgentError {
    AgentError::Worker(format!("can't build the sandbox: {fault}"))
}
