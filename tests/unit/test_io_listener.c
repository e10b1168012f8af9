#include "io_world.h"

#include "io/real/loop.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct world *world;
static struct door door;

static int setup(void **state)
{
    world_setup(state);
    world = *state;
    door_open(world, &door);
    return 0;
}

static int teardown(void **state)
{
    if (door.listener != NULL)
        io_listener_close(door.listener);
    return world_teardown(state);
}

static bool is_true(const void *arg)
{
    return *(const bool *)arg;
}

/* ---- Binding ---- */

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    int error = 0;
    const struct io_listener_handler none = {0};
    assert_null(io_listen(world->loop, &door.at, &none, NULL, &error));
    assert_int_equal(error, IO_E_IN_USE);
}

static void an_address_of_another_machine_is_told(void **state)
{
    (void)state;
    int error = 0;
    const struct io_listener_handler none = {0};
    struct addr at = {.ip = {.family = 4, .bytes = {192, 0, 2, 1}}};
    assert_null(io_listen(world->loop, &at, &none, NULL, &error));
    assert_int_equal(error, IO_E_ADDRESS);
}

static void ipv6_leaves_ipv4_alone(void **state)
{
    (void)state;
    int error = 0;
    const struct io_listener_handler none = {0};
    struct addr at = {.ip = {.family = 6}};
    struct io_listener *six = io_listen(world->loop, &at, &none, NULL, &error);
    if (six == NULL && error == IO_E_UNREACHABLE)
        skip(); /* a machine without IPv6 */
    assert_non_null(six);
    at = (struct addr){.ip = {.family = 4}, .port = io_listener_addr(six).port};
    struct io_listener *four = io_listen(world->loop, &at, &none, NULL, &error);
    assert_non_null(four);
    io_listener_close(six);
    io_listener_close(four);
}

/* ---- Pausing ---- */

static void a_paused_listener_takes_what_waited_when_it_resumes(void **state)
{
    (void)state;
    int error;
    struct end near = {0};
    struct end far = {0};
    io_listener_pause(door.listener);
    io_listener_pause(door.listener);
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    world_run(world, is_true, &near.connected);
    assert_int_equal(door.count, 0);
    door.accept_into = &far;
    io_listener_resume(door.listener);
    io_listener_resume(door.listener);
    while (door.count == 0)
        loop_round(world->loop);
    assert_int_equal(door.count, 1);
    io_abort(near.stream);
    io_abort(far.stream);
}

static void ring(void *arg)
{
    *(bool *)arg = true;
}

static bool door_is_exhausted(const void *arg)
{
    return ((const struct door *)arg)->exhausted != 0;
}

/* No descriptor is left: the listener stops, the loop waits, and later all goes on. */
static void without_descriptors_a_listener_pauses_itself(void **state)
{
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct end near = {0};
    struct end far = {0};
    int error;
    near.stream = io_connect(world->loop, &door.at, &end_handler, &near, &error);
    int next = dup(0);
    close(next);
    struct rlimit tight = {.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    assert_null(io_connect(world->loop, &door.at, &end_handler, &near, &error));
    assert_int_equal(error, IO_E_NO_FILES);

    world_run(world, door_is_exhausted, &door);
    assert_int_equal(door.exhausted, IO_E_NO_FILES);
    assert_int_equal(door.count, 0);
    /* No busy loop: although a connection waits, nothing but the timer ends the wait. */
    bool rang = false;
    unsigned rounds = 0;
    struct io_timer timer;
    io_timer_init(&timer, world->loop, ring, &rang);
    io_timer_set_in(&timer, 50);
    while (!rang) {
        loop_round(world->loop);
        rounds++;
    }
    assert_in_range(rounds, 1, 5);

    setrlimit(RLIMIT_NOFILE, &before);
    door.accept_into = &far;
    io_listener_resume(door.listener);
    while (far.stream == NULL)
        loop_round(world->loop);
    assert_int_equal(io_send(far.stream, "x", 1), 0);
    while (near.received == 0)
        loop_round(world->loop);
    io_abort(near.stream);
    io_abort(far.stream);
}

/* ---- Callbacks that close ---- */

struct gate {
    struct io_listener *listener;
    unsigned accepted;
};

static void accept_and_close_listener(void *arg, struct io_stream *stream)
{
    struct gate *gate = arg;
    gate->accepted++;
    io_abort(stream);
    io_listener_close(gate->listener);
    gate->listener = NULL;
}

static void accepted_may_close_the_listener(void **state)
{
    (void)state;
    const struct io_listener_handler handler = {.accepted = accept_and_close_listener};
    struct gate gate = {0};
    int error;
    struct addr at = loopback(0);
    gate.listener = io_listen(world->loop, &at, &handler, &gate, &error);
    at = io_listener_addr(gate.listener);
    struct end ends[3] = {0};
    for (size_t i = 0; i < 3; i++)
        ends[i].stream = io_connect(world->loop, &at, &end_handler, &ends[i], &error);
    while (gate.listener != NULL)
        loop_round(world->loop);
    assert_int_equal(gate.accepted, 1);
    for (size_t i = 0; i < 3; i++)
        io_abort(ends[i].stream);
}

/* ---- Several loops on one socket ---- */

enum { WORKERS = 3, CALLERS = 300 };

/* Echoes, on any loop; frees itself at the end. */
struct echo {
    struct io_stream *stream;
    atomic_uint *live;
};

static void echo_readable(void *arg)
{
    struct echo *echo = arg;
    size_t moved;
    enum io_relay_stop stop = io_relay(echo->stream, echo->stream, SIZE_MAX, &moved);
    if (stop != IO_RELAY_END && stop != IO_RELAY_FAILED)
        return;
    io_close(echo->stream);
    atomic_fetch_sub(echo->live, 1);
    free(echo);
}

static void echo_failed(void *arg, int error)
{
    (void)error;
    struct echo *echo = arg;
    io_abort(echo->stream);
    atomic_fetch_sub(echo->live, 1);
    free(echo);
}

static const struct io_stream_handler echo_handler = {
    .readable = echo_readable, .sent = echo_readable, .failed = echo_failed};

struct crew {
    struct io_listener *original;
    atomic_uint live;
    atomic_uint ready;
    struct member {
        struct crew *crew;
        struct io_loop *loop;
        struct io_listener *listener;
        atomic_uint accepted;
    } members[WORKERS];
};

static void member_accepted(void *arg, struct io_stream *stream)
{
    struct member *member = arg;
    member->accepted++;
    struct echo *echo = malloc(sizeof(*echo));
    *echo = (struct echo){.stream = stream, .live = &member->crew->live};
    atomic_fetch_add(&member->crew->live, 1);
    io_stream_set_handler(stream, &echo_handler, echo);
}

static const struct io_listener_handler member_handler = {.accepted = member_accepted};

static void member_start(struct io_loop *loop, void *arg)
{
    struct member *member = arg;
    int error;
    member->listener =
        io_listener_share(member->crew->original, loop, &member_handler, member, &error);
    atomic_fetch_add(&member->crew->ready, 1);
}

static void member_stop(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct member *member = arg;
    io_listener_close(member->listener);
}

static void member_pause(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct member *member = arg;
    io_listener_pause(member->listener);
}

static void callers_come_and_go(unsigned count)
{
    static struct end ends[CALLERS];
    int error;
    for (size_t i = 0; i < count; i++) {
        ends[i] = (struct end){0};
        ends[i].stream = io_connect(world->loop, &door.at, &end_handler, &ends[i], &error);
        assert_non_null(ends[i].stream);
        assert_int_equal(io_send(ends[i].stream, "hello", 5), 0);
    }
    for (size_t i = 0; i < count; i++) {
        while (ends[i].received < 5 && ends[i].error == 0)
            loop_round(world->loop);
        assert_int_equal(ends[i].error, 0);
        io_close(ends[i].stream);
    }
}

static void crew_start(struct crew *crew)
{
    /* The first loop does not accept: only its socket is used. */
    io_listener_pause(door.listener);
    crew->original = door.listener;
    for (size_t i = 0; i < WORKERS; i++) {
        struct member *member = &crew->members[i];
        int error;
        member->crew = crew;
        member->loop = io_worker_start(world->loop, "adit-test", member_start, member, &error);
        assert_non_null(member->loop);
    }
    while (atomic_load(&crew->ready) < WORKERS)
        sched_yield();
}

static void crew_stop(struct crew *crew)
{
    while (atomic_load(&crew->live) > 0)
        sched_yield();
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(io_post(crew->members[i].loop, member_stop, &crew->members[i]), 0);
        io_worker_join(crew->members[i].loop);
    }
}

static void every_connection_to_a_shared_socket_is_accepted_once(void **state)
{
    (void)state;
    static struct crew crew;
    crew = (struct crew){0};
    crew_start(&crew);
    for (int i = 0; i < 3; i++)
        callers_come_and_go(CALLERS);
    unsigned accepted = 0;
    for (size_t i = 0; i < WORKERS; i++)
        accepted += crew.members[i].accepted;
    assert_int_equal(accepted, 3 * CALLERS);
    crew_stop(&crew);
}

static void workers_that_stop_to_accept_leave_the_others_none_unseen(void **state)
{
    (void)state;
    static struct crew crew;
    crew = (struct crew){0};
    crew_start(&crew);
    for (size_t i = 0; i + 1 < WORKERS; i++) {
        callers_come_and_go(CALLERS);
        /* It may be in the middle of accepting. */
        io_post(crew.members[i].loop, member_pause, &crew.members[i]);
    }
    callers_come_and_go(CALLERS);
    unsigned accepted = 0;
    for (size_t i = 0; i < WORKERS; i++)
        accepted += crew.members[i].accepted;
    assert_int_equal(accepted, WORKERS * CALLERS);
    crew_stop(&crew);
}

static void a_shared_socket_outlives_its_first_listener(void **state)
{
    (void)state;
    static struct crew crew;
    crew = (struct crew){0};
    crew_start(&crew);
    io_listener_close(door.listener);
    door.listener = NULL;
    callers_come_and_go(10);
    crew_stop(&crew);
}

/* ---- From loop to loop ---- */

/* Accepts, reads a few bytes, puts them back, and hands the stream to the next worker. */
struct hand_over {
    struct crew *crew;
    struct io_stream *stream;
    struct io_parcel *parcel;
    struct member *to;
};

static void take_over(struct io_loop *loop, void *arg)
{
    struct hand_over *hand_over = arg;
    struct echo *echo = malloc(sizeof(*echo));
    *echo = (struct echo){.live = &hand_over->crew->live};
    echo->stream = io_attach(loop, hand_over->parcel, &echo_handler, echo);
    assert_non_null(echo->stream);
    free(hand_over);
}

static void hand_over_readable(void *arg)
{
    struct hand_over *hand_over = arg;
    uint8_t bytes[3];
    ssize_t got = io_read(hand_over->stream, bytes, sizeof(bytes));
    if (got == IO_AGAIN)
        return;
    assert_true(got > 0);
    assert_int_equal(io_unread(hand_over->stream, bytes, (size_t)got), 0);
    hand_over->parcel = io_detach(hand_over->stream);
    assert_non_null(hand_over->parcel);
    assert_int_equal(io_post(hand_over->to->loop, take_over, hand_over), 0);
}

static const struct io_stream_handler hand_over_handler = {.readable = hand_over_readable};

static unsigned next_member;

static void accepted_for_others(void *arg, struct io_stream *stream)
{
    struct crew *crew = arg;
    struct hand_over *hand_over = calloc(1, sizeof(*hand_over));
    hand_over->crew = crew;
    hand_over->stream = stream;
    hand_over->to = &crew->members[next_member++ % WORKERS];
    atomic_fetch_add(&crew->live, 1);
    io_stream_set_handler(stream, &hand_over_handler, hand_over);
}

enum { HANDED = 60, HANDED_BYTES = 300000 };

static void streams_change_loops_without_losing_a_byte(void **state)
{
    (void)state;
    static struct crew crew;
    static struct end ends[HANDED];
    static uint8_t bytes[HANDED_BYTES];
    const struct io_listener_handler handler = {.accepted = accepted_for_others};
    crew = (struct crew){0};
    crew_start(&crew);
    int error;
    struct addr at = loopback(0);
    struct io_listener *listener = io_listen(world->loop, &at, &handler, &crew, &error);
    at = io_listener_addr(listener);
    pattern_fill(bytes, 0, sizeof(bytes));
    for (size_t i = 0; i < HANDED; i++) {
        ends[i] = (struct end){.check = true};
        ends[i].stream = io_connect(world->loop, &at, &end_handler, &ends[i], &error);
        /* Small pieces first, so that some come before, during and after the move. */
        for (size_t sent = 0; sent < sizeof(bytes);) {
            size_t piece = sent < 100 ? 1 + i % 5 : sizeof(bytes) - sent;
            assert_int_equal(io_send(ends[i].stream, bytes + sent, piece), 0);
            sent += piece;
            if (i % 3 == 0 && sent < 100)
                loop_round(world->loop);
        }
        io_shutdown(ends[i].stream);
    }
    for (size_t i = 0; i < HANDED; i++) {
        while (!ends[i].ended && ends[i].error == 0)
            loop_round(world->loop);
        assert_int_equal(ends[i].error, 0);
        assert_int_equal(ends[i].received, HANDED_BYTES);
        io_close(ends[i].stream);
    }
    io_listener_close(listener);
    crew_stop(&crew);
}

static void bytes_put_back_are_told_of_after_the_move(void **state)
{
    (void)state;
    struct end near = {0};
    struct end far = {0};
    struct end moved = {0};
    pair_connect(world, &door, &near, &far);
    struct addr peer = io_stream_peer(far.stream);
    assert_int_equal(io_unread(far.stream, "hello", 5), 0);
    struct io_parcel *parcel = io_detach(far.stream);
    moved.stream = io_attach(world->loop, parcel, &end_handler, &moved);
    assert_non_null(moved.stream);
    assert_int_equal(moved.calls, 0);
    loop_round(world->loop);
    assert_int_equal(moved.received, 5);
    assert_memory_equal(moved.first, "hello", 5);
    struct addr peer_now = io_stream_peer(moved.stream);
    assert_true(addr_equal(&peer, &peer_now));
    io_abort(moved.stream);
    io_abort(near.stream);
}

static void a_stream_with_a_queue_is_not_moved(void **state)
{
    (void)state;
    static const uint8_t bytes[1024 * 1024];
    struct end near = {0};
    struct end far = {.paused = true};
    pair_connect(world, &door, &near, &far);
    while (io_queued(near.stream) == 0)
        assert_int_equal(io_send(near.stream, bytes, sizeof(bytes)), 0);
    assert_null(io_detach(near.stream));
    io_abort(near.stream);
    io_abort(far.stream);
}

static void a_discarded_parcel_closes_the_connection(void **state)
{
    (void)state;
    struct end near = {0};
    struct end far = {.paused = true};
    pair_connect(world, &door, &near, &far);
    assert_int_equal(io_unread(far.stream, "x", 1), 0);
    io_parcel_discard(io_detach(far.stream));
    while (near.error == 0)
        loop_round(world->loop);
    assert_int_equal(near.error, IO_E_RESET);
    io_close(near.stream);
}

/* ---- Unix sockets ---- */

static char directory[] = "/tmp/test-io-XXXXXX";

static void unix_path(char path[108])
{
    snprintf(path, 108, "%s/socket", directory);
}

static int unix_connect(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static const struct io_listener_handler unix_handler = {.accepted = member_accepted};

static void a_unix_socket_is_its_owners_alone_and_goes_with_its_listener(void **state)
{
    (void)state;
    static struct crew crew;
    crew = (struct crew){0};
    crew.members[0].crew = &crew;
    char path[108];
    unix_path(path);
    int error;
    mode_t mask = umask(0);
    struct io_listener *listener =
        io_listen_unix(world->loop, path, &unix_handler, &crew.members[0], &error);
    umask(mask);
    assert_non_null(listener);
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 07777, 0600);

    int fd = unix_connect(path);
    assert_int_equal(write(fd, "hello", 5), 5);
    char bytes[8];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t got;
    while ((got = read(fd, bytes, sizeof(bytes))) < 0)
        loop_round(world->loop);
    assert_int_equal(got, 5);
    assert_memory_equal(bytes, "hello", 5);
    close(fd);
    while (crew.live > 0)
        loop_round(world->loop);
    io_listener_close(listener);
    assert_int_equal(stat(path, &file), -1);
}

static void a_live_unix_socket_is_in_use_and_a_stale_one_is_replaced(void **state)
{
    (void)state;
    char path[108];
    unix_path(path);
    int error = 0;
    struct io_listener *live = io_listen_unix(world->loop, path, &unix_handler, NULL, &error);
    assert_non_null(live);
    assert_null(io_listen_unix(world->loop, path, &unix_handler, NULL, &error));
    assert_int_equal(error, IO_E_IN_USE);
    io_listener_close(live);

    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (const struct sockaddr *)&name, sizeof(name)), 0);
    close(stale);
    struct io_listener *fresh = io_listen_unix(world->loop, path, &unix_handler, NULL, &error);
    assert_non_null(fresh);
    close(unix_connect(path));
    io_listener_close(fresh);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    char path[108];
    unix_path(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    int error = 0;
    assert_null(io_listen_unix(world->loop, path, &unix_handler, NULL, &error));
    assert_int_equal(error, IO_E_IN_USE);
    assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_in_use_is_told),
        TEST(an_address_of_another_machine_is_told),
        TEST(ipv6_leaves_ipv4_alone),
        TEST(a_paused_listener_takes_what_waited_when_it_resumes),
        TEST(without_descriptors_a_listener_pauses_itself),
        TEST(accepted_may_close_the_listener),
        TEST(every_connection_to_a_shared_socket_is_accepted_once),
        TEST(workers_that_stop_to_accept_leave_the_others_none_unseen),
        TEST(a_shared_socket_outlives_its_first_listener),
        TEST(streams_change_loops_without_losing_a_byte),
        TEST(bytes_put_back_are_told_of_after_the_move),
        TEST(a_stream_with_a_queue_is_not_moved),
        TEST(a_discarded_parcel_closes_the_connection),
        TEST(a_unix_socket_is_its_owners_alone_and_goes_with_its_listener),
        TEST(a_live_unix_socket_is_in_use_and_a_stale_one_is_replaced),
        TEST(a_file_that_is_no_socket_is_left_alone),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
