#include "io/real/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int netlink_open(struct netlink *netlink)
{
    int on = 1;
    struct timeval wait = {.tv_sec = NETLINK_WAIT_S};
    netlink->sequence = 0;
    netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (netlink->socket == NULL)
        return errno;
    int fd = mnl_socket_get_fd(netlink->socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        int error = errno;
        netlink_close(netlink);
        return error;
    }
    /* Dumps of one table alone; an older kernel dumps all of them, which is slower. */
    mnl_socket_setsockopt(netlink->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    return 0;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink->socket != NULL)
        mnl_socket_close(netlink->socket);
    netlink->socket = NULL;
}

struct nlmsghdr *netlink_begin(struct netlink *netlink, uint16_t type, uint16_t flags,
                               const void *fixed, size_t fixed_len)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(netlink->request);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(mnl_nlmsg_put_extra_header(message, fixed_len), fixed, fixed_len);
    return message;
}

struct nlmsghdr *netlink_repeat(struct netlink *netlink, const struct nlmsghdr *message,
                                uint16_t type)
{
    if (message->nlmsg_len > NETLINK_MESSAGE_MAX)
        return NULL;
    memcpy(netlink->request, message, message->nlmsg_len);
    netlink->header.nlmsg_type = type;
    netlink->header.nlmsg_flags = NLM_F_REQUEST;
    netlink->header.nlmsg_pid = 0;
    return &netlink->header;
}

static int send_request(struct netlink *netlink, uint16_t flags)
{
    struct nlmsghdr *message = &netlink->header;
    message->nlmsg_flags |= flags;
    message->nlmsg_seq = ++netlink->sequence;
    return mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0 ? errno : 0;
}

struct dump {
    void (*each)(const struct nlmsghdr *message, void *arg);
    void *arg;
};

static int one_of_dump(const struct nlmsghdr *message, void *arg)
{
    const struct dump *dump = arg;
    dump->each(message, dump->arg);
    return MNL_CB_OK;
}

static int receive_all(struct netlink *netlink, mnl_cb_t each, void *arg)
{
    unsigned port = mnl_socket_get_portid(netlink->socket);
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(netlink->socket, netlink->reply, NETLINK_REPLY_MAX);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return errno == EAGAIN ? ETIMEDOUT : errno;
        int verdict = mnl_cb_run(netlink->reply, (size_t)len, netlink->sequence, port, each, arg);
        if (verdict < 0 && errno != EPROTO) /* EPROTO: of a request that was given up */
            return errno;
        if (verdict == MNL_CB_STOP)
            return 0;
    }
}

int netlink_ask(struct netlink *netlink)
{
    int error = send_request(netlink, NLM_F_ACK);
    return error != 0 ? error : receive_all(netlink, NULL, NULL);
}

int netlink_dump(struct netlink *netlink, void (*each)(const struct nlmsghdr *message, void *arg),
                 void *arg)
{
    struct dump dump = {.each = each, .arg = arg};
    int error = send_request(netlink, NLM_F_DUMP);
    return error != 0 ? error : receive_all(netlink, one_of_dump, &dump);
}

const struct nlattr *netlink_attribute(const struct nlmsghdr *message, size_t fixed_len,
                                       uint16_t type, size_t len)
{
    const uint8_t *end = mnl_nlmsg_get_payload_tail(message);
    const struct nlattr *at = mnl_nlmsg_get_payload_offset(message, fixed_len);
    for (; mnl_attr_ok(at, (int)(end - (const uint8_t *)at)); at = mnl_attr_next(at))
        if (mnl_attr_get_type(at) == type && mnl_attr_get_payload_len(at) >= len)
            return at;
    return NULL;
}

uint32_t netlink_number(const struct nlmsghdr *message, size_t fixed_len, uint16_t type,
                        uint32_t otherwise)
{
    const struct nlattr *attribute = netlink_attribute(message, fixed_len, type, sizeof(uint32_t));
    return attribute == NULL ? otherwise : mnl_attr_get_u32(attribute);
}
