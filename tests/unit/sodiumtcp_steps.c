#include "sodiumtcp_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

const uint8_t steps_zeros[SODIUMTCP_ZSTD_PLAIN_MAX];
const uint8_t steps_hash[SODIUMTCP_HASH_LEN] = "thirty-two bytes of somebody's h";

struct pair *steps_open(void)
{
    return pair_open(&pair_extension, &pair_extension);
}

uint32_t steps_begin(struct pair *pair, const struct sodiumtcp_item *item)
{
    uint32_t number = 0;
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_begin(client->session, item, &number, pair_out(client)));
    pair_deliver(pair, client);
    assert_int_equal(pair_expect(pair, &pair->server, SODIUMTCP_BEGIN).number, number);
    return number;
}

uint32_t steps_begin_file(struct pair *pair, uint64_t size, enum sodiumtcp_exists exists)
{
    struct sodiumtcp_item item = pair_file(size);
    item.exists = exists;
    return steps_begin(pair, &item);
}

uint32_t steps_begin_directory(struct pair *pair)
{
    struct sodiumtcp_item item = pair_file(0);
    item.kind = SODIUMTCP_DIRECTORY;
    return steps_begin(pair, &item);
}

void steps_start(struct pair *pair, uint32_t number, uint64_t offset)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_start(client->session, number, offset, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_START);
    assert_int_equal(event.number, number);
    assert_int_equal(event.length, offset);
}

void steps_data(struct pair *pair, size_t len)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_data(client->session, steps_zeros, len, pair_out(client)));
    pair_deliver(pair, client);
    struct sodiumtcp_event event = pair_expect(pair, &pair->server, SODIUMTCP_DATA);
    assert_int_equal(event.len, len);
    assert_int_equal(event.plain_len, 0);
}

struct sodiumtcp_event steps_end(struct pair *pair, enum sodiumtcp_end_status status)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_end(client->session, status, steps_hash, pair_out(client)));
    pair_deliver(pair, client);
    return pair_expect(pair, &pair->server, SODIUMTCP_END);
}

void steps_offer(struct pair *pair, uint32_t number, enum sodiumtcp_verdict verdict,
                 uint64_t length)
{
    struct side *server = &pair->server;
    pair_wrote(server, sodiumtcp_offer(server->session, number, verdict, length, steps_hash,
                                       pair_out(server)));
    pair_deliver(pair, server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_OFFER);
    assert_int_equal(event.number, number);
    assert_int_equal(event.verdict, verdict);
    assert_int_equal(event.length, length);
    assert_memory_equal(event.hash, verdict == SODIUMTCP_PART_THERE ? steps_hash : steps_zeros,
                        sizeof steps_hash);
}

void steps_ack(struct pair *pair, uint32_t number, enum sodiumtcp_ack_status status)
{
    struct side *server = &pair->server;
    pair_wrote(server, sodiumtcp_ack(server->session, number, status, 77, pair_out(server)));
    pair_deliver(pair, server);
    struct sodiumtcp_event event = pair_expect(pair, &pair->client, SODIUMTCP_ACK);
    assert_int_equal(event.number, number);
    assert_int_equal(event.status, status);
    assert_int_equal(event.length, 77);
}

void steps_finish(struct pair *pair)
{
    struct side *client = &pair->client;
    pair_wrote(client, sodiumtcp_finish(client->session, pair_out(client)));
    pair_deliver(pair, client);
    pair_expect(pair, &pair->server, SODIUMTCP_FINISH);
}
