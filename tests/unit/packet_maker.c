#include "tests/unit/packet_maker.h"

#include "base/cursor.h"

#include <string.h>

/* ---- The slow checksum ---- */

static uint16_t slow_sum(const uint8_t *bytes, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint16_t slow_transport_sum(const uint8_t *ip, const uint8_t *transport, size_t len,
                                   uint8_t protocol)
{
    uint8_t pseudo[40] = {0};
    size_t addresses = *ip >> 4 == 4 ? 8 : 32;
    memcpy(pseudo, ip + (*ip >> 4 == 4 ? 12 : 8), addresses);
    store_u32(pseudo + addresses, (uint32_t)len);
    pseudo[addresses + 7] = protocol;
    return slow_sum(transport, len, slow_sum(pseudo, addresses + 8, 0));
}

bool packet_right(const uint8_t *bytes, size_t ip_at, size_t transport_at, size_t end)
{
    const uint8_t *ip = bytes + ip_at;
    size_t header_len = (size_t)(*ip & 15) * 4;
    uint8_t protocol = *ip >> 4 == 4 ? ip[9] : 17;
    if (*ip >> 4 == 4 && slow_sum(ip, header_len, 0) != 0xffff)
        return false;
    if (*ip >> 4 == 6) { /* no extension headers but destination options */
        protocol = ip[6];
        for (size_t at = 40; at < transport_at - ip_at; at += 8)
            protocol = ip[at];
    }
    return slow_transport_sum(ip, bytes + transport_at, end - transport_at, protocol) == 0xffff;
}

/* ---- Making ---- */

bool packet_same_offload(const struct offload *a, const struct offload *b)
{
    return a->cut == b->cut && a->segment == b->segment && a->header_len == b->header_len &&
           a->checksum == b->checksum && a->checksum_start == b->checksum_start &&
           a->checksum_at == b->checksum_at;
}

uint32_t packet_field(const uint8_t *at, size_t len)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

uint32_t packet_draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static uint8_t *make_link(const struct recipe *recipe, uint8_t *at)
{
    if (recipe->link == PACKET_IP)
        return at;
    memcpy(at, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
    at += 12;
    if (recipe->vlan) {
        memcpy(at, "\x81\0\0\7", 4);
        at += 4;
    }
    store_u16(at, recipe->ipv6 ? 0x86dd : 0x0800);
    return at + 2;
}

static uint8_t *make_ipv4(const struct recipe *recipe, uint8_t *at, size_t transport_len)
{
    size_t header_len = 20u + recipe->ip_options_len;
    memset(at, 0, 20);
    memset(at + 20, 1, recipe->ip_options_len); /* no operation */
    at[0] = (uint8_t)(0x40 | header_len / 4);
    store_u16(at + 2, (uint16_t)(header_len + transport_len));
    store_u16(at + 4, recipe->id);
    at[6] = recipe->do_not_fragment ? 0x40 : 0;
    at[8] = recipe->ttl;
    at[9] = recipe->udp ? 17 : 6;
    memcpy(at + 12, (uint8_t[]){10, 9, 0, recipe->host, 10, 9, 0, 250}, 8);
    store_u16(at + 10, (uint16_t)~slow_sum(at, header_len, 0));
    return at + header_len;
}

static uint8_t *make_ipv6(const struct recipe *recipe, uint8_t *at, size_t transport_len)
{
    uint8_t protocol = recipe->udp ? 17 : 6;
    memset(at, 0, 40);
    at[0] = 0x60;
    store_u16(at + 4, (uint16_t)(8u * recipe->extensions + transport_len));
    at[6] = recipe->extensions > 0 ? 60 : protocol;
    at[7] = recipe->ttl;
    memcpy(at + 8, "\xfd\0\0\x09", 4);
    at[23] = recipe->host;
    memcpy(at + 24, "\xfd\0\0\x09", 4);
    at[39] = 250;
    at += 40;
    for (unsigned i = recipe->extensions; i > 0; i--, at += 8)
        memcpy(at, (uint8_t[]){i > 1 ? 60 : protocol, 0, 1, 4, 0, 0, 0, 0}, 8); /* PadN */
    return at;
}

static void make_tcp(const struct recipe *recipe, uint8_t *tcp)
{
    store_u16(tcp, recipe->source_port);
    store_u16(tcp + 2, 443);
    store_u32(tcp + 4, recipe->sequence);
    store_u32(tcp + 8, recipe->acknowledgement);
    tcp[12] = (uint8_t)((20u + recipe->tcp_options_len) / 4 << 4);
    tcp[13] = recipe->flags;
    store_u16(tcp + 14, recipe->window);
    memset(tcp + 20, 1, recipe->tcp_options_len);
}

size_t packet_make(const struct recipe *recipe, uint8_t *out)
{
    size_t header_len = recipe->udp ? 8 : 20u + recipe->tcp_options_len;
    size_t transport_len = header_len + recipe->payload_len;
    uint8_t *ip = make_link(recipe, out);
    uint8_t *transport =
        recipe->ipv6 ? make_ipv6(recipe, ip, transport_len) : make_ipv4(recipe, ip, transport_len);
    uint64_t state = recipe->payload;
    memset(transport, 0, header_len);
    if (recipe->udp) {
        store_u16(transport, recipe->source_port);
        store_u16(transport + 2, 443);
        store_u16(transport + 4, (uint16_t)transport_len);
    } else {
        make_tcp(recipe, transport);
    }
    for (size_t i = 0; i < recipe->payload_len; i++)
        transport[header_len + i] = (uint8_t)packet_draw(&state, 256);
    uint8_t protocol = recipe->udp ? 17 : 6;
    uint16_t sum = slow_transport_sum(ip, transport, transport_len, protocol);
    store_u16(transport + (recipe->udp ? 6 : 16), sum == 0xffff ? sum : (uint16_t)~sum);
    return (size_t)(transport - out) + transport_len;
}
