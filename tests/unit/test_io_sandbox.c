/*
 * What is left to a process in the sandbox, and what is not. Each child enters it through the
 * functions that the roles use, and tries one thing.
 */
#include "io/real/process.h"
#include "io/real/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DONE = 0, NOT_DONE = 1, NO_SANDBOX = 2 };

static char root[64];
static unsigned work;
static uint16_t open_port; /* that may be connected to and listened on */

/* What this kernel can limit; a test of what it cannot is skipped. */
static bool knows_paths;
static bool knows_ports;

static int ask_kernel(void **state)
{
    (void)state;
    struct io_sandbox sandbox;
    io_sandbox_begin(&sandbox, false, false);
    knows_paths = sandbox.ruleset >= 0;
    knows_ports = sandbox.ports != 0;
    io_sandbox_drop(&sandbox);
    return 0;
}

static const char *at(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", root, name);
    return path[turn];
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_root(void **state)
{
    (void)state;
    work = 0;
    open_port = 0;
    strcpy(root, "/tmp/adit-sandbox-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    if (mkdir(at("keys"), 0700) != 0 || mkdir(at("store"), 0700) != 0 ||
        mkdir(at("other"), 0700) != 0)
        return -1;
    write_file(at("keys/key"), "old");
    write_file(at("other/secret"), "secret");
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command);
}

/* As a role does it: keys are read, the store is written, one port is for both. */
static bool limit_paths(void)
{
    char why[256];
    struct io_sandbox sandbox;
    io_process_no_new_privileges();
    io_sandbox_begin(&sandbox, (work & IO_SANDBOX_CONNECT) != 0, false);
    io_sandbox_read_beside(&sandbox, at("keys/key"));
    io_sandbox_write_beside(&sandbox, at("store/db"));
    if (open_port != 0) {
        io_sandbox_listen(&sandbox, open_port);
        io_sandbox_connect(&sandbox, open_port);
    }
    return io_sandbox_enter(&sandbox, why, sizeof(why));
}

/* The status of a child that did `before`, went into the sandbox and then did `tried`. */
static int child_status(bool (*before)(void), bool (*tried)(void))
{
    char why[256];
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (!limit_paths() || (before != NULL && !before()) ||
            !io_sandbox_calls(work, why, sizeof(why)))
            _exit(NO_SANDBOX);
        _exit(tried() ? DONE : NOT_DONE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_works(bool (*tried)(void))
{
    int status = child_status(NULL, tried);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE);
}

static void assert_refused(bool (*tried)(void))
{
    if (!knows_paths)
        skip();
    int status = child_status(NULL, tried);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), NOT_DONE);
}

static void assert_killed(bool (*tried)(void))
{
    int status = child_status(NULL, tried);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- Paths ---- */

static bool reads(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &byte, 1) == 1;
}

static bool read_key(void)
{
    return reads(at("keys/key"));
}

static void files_of_the_options_are_read(void **state)
{
    (void)state;
    assert_works(read_key);
}

static bool read_renamed_key(void)
{
    char text[4] = "";
    int fd = open(at("keys/key"), O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, 3) == 3 && strcmp(text, "new") == 0;
}

/* Another process puts a new key in the place of the old one, while the sandbox is in force. */
static void a_key_renamed_into_place_is_read(void **state)
{
    (void)state;
    char why[256];
    int status = 0;
    int renamed[2];
    int inside[2];
    char byte = 0;
    assert_int_equal(pipe(renamed), 0);
    assert_int_equal(pipe(inside), 0);
    pid_t child = fork();
    if (child == 0) {
        if (!limit_paths() || !io_sandbox_calls(0, why, sizeof(why)))
            _exit(NO_SANDBOX);
        bool told = write(inside[1], "i", 1) == 1 && read(renamed[0], &byte, 1) == 1;
        _exit(told && read_renamed_key() ? DONE : NOT_DONE);
    }
    assert_int_equal(read(inside[0], &byte, 1), 1);
    write_file(at("other/key"), "new");
    assert_int_equal(rename(at("other/key"), at("keys/key")), 0);
    assert_int_equal(write(renamed[1], "r", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE);
    for (int i = 0; i < 2; i++) {
        close(renamed[i]);
        close(inside[i]);
    }
}

static void what_a_link_leads_to_is_read(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("archive"), 0700), 0);
    write_file(at("archive/key1"), "old");
    assert_int_equal(unlink(at("keys/key")), 0);
    assert_int_equal(symlink("../archive/key1", at("keys/key")), 0);
    assert_works(read_key);
}

static bool read_other(void)
{
    return reads(at("other/secret")) || errno != EACCES;
}

static void other_files_are_not_read(void **state)
{
    (void)state;
    assert_refused(read_other);
}

static bool write_key(void)
{
    return open(at("keys/key"), O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}

static bool make_key(void)
{
    return open(at("keys/more"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES;
}

static bool remove_key(void)
{
    return unlink(at("keys/key")) == 0 || errno != EACCES;
}

static void what_is_read_is_not_changed(void **state)
{
    (void)state;
    work = IO_SANDBOX_WRITE;
    assert_refused(write_key);
    assert_refused(make_key);
    assert_refused(remove_key);
}

static bool change_store(void)
{
    int fd = open(at("store/db"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && ftruncate(fd, 0) == 0 &&
           rename(at("store/db"), at("store/db2")) == 0 && mkdir(at("store/d"), 0700) == 0 &&
           rename(at("store/db2"), at("store/d/db")) == 0 && unlink(at("store/d/db")) == 0;
}

static void a_store_is_changed(void **state)
{
    (void)state;
    work = IO_SANDBOX_WRITE;
    assert_works(change_store);
}

static bool link_out(void)
{
    return symlink(at("other/secret"), at("store/link")) == 0;
}

static void no_links_are_made(void **state)
{
    (void)state;
    work = IO_SANDBOX_WRITE;
    assert_killed(link_out);
}

/* ---- Ports ---- */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Somebody who listens; *port is where. */
static int listener(uint16_t *port)
{
    struct sockaddr_in addr = loopback(0);
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

static uint16_t wanted_port;

static bool connect_there(void)
{
    struct sockaddr_in addr = loopback(wanted_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno != EACCES;
}

static bool listen_there(void)
{
    struct sockaddr_in addr = loopback(wanted_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno != EACCES;
}

static void a_port_of_the_options_is_connected_to(void **state)
{
    (void)state;
    int fd = listener(&wanted_port);
    open_port = wanted_port;
    work = IO_SANDBOX_CONNECT;
    assert_works(connect_there);
    close(fd);
}

static void other_ports_are_not(void **state)
{
    (void)state;
    if (!knows_ports)
        skip();
    int fd = listener(&wanted_port);
    open_port = wanted_port == 1 ? 2 : 1;
    work = IO_SANDBOX_CONNECT;
    assert_refused(connect_there);
    assert_refused(listen_there);
    close(fd);
}

static bool look_up(void)
{
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    return getaddrinfo("localhost", NULL, &hints, &found) == 0 && found != NULL;
}

static void names_are_looked_up(void **state)
{
    (void)state;
    work = IO_SANDBOX_CONNECT;
    assert_works(look_up);
}

/* ---- Calls ---- */

static bool start_program(void)
{
    char *const argv[] = {strdup("/bin/true"), NULL};
    return execv(argv[0], argv) == 0;
}

static bool trace_parent(void)
{
    return process_vm_readv(getppid(), NULL, 0, NULL, 0, 0) == 0;
}

static bool become_root(void)
{
    return setuid(0) == 0;
}

static bool leave_namespace(void)
{
    return unshare(CLONE_NEWNET) == 0;
}

static bool hear_every_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool change_and_run_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool give_file_away(void)
{
    return chown(at("keys/key"), 1, 1) == 0;
}

static bool end_another(void)
{
    return kill(1, 0) == 0;
}

static void what_no_role_does_ends_the_process(void **state)
{
    (void)state;
    bool (*const forbidden[])(void) = {
        start_program,     trace_parent,          become_root,    leave_namespace,
        hear_every_packet, change_and_run_memory, give_file_away, end_another,
    };
    work = IO_SANDBOX_CONNECT | IO_SANDBOX_WRITE;
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        assert_killed(forbidden[i]);
}

static bool make_directory(void)
{
    return mkdir(at("store/d"), 0700) == 0;
}

static bool make_inet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static void who_neither_writes_nor_connects_has_no_calls_for_it(void **state)
{
    (void)state;
    assert_killed(make_directory);
    assert_killed(make_inet_socket);
}

static pthread_barrier_t told;

static void *wait_and_make_directory(void *arg)
{
    pthread_barrier_wait(&told);
    (void)make_directory();
    return arg;
}

static bool begin_thread(void)
{
    pthread_t thread;
    pthread_barrier_init(&told, NULL, 2);
    return pthread_create(&thread, NULL, wait_and_make_directory, NULL) == 0;
}

static bool tell_thread(void)
{
    pthread_barrier_wait(&told);
    pause();
    return true;
}

static void threads_that_ran_before_are_limited_as_well(void **state)
{
    (void)state;
    int status = child_status(begin_thread, tell_thread);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void *read_secret(void *arg)
{
    *(bool *)arg = read_other();
    return NULL;
}

static bool read_on_a_thread(void)
{
    pthread_t thread;
    bool could = true;
    return pthread_create(&thread, NULL, read_secret, &could) == 0 &&
           pthread_join(thread, NULL) == 0 && !could;
}

static void threads_that_come_later_are_limited_too(void **state)
{
    (void)state;
    if (!knows_paths)
        skip();
    assert_works(read_on_a_thread);
}

static void *wait_for_ever(void *arg)
{
    pthread_barrier_wait(&told);
    pause();
    return arg;
}

/* Landlock would not hold for the thread that runs already. */
static void paths_are_limited_before_the_second_thread_or_not_at_all(void **state)
{
    (void)state;
    if (!knows_paths)
        skip();
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_barrier_init(&told, NULL, 2);
        pthread_create(&thread, NULL, wait_for_ever, NULL);
        pthread_barrier_wait(&told);
        _exit(limit_paths() ? NOT_DONE : DONE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_the_options_are_read),
        TEST(a_key_renamed_into_place_is_read),
        TEST(what_a_link_leads_to_is_read),
        TEST(other_files_are_not_read),
        TEST(what_is_read_is_not_changed),
        TEST(a_store_is_changed),
        TEST(no_links_are_made),
        TEST(a_port_of_the_options_is_connected_to),
        TEST(other_ports_are_not),
        TEST(names_are_looked_up),
        TEST(what_no_role_does_ends_the_process),
        TEST(who_neither_writes_nor_connects_has_no_calls_for_it),
        TEST(threads_that_ran_before_are_limited_as_well),
        TEST(threads_that_come_later_are_limited_too),
        TEST(paths_are_limited_before_the_second_thread_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, ask_kernel, NULL);
}
