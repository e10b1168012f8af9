/* What a process may do to itself. Whatever cannot be undone is done in a child. */
#include "io/real/process.h"

#include "io/real/capability.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { OTHER_UID = 12345, OTHER_GID = 23456 };

static const struct io_process_user other = {OTHER_UID, OTHER_GID, "other"};

static char root[64];
static char why[256];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/adit-process-XXXXXX");
    why[0] = '\0';
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command);
}

static const char *at(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

/* What fn answers in a child of its own. */
static bool in_child(bool (*fn)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(fn() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- Limits ---- */

static bool limit_files_low_and_raise_them(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max / 2;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || io_process_raise_files() != limit.rlim_max)
        return false;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == limit.rlim_max;
}

static void files_are_raised_to_the_hard_limit(void **state)
{
    (void)state;
    assert_true(in_child(limit_files_low_and_raise_them));
}

static bool undumpable(void)
{
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    return core.rlim_cur == 0 && core.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0;
}

static bool forbid_dumps(void)
{
    return io_process_no_dumps() && undumpable();
}

static void without_dumps_nothing_can_be_dumped(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
    assert_true(in_child(forbid_dumps));
}

static bool forbid_privileges(void)
{
    io_process_no_new_privileges();
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static void new_privileges_can_be_forbidden(void **state)
{
    (void)state;
    assert_true(in_child(forbid_privileges));
}

/* ---- Users ---- */

static void a_user_is_found_by_name(void **state)
{
    (void)state;
    struct io_process_user user = {.uid = 1, .gid = 1};
    assert_true(io_process_find_user("root", &user));
    assert_int_equal(user.uid, 0);
    assert_int_equal(user.gid, 0);
    assert_string_equal(user.name, "root");
    assert_false(io_process_find_user("no-such-user", &user));
}

static bool become_other(void)
{
    uid_t uids[3];
    gid_t gids[3] = {OTHER_GID + 1, OTHER_GID + 2, OTHER_GID + 3};
    if (setgroups(3, gids) != 0 || !io_process_become(&other, why, sizeof(why)))
        return false;
    getresuid(&uids[0], &uids[1], &uids[2]);
    getresgid(&gids[0], &gids[1], &gids[2]);
    for (int i = 0; i < 3; i++)
        if (uids[i] != OTHER_UID || gids[i] != OTHER_GID)
            return false;
    return getgroups(0, NULL) == 0 && !io_process_is_root() && undumpable() && setuid(0) != 0;
}

static void root_becomes_another_user_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(io_process_is_root());
    assert_true(io_process_may_become(&other));
    assert_true(in_child(become_other));
}

static bool become_another_as_no_root(void)
{
    const struct io_process_user third = {OTHER_UID + 1, OTHER_GID, "third"};
    return setuid(OTHER_UID) == 0 && io_process_may_become(&other) &&
           !io_process_may_become(&third) && io_process_become(&other, why, sizeof(why));
}

static void others_can_only_stay_who_they_are(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(in_child(become_another_as_no_root));
}

static bool drops_what_it_kept(void)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
        setresuid(OTHER_UID, OTHER_UID, OTHER_UID) != 0 || !capability_restore() ||
        !capability_network())
        return false;
    return io_process_drop_capabilities() && capability_restore() && !capability_network();
}

static void capabilities_of_others_than_root_are_given_up(void **state)
{
    (void)state;
    if (geteuid() != 0 || !capability_network())
        skip();
    assert_true(in_child(drops_what_it_kept));
}

static bool root_keeps_its_own(void)
{
    return io_process_drop_capabilities() && capability_network();
}

static void root_keeps_its_capabilities(void **state)
{
    (void)state;
    if (geteuid() != 0 || !capability_network())
        skip();
    assert_true(in_child(root_keeps_its_own));
}

/* ---- Files ---- */

static void missing_directories_are_made_for_one_user(void **state)
{
    (void)state;
    struct stat status;
    umask(0);
    assert_true(io_process_make_directories(at("a/b/c/file"), NULL, why, sizeof(why)));
    assert_true(io_process_make_directories(at("a/b/c/file"), NULL, why, sizeof(why)));
    assert_int_equal(stat(at("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    assert_int_equal(access(at("a/b/c/file"), F_OK), -1);
}

static void made_directories_belong_to_their_owner(void **state)
{
    (void)state;
    struct stat status;
    if (geteuid() != 0)
        skip();
    assert_true(io_process_make_directories(at("a/b/file"), &other, why, sizeof(why)));
    assert_int_equal(stat(at("a"), &status), 0);
    assert_int_equal(status.st_uid, OTHER_UID);
    assert_int_equal(status.st_gid, OTHER_GID);
    assert_int_equal(stat(root, &status), 0);
    assert_int_equal(status.st_uid, 0);
}

static void a_file_in_the_way_is_named(void **state)
{
    (void)state;
    char expected[160];
    fclose(fopen(at("a"), "w"));
    snprintf(expected, sizeof(expected), "%s: Not a directory", at("a"));
    assert_false(io_process_make_directories(at("a/b/file"), NULL, why, sizeof(why)));
    assert_string_equal(why, expected);
}

static void a_path_without_directories_needs_none(void **state)
{
    (void)state;
    assert_true(io_process_make_directories("file", NULL, why, sizeof(why)));
    assert_int_equal(access("file", F_OK), -1);
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    static char path[8192];
    memset(path, 'a', sizeof(path) - 1);
    assert_false(io_process_make_directories(path, NULL, why, sizeof(why)));
    assert_string_equal(why, "the path is too long");
}

static void a_file_is_given_away(void **state)
{
    (void)state;
    struct stat status;
    if (geteuid() != 0)
        skip();
    fclose(fopen(at("file"), "w"));
    assert_true(io_process_give(at("file"), &other, why, sizeof(why)));
    assert_int_equal(stat(at("file"), &status), 0);
    assert_int_equal(status.st_uid, OTHER_UID);
    assert_false(io_process_give(at("gone"), &other, why, sizeof(why)));
    assert_string_equal(why, "cannot give it to user other: No such file or directory");
}

static bool read_as_other(void)
{
    return setuid(OTHER_UID) == 0 && !io_process_can_read(at("file"));
}

static void what_can_be_read_is_asked_as_the_process_is_now(void **state)
{
    (void)state;
    fclose(fopen(at("file"), "w"));
    chmod(at("file"), 0600);
    assert_true(io_process_can_read(at("file")));
    assert_false(io_process_can_read(at("gone")));
    if (geteuid() == 0)
        assert_true(in_child(read_as_other));
}

/* ---- The supervisor ---- */

static void hear(const char *name, const struct sockaddr_un *here, size_t len)
{
    char text[128] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)here, (socklen_t)len), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    io_process_notify("READY=1");
    assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_ptr_equal(strstr(text, "READY=1\nMONOTONIC_USEC="), text);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
}

static void the_supervisor_hears(void **state)
{
    (void)state;
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    strcpy(here.sun_path, at("notify"));
    hear(at("notify"), &here, sizeof(here));
}

static void an_abstract_socket_of_the_supervisor_works_too(void **state)
{
    (void)state;
    char name[64];
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    snprintf(name, sizeof(name), "@adit-test-%d", (int)getpid());
    strcpy(here.sun_path, name);
    here.sun_path[0] = '\0';
    hear(name, &here, offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static void without_a_supervisor_nothing_happens(void **state)
{
    (void)state;
    static char path[512];
    memset(path, '/', sizeof(path) - 1);
    unsetenv("NOTIFY_SOCKET");
    io_process_notify("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    io_process_notify("READY=1");
    setenv("NOTIFY_SOCKET", path, 1);
    io_process_notify("READY=1");
    setenv("NOTIFY_SOCKET", at("gone"), 1);
    io_process_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_raised_to_the_hard_limit),
        TEST(without_dumps_nothing_can_be_dumped),
        TEST(new_privileges_can_be_forbidden),
        TEST(a_user_is_found_by_name),
        TEST(root_becomes_another_user_for_good),
        TEST(others_can_only_stay_who_they_are),
        TEST(capabilities_of_others_than_root_are_given_up),
        TEST(root_keeps_its_capabilities),
        TEST(missing_directories_are_made_for_one_user),
        TEST(made_directories_belong_to_their_owner),
        TEST(a_file_in_the_way_is_named),
        TEST(a_path_without_directories_needs_none),
        TEST(a_path_too_long_is_refused),
        TEST(a_file_is_given_away),
        TEST(what_can_be_read_is_asked_as_the_process_is_now),
        TEST(the_supervisor_hears),
        TEST(an_abstract_socket_of_the_supervisor_works_too),
        TEST(without_a_supervisor_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
