/*
 * Packet devices: a network interface whose packets come to this process (TUN and TAP), the
 * addresses and routes that lead into it, and connections that go past it. The simulator's devices
 * end in a kernel of their own (io/sim/sim.h).
 *
 * Changing routes needs privileges that the process has given up by then, and so does a hook of the
 * operator's. A helper process does both: io_device_open() starts it, while the process is still
 * privileged and before it has any other thread. It takes fixed requests over a socket, runs no
 * shell, and when this process is gone, however it ended, takes back what it has changed.
 */
#ifndef IO_DEVICE_H
#define IO_DEVICE_H

#include "base/offload.h"
#include "io/io.h"

enum {
    IO_DEVICE_NAME_MAX = 16,       /* NUL included */
    IO_DEVICE_PACKET_MAX = 32000,  /* bytes of a packet that comes from a device, at most */
    IO_DEVICE_WAITING_MAX = 16384, /* requests for addresses and routes that are not done yet */
};

struct io_device;

enum io_device_kind { IO_DEVICE_IP, IO_DEVICE_ETHERNET };

/* An address with the length of its network's prefix; other bits may be set, unlike in a CIDR. */
struct io_device_address {
    struct adit_ip ip;
    uint8_t prefix_len;
};

struct io_device_config {
    const char *name;
    enum io_device_kind kind;
    uint16_t mtu;
    const struct io_device_address *addresses;
    size_t address_count;
    bool segments;         /* large segments come and go uncut, where the kernel can */
    const char *hook_file; /* a program for io_device_hook(), an absolute path, or NULL */
};

/* All must be there. */
struct io_device_handler {
    void (*readable)(void *arg);          /* packets may be read; edge triggered, as with streams */
    void (*failed)(void *arg, int error); /* taken away, or the helper process is gone; close it */
    /*
     * What io_device_route() or io_device_address() asked for was refused; of
     * io_device_everything() it is 0.0.0.0/0 or ::/0.
     */
    void (*refused)(void *arg, const struct cidr *to, int error);
};

/*
 * Makes the device, sets it up, and starts the helper process. It is gone, with its addresses and
 * routes, when it is closed, and when the process ends in any other way; what a helper process that
 * died too has left is found and removed. A name that is taken is IO_E_IN_USE. Without privileges:
 * IO_E_DENIED. NULL with *error set, and why for a person.
 */
struct io_device *io_device_open(struct io_loop *loop, const struct io_device_config *config,
                                 const struct io_device_handler *handler, void *arg, int *error,
                                 char *why, size_t why_len);
void io_device_close(struct io_device *device);

/* The name that the kernel gave it, when the configured one has a %d. */
const char *io_device_name(const struct io_device *device);

/*
 * Reads one packet, without any header of the device. Bytes read, IO_AGAIN, or an error. max is
 * IO_DEVICE_PACKET_MAX or more, or the packet is lost when it is longer.
 */
ssize_t io_device_read(struct io_device *device, void *packet, size_t max, struct offload *offload);

/* Asks for one more `readable` in the next round. */
void io_device_again(struct io_device *device);

/*
 * Hands one packet to the kernel. 0, IO_AGAIN when it has no room (the packet is dropped), or an
 * error that says that this packet is refused; Linux before 6.2 refuses UDP that is to be cut.
 */
int io_device_write(struct io_device *device, const void *packet, size_t len,
                    const struct offload *offload);

/* ---- Addresses, routes, the way past the device: by the helper process, in order ---- */

/* Adds or removes an address or a route into the device. IO_E_FULL when too many wait. */
int io_device_address(struct io_device *device, const struct io_device_address *address, bool add);
int io_device_route(struct io_device *device, const struct cidr *to, bool add);

/*
 * All traffic of a family (4 or 6) that no narrower route of the machine's takes goes into the
 * device, by a table and rules of its own; what io_connect_past() made does not. It does so until
 * this is called with on = false or the device is closed, whether the tunnel is up or down.
 *
 * `block` says what happens when the process dies without closing the device: the traffic is
 * refused instead of leaving another way. That lasts until this program has opened a device again,
 * and without a gap if the new one asks for everything in the callback that opens it; or until an
 * administrator removes the rules. Without `block` it leaves as if there were no tunnel.
 */
int io_device_everything(struct io_device *device, unsigned family, bool on, bool block);

/* As io_connect() and io_listen(), but what they carry never goes into the device. */
struct io_stream *io_connect_past(struct io_device *device, const struct addr *to,
                                  const struct io_stream_handler *handler, void *arg, int *error);
struct io_listener *io_listen_past(struct io_device *device, const struct addr *at,
                                   const struct io_listener_handler *handler, void *arg,
                                   int *error);

/*
 * Tells the hook which DNS servers there are now, IO_DEVICE_DNS_MAX at most: runs `HOOK dns DEVICE
 * SERVER...` as the user who started the program, with an empty environment but for PATH. Its
 * output goes to the log, its end too. While one runs the newest of the others waits; those between
 * are not run. One may be asked for just before io_device_close(), which waits for it, 2 s at most.
 */
enum { IO_DEVICE_DNS_MAX = 2 };
int io_device_hook(struct io_device *device, const struct adit_ip *servers, size_t count);

#endif
