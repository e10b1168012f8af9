/*
 * The hook of a device: how it runs, what is told of it, and which programs are none.
 */
#include "netns.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct world *world;
static struct tap tap;
static int netns;
static char directory[] = "/tmp/adit-hook-XXXXXX";
static char file[64];

/* ---- A clock of the helper process that the test sets ---- */

static struct {
    pid_t test; /* its own clock is not changed */
    int64_t ahead_s;
    int64_t step_s; /* that it goes on each time it is read */
} * clock_of_helper;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int result = __real_clock_gettime(id, now);
    if (getpid() != clock_of_helper->test) {
        clock_of_helper->ahead_s += clock_of_helper->step_s;
        now->tv_sec += clock_of_helper->ahead_s;
    }
    return result;
}

/* ---- Hooks that tests write ---- */

static void write_hook(const char *script)
{
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    fprintf(out, "#!/bin/sh\n%s\n", script);
    fclose(out);
    assert_int_equal(chmod(file, 0755), 0);
}

static int setup(void **state)
{
    memset(&tap, 0, sizeof(tap));
    clock_of_helper->ahead_s = 0;
    clock_of_helper->step_s = 0;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/hook", directory);
    netns = netns_enter_new();
    int result = world_setup(state);
    world = *state;
    return result;
}

static int teardown(void **state)
{
    netns_close(&tap);
    close(netns);
    netns_shell("rm -r %s", directory);
    return world_teardown(state);
}

static bool try_with(const char *hook)
{
    struct io_device_config config = netns_config();
    config.hook_file = hook;
    return netns_open(&tap, world->loop, &config);
}

static void open_with(const char *script)
{
    write_hook(script);
    if (!try_with(file))
        fail_msg("%s", tap.why);
}

/* With up to two servers; the first is its third argument. */
static int run(const char *first, const char *second)
{
    struct adit_ip servers[2];
    size_t count = 0;
    if (first != NULL)
        assert_true(ip_parse(first, &servers[count++]));
    if (second != NULL)
        assert_true(ip_parse(second, &servers[count++]));
    return io_device_hook(tap.device, servers, count);
}

static bool logged(const void *text)
{
    for (size_t i = 0; i < world->log_lines; i++)
        if (strstr(world->log[i], text) != NULL)
            return true;
    return false;
}

static void wait_for(const char *text)
{
    world_run(world, logged, text);
}

/* ---- How it runs ---- */

static void its_arguments_output_and_status_are_seen(void **state)
{
    (void)state;
    open_with("echo \"$# <$1> <$2> <$3> <$4>\"; echo complaint >&2; printf 'no end'; exit 3");
    assert_int_equal(run("192.0.2.53", "2001:db8::53"), 0);
    wait_for("warn hook: adit0: the hook has ended with status 3");
    assert_true(logged("info hook-output: adit0: 4 <dns> <adit0> <192.0.2.53> <2001:db8::53>"));
    assert_true(logged("info hook-output: adit0: complaint"));
    assert_true(logged("info hook-output: adit0: no end"));
}

static void its_environment_is_a_path_alone(void **state)
{
    (void)state;
    open_with("tr '\\0' '\\n' </proc/$$/environ");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("ended with status 0");
    assert_int_equal(world->log_lines, 2);
    assert_non_null(strstr(world->log[0], "adit0: PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                          "/usr/bin:/sbin:/bin\n"));
}

static void it_runs_as_who_started_the_program(void **state)
{
    (void)state;
    char expected[200];
    open_with("id -u; pwd; umask; ls /proc/self/fd | tr '\\n' ' '; echo; cat; "
              "sed -n 's/^CapEff:.//p' /proc/self/status");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("ended with status 0");
    assert_true(logged("adit0: 0\n"));
    assert_true(logged("adit0: /\n"));
    assert_true(logged("adit0: 0022\n"));
    assert_true(logged("adit0: 0 1 2 3 \n")); /* 3 is the directory that ls has open */
    snprintf(expected, sizeof(expected), "adit0: %s",
             netns_shell("sed -n 's/^CapEff:.//p' /proc/self/status"));
    assert_true(logged(expected));
}

static void one_runs_at_a_time_and_then_the_newest(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; mkfifo wait; echo runs $3; cat wait; rm wait; echo done $3");
    assert_int_equal(run("192.0.2.1", NULL), 0);
    wait_for("runs 192.0.2.1");
    assert_int_equal(run("192.0.2.2", NULL), 0);
    assert_int_equal(run("192.0.2.3", NULL), 0);
    netns_settle(world, &tap); /* the helper process has heard of both */
    netns_shell("echo x >%s/wait", directory);
    wait_for("done 192.0.2.1");
    wait_for("runs 192.0.2.3");
    netns_shell("echo x >%s/wait", directory);
    wait_for("done 192.0.2.3");
    assert_false(logged("192.0.2.2"));
}

static void routes_are_not_held_up_by_it(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; mkfifo wait; echo runs; cat wait");
    assert_int_equal(run(NULL, NULL), 0);
    netns_settle(world, &tap);
    assert_false(logged("ended"));
    wait_for("runs");
    netns_shell("echo x >%s/wait", directory);
    wait_for("ended with status 0");
}

static void what_it_leaves_in_the_background_is_not_waited_for(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; mkfifo wait; cat wait & echo started");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("ended with status 0");
    assert_true(logged("started"));
    netns_shell("echo x >%s/wait", directory);
}

static void lines_are_cut_and_escaped(void **state)
{
    (void)state;
    open_with("printf 'a\\033[31mb\\n'; head -c 1000 /dev/zero | tr '\\0' x");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("ended with status 0");
    assert_int_equal(world->log_lines, 5);
    assert_false(logged("\033"));
    assert_true(logged("[31mb"));
}

static void a_signal_that_ends_it_is_told(void **state)
{
    (void)state;
    open_with("kill -SEGV $$");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("warn hook: adit0: the hook was ended by signal 11");
}

static void one_that_takes_too_long_is_killed(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; mkfifo wait; echo runs; cat wait; echo over");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("runs");
    clock_of_helper->ahead_s = 29;
    netns_settle(world, &tap); /* the helper process looks at its clock */
    assert_false(logged("killed"));
    clock_of_helper->ahead_s = 31;
    netns_settle(world, &tap);
    wait_for("warn hook: adit0: the hook was killed: it ran longer than 30 s");
    assert_false(logged("over"));
}

static void it_ends_with_the_device(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; mkfifo wait; echo pid $$; cat wait");
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("pid");
    pid_t pid = (pid_t)strtol(strstr(world->log[0], "pid ") + 4, NULL, 10);
    assert_int_equal(kill(pid, 0), 0);
    clock_of_helper->step_s = 4;
    netns_close(&tap);
    assert_int_equal(kill(pid, 0), -1);
}

static void the_last_one_is_waited_for(void **state)
{
    (void)state;
    open_with("cd ${0%/*}; ip link show dev adit0 >there; echo \"$1\" >done");
    assert_int_equal(run(NULL, NULL), 0);
    netns_close(&tap);
    assert_string_equal(netns_shell("cat %s/done", directory), "dns\n");
    assert_non_null(strstr(netns_shell("cat %s/there", directory), "adit0"));
}

static void one_that_was_asked_for_runs_when_the_process_dies(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        open_with("cd ${0%/*}; echo x >done");
        assert_int_equal(run("192.0.2.1", NULL), 0);
        kill(getpid(), SIGKILL);
    }
    /* Its helper process has become ours, as has what other hooks left. */
    while (wait(NULL) > 0)
        ;
    assert_string_equal(netns_shell("cat %s/done", directory), "x\n");
}

/* In a process that is killed just then; returns what the hook has written. */
static const char *told_when_killed(const char *server, bool and_none)
{
    pid_t pid = fork();
    if (pid == 0) {
        open_with("echo \"$1 $#\" >>${0%/*}/done");
        assert_int_equal(run(server, NULL), 0);
        if (and_none)
            assert_int_equal(run(NULL, NULL), 0);
        kill(getpid(), SIGKILL);
    }
    while (wait(NULL) > 0)
        ;
    return netns_shell("cat %s/done", directory);
}

static void servers_of_a_process_that_was_killed_are_taken_back(void **state)
{
    (void)state;
    assert_string_equal(told_when_killed("192.0.2.1", false), "dns 3\ndns 2\n");
}

static void servers_are_taken_back_once(void **state)
{
    (void)state;
    assert_string_equal(told_when_killed("192.0.2.1", true), "dns 3\ndns 2\n");
}

static void where_there_were_no_servers_none_are_taken_back(void **state)
{
    (void)state;
    assert_string_equal(told_when_killed(NULL, false), "dns 2\n");
}

/* ---- What is none ---- */

static void too_many_servers_are_refused(void **state)
{
    (void)state;
    static const struct adit_ip many[IO_DEVICE_DNS_MAX + 1] = {{.family = 4}};
    open_with("echo $#");
    assert_int_equal(io_device_hook(tap.device, many, IO_DEVICE_DNS_MAX + 1), IO_E_TOO_LARGE);
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("adit0: 2\n");
}

static void without_a_hook_none_runs(void **state)
{
    (void)state;
    assert_true(try_with(NULL));
    assert_int_equal(run("192.0.2.1", NULL), IO_E_NOT_FOUND);
}

static void refuses(const char *hook, const char *why)
{
    assert_false(try_with(hook));
    assert_int_equal(tap.error, IO_E_DENIED);
    if (strstr(tap.why, why) == NULL)
        fail_msg("%s", tap.why);
    assert_false(netns_shows("ip link", "adit0"));
}

static void a_hook_that_others_can_change_is_refused(void **state)
{
    (void)state;
    write_hook("true");
    refuses("hook", "hook hook: is no absolute path");
    refuses("/nowhere/hook", "No such file");
    assert_int_equal(chmod(file, 0644), 0);
    refuses(file, "is no program that can be run");
    assert_int_equal(chmod(file, 0775), 0);
    refuses(file, "can be changed by others");
    assert_int_equal(chmod(file, 0755), 0);
    if (chown(file, 65534, 65534) == 0) { /* some containers have no such user */
        refuses(file, "can be changed by others");
        assert_int_equal(chown(file, 0, 0), 0);
    }
    assert_int_equal(chmod(directory, 0777), 0);
    refuses(file, directory);
    assert_int_equal(chmod(directory, 0755), 0);
    refuses(directory, "is no program that can be run");
    assert_true(try_with(file));
}

static void a_hook_that_was_changed_since_is_not_run(void **state)
{
    (void)state;
    open_with("echo runs");
    assert_int_equal(chmod(file, 0777), 0);
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("warn hook: adit0: the hook was not started: permission denied");
    assert_false(logged("runs"));
    assert_int_equal(chmod(file, 0755), 0);
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("runs");
}

static void a_link_is_followed_once(void **state)
{
    (void)state;
    char link[sizeof(file) + 5];
    write_hook("echo first");
    snprintf(link, sizeof(link), "%s.link", file);
    assert_int_equal(symlink(file, link), 0);
    assert_true(try_with(link));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/bin/false", link), 0);
    assert_int_equal(run(NULL, NULL), 0);
    wait_for("first");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(its_arguments_output_and_status_are_seen),
        CASE(its_environment_is_a_path_alone),
        CASE(it_runs_as_who_started_the_program),
        CASE(one_runs_at_a_time_and_then_the_newest),
        CASE(routes_are_not_held_up_by_it),
        CASE(what_it_leaves_in_the_background_is_not_waited_for),
        CASE(lines_are_cut_and_escaped),
        CASE(a_signal_that_ends_it_is_told),
        CASE(one_that_takes_too_long_is_killed),
        CASE(it_ends_with_the_device),
        CASE(the_last_one_is_waited_for),
        CASE(one_that_was_asked_for_runs_when_the_process_dies),
        CASE(servers_of_a_process_that_was_killed_are_taken_back),
        CASE(servers_are_taken_back_once),
        CASE(where_there_were_no_servers_none_are_taken_back),
        CASE(too_many_servers_are_refused),
        CASE(without_a_hook_none_runs),
        CASE(a_hook_that_others_can_change_is_refused),
        CASE(a_hook_that_was_changed_since_is_not_run),
        CASE(a_link_is_followed_once),
    };
    clock_of_helper = mmap(NULL, sizeof(*clock_of_helper), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    clock_of_helper->test = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return netns_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : NETNS_SKIPPED;
}
