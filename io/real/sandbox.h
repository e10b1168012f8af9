/*
 * What a process keeps once it has started: the paths and ports of its options, by Landlock, and
 * the system calls of its work, by seccomp. So a mistake in what reads hostile bytes leads to no
 * other file, no other program and no other kernel interface.
 *
 * Two steps, because Landlock holds for the threads that are begun after it, and the user changes
 * after the start: first the paths, then start and change of user, then the calls, for all threads.
 * A forbidden path or port answers EACCES; a forbidden call ends the process by SIGSYS.
 */
#ifndef IO_REAL_SANDBOX_H
#define IO_REAL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a process does after its start. Every one of them serves connections that it was given,
 * logs, reads files and ends; see syscalls.c. */
enum io_sandbox_work {
    IO_SANDBOX_CONNECT = 1, /* looks names up and connects */
    IO_SANDBOX_WRITE = 2,   /* changes files */
    IO_SANDBOX_CHILD = 4,   /* waits for the end of a process that it has begun before */
};

/* What the kernel does not know is not limited, and `missing` says so. */
struct io_sandbox {
    int ruleset; /* -1 = without Landlock */
    uint64_t files;
    uint64_t ports;
    int error;           /* the first errno; 0 = none */
    const char *missing; /* what this kernel cannot limit, NULL = nothing */
};

/*
 * Begins with what every process reads: libc's resolver, shared libraries, certification
 * authorities, its own state in /proc. Of ports, those may be connected to that are allowed below,
 * and where it `connects` also that of DNS; with any_port all. Follow it by io_sandbox_enter() or
 * io_sandbox_drop().
 */
void io_sandbox_begin(struct io_sandbox *sandbox, bool connects, bool any_port);

/* The file, or the directory and what is beneath it. What is not there is left out, here and below.
 */
void io_sandbox_read(struct io_sandbox *sandbox, const char *path);

/*
 * What stands beside the file as well, so that one that is renamed into its place can be read; of a
 * symbolic link also what stands beside its target. Of a directory, what is beneath it.
 */
void io_sandbox_read_beside(struct io_sandbox *sandbox, const char *path);

/* The same with making, changing, renaming and removing files, and making directories. */
void io_sandbox_write_beside(struct io_sandbox *sandbox, const char *path);

/* Making and removing a socket at this path. */
void io_sandbox_socket(struct io_sandbox *sandbox, const char *path);

/* Listening on a TCP port, 0 = one of the kernel's choice; connecting to one. */
void io_sandbox_listen(struct io_sandbox *sandbox, uint16_t port);
void io_sandbox_connect(struct io_sandbox *sandbox, uint16_t port);

/*
 * Limits this thread and those that it begins to what was allowed, for good; the process must not
 * be able to gain privileges any more (process.h). False with why.
 */
bool io_sandbox_enter(struct io_sandbox *sandbox, char *why, size_t why_len);
void io_sandbox_drop(struct io_sandbox *sandbox);

/*
 * Limits every thread of this process to the calls of its work (enum io_sandbox_work, joined by
 * |), for good. False with why.
 */
bool io_sandbox_calls(unsigned work, char *why, size_t why_len);

#endif
