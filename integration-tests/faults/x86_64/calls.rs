//! Which errors a system call can give: of those that are injected, the ones of its manual page, and those that the
//! kernel gives whatever a page says (no memory, a cgroup or a security module that refuses).
//!
//! - ENOMEM: all that makes something in the kernel, looks up a path, or copies credentials.
//! - EINTR: calls that sleep until something happens. teu has signal handlers only while it stays in the foreground,
//!   but the program that links libteu may have any; opening a file may be a FUSE server's answer.
//! - EAGAIN: limits on processes, full sockets and pipes, locks that are held, openat2's lost race (RESOLVE_IN_ROOT).
//! - ENOSPC: whatever makes files or writes to them, and whatever counts namespaces, mounts or watches.
//! - EIO: whatever may have to ask a disk.
//! - EPERM: whatever asks for a privilege, and file calls, which immutable files, seals, cgroups and security modules
//!   refuse.
//!
//! Calls that cannot fail (getpid, umask), and those of the C library's and the language's own start-up and thread
//! bookkeeping, which ends the process by itself if they fail, have none.

use nix::errno::Errno::{self, EAGAIN, EINTR, EIO, ENOMEM, ENOSPC, EPERM};

macro_rules! calls {
    ($($errors:expr => $($name:ident)+;)+) => {
        const TABLE: &[(&str, i64, &[Errno])] = &[$($((stringify!($name), libc::$name, &$errors),)+)+];
    };
}

calls! {
    [ENOMEM, EINTR, ENOSPC, EIO, EPERM] => SYS_open SYS_openat SYS_creat;
    [ENOMEM, EINTR, EAGAIN, ENOSPC, EIO, EPERM] => SYS_openat2;
    [ENOMEM, EINTR, EAGAIN, EIO] => SYS_read SYS_pread64 SYS_readv;
    [ENOMEM, EINTR, EAGAIN, ENOSPC, EIO, EPERM] => SYS_write SYS_pwrite64 SYS_writev;
    [EINTR, EIO] => SYS_close;
    [ENOMEM] => SYS_close_range SYS_mmap SYS_mremap SYS_brk SYS_munmap SYS_mprotect SYS_madvise;
    [ENOMEM, EIO, EPERM] => SYS_stat SYS_lstat SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_access
        SYS_faccessat SYS_faccessat2 SYS_readlink SYS_readlinkat SYS_getdents64 SYS_chdir SYS_fchdir SYS_chmod
        SYS_fchmod SYS_fchmodat SYS_chown SYS_fchown SYS_fchownat SYS_lchown SYS_unlink SYS_unlinkat SYS_rmdir
        SYS_execve SYS_execveat SYS_utimensat SYS_umount2 SYS_getxattr SYS_fgetxattr SYS_lgetxattr SYS_listxattr SYS_flistxattr SYS_llistxattr;
    [ENOMEM] => SYS_getcwd;
    [EIO] => SYS_lseek;
    [ENOMEM, ENOSPC, EIO, EPERM] => SYS_mkdir SYS_mkdirat SYS_mknod SYS_mknodat SYS_symlink SYS_symlinkat SYS_link
        SYS_linkat SYS_rename SYS_renameat SYS_renameat2 SYS_setxattr SYS_fsetxattr SYS_lsetxattr SYS_fsync;
    [EINTR, ENOSPC, EIO, EPERM] => SYS_ftruncate SYS_truncate SYS_fallocate;
    [ENOMEM, EINTR, EAGAIN, ENOSPC, EIO] => SYS_copy_file_range SYS_sendfile;
    [EPERM, EIO] => SYS_ioctl;
    [ENOMEM, EAGAIN, EPERM] => SYS_fcntl;
    [ENOMEM] => SYS_dup SYS_dup2 SYS_dup3 SYS_pipe SYS_pipe2 SYS_memfd_create SYS_epoll_create1 SYS_eventfd2
        SYS_signalfd4 SYS_timerfd_create SYS_inotify_init1 SYS_pidfd_open;
    [ENOMEM, ENOSPC] => SYS_inotify_add_watch SYS_epoll_ctl;
    [ENOMEM, EINTR] => SYS_poll SYS_ppoll SYS_epoll_wait SYS_epoll_pwait SYS_select SYS_pselect6;
    [EINTR, EAGAIN] => SYS_flock;
    [EINTR] => SYS_wait4 SYS_waitid SYS_nanosleep SYS_clock_nanosleep;
    [EINTR, EAGAIN] => SYS_futex;
    [ENOMEM, EAGAIN, ENOSPC, EPERM] => SYS_clone3 SYS_clone SYS_fork SYS_vfork SYS_unshare;
    [ENOMEM, EPERM] => SYS_setns;
    [ENOMEM, ENOSPC, EPERM] => SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsmount SYS_fspick SYS_mount;
    [ENOMEM, EIO, EPERM] => SYS_fsconfig SYS_mount_setattr;
    [ENOMEM, EPERM] => SYS_pivot_root SYS_chroot SYS_sethostname SYS_setdomainname SYS_seccomp SYS_bpf SYS_prctl
        SYS_capset SYS_capget SYS_setgroups SYS_keyctl SYS_add_key SYS_set_mempolicy SYS_sched_setaffinity
        SYS_sched_setattr SYS_sched_setscheduler SYS_ioprio_set SYS_prlimit64 SYS_setrlimit SYS_setsid
        SYS_setpgid SYS_personality SYS_pidfd_getfd SYS_kill SYS_tgkill SYS_pidfd_send_signal;
    [ENOMEM, EAGAIN, EPERM] => SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid;
    [ENOMEM, EPERM] => SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_setsockopt SYS_getsockopt;
    [ENOMEM, EINTR, EAGAIN, EPERM] => SYS_connect SYS_accept4 SYS_sendto SYS_sendmsg SYS_recvfrom SYS_recvmsg;
    [] => SYS_getpid SYS_getppid SYS_gettid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid
        SYS_getresgid SYS_getgroups SYS_getsid SYS_getpgid SYS_getpgrp SYS_umask SYS_exit SYS_exit_group
        SYS_sched_yield SYS_sched_getaffinity SYS_clock_gettime SYS_uname SYS_sysinfo SYS_getrandom SYS_getrlimit
        SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_restart_syscall SYS_arch_prctl
        SYS_set_tid_address SYS_set_robust_list SYS_rseq SYS_getsockname SYS_getpeername SYS_shutdown SYS_alarm
        SYS_ioprio_get SYS_get_mempolicy;
}

/// The name of a call, without prefix.
pub fn name(number: i64) -> String {
    let known = TABLE.iter().find(|(_, known, _)| *known == number);
    known.map_or_else(
        || format!("call-{number}"),
        |(name, ..)| name.trim_start_matches("SYS_").to_owned(),
    )
}

/// The errors that are injected into it; `None` for a call that the table lacks.
pub fn errors(number: i64) -> Option<&'static [Errno]> {
    TABLE.iter().find(|(_, known, _)| *known == number).map(|(.., errors)| *errors)
}

/// Whether the allocator makes it: without memory a program of Rust ends by SIGABRT, with a word about it.
pub fn is_the_allocators(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_mmap | libc::SYS_mremap | libc::SYS_brk | libc::SYS_munmap | libc::SYS_madvise
    )
}
