#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* How many calls of calloc() still succeed; the engine allocates with nothing else. */
static long left = -1;
static long calls;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    calls++;
    if (left == 0)
        return NULL;
    left -= left > 0;
    return __real_calloc(count, size);
}

static void every_allocation_of_a_new_session_may_fail(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    struct sodiumtcp_session *session;
    for (long i = 0; i < 2; i++) {
        left = i;
        assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, "", "",
                                              NULL, 0, &session),
                         SODIUMTCP_E_NO_MEMORY);
        assert_null(session);
        left = i;
        assert_int_equal(sodiumtcp_server_new(pair->server.context, &pair->keys, NULL, 0, &session),
                         SODIUMTCP_E_NO_MEMORY);
        assert_null(session);
    }
    left = 0;
    assert_null(sodiumtcp_context_new(NULL, NULL));
    left = -1;
    pair_free(pair);
}

static void extension_may_find_no_memory(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_begin_exchange(pair);
    left = 0;
    struct sodiumtcp_event event;
    int error = pair_receive(pair, &pair->server, &event);
    left = -1;
    assert_int_equal(error, SODIUMTCP_E_NO_MEMORY);
    pair_expect_error(pair, &pair->server, SODIUMTCP_E_NO_MEMORY);
    pair_free(pair);
}

static void once_open_nothing_is_allocated(void **state)
{
    (void)state;
    static const uint8_t plain[1000];
    struct pair *pair = pair_open(NULL, NULL);
    struct side *client = &pair->client;
    struct sodiumtcp_item item = pair_file(1000000);
    uint32_t number;
    calls = 0;
    pair_wrote(client, sodiumtcp_begin(client->session, &item, &number, pair_out(client)));
    pair_wrote(client, sodiumtcp_start(client->session, number, 0, pair_out(client)));
    pair_deliver(pair, client);
    pair_expect(pair, &pair->server, SODIUMTCP_BEGIN);
    pair_expect(pair, &pair->server, SODIUMTCP_START);
    for (int i = 0; i < 1000; i++) {
        pair_wrote(client, sodiumtcp_data(client->session, plain, 1000, pair_out(client)));
        pair_deliver(pair, client);
        pair_expect(pair, &pair->server, SODIUMTCP_DATA);
        sodiumtcp_written(pair->server.session, 1000);
        pair_settle(pair);
    }
    assert_int_equal(calls, 0);
    pair_free(pair);
}

static bool seal_nothing(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                         uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *plain, size_t len,
                         uint8_t *out, uint8_t mac[16])
{
    (void)arg, (void)key, (void)nonce, (void)head, (void)plain, (void)len, (void)out, (void)mac;
    return false;
}

static void a_cipher_that_fails_ends_the_session(void **state)
{
    (void)state;
    static const uint8_t plain[16 * 1024];
    const struct sodiumtcp_aead failing = {.seal = seal_nothing};
    struct pair *pair = pair_open(NULL, NULL);
    struct side *client = &pair->client;
    struct sodiumtcp_item item = pair_file(1000000);
    uint32_t number;
    pair_wrote(client, sodiumtcp_begin(client->session, &item, &number, pair_out(client)));
    pair_wrote(client, sodiumtcp_start(client->session, number, 0, pair_out(client)));
    sodiumtcp_context_set_aead(client->context, &failing);
    assert_int_equal(sodiumtcp_data(client->session, plain, sizeof plain, pair_out(client)),
                     SODIUMTCP_E_CIPHER);
    pair_expect_error(pair, client, SODIUMTCP_E_CIPHER);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_new_session_may_fail),
        cmocka_unit_test(extension_may_find_no_memory),
        cmocka_unit_test(once_open_nothing_is_allocated),
        cmocka_unit_test(a_cipher_that_fails_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
