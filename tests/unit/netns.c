#include "netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

bool netns_possible(void)
{
    const char *missing = NULL;
    if (geteuid() != 0)
        missing = "root";
    else if (access("/dev/net/tun", R_OK | W_OK) != 0)
        missing = "/dev/net/tun";
    else if (system("ip -V >/dev/null 2>&1") != 0)
        missing = "ip(8)";
    else if (unshare(CLONE_NEWNET) != 0)
        missing = "network namespaces";
    else if (system("ip tuntap add adit0 mode tun 2>/dev/null") != 0)
        missing = "devices in them";
    if (missing != NULL)
        printf("skipped: it needs %s\n", missing);
    return missing == NULL;
}

int netns_enter_new(void)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    netns_shell("ip link set lo up");
    int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(netns >= 0);
    return netns;
}

void netns_enter(int netns)
{
    assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

const char *netns_shell(const char *format, ...)
{
    static char output[NETNS_OUTPUT_MAX];
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    if (status != 0)
        fail_msg("%s: status %d: %s", command, status, output);
    return output;
}

bool netns_shows(const char *command, const char *text)
{
    return strstr(netns_shell("%s", command), text) != NULL;
}

/* ---- Devices ---- */

static void readable(void *arg)
{
    struct tap *tap = arg;
    struct offload offload;
    tap->readables++;
    for (;;) {
        ssize_t len = io_device_read(tap->device, tap->buffer, sizeof(tap->buffer), &offload);
        if (len < 0)
            return;
        tap->packets++;
        if ((size_t)len > tap->longest)
            tap->longest = (size_t)len;
        tap->last_len = (size_t)len;
        tap->last_offload = offload;
        memcpy(tap->last, tap->buffer, (size_t)len);
        if (tap->packet != NULL)
            tap->packet(tap, tap->buffer, (size_t)len, &offload);
    }
}

static void failed(void *arg, int error)
{
    struct tap *tap = arg;
    assert_int_equal(tap->failed, 0);
    tap->failed = error;
}

static void refused(void *arg, const struct cidr *to, int error)
{
    struct tap *tap = arg;
    tap->refusals++;
    tap->refused = *to;
    tap->why_refused = error;
}

static const struct io_device_handler handler = {
    .readable = readable, .failed = failed, .refused = refused};

struct io_device_config netns_config(void)
{
    static struct io_device_address addresses[2] = {{.prefix_len = 24}, {.prefix_len = 64}};
    assert_true(ip_parse("10.9.0.1", &addresses[0].ip));
    assert_true(ip_parse("fd00:9::1", &addresses[1].ip));
    return (struct io_device_config){.name = "adit0",
                                     .kind = IO_DEVICE_IP,
                                     .mtu = 1500,
                                     .addresses = addresses,
                                     .address_count = 2,
                                     .segments = true};
}

bool netns_open(struct tap *tap, struct io_loop *loop, const struct io_device_config *config)
{
    tap->device =
        io_device_open(loop, config, &handler, tap, &tap->error, tap->why, sizeof(tap->why));
    return tap->device != NULL;
}

void netns_close(struct tap *tap)
{
    if (tap->device != NULL)
        io_device_close(tap->device);
    tap->device = NULL;
}

static bool is_refused(const void *arg)
{
    return ((const struct tap *)arg)->refusals > 0;
}

/* What cannot be an address is refused in its turn, when all that was asked before is done. */
void netns_settle(struct world *world, struct tap *tap)
{
    struct io_device_address impossible = {.ip.family = 4, .prefix_len = 33};
    tap->refusals = 0;
    assert_int_equal(io_device_address(tap->device, &impossible, true), 0);
    world_run(world, is_refused, tap);
    /* Another refusal may have come first. */
    while (tap->refused.prefix_len != 33) {
        tap->refusals = 0;
        world_run(world, is_refused, tap);
    }
}

/* Also false when it has ended meanwhile. */
static bool is_helper(const char *pid, pid_t of)
{
    char path[300];
    char text[256] = "";
    int parent = 0;
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool read = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    const char *name = strstr(text, "(adit-network) ");
    return read && name != NULL && sscanf(name, "(adit-network) %*c %d", &parent) == 1 &&
           parent == (int)of;
}

pid_t netns_helper(pid_t of)
{
    pid_t found = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (struct dirent *entry; found == 0 && (entry = readdir(processes)) != NULL;)
        if (is_helper(entry->d_name, of))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(processes);
    assert_int_not_equal(found, 0);
    return found;
}
