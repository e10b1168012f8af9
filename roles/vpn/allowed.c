#include "roles/vpn/allowed.h"

#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/*
 * A prefix with owners, one whose route is still to be taken away, or a fork: one of neither, with
 * two children.
 */
struct node {
    struct node *child[2]; /* by the first bit past the prefix */
    struct allowed_owner *owners;
    struct list unsettled; /* while `routed` is not whether it has owners */
    struct cidr prefix;
    bool routed; /* the kernel has a route for it */
};

struct allowed {
    struct node *roots[2]; /* of IPv4 and of IPv6 */
    struct list unsettled;
    size_t count;
};

static unsigned family_bits(const struct adit_ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

static bool bit_at(const struct adit_ip *ip, unsigned bit)
{
    return (ip->bytes[bit / 8] & 0x80 >> bit % 8) != 0;
}

/* The child of a node on the way to an address that lies in the node's prefix, if it has one. */
static struct node **step(struct node *node, const struct adit_ip *ip)
{
    return &node->child[bit_at(ip, node->prefix.prefix_len)];
}

static struct node *const *root_of(const struct allowed *allowed, const struct adit_ip *ip)
{
    return &allowed->roots[ip->family == 6];
}

static bool holds(const struct cidr *outer, const struct cidr *inner)
{
    return outer->prefix_len <= inner->prefix_len && cidr_contains(outer, &inner->ip);
}

struct allowed *allowed_new(void)
{
    struct allowed *allowed = calloc(1, sizeof(*allowed));

    if (allowed != NULL)
        list_init(&allowed->unsettled);
    return allowed;
}

static void free_owners(struct node *node)
{
    while (node->owners != NULL) {
        struct allowed_owner *owner = node->owners;
        node->owners = owner->next;
        free(owner);
    }
}

/* As deep as an address has bits at most. */
static void free_tree(struct node *node)
{
    if (node == NULL)
        return;
    free_tree(node->child[0]);
    free_tree(node->child[1]);
    free_owners(node);
    free(node);
}

void allowed_free(struct allowed *allowed)
{
    if (allowed == NULL)
        return;
    free_tree(allowed->roots[0]);
    free_tree(allowed->roots[1]);
    free(allowed);
}

size_t allowed_count(const struct allowed *allowed)
{
    return allowed->count;
}

/* ---- Owners of one prefix ---- */

static bool goes_before(const struct allowed_owner *a, const struct allowed_owner *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->peer < b->peer;
}

static struct allowed_owner *take_owner(struct node *node, unsigned peer)
{
    for (struct allowed_owner **at = &node->owners; *at != NULL; at = &(*at)->next)
        if ((*at)->peer == peer) {
            struct allowed_owner *owner = *at;
            *at = owner->next;
            return owner;
        }
    return NULL;
}

static void put_owner(struct node *node, struct allowed_owner *owner)
{
    struct allowed_owner **at = &node->owners;

    while (*at != NULL && goes_before(*at, owner))
        at = &(*at)->next;
    owner->next = *at;
    *at = owner;
}

/* ---- Tree ---- */

/* How many bits of both are the same, max at most. */
static unsigned common_bits(const struct adit_ip *a, const struct adit_ip *b, unsigned max)
{
    unsigned bits = 0;

    while (bits < max && bit_at(a, bits) == bit_at(b, bits))
        bits++;
    return bits;
}

static struct node *make_node(const struct adit_ip *ip, unsigned prefix_len)
{
    struct node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    list_init(&node->unsettled);
    node->prefix.ip.family = ip->family;
    node->prefix.prefix_len = (uint8_t)prefix_len;
    memcpy(node->prefix.ip.bytes, ip->bytes, (prefix_len + 7) / 8);
    if (prefix_len % 8 != 0)
        node->prefix.ip.bytes[prefix_len / 8] &= (uint8_t)(0xff00 >> prefix_len % 8);
    return node;
}

/* Puts a node for the prefix where *link points to one that it does not lie in. */
static struct node *insert(struct node **link, const struct cidr *prefix)
{
    struct node *below = *link;
    struct node *node = make_node(&prefix->ip, prefix->prefix_len);

    if (node == NULL)
        return NULL;
    if (below != NULL && !holds(prefix, &below->prefix)) {
        struct node *fork =
            make_node(&prefix->ip, common_bits(&prefix->ip, &below->prefix.ip, prefix->prefix_len));
        if (fork == NULL) {
            free(node);
            return NULL;
        }
        *step(fork, &below->prefix.ip) = below;
        *link = fork;
        link = step(fork, &prefix->ip);
        below = NULL;
    }
    if (below != NULL)
        *step(node, &below->prefix.ip) = below;
    *link = node;
    return node;
}

/* The link to the node of that prefix, or to what stands where it belongs. *above (may be NULL) is
 * the link to the node above, or NULL. */
static struct node **seek(struct allowed *allowed, const struct cidr *prefix, struct node ***above)
{
    struct node **link = &allowed->roots[prefix->ip.family == 6];
    struct node **last = NULL;

    while (*link != NULL && holds(&(*link)->prefix, prefix) &&
           (*link)->prefix.prefix_len < prefix->prefix_len) {
        last = link;
        link = step(*link, &prefix->ip);
    }
    if (above != NULL)
        *above = last;
    return link;
}

static bool is_of(const struct node *node, const struct cidr *prefix)
{
    return node != NULL && node->prefix.prefix_len == prefix->prefix_len &&
           ip_equal(&node->prefix.ip, &prefix->ip);
}

/* Takes the node that hangs there out if it stands for nothing and has no more than one child. */
static void drop_if_idle(struct node **link, struct node *node)
{
    if (node->owners != NULL || node->routed || (node->child[0] != NULL && node->child[1] != NULL))
        return;
    *link = node->child[node->child[0] == NULL];
    free(node);
}

/* Owners came or went. */
static void note(struct allowed *allowed, struct node *node)
{
    list_remove(&node->unsettled);
    if (node->routed != (node->owners != NULL))
        list_append(&allowed->unsettled, &node->unsettled);
}

bool allowed_add(struct allowed *allowed, const struct cidr *prefix, unsigned peer, unsigned rank)
{
    struct node **link = seek(allowed, prefix, NULL);
    struct node *node = is_of(*link, prefix) ? *link : NULL;
    struct allowed_owner *owner = node == NULL ? NULL : take_owner(node, peer);
    bool first = owner == NULL && (node == NULL || node->owners == NULL);

    if (owner == NULL)
        owner = malloc(sizeof(*owner));
    if (owner != NULL && node == NULL)
        node = insert(link, prefix);
    if (owner == NULL || node == NULL) {
        free(owner);
        return false;
    }
    *owner = (struct allowed_owner){.peer = peer, .rank = rank};
    put_owner(node, owner);
    allowed->count += first;
    if (first)
        note(allowed, node);
    return true;
}

void allowed_remove(struct allowed *allowed, const struct cidr *prefix, unsigned peer)
{
    struct node **above;
    struct node **link = seek(allowed, prefix, &above);
    struct node *node = *link;
    struct allowed_owner *owner = is_of(node, prefix) ? take_owner(node, peer) : NULL;

    if (owner == NULL)
        return;
    free(owner);
    if (node->owners != NULL)
        return;
    allowed->count--;
    note(allowed, node);
    drop_if_idle(link, node);
    if (above != NULL)
        drop_if_idle(above, *above);
}

/* ---- The kernel's routes ---- */

static void settled(struct allowed *allowed, struct node *node)
{
    struct node **above;
    struct node **link = seek(allowed, &node->prefix, &above);

    list_remove(&node->unsettled);
    node->routed = !node->routed;
    drop_if_idle(link, node);
    if (above != NULL)
        drop_if_idle(above, *above);
}

void allowed_settle(struct allowed *allowed,
                    bool (*ask)(void *arg, const struct cidr *prefix, bool add), void *arg)
{
    struct list *next;

    for (struct list *at = allowed->unsettled.next; at != &allowed->unsettled; at = next) {
        struct node *node = container_of(at, struct node, unsettled);
        next = at->next;
        if (ask(arg, &node->prefix, !node->routed))
            settled(allowed, node);
    }
}

bool allowed_unsettled(const struct allowed *allowed)
{
    return !list_empty(&allowed->unsettled);
}

/* ---- Looking up ---- */

const struct allowed_owner *allowed_find(const struct allowed *allowed, const struct adit_ip *ip)
{
    const struct node *node = *root_of(allowed, ip);
    const struct allowed_owner *found = NULL;

    while (node != NULL && cidr_contains(&node->prefix, ip)) {
        if (node->owners != NULL)
            found = node->owners;
        if (node->prefix.prefix_len == family_bits(ip))
            break;
        node = node->child[bit_at(ip, node->prefix.prefix_len)];
    }
    return found;
}

bool allowed_from(const struct allowed *allowed, const struct adit_ip *source, unsigned peer)
{
    const struct allowed_owner *owner = allowed_find(allowed, source);

    while (owner != NULL && owner->peer != peer)
        owner = owner->next;
    return owner != NULL;
}
