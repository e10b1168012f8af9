/*
 * Asking the kernel about its network: one request at a time over a netlink socket, messages built
 * with libmnl. Numbers of errors are errno's, because the meaning of EEXIST and ESRCH depends on
 * what was asked.
 */
#ifndef IO_REAL_NETLINK_H
#define IO_REAL_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NETLINK_MESSAGE_MAX = 1024, /* of a request */
    NETLINK_REPLY_MAX = 32768,  /* what the kernel writes at once, at most */
    NETLINK_WAIT_S = 10,        /* for an answer */
};

struct netlink {
    struct mnl_socket *socket;
    uint32_t sequence;
    union {
        struct nlmsghdr header; /* for its alignment */
        uint8_t request[NETLINK_MESSAGE_MAX];
    };
    union {
        struct nlmsghdr reply_header;
        uint8_t reply[NETLINK_REPLY_MAX];
    };
};

/* 0 or an errno. */
int netlink_open(struct netlink *netlink);
void netlink_close(struct netlink *netlink);

/*
 * Begins a request: its type, its flags besides NLM_F_REQUEST, and the fixed part that this type
 * has, which is copied. Attributes follow with mnl_attr_put_*().
 */
struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags,
                               const void *fixed, size_t fixed_len);

/* A whole message, such as one of a dump, as a request of another type; NULL when it is too long.
 */
struct nlmsghdr *netlink_repeat(struct netlink *netlink, const struct nlmsghdr *message,
                                uint16_t type);

/* Sends what was begun and waits for the kernel's verdict: 0 or an errno. */
int netlink_ask(struct netlink *netlink);

/*
 * Sends what was begun as a dump; each(message, arg) is called for every answer and makes no
 * request. 0 or an errno.
 */
int netlink_dump(struct netlink *netlink, void (*each)(const struct nlmsghdr *message, void *arg),
                 void *arg);

/* The attribute of that type behind a fixed part of this length, at least `len` bytes; or NULL. */
const struct nlattr *netlink_attribute(const struct nlmsghdr *message, size_t fixed_len,
                                       uint16_t type, size_t len);

/* The same of 32 bits; `otherwise` where there is none. */
uint32_t netlink_number(const struct nlmsghdr *message, size_t fixed_len, uint16_t type,
                        uint32_t otherwise);

#endif
