/* The HTTP server's places; where connections come from is the test's. */
#include "io/http.h"
#include "io_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OF_ONE = IO_HTTP_CONNECTIONS_OF_ONE,
    BEYOND = 40,
    MORE = 3,
    ALL = OF_ONE + BEYOND + MORE,
    NEVER_MS = 1000 * 1000,
};

static struct world *world;
static struct door door;
static struct io_http_server *server;
static int wires[ALL];
static size_t looked_at;

/* ---- Addresses (--wrap) ---- */

int __wrap_getpeername(int fd, struct sockaddr *name, socklen_t *len);

/* Each from another address of 2001:db8::/64, the last ones from as many other networks. */
int __wrap_getpeername(int fd, struct sockaddr *name, socklen_t *len)
{
    struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(1000)};
    size_t number = looked_at++;

    (void)fd;
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::", &from.sin6_addr), 1);
    from.sin6_addr.s6_addr[15] = (uint8_t)number;
    if (number >= OF_ONE + BEYOND)
        from.sin6_addr.s6_addr[7] = (uint8_t)(number - OF_ONE);
    assert_true(*len >= sizeof(from));
    memcpy(name, &from, sizeof(from));
    *len = sizeof(from);
    return 0;
}

/* ---- A server ---- */

static void handle(void *arg, const struct io_http_request *request,
                   struct io_http_response *response)
{
    (void)arg;
    (void)request;
    response->status = 404;
}

static int setup(void **state)
{
    struct io_http_config config = {.timeout_ms = NEVER_MS, .body_max = 100};

    world_setup(state);
    world = *state;
    door_open(world, &door);
    io_listener_pause(door.listener);
    config.listener = door.listener;
    server = io_http_serve(world->loop, &config, handle, NULL);
    looked_at = 0;
    return server == NULL;
}

static int teardown(void **state)
{
    io_http_close(server);
    for (size_t i = 0; i < ALL; i++)
        close(wires[i]);
    io_listener_close(door.listener);
    return world_teardown(state);
}

/* One after the other, so that the server sees them in this order. */
static void dial_all(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(door.at.port)};

    memcpy(&at.sin_addr, door.at.ip.bytes, sizeof(at.sin_addr));
    for (size_t i = 0; i < ALL; i++) {
        wires[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(wires[i] >= 0);
        assert_int_equal(connect(wires[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }
}

static bool is_cut(size_t number)
{
    char byte;

    return recv(wires[number], &byte, 1, MSG_DONTWAIT) == 0;
}

static bool all_were_looked_at(const void *arg)
{
    (void)arg;
    return looked_at >= ALL;
}

static bool those_beyond_are_cut(const void *arg)
{
    (void)arg;
    for (size_t i = OF_ONE; i < OF_ONE + BEYOND; i++)
        if (!is_cut(i))
            return false;
    return true;
}

static void an_ipv6_network_of_64_bits_has_as_many_places_as_one_address(void **state)
{
    (void)state;
    dial_all();
    world_run(world, all_were_looked_at, NULL);
    world_run(world, those_beyond_are_cut, NULL);
    for (size_t i = 0; i < ALL; i++)
        assert_int_equal(is_cut(i), i >= OF_ONE && i < OF_ONE + BEYOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_ipv6_network_of_64_bits_has_as_many_places_as_one_address, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
