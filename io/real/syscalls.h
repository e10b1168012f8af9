/*
 * The system calls that a process keeps once it runs (seccomp(2)); see sandbox.h.
 */
#ifndef IO_REAL_SYSCALLS_H
#define IO_REAL_SYSCALLS_H

/*
 * Ends the process at any call that its threads do not need from now on. work is of
 * enum io_sandbox_work, joined by |. Returns 0 or an errno.
 */
int syscalls_limit(unsigned work);

#endif
