/* Clients on their way to another worker; the workers' loops and the connections are the test's. */
#include "roles/server/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 2 };

static const uint8_t seed[16] = {7};
static const struct addr source = {.ip = {.family = 4, .bytes = {192, 0, 2, 1}}, .port = 1000};

static char connection; /* its address stands for the stream and for its parcel */
static struct io_message *posted;
static struct server_worker *begun_on;
static unsigned discarded;
static unsigned revoked_count_seen;

static struct snapshot settings;
static struct server server;
static struct server_worker workers[WORKERS];

/* ---- What is called instead (--wrap) ---- */

struct io_parcel *__wrap_io_detach(struct io_stream *stream);
struct io_stream *__wrap_io_attach(struct io_loop *loop, struct io_parcel *parcel,
                                   const struct io_stream_handler *handler, void *arg);
void __wrap_io_parcel_discard(struct io_parcel *parcel);
void __wrap_io_close(struct io_stream *stream);
void __wrap_io_post_message(struct io_loop *loop, struct io_message *message);
void __wrap_peer_begin(struct server_worker *worker, struct io_stream *stream,
                       const struct addr *from, const struct snitun_token *token,
                       struct ticket *ticket);
void __wrap_server_refused(struct server_worker *worker, enum refusal refusal,
                           const struct adit_ip *from, const char *format, ...);

struct io_parcel *__wrap_io_detach(struct io_stream *stream)
{
    return (struct io_parcel *)stream;
}

struct io_stream *__wrap_io_attach(struct io_loop *loop, struct io_parcel *parcel,
                                   const struct io_stream_handler *handler, void *arg)
{
    (void)loop;
    (void)handler;
    (void)arg;
    return (struct io_stream *)parcel;
}

void __wrap_io_parcel_discard(struct io_parcel *parcel)
{
    assert_ptr_equal(parcel, &connection);
    discarded++;
}

void __wrap_io_close(struct io_stream *stream)
{
    assert_ptr_equal(stream, &connection);
    discarded++;
}

void __wrap_io_post_message(struct io_loop *loop, struct io_message *message)
{
    (void)loop;
    assert_null(posted);
    posted = message;
}

void __wrap_peer_begin(struct server_worker *worker, struct io_stream *stream,
                       const struct addr *from, const struct snitun_token *token,
                       struct ticket *ticket)
{
    assert_ptr_equal(stream, &connection);
    assert_true(addr_equal(from, &source));
    assert_string_equal(token->hostname, "Home.example");
    ticket_give_back(worker, ticket);
    begun_on = worker;
}

void __wrap_server_refused(struct server_worker *worker, enum refusal refusal,
                           const struct adit_ip *from, const char *format, ...)
{
    (void)from;
    (void)format;
    worker->counters.refused[refusal]++;
    revoked_count_seen += refusal == REFUSED_REVOKED;
}

/* ---- Tests ---- */

static int setup(void **state)
{
    (void)state;
    posted = NULL;
    begun_on = NULL;
    discarded = 0;
    revoked_count_seen = 0;
    memset(workers, 0, sizeof(workers));
    settings.limits.early_per_worker = 100;
    server = (struct server){.settings = &settings, .workers = workers, .worker_count = WORKERS};
    server.revoked = revoked_new(seed);
    for (uint32_t i = 0; i < WORKERS; i++) {
        worker_init(&workers[i], &server, i);
        workers[i].settings = &settings;
    }
    workers[0].early_count = 1;
    atomic_store(&workers[0].peer_count, 10); /* the other one is to have it */
    return server.revoked == NULL;
}

static int teardown(void **state)
{
    (void)state;
    revoked_free(server.revoked);
    return 0;
}

static void admit(const char *alias)
{
    struct snitun_token token = {.hostname = "Home.example", .valid = 1000};
    struct ticket ticket = {.counted = true};

    token.aliases = calloc(1, sizeof(*token.aliases));
    assert_non_null(token.aliases);
    strcpy(token.aliases[0], alias);
    token.alias_count = 1;
    admit_client(&workers[0], (struct io_stream *)&connection, &source, &token, &ticket);
}

static void arrive(void)
{
    assert_non_null(posted);
    posted->fn(workers[1].loop, posted->arg);
}

/* Nothing is counted any more where nothing is. */
static void assert_gone(void)
{
    assert_null(begun_on);
    assert_int_equal(discarded, 1);
    assert_int_equal(revoked_count_seen, 1);
    assert_int_equal(workers[0].early_count, 0);
    assert_int_equal(workers[1].early_count, 0);
    assert_int_equal(atomic_load(&workers[1].peer_count), 0);
    assert_int_equal(atomic_load(&workers[1].handovers), 0);
}

static void a_client_begins_on_the_emptiest_worker(void **state)
{
    (void)state;
    admit("alias.example");
    assert_int_equal(workers[0].early_count, 0);
    assert_int_equal(atomic_load(&workers[1].peer_count), 1);
    arrive();
    assert_ptr_equal(begun_on, &workers[1]);
    assert_int_equal(discarded, 0);
}

static void a_revoked_client_is_not_sent(void **state)
{
    (void)state;
    assert_true(revoked_set(server.revoked, "home.example", 1000));
    admit("alias.example");
    assert_null(posted);
    assert_gone();
}

static void a_client_that_is_revoked_on_its_way_does_not_begin(void **state)
{
    (void)state;
    admit("alias.example");
    assert_true(revoked_set(server.revoked, "home.example", 1000));
    arrive();
    assert_gone();
}

static void a_client_whose_alias_is_revoked_on_its_way_does_not_begin(void **state)
{
    (void)state;
    admit("Alias.example");
    assert_true(revoked_set(server.revoked, "alias.example", 1000));
    arrive();
    assert_gone();
}

static void a_client_that_got_its_token_later_begins(void **state)
{
    (void)state;
    admit("alias.example");
    assert_true(revoked_set(server.revoked, "home.example", 999));
    arrive();
    assert_ptr_equal(begun_on, &workers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_begins_on_the_emptiest_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revoked_client_is_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_is_revoked_on_its_way_does_not_begin, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_whose_alias_is_revoked_on_its_way_does_not_begin,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_got_its_token_later_begins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
