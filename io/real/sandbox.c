#include "io/real/sandbox.h"

#include "io/real/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers end before these; Documentation/userspace-api/landlock.rst has them. */
enum {
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_PORTS = 4,
    ABI_DEVICES = 5,
    ABI_SIGNALS = 6,
    FILES_REFER = 1 << 13, /* renames from one directory to another */
    FILES_TRUNCATE = 1 << 14,
    FILES_DEVICES = 1 << 15,
    PORTS_LISTEN = 1 << 0,
    PORTS_CONNECT = 1 << 1,
    SCOPE_SIGNALS = 1 << 1,
    RULE_PORT = 2,
};

struct ruleset_attributes {
    uint64_t files;
    uint64_t ports;
    uint64_t scopes;
};

struct port_attributes {
    uint64_t access;
    uint64_t port;
};

enum {
    FILES_FIRST = (1 << 13) - 1, /* all that the first version knows */
    MAY_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    MAY_WRITE = MAY_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | FILES_REFER |
                FILES_TRUNCATE,
    MAY_MAKE_SOCKET = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE,
    OF_A_FILE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FILES_TRUNCATE,
    PORT_DNS = 53,
};

/*
 * Read by libraries whenever they like, and most of it replaced by a rename when it changes, so
 * that its directory is named: resolv.conf, hosts, nsswitch.conf and certificates in /etc, or what
 * they link to; modules of the name service and of OpenSSL; the limits of the control group.
 */
static const char *const everybody_reads[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/proc/meminfo",
    "/proc/self/exe",
};

static void fail(struct io_sandbox *sandbox, int error)
{
    if (sandbox->error == 0)
        sandbox->error = error;
}

/* ---- Paths ---- */

/* Returns the descriptor, which the rule does not need; -1 when there is no such path. */
static int allow(struct io_sandbox *sandbox, const char *path, uint64_t access)
{
    struct stat found;
    struct landlock_path_beneath_attr rule = {.allowed_access = access & sandbox->files};
    if (sandbox->ruleset < 0)
        return -1;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return -1;
    if (fstat(rule.parent_fd, &found) == 0 && !S_ISDIR(found.st_mode))
        rule.allowed_access &= OF_A_FILE;
    if (syscall(SYS_landlock_add_rule, sandbox->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        fail(sandbox, errno);
    return rule.parent_fd;
}

static void allow_path(struct io_sandbox *sandbox, const char *path, uint64_t access)
{
    int fd = allow(sandbox, path, access);
    if (fd >= 0)
        close(fd);
}

static void allow_parent(struct io_sandbox *sandbox, const char *path, uint64_t access)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", path) < (int)sizeof(copy))
        allow_path(sandbox, dirname(copy), access);
}

static void allow_beside(struct io_sandbox *sandbox, const char *path, uint64_t access)
{
    char target[PATH_MAX];
    struct stat found;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
        allow_path(sandbox, path, access);
        return;
    }
    allow_parent(sandbox, path, access);
    if (realpath(path, target) != NULL)
        allow_parent(sandbox, target, access);
}

void io_sandbox_read(struct io_sandbox *sandbox, const char *path)
{
    allow_path(sandbox, path, MAY_READ);
}

void io_sandbox_read_beside(struct io_sandbox *sandbox, const char *path)
{
    allow_beside(sandbox, path, MAY_READ);
}

void io_sandbox_write_beside(struct io_sandbox *sandbox, const char *path)
{
    allow_beside(sandbox, path, MAY_WRITE);
}

void io_sandbox_socket(struct io_sandbox *sandbox, const char *path)
{
    allow_parent(sandbox, path, MAY_MAKE_SOCKET);
}

/* ---- Ports ---- */

static void allow_port(struct io_sandbox *sandbox, uint16_t port, uint64_t access)
{
    const struct port_attributes rule = {.access = access, .port = port};
    if ((sandbox->ports & access) != 0 &&
        syscall(SYS_landlock_add_rule, sandbox->ruleset, RULE_PORT, &rule, 0) != 0)
        fail(sandbox, errno);
}

void io_sandbox_listen(struct io_sandbox *sandbox, uint16_t port)
{
    allow_port(sandbox, port, PORTS_LISTEN);
}

void io_sandbox_connect(struct io_sandbox *sandbox, uint16_t port)
{
    allow_port(sandbox, port, PORTS_CONNECT);
}

/* ---- From beginning to end ---- */

static uint64_t files_of(long abi)
{
    return FILES_FIRST | (abi >= ABI_REFER ? FILES_REFER : 0) |
           (abi >= ABI_TRUNCATE ? FILES_TRUNCATE : 0) | (abi >= ABI_DEVICES ? FILES_DEVICES : 0);
}

static void make_ruleset(struct io_sandbox *sandbox, bool any_port)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        sandbox->missing = "paths and ports, as this kernel has no Landlock";
        return;
    }
    if (abi < ABI_PORTS)
        sandbox->missing = "ports, as this kernel's Landlock is too old";
    sandbox->files = files_of(abi);
    if (abi >= ABI_PORTS)
        sandbox->ports = PORTS_LISTEN | (any_port ? 0 : PORTS_CONNECT);
    const struct ruleset_attributes attributes = {
        .files = sandbox->files,
        .ports = sandbox->ports,
        .scopes = abi >= ABI_SIGNALS ? SCOPE_SIGNALS : 0,
    };
    sandbox->ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (sandbox->ruleset < 0)
        fail(sandbox, errno);
}

void io_sandbox_begin(struct io_sandbox *sandbox, bool connects, bool any_port)
{
    *sandbox = (struct io_sandbox){.ruleset = -1};
    make_ruleset(sandbox, any_port);
    if (sandbox->ruleset < 0)
        return;
    for (size_t i = 0; i < sizeof(everybody_reads) / sizeof(everybody_reads[0]); i++)
        io_sandbox_read(sandbox, everybody_reads[i]);
    io_sandbox_read_beside(sandbox, "/etc/resolv.conf");
    /* Left open: once nobody holds it, procfs makes a new inode that no rule knows. */
    (void)allow(sandbox, "/proc/self", MAY_READ);
    if (connects)
        io_sandbox_connect(sandbox, PORT_DNS);
}

/* A rule of Landlock would not hold for another one; /proc/self/task has a link for each. */
static bool is_only_thread(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink <= 3 + SANITIZER_THREADS;
}

bool io_sandbox_enter(struct io_sandbox *sandbox, char *why, size_t why_len)
{
    if (sandbox->ruleset >= 0 && !is_only_thread())
        fail(sandbox, EBUSY);
    if (sandbox->error == 0 && sandbox->ruleset >= 0 &&
        syscall(SYS_landlock_restrict_self, sandbox->ruleset, 0) != 0)
        fail(sandbox, errno);
    if (sandbox->error != 0)
        snprintf(why, why_len, "cannot limit itself to its paths: %s", strerror(sandbox->error));
    io_sandbox_drop(sandbox);
    return sandbox->error == 0;
}

void io_sandbox_drop(struct io_sandbox *sandbox)
{
    if (sandbox->ruleset >= 0)
        close(sandbox->ruleset);
    sandbox->ruleset = -1;
}

bool io_sandbox_calls(unsigned work, char *why, size_t why_len)
{
    int error = syscalls_limit(work);
    if (error != 0)
        snprintf(why, why_len, "cannot limit itself to its system calls: %s", strerror(error));
    return error == 0;
}
