#include "roles/transfer/gate.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/map.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_MAX = 4 * 1024 * 1024, SEEN_STEP = 1024 };

struct seen_key {
    struct map_node node;
    uint8_t key[SODIUMTCP_KEY_LEN];
};

struct address {
    struct adit_ip ip;
    unsigned failures; /* 0 = free */
    uint64_t until_ms;
    uint64_t last_ms;
    char login[SODIUMTCP_CREDENTIAL_MAX + 1]; /* that was guessed for … */
    bool several;                             /* … or not that one alone */
};

struct gate_request {
    struct list node;
    struct gate *gate;
    gate_fn *done; /* NULL once cancelled */
    void *arg;
    struct adit_ip from;
    struct sodiumtcp_login login;
    struct user user; /* a copy, or the stranger */
    bool known;
    /* What the work found: */
    bool right;
    bool replayed;
    int error;
    struct io_dir *directory;
};

struct gate {
    struct io_loop *loop;
    const char *users_file;
    const char *seen_file;
    const char *into;
    struct users users;
    struct user stranger; /* whom nobody can be: his hash costs as much as another */
    struct list queue;
    size_t queued;
    struct gate_request *busy; /* at the helper pool */
    struct io_timer timer;
    struct io_task *idle;
    struct address addresses[GATE_ADDRESSES_MAX];
    struct gate_counters counters;
    /* Used by the work alone, one at a time: */
    struct map seen;
    uint8_t seed[16];
    struct io_file *file;
    uint64_t file_len;
};

/* ---- Client keys that were seen ---- */

static bool same_key(const struct map_node *node, const void *key)
{
    return memcmp(container_of(node, struct seen_key, node)->key, key, SODIUMTCP_KEY_LEN) == 0;
}

static bool was_seen(const struct gate *gate, const uint8_t *key)
{
    uint64_t hash = map_hash(gate->seed, key, SODIUMTCP_KEY_LEN);
    return map_find(&gate->seen, hash, same_key, key) != NULL;
}

static int remember(struct gate *gate, const uint8_t *key)
{
    if (gate->seen.count >= SEEN_MAX)
        return IO_E_FULL;
    struct seen_key *seen = malloc(sizeof(*seen));
    if (seen == NULL)
        return IO_E_NO_MEMORY;
    memcpy(seen->key, key, SODIUMTCP_KEY_LEN);
    if (map_insert(&gate->seen, &seen->node, map_hash(gate->seed, key, SODIUMTCP_KEY_LEN)))
        return 0;
    free(seen);
    return IO_E_NO_MEMORY;
}

/* On disk before the client is let in. */
static int write_key(struct gate *gate, const uint8_t *key)
{
    int error = io_file_write_at(gate->file, key, SODIUMTCP_KEY_LEN, gate->file_len);
    if (error == 0)
        error = io_file_sync(gate->file);
    if (error != 0)
        return error;
    gate->file_len += SODIUMTCP_KEY_LEN;
    return remember(gate, key);
}

/* Half a key at the end was never answered: it is written over. */
static int read_keys(struct gate *gate)
{
    uint8_t keys[SEEN_STEP * SODIUMTCP_KEY_LEN];
    for (;;) {
        ssize_t got = io_file_read_at(gate->file, keys, sizeof(keys), gate->file_len);
        if (got < SODIUMTCP_KEY_LEN)
            return got < 0 ? (int)got : 0;
        size_t whole = (size_t)got / SODIUMTCP_KEY_LEN * SODIUMTCP_KEY_LEN;
        for (size_t at = 0; at < whole; at += SODIUMTCP_KEY_LEN) {
            int error = was_seen(gate, keys + at) ? 0 : remember(gate, keys + at);
            if (error != 0)
                return error;
        }
        gate->file_len += whole;
    }
}

static int open_seen(struct gate *gate)
{
    const char *slash = strrchr(gate->seen_file, '/');
    int len = slash == NULL ? 1 : (int)(slash - gate->seen_file) + 1;
    char *home = NULL;
    int error = IO_E_NO_MEMORY;
    if (asprintf(&home, "%.*s", len, slash == NULL ? "." : gate->seen_file) < 0)
        return error;
    struct io_dir *dir = io_dir_open(io_disk(gate->loop), home, &error);
    free(home);
    if (dir == NULL)
        return error;
    gate->file = io_file_create(dir, slash == NULL ? gate->seen_file : slash + 1, &error);
    if (gate->file != NULL)
        error = io_dir_sync(dir, "");
    io_dir_close(dir);
    return gate->file == NULL || error != 0 ? error : read_keys(gate);
}

/* ---- Addresses that guessed wrong ---- */

/* An IPv6 user has a /64. */
static struct adit_ip place_of(const struct adit_ip *ip)
{
    struct adit_ip place = *ip;
    if (place.family != 4)
        memset(place.bytes + 8, 0, 8);
    return place;
}

static struct address *address_of(struct gate *gate, const struct adit_ip *ip)
{
    struct adit_ip place = place_of(ip);
    for (size_t i = 0; i < GATE_ADDRESSES_MAX; i++) {
        struct address *address = &gate->addresses[i];
        if (address->failures > 0 && ip_equal(&address->ip, &place))
            return address;
    }
    return NULL;
}

static struct address *oldest(struct gate *gate)
{
    struct address *found = &gate->addresses[0];
    for (size_t i = 0; i < GATE_ADDRESSES_MAX; i++) {
        struct address *address = &gate->addresses[i];
        if (address->failures == 0)
            return address;
        if (address->last_ms < found->last_ms)
            found = address;
    }
    return found;
}

static void guessed_wrong(struct gate *gate, const struct adit_ip *ip, const char *login)
{
    uint64_t now = io_now_ms(gate->loop);
    struct address *address = address_of(gate, ip);
    if (address == NULL || now - address->last_ms > GATE_FORGET_MS) {
        address = address == NULL ? oldest(gate) : address;
        *address = (struct address){.ip = place_of(ip)};
        snprintf(address->login, sizeof(address->login), "%s", login);
    }
    address->several = address->several || strcmp(address->login, login) != 0;
    uint64_t backoff =
        address->failures < 8 ? GATE_FIRST_BACKOFF_MS << address->failures : GATE_LAST_BACKOFF_MS;
    address->failures++;
    address->last_ms = now;
    address->until_ms = now + (backoff < GATE_LAST_BACKOFF_MS ? backoff : GATE_LAST_BACKOFF_MS);
}

/* Who guesses for others forgets nothing by a login of its own in between. */
static void guessed_right(struct gate *gate, const struct adit_ip *ip, const char *login)
{
    struct address *address = address_of(gate, ip);
    if (address != NULL && !address->several && strcmp(address->login, login) == 0)
        address->failures = 0;
}

static uint64_t due_ms(struct gate *gate, const struct adit_ip *ip)
{
    const struct address *address = address_of(gate, ip);
    return address == NULL ? 0 : address->until_ms;
}

/* ---- One login at a time ---- */

static void free_request(struct gate_request *request)
{
    io_dir_close(request->directory);
    wipe(request, sizeof(*request));
    free(request);
}

static void open_directory(struct gate_request *request)
{
    const struct gate *gate = request->gate;
    const char *directory = request->user.directory;
    char *path = NULL;
    if (gate->into == NULL)
        return;
    int len = directory[0] == '/' ? asprintf(&path, "%s", directory)
                                  : asprintf(&path, "%s/%s", gate->into, directory);
    if (len < 0) {
        request->error = IO_E_NO_MEMORY;
        return;
    }
    request->directory = io_dir_open(io_disk(gate->loop), path, &request->error);
    free(path);
}

static void check(void *arg)
{
    struct gate_request *request = arg;
    struct gate *gate = request->gate;
    bool right = users_verify(request->user.hash, request->login.passphrase);
    wipe(request->login.passphrase, sizeof(request->login.passphrase));
    if (!right || !request->known)
        return;
    request->replayed = was_seen(gate, request->login.client_public_key);
    if (request->replayed)
        return;
    request->right = true;
    request->error = write_key(gate, request->login.client_public_key);
    if (request->error == 0)
        open_directory(request);
}

static void next(struct gate *gate);

static void log_answer(struct gate *gate, const struct gate_request *request)
{
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    char from[IP_TEXT_MAX];
    ip_format(&request->from, from);
    text_escape(request->login.login, strlen(request->login.login), name, sizeof(name));
    if (request->replayed)
        log_event(gate->loop, LOG_WARN, "replayed", "a recorded login of \"%s\" came again from %s",
                  name, from);
    else if (!request->right)
        log_event(gate->loop, LOG_WARN, "refused", "wrong login for \"%s\" from %s", name, from);
    else if (request->error != 0)
        log_event(gate->loop, LOG_ERROR, "login", "\"%s\" cannot be let in: %s", name,
                  io_error_text(request->error));
}

static void checked(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct gate_request *request = arg;
    struct gate *gate = request->gate;
    gate->busy = NULL;
    gate->counters.hashes++;
    gate->counters.refused += !request->right && !request->replayed;
    gate->counters.replayed += request->replayed;
    log_answer(gate, request);
    if (request->right)
        guessed_right(gate, &request->from, request->login.login);
    else
        guessed_wrong(gate, &request->from, request->login.login);
    bool in = request->right && request->error == 0;
    if (request->done != NULL) {
        struct io_dir *directory = request->directory;
        request->directory = NULL;
        request->done(request->arg, in ? &request->user : NULL, directory);
    }
    free_request(request);
    next(gate);
    if (gate->busy == NULL)
        io_task_queue(gate->idle);
}

bool gate_is_busy(const struct gate *gate)
{
    return gate->busy != NULL;
}

/* The first one whose address may try again. */
static void next(struct gate *gate)
{
    uint64_t now = io_now_ms(gate->loop);
    uint64_t soonest = UINT64_MAX;
    if (gate->busy != NULL)
        return;
    for (struct list *node = gate->queue.next; node != &gate->queue; node = node->next) {
        struct gate_request *request = container_of(node, struct gate_request, node);
        uint64_t due = due_ms(gate, &request->from);
        soonest = due < soonest ? due : soonest;
        if (due > now)
            continue;
        list_remove(node);
        gate->queued--;
        gate->busy = request;
        if (io_submit(gate->loop, check, checked, request) == 0)
            return;
        gate->busy = NULL;
        gate->queued++;
        list_append(&gate->queue, node);
        soonest = now + GATE_FIRST_BACKOFF_MS;
        break;
    }
    if (soonest != UINT64_MAX)
        io_timer_set(&gate->timer, soonest);
}

static void on_timer(void *arg)
{
    next(arg);
}

/* One that is held back must not hold all places. */
static size_t queued_from(const struct gate *gate, const struct adit_ip *from)
{
    struct adit_ip place = place_of(from);
    size_t count = 0;
    for (struct list *node = gate->queue.next; node != &gate->queue; node = node->next) {
        struct adit_ip other = place_of(&container_of(node, struct gate_request, node)->from);
        count += ip_equal(&place, &other);
    }
    return count;
}

/* The one that waits longest for its address's next guess; NULL = none waits for that. */
static struct gate_request *longest_held_back(struct gate *gate)
{
    struct gate_request *found = NULL;
    uint64_t latest = io_now_ms(gate->loop);
    for (struct list *node = gate->queue.next; node != &gate->queue; node = node->next) {
        struct gate_request *request = container_of(node, struct gate_request, node);
        uint64_t due = due_ms(gate, &request->from);
        if (due > latest) {
            latest = due;
            found = request;
        }
    }
    return found;
}

/* Who guesses from a few addresses keeps nobody out whose turn it is. */
static bool make_room(struct gate *gate, const struct adit_ip *from)
{
    bool held_back = due_ms(gate, from) > io_now_ms(gate->loop);
    if (queued_from(gate, from) >= GATE_ADDRESS_QUEUE_MAX)
        return false;
    if (gate->queued < GATE_QUEUE_MAX)
        return true;
    struct gate_request *request = held_back ? NULL : longest_held_back(gate);
    if (request == NULL)
        return false;
    list_remove(&request->node);
    gate->queued--;
    gate->counters.full++;
    request->done(request->arg, NULL, NULL);
    free_request(request);
    return true;
}

struct gate_request *gate_ask(struct gate *gate, const struct adit_ip *from,
                              const struct sodiumtcp_login *login, gate_fn *done, void *arg)
{
    struct gate_request *request = make_room(gate, from) ? calloc(1, sizeof(*request)) : NULL;
    if (request == NULL) {
        gate->counters.full++;
        return NULL;
    }
    const struct user *user = users_find(&gate->users, login->login);
    request->gate = gate;
    request->done = done;
    request->arg = arg;
    request->from = *from;
    request->login = *login;
    request->known = user != NULL;
    request->user = user == NULL ? gate->stranger : *user;
    list_append(&gate->queue, &request->node);
    gate->queued++;
    /* From the timer: `done` comes later, also when nothing else is to be done. */
    if (gate->busy == NULL)
        io_timer_set_in(&gate->timer, 0);
    return request;
}

void gate_cancel(struct gate_request *request)
{
    struct gate *gate = request->gate;
    request->done = NULL;
    if (gate->busy == request)
        return;
    list_remove(&request->node);
    gate->queued--;
    free_request(request);
}

/* ---- Life ---- */

struct gate *gate_new(struct io_loop *loop, const char *users, const char *seen, const char *into,
                      struct io_task *idle, char *why, size_t why_len)
{
    struct gate *gate = calloc(1, sizeof(*gate));
    uint8_t random[USERS_STRANGER_RANDOM];
    if (gate == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    gate->loop = loop;
    gate->users_file = users;
    gate->seen_file = seen;
    gate->into = into;
    gate->idle = idle;
    list_init(&gate->queue);
    io_timer_init(&gate->timer, loop, on_timer, gate);
    map_init(&gate->seen);
    io_random(loop, gate->seed, sizeof(gate->seed));
    io_random(loop, random, sizeof(random));
    users_stranger(random, gate->stranger.hash);
    if (users_read(&gate->users, io_disk(loop), users, why, why_len) != 0)
        goto err;
    int error = open_seen(gate);
    if (error != 0) {
        snprintf(why, why_len, "the file of clients' keys %s: %s", seen,
                 error == IO_E_IN_USE ? "another adit receive uses it; give this one a --seen-file"
                                      : io_error_text(error));
        goto err;
    }
    return gate;

err:
    gate_free(gate);
    return NULL;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    io_timer_stop(&gate->timer);
    struct map_walk walk = map_walk_start(&gate->seen);
    struct map_node *node;
    while ((node = map_walk_next(&gate->seen, &walk)) != NULL) {
        map_remove(&gate->seen, node);
        free(container_of(node, struct seen_key, node));
    }
    map_clear(&gate->seen);
    io_file_close(gate->file);
    users_clear(&gate->users);
    wipe(gate, sizeof(*gate));
    free(gate);
}

int gate_reload(struct gate *gate, char *why, size_t why_len)
{
    struct users users;
    if (users_read(&users, io_disk(gate->loop), gate->users_file, why, why_len) != 0)
        return -1;
    users_clear(&gate->users);
    gate->users = users;
    return 0;
}

void gate_counters(const struct gate *gate, struct gate_counters *counters)
{
    *counters = gate->counters;
}
