#include "io/device.h"

#include "base/map.h"
#include "io/real/hook.h"
#include "io/real/kernel_error.h"
#include "io/real/listener.h"
#include "io/real/netsetup.h"
#include "io/real/requests.h"
#include "io/real/stream.h"
#include "io/real/vnet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ETHERNET_LEN = 18, /* with a VLAN tag */
    MTU_MIN = 68,      /* RFC 791 */
    /* Linux 6.2; the headers of Debian 12 are older. */
    SEGMENTS_UDP = 0x20 | 0x40, /* TUN_F_USO4, TUN_F_USO6 */
    SEGMENTS_TCP = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
};

struct io_device {
    struct source source;
    struct requests requests;
    struct io_task settle;
    const struct io_device_handler *handler;
    void *arg;
    enum io_device_kind kind;
    int error; /* the device is gone */
    char name[IO_DEVICE_NAME_MAX];
};

/* ---- Packets ---- */

/* What a system call on a device says, when the device is gone. */
static int device_error(int number)
{
    switch (number) {
    case EBADFD:
    case EFAULT: /* of a read that waited */
    case ENODEV:
        return IO_E_NOT_FOUND;
    case EIO: /* the device is down */
        return IO_E_UNREACHABLE;
    default:
        return kernel_error(number);
    }
}

ssize_t io_device_read(struct io_device *device, void *packet, size_t max, struct offload *offload)
{
    struct virtio_net_hdr header;
    uint8_t beyond; /* is filled only when the packet is longer */
    struct iovec pieces[] = {{.iov_base = &header, .iov_len = sizeof(header)},
                             {.iov_base = packet, .iov_len = max},
                             {.iov_base = &beyond, .iov_len = 1}};
    for (;;) {
        ssize_t got = readv(device->source.fd, pieces, 3);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return device_error(errno);
        if (got <= (ssize_t)sizeof(header))
            continue;
        size_t len = (size_t)got - sizeof(header);
        if (len <= max && vnet_read(&header, packet, len, offload))
            return (ssize_t)len;
    }
}

int io_device_write(struct io_device *device, const void *packet, size_t len,
                    const struct offload *offload)
{
    struct virtio_net_hdr header;
    if (!vnet_write(offload, packet, len, device->kind == IO_DEVICE_ETHERNET, &header))
        return IO_E_OTHER;
    struct iovec pieces[] = {{.iov_base = &header, .iov_len = sizeof(header)},
                             {.iov_base = (void *)(uintptr_t)packet, .iov_len = len}};
    ssize_t put;
    do {
        put = writev(device->source.fd, pieces, 2);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? device_error(errno) : 0;
}

void io_device_again(struct io_device *device)
{
    source_again(&device->source, SOURCE_AGAIN);
}

/* ---- What the loop tells ---- */

static void fail(struct io_device *device, int error)
{
    if (device->error != 0)
        return;
    device->error = error;
    device->handler->failed(device->arg, error);
}

static void dispatch(struct source *source, uint32_t what)
{
    struct io_device *device = container_of(source, struct io_device, source);
    if (what & (SOURCE_ERROR | SOURCE_END)) {
        fail(device, IO_E_NOT_FOUND);
        return;
    }
    device->handler->readable(device->arg);
}

static void refused(void *arg, const struct cidr *to, int error)
{
    struct io_device *device = arg;
    device->handler->refused(device->arg, to, error);
}

static void helper_ended(void *arg)
{
    struct io_device *device = arg;
    log_event(device->source.loop, LOG_ERROR, "device",
              "%s: its helper process is gone: addresses and routes stay as they are",
              device->name);
    fail(device, IO_E_RESET);
}

static const struct requests_handler requests_handler = {.refused = refused, .ended = helper_ended};

static void settle(void *arg)
{
    struct io_device *device = arg;
    (void)requests_add(&device->requests, &(struct privileged_work){.what = PRIVILEGED_SETTLE});
}

/* ---- Opening ---- */

/* Where it stopped, for a person. */
struct opening {
    const char *what;
    const char *hint;
};

static int attach(int fd, const struct io_device_config *config, char *name)
{
    struct ifreq request = {0};
    int header_len = sizeof(struct virtio_net_hdr);
    size_t len = strlen(config->name);
    if (len == 0 || len >= sizeof(request.ifr_name))
        return IO_E_TOO_LARGE;
    memcpy(request.ifr_name, config->name, len);
    request.ifr_flags = IFF_NO_PI | IFF_VNET_HDR;
    request.ifr_flags |= config->kind == IO_DEVICE_IP ? IFF_TUN : IFF_TAP;
    request.ifr_flags |= (short)IFF_TUN_EXCL;
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        return errno == EBUSY ? IO_E_IN_USE : kernel_error(errno);
    memcpy(name, request.ifr_name, IO_DEVICE_NAME_MAX);
    return ioctl(fd, TUNSETVNETHDRSZ, &header_len) == 0 ? 0 : kernel_error(errno);
}

/* Without a limit for their size, segments would not fit into what they are read into. */
static int set_segments(int fd, struct netsetup *setup, bool segments)
{
    if (segments && netsetup_limit_segments(setup) == 0) {
        if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(SEGMENTS_TCP | SEGMENTS_UDP)) == 0 ||
            ioctl(fd, TUNSETOFFLOAD, (unsigned long)SEGMENTS_TCP) == 0)
            return 0;
    }
    return ioctl(fd, TUNSETOFFLOAD, 0UL) == 0 ? 0 : kernel_error(errno);
}

static int set_up(int fd, const struct io_device_config *config, const char *name,
                  struct opening *opening)
{
    struct netsetup setup;
    opening->what = "looking for it";
    int error = netsetup_open(&setup, name);
    if (error != 0)
        return error;
    opening->what = "setting its segments";
    error = set_segments(fd, &setup, config->segments);
    if (error == 0) {
        opening->what = "setting its MTU, and bringing it up";
        error = netsetup_link(&setup, config->kind, config->mtu);
    }
    for (size_t i = 0; i < config->address_count && error == 0; i++) {
        opening->what = "giving it its addresses";
        opening->hint = " (IPv6 needs an MTU of 1280 or more)";
        error = netsetup_address(&setup, &config->addresses[i], true);
    }
    netsetup_close(&setup);
    return error;
}

static int open_device(const struct io_device_config *config, char *name, int *fd,
                       struct opening *opening)
{
    size_t frame = config->mtu + (config->kind == IO_DEVICE_ETHERNET ? (size_t)ETHERNET_LEN : 0);
    opening->what = "checking its MTU";
    if (config->mtu < MTU_MIN || frame > IO_DEVICE_PACKET_MAX)
        return IO_E_TOO_LARGE;
    opening->what = "opening /dev/net/tun";
    *fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0) {
        opening->hint = errno == ENODEV ? " (the kernel's module tun is missing)" : "";
        return errno == ENODEV ? IO_E_NOT_FOUND : kernel_error(errno);
    }
    opening->what = "making it";
    int error = attach(*fd, config, name);
    return error == 0 ? set_up(*fd, config, name, opening) : error;
}

static int start(struct io_device *device, struct io_loop *loop,
                 const struct io_device_config *config, struct opening *opening, char *why,
                 size_t why_len)
{
    char hook[PATH_MAX];
    char whose[PATH_MAX];
    if (config->hook_file != NULL && !hook_resolve(config->hook_file, hook, whose, sizeof(whose))) {
        snprintf(why, why_len, "hook %s: %s", config->hook_file, whose);
        return IO_E_DENIED;
    }
    int fd = -1;
    int error = open_device(config, device->name, &fd, opening);
    if (error != 0)
        goto err;
    opening->what = "starting its helper process";
    opening->hint = NULL;
    error = requests_open(&device->requests, loop, device->name,
                          config->hook_file == NULL ? NULL : hook, &requests_handler, device);
    if (error != 0)
        goto err;
    error = source_add(&device->source, loop, fd, WATCH_READ_EDGES, dispatch);
    if (error == 0)
        return 0;
    requests_close(&device->requests);
err:
    if (fd >= 0)
        close(fd);
    return error;
}

static void explain(const struct io_device_config *config, const struct opening *opening, int error,
                    char *why, size_t why_len)
{
    const char *hint = opening->hint;
    if (error == IO_E_DENIED)
        hint = " (it needs root, or CAP_NET_ADMIN and access to /dev/net/tun)";
    snprintf(why, why_len, "device %s: %s: %s%s", config->name, opening->what,
             error == IO_E_IN_USE ? "there is one of that name" : io_error_text(error),
             hint == NULL ? "" : hint);
}

struct io_device *io_device_open(struct io_loop *loop, const struct io_device_config *config,
                                 const struct io_device_handler *handler, void *arg, int *error,
                                 char *why, size_t why_len)
{
    struct opening opening = {0};
    struct io_device *device = calloc(1, sizeof(*device));
    *error = IO_E_NO_MEMORY;
    if (device != NULL) {
        device->handler = handler;
        device->arg = arg;
        device->kind = config->kind;
        *error = start(device, loop, config, &opening, why, why_len);
    }
    if (*error == 0) {
        io_task_init(&device->settle, loop, settle, device);
        io_task_queue(&device->settle);
        return device;
    }
    if (opening.what != NULL)
        explain(config, &opening, *error, why, why_len);
    else if (device == NULL)
        snprintf(why, why_len, "%s", io_error_text(*error));
    free(device);
    return NULL;
}

/* The rules go before the device, so that nothing is lost between. */
void io_device_close(struct io_device *device)
{
    int fd = device->source.fd;
    io_task_cancel(&device->settle);
    requests_close(&device->requests);
    source_remove(&device->source);
    close(fd);
    free(device);
}

const char *io_device_name(const struct io_device *device)
{
    return device->name;
}

/* ---- Addresses and routes ---- */

static int request(struct io_device *device, uint8_t what, const struct adit_ip *ip,
                   uint8_t prefix_len, uint8_t flags)
{
    struct privileged_work work = {
        .what = what, .flags = flags, .family = ip->family, .prefix_len = prefix_len};
    memcpy(work.ip, ip->bytes, sizeof(work.ip));
    return requests_add(&device->requests, &work);
}

int io_device_address(struct io_device *device, const struct io_device_address *address, bool add)
{
    return request(device, PRIVILEGED_ADDRESS, &address->ip, address->prefix_len,
                   add ? PRIVILEGED_ON : 0);
}

int io_device_route(struct io_device *device, const struct cidr *to, bool add)
{
    return request(device, PRIVILEGED_ROUTE, &to->ip, to->prefix_len, add ? PRIVILEGED_ON : 0);
}

int io_device_everything(struct io_device *device, unsigned family, bool on, bool block)
{
    struct adit_ip any = {.family = (uint8_t)family};
    return request(device, PRIVILEGED_EVERYTHING, &any, 0,
                   (uint8_t)((on ? PRIVILEGED_ON : 0) | (block ? PRIVILEGED_BLOCK : 0)));
}

int io_device_hook(struct io_device *device, const struct adit_ip *servers, size_t count)
{
    return requests_hook(&device->requests, servers, count);
}

/* ---- Past the device ---- */

struct io_stream *io_connect_past(struct io_device *device, const struct addr *to,
                                  const struct io_stream_handler *handler, void *arg, int *error)
{
    int fd = requests_socket(&device->requests, to, false);
    *error = fd;
    return fd < 0 ? NULL : stream_connect(device->source.loop, fd, to, handler, arg, error);
}

struct io_listener *io_listen_past(struct io_device *device, const struct addr *at,
                                   const struct io_listener_handler *handler, void *arg, int *error)
{
    int fd = requests_socket(&device->requests, at, true);
    *error = fd;
    return fd < 0 ? NULL : listener_listen(device->source.loop, fd, at, handler, arg, error);
}
