#include "roles/transfer/inbox.h"

#include "base/encode.h"
#include "roles/transfer/hashing.h"
#include "roles/transfer/place.h"
#include "roles/transfer/unsynced.h"
#include "roles/transfer/zstd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct announced {
    struct sodiumtcp_item item; /* without name */
    char *path;
    bool whole;                       /* offered is the finished file, not a part … */
    struct io_stat part;              /* … of which this could be seen … */
    uint8_t hash[SODIUMTCP_HASH_LEN]; /* … and this was its content */
};

struct inbox {
    struct io_disk *disk;
    struct io_dir *directory;
    const char *name;
    struct io_file *pipe;
    unsigned umask;
    bool taken; /* the one stream of `name` or `pipe` */
    struct announced ring[SODIUMTCP_ASKED_MAX];
    /* The item that was started: */
    struct announced *open;
    uint32_t number;
    struct io_file *file;
    bool keep_whole; /* it was there already: nothing is written */
    uint64_t position;
    struct unsynced unsynced;
    struct hashing hashing;
    struct io_file *hashed;         /* what was there already, while it is hashed */
    bool unfinished;                /* the step that was done last */
    bool left;                      /* inbox_leave() was called */
    struct zstd_unpacker *unpacker; /* made for the first frame */
    uint8_t *unpacked;
};

/* ---- Steps ---- */

struct inbox_step *inbox_step_new(enum inbox_type type, uint32_t number,
                                  const struct sodiumtcp_item *item)
{
    size_t name_len = item == NULL ? 0 : item->name.len;
    struct inbox_step *step = malloc(sizeof(*step) + name_len);
    if (step == NULL)
        return NULL;
    *step = (struct inbox_step){.type = type, .number = number};
    if (item != NULL) {
        step->item = *item;
        step->item.name.bytes = (const uint8_t *)(step + 1);
        if (name_len > 0)
            memcpy(step + 1, item->name.bytes, name_len);
    }
    return step;
}

void inbox_step_free(struct inbox_step *step)
{
    if (step == NULL)
        return;
    free(step->bytes);
    free(step);
}

/* ---- Failures ---- */

static enum sodiumtcp_code code_of(int error)
{
    switch (error) {
    case IO_E_NO_SPACE:
        return SODIUMTCP_CODE_NO_SPACE;
    case IO_E_DENIED:
        return SODIUMTCP_CODE_PERMISSION;
    case IO_E_READ_ONLY:
        return SODIUMTCP_CODE_READ_ONLY;
    case IO_E_KIND:
    case IO_E_EXISTS:
    case IO_E_IN_USE:
        return SODIUMTCP_CODE_IN_THE_WAY;
    case IO_E_TOO_LARGE:
        return SODIUMTCP_CODE_NAME;
    case IO_E_NOT_FOUND:
    case IO_E_RESET:
    case IO_E_OTHER:
        return SODIUMTCP_CODE_IO;
    default:
        return SODIUMTCP_CODE_OTHER;
    }
}

static bool fail(struct inbox_failure *failure, uint32_t number, enum sodiumtcp_code code,
                 const char *path, const char *text)
{
    char shown[160];
    text_escape(path, strlen(path), shown, sizeof(shown));
    failure->number = number;
    failure->code = code;
    snprintf(failure->text, sizeof(failure->text), "%s%s%s", shown, shown[0] == '\0' ? "" : ": ",
             text);
    return false;
}

static enum inbox_outcome outcome_of(bool done)
{
    return done ? INBOX_DONE : INBOX_FAILED;
}

static bool io_failed(struct inbox_failure *failure, uint32_t number, const char *path, int error)
{
    return fail(failure, number, code_of(error), path,
                error == IO_E_IN_USE ? "another transfer is writing it" : io_error_text(error));
}

/* ---- Hashing what is there ---- */

static void close_hashed(struct inbox *inbox)
{
    io_file_close(inbox->hashed);
    inbox->hashed = NULL;
}

/* Opens the file at path if it is one of min to max bytes, and more than none. */
static bool open_hashed(struct inbox *inbox, const char *path, uint64_t min, uint64_t max,
                        struct io_stat *stat)
{
    int error = 0;
    inbox->hashed = io_file_open(inbox->directory, path, &error);
    if (inbox->hashed == NULL)
        return false;
    if (io_file_stat(inbox->hashed, stat) == 0 && stat->size >= min && stat->size <= max &&
        stat->size > 0)
        return true;
    close_hashed(inbox);
    return false;
}

/* Offers the file at path if it is one of min to max bytes. INBOX_FAILED: there is no such. */
static enum inbox_outcome offer_file(struct inbox *inbox, const char *path, uint64_t min,
                                     uint64_t max, struct announced *announced,
                                     struct inbox_step *step)
{
    if (inbox->hashed == NULL && !open_hashed(inbox, path, min, max, &announced->part))
        return INBOX_FAILED;
    int result = hashing_go_on(&inbox->hashing, inbox->hashed, announced->part.size, step->hash);
    if (result == HASHING_UNFINISHED)
        return INBOX_UNFINISHED;
    close_hashed(inbox);
    if (result != 0)
        return INBOX_FAILED;
    step->verdict = SODIUMTCP_PART_THERE;
    step->length = announced->part.size;
    memcpy(announced->hash, step->hash, sizeof(announced->hash));
    return INBOX_DONE;
}

/* ---- BEGIN ---- */

/* Who put its name there may have been killed before that was on stable storage. */
static int leave(struct inbox *inbox, const char *path, struct inbox_step *step)
{
    struct io_stat stat;
    if (io_dir_stat(inbox->directory, path, &stat) != 0)
        return 0;
    step->verdict = SODIUMTCP_LEAVE_IT;
    return unsynced_add(&inbox->unsynced, inbox->directory, path);
}

/* The part, or else the whole file; `whole` is true as soon as it is not the part. */
static enum inbox_outcome offer_one(struct inbox *inbox, struct announced *announced,
                                    struct inbox_step *step)
{
    char part[PLACE_ROOM];
    uint64_t size = announced->item.size;
    enum inbox_outcome outcome = INBOX_FAILED;
    place_part(announced->path, part);
    if (!announced->whole)
        outcome = offer_file(inbox, part, 1, size, announced, step);
    if (outcome == INBOX_FAILED) {
        outcome = offer_file(inbox, announced->path, size, size, announced, step);
        announced->whole = outcome != INBOX_FAILED;
    }
    return outcome == INBOX_UNFINISHED ? INBOX_UNFINISHED : INBOX_DONE;
}

static enum inbox_outcome offer(struct inbox *inbox, struct announced *announced,
                                struct inbox_step *step, struct inbox_failure *failure)
{
    step->verdict = SODIUMTCP_NOTHING_THERE;
    if (inbox->pipe != NULL || inbox->left)
        return INBOX_DONE;
    if (announced->item.exists != SODIUMTCP_SKIP)
        return offer_one(inbox, announced, step);
    int error = leave(inbox, announced->path, step);
    return outcome_of(error == 0 || io_failed(failure, step->number, announced->path, error));
}

/* Made for this user alone at first; its mode comes when it is full. */
static bool make_directory(struct inbox *inbox, const struct announced *announced, uint32_t number,
                           struct inbox_failure *failure)
{
    const struct sodiumtcp_item *item = &announced->item;
    const struct io_attributes attributes = {
        .has_mode = item->has_mode,
        .has_mtime = item->has_mtime,
        .mode = item->mode & ~inbox->umask,
        .mtime_s = item->mtime_s,
        .mtime_ns = item->mtime_ns,
    };
    struct io_stat stat;
    int error = io_dir_make(inbox->directory, announced->path, 0700);
    if (error == IO_E_EXISTS) {
        error = io_dir_stat(inbox->directory, announced->path, &stat);
        if (error == 0 && stat.kind != IO_KIND_DIRECTORY)
            error = IO_E_KIND;
    }
    if (error == 0)
        error = unsynced_add(&inbox->unsynced, inbox->directory, announced->path);
    if (error == 0 && (attributes.has_mode || attributes.has_mtime))
        error = io_dir_set(inbox->directory, announced->path, &attributes);
    if (error == 0)
        error = io_dir_sync(inbox->directory, announced->path);
    return error == 0 || io_failed(failure, number, announced->path, error);
}

/* The one item that has a place of its own; false where it is another kind or a second one. */
static const char *refuse_place(struct inbox *inbox, const struct sodiumtcp_item *item)
{
    if (inbox->name == NULL && inbox->pipe == NULL)
        return item->name.len == 0 ? "it has no name, and this receiver takes named ones alone"
                                   : NULL;
    if (item->kind == SODIUMTCP_DIRECTORY || inbox->taken)
        return "this receiver takes one stream or file alone: its --into is no directory";
    inbox->taken = true;
    return NULL;
}

static bool announce(struct inbox *inbox, struct inbox_step *step, struct inbox_failure *failure)
{
    struct announced *announced = &inbox->ring[step->number % SODIUMTCP_ASKED_MAX];
    char path[PLACE_ROOM];
    bool named = place_of(step->item.name, path);
    const char *refused = refuse_place(inbox, &step->item);
    if (inbox->name != NULL)
        snprintf(path, sizeof(path), "%s", inbox->name);
    else if (!named)
        refused = "this name is kept for parts of files";
    if (refused != NULL)
        return fail(failure, step->number, SODIUMTCP_CODE_NAME, path, refused);
    free(announced->path);
    *announced = (struct announced){.item = step->item, .path = strdup(path)};
    announced->item.name = (struct sodiumtcp_name){0};
    return announced->path != NULL || io_failed(failure, step->number, path, IO_E_NO_MEMORY);
}

static enum inbox_outcome begin(struct inbox *inbox, struct inbox_step *step,
                                struct inbox_failure *failure)
{
    struct announced *announced = &inbox->ring[step->number % SODIUMTCP_ASKED_MAX];
    if (!inbox->unfinished && !announce(inbox, step, failure))
        return INBOX_FAILED;
    if (step->item.kind == SODIUMTCP_DIRECTORY)
        return outcome_of(make_directory(inbox, announced, step->number, failure));
    return step->item.exists == SODIUMTCP_REPLACE ? INBOX_DONE
                                                  : offer(inbox, announced, step, failure);
}

/* ---- START, data, END ---- */

/*
 * Whether the part begins with what was offered: another transfer may have finished or changed it.
 * Answers as hashing_go_on().
 */
static int is_as_offered(struct inbox *inbox, const struct announced *announced, bool *same)
{
    const struct io_stat *offered = &announced->part;
    uint8_t hash[SODIUMTCP_HASH_LEN];
    struct io_stat now;
    int error = io_file_stat(inbox->file, &now);
    if (error != 0)
        return error;
    *same = now.size == offered->size && now.change == offered->change;
    if (!inbox->hashing.under_way && (*same || now.size < offered->size))
        return 0;
    error = hashing_go_on(&inbox->hashing, inbox->file, offered->size, hash);
    *same = error == 0 && memcmp(hash, announced->hash, sizeof(hash)) == 0;
    return error;
}

static bool is_empty(struct io_file *file)
{
    struct io_stat stat;
    return io_file_stat(file, &stat) == 0 && stat.size == 0;
}

/* A part stays for the next time, but for one that nothing came of. */
static void close_part(struct inbox *inbox)
{
    char part[PLACE_ROOM];
    if (inbox->file != NULL && is_empty(inbox->file)) {
        place_part(inbox->open->path, part);
        (void)io_dir_remove(inbox->directory, part);
    }
    io_file_close(inbox->file);
    inbox->file = NULL;
}

/* The part, for this transfer alone, from its offset on. */
static enum inbox_outcome open_part(struct inbox *inbox, const struct inbox_step *step,
                                    struct inbox_failure *failure)
{
    const char *path = inbox->open->path;
    char part[PLACE_ROOM];
    bool same = true;
    int error = 0;
    place_part(path, part);
    if (inbox->file == NULL)
        inbox->file = io_file_create(inbox->directory, part, &error);
    if (inbox->file != NULL && step->length > 0)
        error = is_as_offered(inbox, inbox->open, &same);
    if (error == HASHING_UNFINISHED)
        return INBOX_UNFINISHED;
    if (error == 0 && !same) {
        close_part(inbox);
        return outcome_of(fail(failure, step->number, SODIUMTCP_CODE_IN_THE_WAY, path,
                               "another transfer has finished or changed what was there of it"));
    }
    if (error == 0)
        error = io_file_truncate(inbox->file, step->length);
    return outcome_of(error == 0 || io_failed(failure, step->number, path, error));
}

static enum inbox_outcome start(struct inbox *inbox, struct inbox_step *step,
                                struct inbox_failure *failure)
{
    struct announced *announced = &inbox->ring[step->number % SODIUMTCP_ASKED_MAX];
    inbox->open = announced;
    inbox->number = step->number;
    inbox->position = step->length;
    inbox->keep_whole = announced->whole && step->length > 0;
    return inbox->keep_whole || inbox->pipe != NULL ? INBOX_DONE : open_part(inbox, step, failure);
}

static bool write_plain(struct inbox *inbox, const uint8_t *bytes, size_t len,
                        struct inbox_failure *failure)
{
    int error;
    if (inbox->pipe != NULL)
        error = io_file_write_next(inbox->pipe, bytes, len);
    else if (inbox->file == NULL)
        error = IO_E_OTHER; /* the engine lets no byte behind a whole file */
    else
        error = io_file_write_at(inbox->file, bytes, len, inbox->position);
    inbox->position += len;
    return error == 0 || io_failed(failure, inbox->number, inbox->open->path, error);
}

/* The engine has seen to it that plain_len is no more than what was granted and is left. */
static bool write_packed(struct inbox *inbox, const struct inbox_step *step,
                         struct inbox_failure *failure)
{
    const char *path = inbox->open->path;
    if (inbox->unpacker == NULL)
        inbox->unpacker = zstd_unpacker_new();
    if (inbox->unpacked == NULL)
        inbox->unpacked = malloc(SODIUMTCP_ZSTD_PLAIN_MAX);
    if (inbox->unpacker == NULL || inbox->unpacked == NULL)
        return io_failed(failure, inbox->number, path, IO_E_NO_MEMORY);
    if (zstd_unpack(inbox->unpacker, step->bytes, step->len, inbox->unpacked, step->plain_len))
        return write_plain(inbox, inbox->unpacked, step->plain_len, failure);
    failure->breach = true;
    return fail(failure, inbox->number, SODIUMTCP_CODE_OTHER, path,
                "a zstd frame that is not what was said of it");
}

/* Who put it there may have been killed before it was on stable storage. */
static int settle_whole(struct inbox *inbox, const char *path,
                        const struct io_attributes *attributes)
{
    int error = 0;
    struct io_file *file = io_file_open(inbox->directory, path, &error);
    if (file == NULL)
        return error;
    error = io_file_set(file, attributes);
    if (error == 0)
        error = io_file_sync(file);
    io_file_close(file);
    return error == 0 ? unsynced_add(&inbox->unsynced, inbox->directory, path) : error;
}

/* The finished part, to stable storage and to its place. */
static int settle(struct inbox *inbox, const struct announced *announced)
{
    const struct sodiumtcp_item *item = &announced->item;
    const struct io_attributes attributes = {
        .has_mode = true,
        .has_mtime = item->has_mtime,
        .mode = (item->has_mode ? item->mode : 0666U) & ~inbox->umask,
        .mtime_s = item->mtime_s,
        .mtime_ns = item->mtime_ns,
    };
    char part[PLACE_ROOM];
    if (inbox->keep_whole)
        return settle_whole(inbox, announced->path, &attributes);
    place_part(announced->path, part);
    int error = io_file_set(inbox->file, &attributes);
    if (error == 0)
        error = io_file_sync(inbox->file);
    if (error == 0)
        error = io_dir_rename(inbox->directory, part, announced->path);
    return error == 0 ? unsynced_add(&inbox->unsynced, inbox->directory, announced->path) : error;
}

static enum inbox_outcome verify(struct inbox *inbox, const struct inbox_step *step,
                                 struct inbox_failure *failure)
{
    uint8_t hash[SODIUMTCP_HASH_LEN];
    const char *path = inbox->open->path;
    int error = 0;
    if (inbox->keep_whole && inbox->hashed == NULL)
        inbox->hashed = io_file_open(inbox->directory, path, &error);
    if (error == 0)
        error = hashing_go_on(&inbox->hashing, inbox->keep_whole ? inbox->hashed : inbox->file,
                              step->length, hash);
    if (error == HASHING_UNFINISHED)
        return INBOX_UNFINISHED;
    close_hashed(inbox);
    if (error != 0)
        return outcome_of(io_failed(failure, step->number, path, error));
    return outcome_of(memcmp(hash, step->hash, sizeof(hash)) == 0 ||
                      fail(failure, step->number, SODIUMTCP_CODE_NOT_VERIFIED, path,
                           "what was read back is not what was sent"));
}

/* What was there already and was not sent again needs nothing when its client is gone. */
static uint8_t status_of(const struct inbox *inbox, const struct inbox_step *step)
{
    return inbox->left && inbox->keep_whole ? SODIUMTCP_ABANDONED : step->status;
}

static enum inbox_outcome end(struct inbox *inbox, struct inbox_step *step,
                              struct inbox_failure *failure)
{
    const struct announced *announced = inbox->open;
    uint8_t status = status_of(inbox, step);
    bool hashed = status == SODIUMTCP_COMPLETE_HASHED && inbox->pipe == NULL;
    enum inbox_outcome outcome = hashed ? verify(inbox, step, failure) : INBOX_DONE;
    if (outcome == INBOX_UNFINISHED)
        return outcome;
    if (outcome == INBOX_DONE && status != SODIUMTCP_ABANDONED && inbox->pipe == NULL) {
        int error = settle(inbox, announced);
        outcome =
            outcome_of(error == 0 || io_failed(failure, step->number, announced->path, error));
    }
    if (status == SODIUMTCP_ABANDONED)
        close_part(inbox);
    io_file_close(inbox->file);
    inbox->file = NULL;
    inbox->open = NULL;
    step->status = status == SODIUMTCP_ABANDONED ? SODIUMTCP_NOT_KEPT
                   : hashed                      ? SODIUMTCP_KEPT_VERIFIED
                                                 : SODIUMTCP_KEPT;
    if (status == SODIUMTCP_ABANDONED)
        step->length = 0;
    return outcome;
}

static enum inbox_outcome do_step(struct inbox *inbox, struct inbox_step *step,
                                  struct inbox_failure *failure)
{
    switch (step->type) {
    case INBOX_BEGIN:
        return begin(inbox, step, failure);
    case INBOX_START:
        return start(inbox, step, failure);
    case INBOX_WRITE:
        return outcome_of(step->plain_len > 0
                              ? write_packed(inbox, step, failure)
                              : write_plain(inbox, step->bytes, step->len, failure));
    case INBOX_END:
        return end(inbox, step, failure);
    }
    return INBOX_FAILED;
}

enum inbox_outcome inbox_do(struct inbox *inbox, struct inbox_step *step,
                            struct inbox_failure *failure)
{
    enum inbox_outcome outcome = do_step(inbox, step, failure);
    inbox->unfinished = outcome == INBOX_UNFINISHED;
    return outcome;
}

bool inbox_settle(struct inbox *inbox, struct inbox_failure *failure)
{
    int error = unsynced_settle(&inbox->unsynced, inbox->directory);
    hashing_new_turn(&inbox->hashing);
    return error == 0 || io_failed(failure, SODIUMTCP_NO_ITEM, inbox->unsynced.home, error);
}

void inbox_leave(struct inbox *inbox)
{
    if (inbox->left)
        return; /* what is hashed now has to be */
    inbox->left = true;
    hashing_stop(&inbox->hashing);
    close_hashed(inbox);
}

/* ---- Life ---- */

struct inbox *inbox_new(struct io_disk *disk, const struct inbox_config *config)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (inbox == NULL)
        return NULL;
    inbox->disk = disk;
    inbox->directory = config->directory;
    inbox->name = config->name;
    inbox->pipe = config->pipe;
    inbox->umask = config->umask;
    hashing_new_turn(&inbox->hashing);
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    if (inbox == NULL)
        return;
    close_part(inbox);
    for (size_t i = 0; i < SODIUMTCP_ASKED_MAX; i++)
        free(inbox->ring[i].path);
    io_dir_close(inbox->directory);
    close_hashed(inbox);
    hashing_clear(&inbox->hashing);
    zstd_unpacker_free(inbox->unpacker);
    free(inbox->unpacked);
    free(inbox);
}
