#include "lib/quicktun/walk.h"

#include "lib/quicktun/codes.h"

#include <adit/quicktun.h>

enum {
    PADDING_HEADER = 2, /* code, number of zeros */
    BATCH_LENGTH = 2,   /* before each message of a batch */
};

/* One message: a command, or wrappers around commands. */
struct span {
    size_t at;
    size_t len;
    uint8_t wrappers; /* around it */
};

void quicktun_walk_start(struct quicktun_walk *walk, size_t payload_len)
{
    *walk = (struct quicktun_walk){.depth = 1};
    walk->levels[0].end = (uint16_t)payload_len;
}

bool quicktun_walk_done(const struct quicktun_walk *walk)
{
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->levels[i].at < walk->levels[i].end)
            return false;
    return true;
}

/* The next message of the innermost batch that has one: 1, 0 when none has, or an error. */
static int next_message(struct quicktun_walk *walk, const uint8_t *payload, struct span *message)
{
    while (walk->depth > 0 && walk->levels[walk->depth - 1].at == walk->levels[walk->depth - 1].end)
        walk->depth--;
    if (walk->depth == 0)
        return 0;
    size_t at = walk->levels[walk->depth - 1].at;
    size_t len = (size_t)walk->levels[walk->depth - 1].end - at;
    if (walk->depth > 1) {
        if (len < BATCH_LENGTH)
            return QUICKTUN_E_BATCH;
        size_t left = len - BATCH_LENGTH;
        len = (size_t)payload[at] << 8 | payload[at + 1];
        at += BATCH_LENGTH;
        if (len == 0 || len > left)
            return QUICKTUN_E_BATCH;
    }
    walk->levels[walk->depth - 1].at = (uint16_t)(at + len);
    *message = (struct span){at, len, walk->levels[walk->depth - 1].wrappers};
    return 1;
}

static int enter_batch(struct quicktun_walk *walk, const struct span *batch)
{
    if (batch->len == 1)
        return QUICKTUN_E_BATCH;
    walk->levels[walk->depth].at = (uint16_t)(batch->at + 1);
    walk->levels[walk->depth].end = (uint16_t)(batch->at + batch->len);
    walk->levels[walk->depth].wrappers = (uint8_t)(batch->wrappers + 1);
    walk->depth++;
    return QUICKTUN_OK;
}

static int strip_padding(const uint8_t *payload, struct span *message)
{
    if (message->len < PADDING_HEADER)
        return QUICKTUN_E_PADDING;
    size_t zeros = payload[message->at + 1];
    if (message->len <= PADDING_HEADER + zeros)
        return QUICKTUN_E_PADDING;
    message->at += PADDING_HEADER;
    message->len -= PADDING_HEADER + zeros;
    message->wrappers++;
    return QUICKTUN_OK;
}

int quicktun_walk_next(struct quicktun_walk *walk, const uint8_t *payload,
                       struct quicktun_command *command)
{
    struct span message;
    int got;
    while ((got = next_message(walk, payload, &message)) > 0) {
        int error = QUICKTUN_OK;
        while (!error && payload[message.at] == QUICKTUN_CODE_PADDING &&
               message.wrappers < QUICKTUN_WRAPPERS_MAX)
            error = strip_padding(payload, &message);
        if (error)
            return error;
        uint8_t code = payload[message.at];
        if (code != QUICKTUN_CODE_PADDING && code != QUICKTUN_CODE_BATCH) {
            *command = (struct quicktun_command){code, (uint16_t)(message.at + 1),
                                                 (uint16_t)(message.len - 1)};
            return 1;
        }
        if (message.wrappers == QUICKTUN_WRAPPERS_MAX)
            return QUICKTUN_E_WRAPPERS;
        error = enter_batch(walk, &message);
        if (error)
            return error;
    }
    return got;
}

int quicktun_walk_check(const uint8_t *payload, size_t payload_len)
{
    struct quicktun_walk walk;
    struct quicktun_command command;
    bool keyed = false;
    int got;
    quicktun_walk_start(&walk, payload_len);
    while ((got = quicktun_walk_next(&walk, payload, &command)) > 0) {
        if (keyed)
            return QUICKTUN_E_AFTER_KEYING;
        keyed = quicktun_code_is_keying(command.code);
    }
    return got;
}
