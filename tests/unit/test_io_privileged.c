/*
 * The helper process of a device, asked by somebody who has taken over the process that it serves.
 */
#include "io/real/privileged.h"
#include "netns.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANDOM_REQUESTS = 2000, UNREAD_REQUESTS = 500 };

static struct privileged helper;
static int netns;

static void start(const char *hook)
{
    assert_int_equal(privileged_start(&helper, "adit0", hook), 0);
}

/* Its end, by itself: `ask` ends, and it is no process any more. */
static void has_ended(void)
{
    struct pollfd end = {.fd = helper.ask, .events = POLLRDHUP};
    assert_int_equal(poll(&end, 1, WORLD_LIMIT_MS), 1);
    assert_int_equal(waitpid(helper.pid, NULL, 0), helper.pid);
    close(helper.ask);
    close(helper.work);
    helper.pid = 0;
}

static int setup(void **state)
{
    (void)state;
    netns = netns_enter_new();
    netns_shell("ip tuntap add adit0 mode tun && ip link set adit0 up");
    start(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (helper.pid != 0) {
        close(helper.work);
        has_ended();
    }
    close(netns);
    return 0;
}

static void again(const char *hook)
{
    if (helper.pid != 0) {
        close(helper.work);
        helper.work = -1;
        has_ended();
    }
    start(hook);
}

static void send_work(const void *bytes, size_t len)
{
    assert_int_equal(send(helper.work, bytes, len, MSG_NOSIGNAL), len);
}

static struct privileged_report next_report(void)
{
    struct privileged_report report;
    struct pollfd ready = {.fd = helper.work, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, WORLD_LIMIT_MS), 1);
    assert_int_equal(recv(helper.work, &report, sizeof(report), 0), sizeof(report));
    return report;
}

/* All that was sent before has been done. */
static void settle(void)
{
    struct privileged_work impossible = {
        .what = PRIVILEGED_ROUTE, .flags = PRIVILEGED_ON, .family = 4, .prefix_len = 33};
    send_work(&impossible, sizeof(impossible));
    while (next_report().work.prefix_len != 33)
        ;
}

/* ---- Requests that it does not know ---- */

static void ends_it(const void *bytes, size_t len)
{
    send_work(bytes, len);
    has_ended();
    start(NULL);
}

static void a_request_of_another_length_ends_it(void **state)
{
    (void)state;
    struct privileged_hook request = {
        .head = {.what = PRIVILEGED_ROUTE, .flags = PRIVILEGED_ON, .family = 4}};
    const size_t lens[] = {1, sizeof(request.head) - 1, sizeof(request.head) + 1,
                           sizeof(request) - 1, sizeof(request)};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        ends_it(&request, lens[i]);
    uint8_t longer[sizeof(request) + 1] = {PRIVILEGED_HOOK};
    ends_it(longer, sizeof(longer));
    assert_false(netns_shows("ip route", "adit0"));
}

static void a_request_of_another_kind_ends_it(void **state)
{
    (void)state;
    static const struct privileged_work wrong[] = {
        {.what = 0, .family = 4},
        {.what = PRIVILEGED_HOOK, .family = 4},
        {.what = PRIVILEGED_HOOK + 1, .family = 4},
        {.what = 255, .family = 4},
        {.what = PRIVILEGED_ROUTE, .family = 0},
        {.what = PRIVILEGED_ROUTE, .family = 5},
        {.what = PRIVILEGED_EVERYTHING, .family = 255},
        {.what = PRIVILEGED_ROUTE, .family = 4, .flags = 4},
        {.what = PRIVILEGED_ADDRESS, .family = 6, .flags = 0x80},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ends_it(&wrong[i], sizeof(wrong[i]));
}

static void a_question_that_it_does_not_know_ends_it(void **state)
{
    (void)state;
    struct privileged_ask asks[2] = {{.question = 0, .family = 4}, {.question = 99, .family = 4}};
    const size_t lens[] = {1, sizeof(asks[0]) - 1, sizeof(asks[0]), sizeof(asks)};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_int_equal(send(helper.ask, asks, lens[i], 0), lens[i]);
        has_ended();
        start(NULL);
    }
}

static void a_socket_of_another_family_is_refused(void **state)
{
    (void)state;
    struct privileged_ask ask = {.question = PRIVILEGED_CONNECT, .family = 1};
    struct privileged_answer answer;
    assert_int_equal(send(helper.ask, &ask, sizeof(ask), 0), sizeof(ask));
    assert_int_equal(recv(helper.ask, &answer, sizeof(answer), 0), sizeof(answer));
    assert_int_equal(answer.error, IO_E_OTHER);
}

/* ---- Hooks ---- */

static void not_started(const struct privileged_hook *hook, int error)
{
    send_work(hook, sizeof(*hook));
    struct privileged_report report = next_report();
    assert_int_equal(report.news, PRIVILEGED_NOT_STARTED);
    assert_int_equal(report.value, error);
}

static void a_hook_that_there_is_not_is_not_started(void **state)
{
    (void)state;
    struct privileged_hook hook = {.head.what = PRIVILEGED_HOOK};
    not_started(&hook, IO_E_NOT_FOUND);
}

static void a_hook_is_told_servers_and_its_device_alone(void **state)
{
    (void)state;
    struct privileged_hook hook = {.head.what = PRIVILEGED_HOOK, .count = 2};
    hook.servers[0].family = 4;
    memcpy(hook.servers[0].ip, (uint8_t[]){192, 0, 2, 53, '-', 'r', 'f', '/'}, 8);
    hook.servers[1].family = 6;
    memset(hook.servers[1].ip, 0xff, sizeof(hook.servers[1].ip));
    again("/bin/echo");
    send_work(&hook, sizeof(hook));
    struct privileged_report report = next_report();
    assert_int_equal(report.news, PRIVILEGED_LINE);
    assert_string_equal(report.text,
                        "dns adit0 192.0.2.53 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_int_equal(next_report().news, PRIVILEGED_EXITED);
}

static void a_hook_with_what_is_no_address_ends_it(void **state)
{
    (void)state;
    static const struct privileged_hook wrong[] = {
        {.head.what = PRIVILEGED_HOOK, .count = IO_DEVICE_DNS_MAX + 1},
        {.head.what = PRIVILEGED_HOOK, .count = 255},
        {.head.what = PRIVILEGED_HOOK, .count = 1},
        {.head.what = PRIVILEGED_HOOK, .count = 1, .servers[0].family = 5},
        {.head.what = PRIVILEGED_HOOK, .count = 2, .servers[0].family = 4},
        {.head = {.what = PRIVILEGED_HOOK, .family = 4}},
        {.head = {.what = PRIVILEGED_HOOK, .flags = PRIVILEGED_ON}},
        {.head = {.what = PRIVILEGED_HOOK, .ip = "x"}},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ends_it(&wrong[i], sizeof(wrong[i]));
}

/* ---- What it cannot be brought to do ---- */

static const char *others(void)
{
    return netns_shell("ip addr show dev lo; ip link show dev lo; ip route | grep -v adit0; "
                       "ip -6 route show dev lo; ip rule | grep -v 'proto 173'; "
                       "ip -6 rule | grep -v 'proto 173'; true");
}

static void random_requests_change_nothing_but_the_device(void **state)
{
    (void)state;
    netns_shell("ip route add 172.16.0.0/12 dev lo && ip rule add from 10.1.1.1 lookup 7");
    char *before = strdup(others());
    unsigned seed = 1;
    for (int i = 0; i < RANDOM_REQUESTS; i++) {
        struct privileged_work work;
        uint8_t *bytes = (uint8_t *)&work;
        for (size_t j = 0; j < sizeof(work); j++)
            bytes[j] = (uint8_t)rand_r(&seed);
        work.what = (uint8_t)(PRIVILEGED_ADDRESS + work.what % 4);
        work.flags &= PRIVILEGED_ON | PRIVILEGED_BLOCK;
        work.family = work.family % 2 == 0 ? 4 : 6;
        work.prefix_len %= 140;
        send_work(&work, sizeof(work));
        if (i % 10 == 0)
            settle();
    }
    settle();
    const char *after = others();
    if (strcmp(before, after) != 0)
        fail_msg("before:\n%safter:\n%s", before, after);
    free(before);
    again(NULL);
    assert_false(netns_shows("ip rule; ip -6 rule; ip route show table all", "table 5368"));
    assert_false(netns_shows("ip rule; ip -6 rule", "proto 173"));
}

static void reports_that_nobody_reads_do_not_keep_it(void **state)
{
    (void)state;
    struct privileged_work impossible = {
        .what = PRIVILEGED_ROUTE, .flags = PRIVILEGED_ON, .family = 4, .prefix_len = 33};
    int sent = 0;
    while (sent < UNREAD_REQUESTS &&
           send(helper.work, &impossible, sizeof(impossible), MSG_NOSIGNAL) > 0)
        sent++;
    assert_true(sent > 0);
    struct privileged_ask ask = {.question = PRIVILEGED_CONNECT, .family = 4};
    struct privileged_answer answer;
    assert_int_equal(send(helper.ask, &ask, sizeof(ask), 0), sizeof(ask));
    assert_int_equal(recv(helper.ask, &answer, sizeof(answer), 0), sizeof(answer));
    assert_int_equal(answer.error, 0);
}

static void either_socket_ends_it(void **state)
{
    (void)state;
    shutdown(helper.work, SHUT_RDWR);
    has_ended();
    start(NULL);
    shutdown(helper.ask, SHUT_WR);
    has_ended();
}

/* ---- A device that is not there ---- */

static void without_its_device_it_does_not_start(void **state)
{
    (void)state;
    struct privileged other;
    assert_int_equal(privileged_start(&other, "adit1", NULL), IO_E_OTHER);
    netns_shell("ip link del adit0");
    struct privileged_work work = {
        .what = PRIVILEGED_ROUTE, .flags = PRIVILEGED_ON, .family = 4, .prefix_len = 32};
    send_work(&work, sizeof(work));
    assert_int_equal(next_report().news, PRIVILEGED_REFUSED);
}

/* ---- Signals while it starts ---- */

static void nothing(int number)
{
    (void)number;
}

static void a_start_that_signals_interrupt_goes_on(void **state)
{
    (void)state;
    const struct itimerval often = {{.tv_usec = 1000}, {.tv_usec = 1000}};
    const struct itimerval never = {{0}, {0}};
    const struct sigaction handled = {.sa_handler = nothing};
    assert_int_equal(sigaction(SIGALRM, &handled, NULL), 0);
    for (int i = 0; i < 10; i++) {
        close(helper.work);
        has_ended();
        setitimer(ITIMER_REAL, &often, NULL);
        int error = privileged_start(&helper, "adit0", NULL);
        setitimer(ITIMER_REAL, &never, NULL);
        assert_int_equal(error, 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_of_another_length_ends_it),
        CASE(a_request_of_another_kind_ends_it),
        CASE(a_question_that_it_does_not_know_ends_it),
        CASE(a_socket_of_another_family_is_refused),
        CASE(a_hook_that_there_is_not_is_not_started),
        CASE(a_hook_is_told_servers_and_its_device_alone),
        CASE(a_hook_with_what_is_no_address_ends_it),
        CASE(random_requests_change_nothing_but_the_device),
        CASE(reports_that_nobody_reads_do_not_keep_it),
        CASE(either_socket_ends_it),
        CASE(a_start_that_signals_interrupt_goes_on),
        CASE(without_its_device_it_does_not_start),
    };
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
