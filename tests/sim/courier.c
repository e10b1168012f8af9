#include "tests/sim/courier.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT = 5555,
    CONNECT_MS = 30000,
    SMALL_MAX = 3000,
    REST_MAX = 16,
};

static const char sender_address[] = "10.0.0.2";
static const char receiver_address[] = "10.0.0.1";
static const char part_prefix[] = ".adit-part-";

/* ---- The receiver ---- */

struct receiver {
    struct receive *receive;
    struct life *life;
};

static void receiver_stopped(void *arg)
{
    const struct receiver *receiver = arg;
    party_stopped(receiver->life);
}

static void *receiver_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                            size_t why_len)
{
    const struct courier *courier = arg;
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        abort();
    const struct receive_config config = {.listen = &courier->listen,
                                          .listen_count = 1,
                                          .pair = courier->pair,
                                          .users_file = "/etc/users",
                                          .seen_file = "/var/seen",
                                          .into = "/in",
                                          .window = SODIUMTCP_WINDOW_MIN,
                                          .umask = 022};
    receiver->life = life;
    receiver->receive = receive_start(loop, &config, receiver_stopped, receiver, why, why_len);
    if (receiver->receive != NULL)
        return receiver;
    free(receiver);
    return NULL;
}

static void receiver_stop(void *role)
{
    const struct receiver *receiver = role;
    receive_stop(receiver->receive);
}

static void receiver_free(void *role)
{
    struct receiver *receiver = role;
    receive_free(receiver->receive);
    free(receiver);
}

static const struct party_ops receiver_ops = {
    .name = "receive", .start = receiver_start, .stop = receiver_stop, .free = receiver_free};

/* ---- The sender ---- */

struct sender {
    struct courier *courier;
    struct send *send;
    struct life *life;
};

static void sender_left_out(void *arg, const char *root, const char *path, const char *why,
                            bool failed)
{
    (void)arg, (void)root, (void)path, (void)why, (void)failed;
}

/* What a ghost says counts for nothing. */
static void sender_done(void *arg, const char *why)
{
    const struct sender *sender = arg;
    struct courier *courier = sender->courier;
    if (party_role(&courier->sender) == sender && sim_host_process(courier->sender_host) != NULL) {
        send_progress(sender->send, &courier->progress);
        courier->done = true;
        courier->all_kept = why == NULL && courier->progress.failures == 0;
        snprintf(courier->why, sizeof courier->why, "%s", why == NULL ? "" : why);
    }
    party_stopped(sender->life);
}

static const struct send_handler sender_handler = {sender_left_out, sender_done};

static void *sender_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                          size_t why_len)
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL)
        abort();
    sender->courier = arg;
    sender->life = life;
    sender->send = send_start(loop, &sender->courier->config, &sender_handler, sender);
    if (sender->send != NULL)
        return sender;
    snprintf(why, why_len, "out of memory");
    free(sender);
    return NULL;
}

static void sender_stop(void *role)
{
    const struct sender *sender = role;
    send_stop(sender->send);
}

static void sender_free(void *role)
{
    struct sender *sender = role;
    send_free(sender->send);
    free(sender);
}

static const struct party_ops sender_ops = {
    .name = "send", .start = sender_start, .stop = sender_stop, .free = sender_free};

/* ---- Files ---- */

static size_t draw_len(struct sim_world *world, size_t large_max)
{
    uint64_t kind = sim_random_below(world, 10);
    if (kind == 0)
        return 0;
    return sim_random_below(world, kind < 6 ? SMALL_MAX : large_max);
}

/* Long runs, so that some of it can be packed, or noise. */
static void draw_bytes(struct sim_world *world, uint8_t *bytes, size_t len)
{
    bool noise = sim_chance(world, 5000);
    uint64_t value = sim_random_below(world, UINT64_MAX);
    for (size_t i = 0; i < len; i++) {
        if (noise || i % 64 == 0)
            value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(value >> 56);
    }
}

static void draw_file(struct courier *courier, struct courier_file *file)
{
    file->len = draw_len(courier->world, courier->large_max);
    file->bytes = malloc(file->len + 1);
    if (file->bytes == NULL)
        abort();
    draw_bytes(courier->world, file->bytes, file->len);
    courier->bytes += file->len;
    sim_tree_put(courier->sender_host, file->source, file->bytes, file->len);
}

static void make_files(struct courier *courier)
{
    struct sim_world *world = courier->world;
    courier->flat = sim_chance(world, 5000);
    sim_tree_put(courier->sender_host, "/src/empty", NULL, 0);
    courier->file_count = sim_random_between(world, 1, COURIER_FILES_MAX);
    for (size_t i = 0; i < courier->file_count; i++) {
        struct courier_file *file = &courier->files[i];
        const char *home = i % 3 == 2 ? "deep/er/" : "";
        snprintf(file->source, sizeof file->source, "/src/%sfile-%02zu", home, i);
        snprintf(file->target, sizeof file->target, "/in/%s%sfile-%02zu",
                 courier->flat ? "" : "src/", courier->flat ? "" : home, i);
        draw_file(courier, file);
        courier->paths[i] = courier->flat ? file->source : "/src";
    }
}

static void forget_former(struct courier *courier)
{
    for (size_t i = 0; i < courier->file_count; i++) {
        free(courier->files[i].former);
        courier->files[i].former = NULL;
        courier->files[i].whole = 0;
    }
    courier->rewritten = false;
}

/* Other bytes under the names of those that were acknowledged. */
static void rewrite_files(struct courier *courier)
{
    courier->bytes = 0;
    for (size_t i = 0; i < courier->file_count; i++) {
        struct courier_file *file = &courier->files[i];
        file->former = file->bytes;
        file->former_len = file->len;
        draw_file(courier, file);
    }
    courier->rewritten = true;
}

static bool are_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool is_whole(const struct courier_file *file, const void *bytes, size_t len)
{
    return are_same(bytes, len, file->bytes, file->len) ||
           (file->former != NULL && are_same(bytes, len, file->former, file->former_len));
}

static struct courier_file *file_at(struct courier *courier, const char *path)
{
    for (size_t i = 0; i < courier->file_count; i++)
        if (strcmp(courier->files[i].target, path) == 0)
            return &courier->files[i];
    return NULL;
}

/* What was found whole is compared again when it has changed. */
static bool stays_whole(struct courier_file *file, const struct sim_host *host, const void *bytes,
                        size_t len)
{
    uint64_t change = sim_tree_change(host, file->target);
    if (change != file->whole && is_whole(file, bytes, len))
        file->whole = change;
    return change == file->whole;
}

static size_t check_directory(struct courier *courier, const char *directory)
{
    struct sim_host *host = courier->receiver_host;
    char path[2 * COURIER_PATH_MAX];
    size_t whole = 0;
    const char *name = NULL;
    while ((name = sim_tree_next(host, directory, name)) != NULL) {
        size_t len = 0;
        snprintf(path, sizeof path, "%s/%s", directory, name);
        const void *bytes = sim_tree_get(host, path, &len);
        if (bytes == NULL || strncmp(name, part_prefix, strlen(part_prefix)) == 0)
            continue;
        struct courier_file *file = file_at(courier, path);
        if (file == NULL || !stays_whole(file, host, bytes, len))
            sim_fail(courier->world, "%s is there and is not whole: %zu bytes of %zu", path, len,
                     file == NULL ? 0 : file->len);
        whole++;
    }
    return whole;
}

size_t courier_check_names(struct courier *courier)
{
    size_t there = check_directory(courier, "/in") + check_directory(courier, "/in/src") +
                   check_directory(courier, "/in/src/deep/er");
    if (courier->kept > 0 && there != courier->file_count)
        sim_fail(courier->world, "%zu of %zu files are left of what was acknowledged", there,
                 courier->file_count);
    return there;
}

void courier_check_promise(struct courier *courier)
{
    const struct send_progress *progress = &courier->progress;
    uint64_t accounted = progress->bytes + progress->resumed + progress->skipped;
    if (accounted != courier->bytes)
        sim_fail(courier->world, "%" PRIu64 " bytes are accounted for, there are %" PRIu64,
                 accounted, courier->bytes);
    courier->kept++;
    forget_former(courier);
    party_restart(&courier->receiver, SIM_KILL_POWER, 1);
    (void)courier_check_names(courier);
}

/* ---- Life ---- */

/* Argon2id with the least of everything: what it costs is not what is looked at here. */
static void make_user(struct courier *courier)
{
    char hash[crypto_pwhash_STRBYTES];
    char line[crypto_pwhash_STRBYTES + 16];
    if (sodium_init() < 0 ||
        crypto_pwhash_str_alg(hash, "secret", strlen("secret"), crypto_pwhash_OPSLIMIT_MIN,
                              crypto_pwhash_MEMLIMIT_MIN, crypto_pwhash_ALG_ARGON2ID13) != 0)
        abort();
    int len = snprintf(line, sizeof line, "alice:%s::\n", hash);
    sim_disk_put(courier->receiver_host, "/etc/users", line, (size_t)len, 0600);
    sim_tree_put(courier->receiver_host, "/var", NULL, 0);
    sim_tree_put(courier->receiver_host, "/in", NULL, 0);
}

void courier_build(struct courier *courier, struct sim_world *world, size_t large_max)
{
    *courier = (struct courier){.world = world, .large_max = large_max};
    courier->receiver_host = sim_host_new(world, "receiver", receiver_address);
    courier->sender_host = sim_host_new(world, "sender", sender_address);
    party_init(&courier->receiver, courier->receiver_host, &receiver_ops, courier);
    party_init(&courier->sender, courier->sender_host, &sender_ops, courier);
    memset(courier->pair.secret_key, 7, sizeof courier->pair.secret_key);
    make_user(courier);
    if (crypto_scalarmult_base(courier->pair.public_key, courier->pair.secret_key) != 0 ||
        !ip_parse(receiver_address, &courier->listen.ip))
        abort();
    courier->listen.port = PORT;
    make_files(courier);
}

void courier_free(struct courier *courier)
{
    forget_former(courier);
    for (size_t i = 0; i < courier->file_count; i++)
        free(courier->files[i].bytes);
}

void courier_look_after_receiver(struct courier *courier)
{
    bool fell = party_is_up(&courier->receiver) && sim_host_process(courier->receiver_host) == NULL;
    if (fell)
        party_restart(&courier->receiver, SIM_KILL_POWER, 1000000);
}

void courier_send(struct courier *courier)
{
    static const enum sodiumtcp_exists exists[] = {SODIUMTCP_RESUME, SODIUMTCP_RESUME,
                                                   SODIUMTCP_REPLACE, SODIUMTCP_SKIP};
    struct sim_world *world = courier->world;
    courier->config = (struct send_config){
        .port = PORT,
        .login = "alice",
        .passphrase = "secret",
        .paths = courier->paths,
        .path_count = courier->flat ? courier->file_count : 1,
        .exists = courier->rewritten ? SODIUMTCP_REPLACE : exists[sim_random_below(world, 4)],
        .verify = sim_chance(world, 3000),
        .compress = sim_chance(world, 5000),
        .connect_ms = CONNECT_MS};
    snprintf(courier->config.host, sizeof courier->config.host, "%s", receiver_address);
    memcpy(courier->config.server_key, courier->pair.public_key, SODIUMTCP_KEY_LEN);
    courier->done = false;
    courier->all_kept = false;
    party_start(&courier->sender);
}

void courier_stop_sender(struct courier *courier)
{
    party_stop(&courier->sender);
}

bool courier_try_is_over(const struct courier *courier)
{
    return courier->done || !party_is_up(&courier->sender) ||
           sim_host_process(courier->sender_host) == NULL;
}

void courier_go_on(struct courier *courier)
{
    courier_look_after_receiver(courier);
    (void)courier_check_names(courier);
    if (!courier_try_is_over(courier))
        return;
    if (party_is_up(&courier->sender)) {
        if (courier->done && courier->all_kept)
            courier_check_promise(courier);
        courier_stop_sender(courier);
        courier->rest = (unsigned)sim_random_below(courier->world, REST_MAX);
    } else if (courier->rest > 0) {
        courier->rest--;
    } else if (party_is_over(&courier->sender)) {
        if (courier->kept > 0 && !courier->rewritten && sim_chance(courier->world, 7000))
            rewrite_files(courier);
        courier_send(courier);
    }
}
