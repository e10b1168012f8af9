/* Listening sockets that the process was started with. */
#include "io_world.h"

#include "io/real/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3 };

/* A TCP socket as descriptor `to`; listening on a port of its own, or not. */
static struct addr socket_at(int to, bool listening)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&name, len) == 0);
    assert_true(!listening || listen(fd, 5) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    if (fd != to) {
        assert_int_equal(dup2(fd, to), to);
        close(fd);
    }
    return loopback(ntohs(name.sin_port));
}

static void announce(const char *fds, long pid)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", pid);
    setenv("LISTEN_FDS", fds, 1);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDNAMES", "a:b", 1);
}

static void a_socket_is_taken_by_its_address_once(void **state)
{
    struct inherited inherited;
    struct addr first = socket_at(FIRST, true);
    struct addr second = socket_at(FIRST + 1, true);
    struct addr other = loopback((uint16_t)(first.port ^ second.port ^ 1));

    (void)state;
    announce("2", getpid());
    inherited_read(&inherited);
    assert_int_equal(inherited_take(&inherited, &other), -1);
    assert_int_equal(inherited_take(&inherited, &second), FIRST + 1);
    assert_int_equal(inherited_take(&inherited, &second), -1);
    assert_int_equal(inherited_take(&inherited, &first), FIRST);
    assert_int_not_equal(fcntl(FIRST, F_GETFL) & O_NONBLOCK, 0);
    assert_int_not_equal(fcntl(FIRST, F_GETFD) & FD_CLOEXEC, 0);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDNAMES"));
    close(FIRST);
    close(FIRST + 1);
}

static void what_nobody_takes_is_dropped(void **state)
{
    struct inherited inherited;
    struct addr first = socket_at(FIRST, true);
    struct addr at;

    (void)state;
    announce("1", getpid());
    inherited_read(&inherited);
    assert_true(inherited_drop(&inherited, &at));
    assert_int_equal(at.port, first.port);
    assert_int_equal(fcntl(FIRST, F_GETFD), -1);
    assert_false(inherited_drop(&inherited, &at));
}

static void what_does_not_listen_is_left_alone(void **state)
{
    struct inherited inherited;
    struct addr at = socket_at(FIRST, false);

    (void)state;
    announce("3", getpid());
    inherited_read(&inherited);
    assert_int_equal(inherited_take(&inherited, &at), -1);
    assert_false(inherited_drop(&inherited, &at));
    close(FIRST);
}

static void what_is_for_another_process_or_no_number_is_not_ours(void **state)
{
    static const char *const counts[] = {"", "x", "-1", "1x", "99999999999999999999"};
    struct inherited inherited;
    struct addr at = socket_at(FIRST, true);

    (void)state;
    announce("1", getpid() + 1);
    inherited_read(&inherited);
    assert_int_equal(inherited_take(&inherited, &at), -1);
    inherited_read(&inherited); /* without anything in the environment */
    assert_int_equal(inherited.count, 0);
    for (size_t i = 0; i < 4; i++) {
        announce(counts[i], getpid());
        inherited_read(&inherited);
        assert_int_equal(inherited.count, 0);
    }
    announce(counts[4], getpid());
    inherited_read(&inherited);
    assert_int_equal(inherited.count, INHERITED_MAX);
    assert_int_equal(inherited_take(&inherited, &at), FIRST);
    close(FIRST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_is_taken_by_its_address_once),
        cmocka_unit_test(what_nobody_takes_is_dropped),
        cmocka_unit_test(what_does_not_listen_is_left_alone),
        cmocka_unit_test(what_is_for_another_process_or_no_number_is_not_ours),
    };
    /* As early as a program begins: nothing else is open. */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
