#include "cli/publishers.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/map.h"
#include "cli/keyfile.h"
#include "cli/publishset.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may wait in queues, in all; and for one at least. */
static const size_t memory_all = (size_t)256 * 1024 * 1024;
static const size_t memory_least = (size_t)16 * 1024 * 1024;

struct publisher {
    struct list link;
    struct publishers *publishers;
    struct publish *publish;
    char *told; /* all that it was told, by publishset_text() */
};

struct publishers {
    struct io_loop *loop;
    struct list running;
    struct list ending;
    bool several;
    bool stopping;
    void (*stopped)(void *arg);
    void *arg;
};

static struct publisher *publisher_of(struct list *link)
{
    return container_of(link, struct publisher, link);
}

static void publisher_free(struct publisher *publisher)
{
    list_remove(&publisher->link);
    publish_free(publisher->publish);
    free(publisher->told);
    free(publisher);
}

static void on_stopped(void *arg)
{
    struct publisher *publisher = arg;
    struct publishers *publishers = publisher->publishers;
    publisher_free(publisher);
    if (publishers->stopping && list_empty(&publishers->ending))
        publishers->stopped(publishers->arg);
}

/* It is freed when it has ended. */
static void end(struct publisher *publisher)
{
    list_remove(&publisher->link);
    list_append(&publisher->publishers->ending, &publisher->link);
    publish_stop(publisher->publish);
}

/* ---- Beginning ---- */

/* Starts with the credential that standard input has, where the option says "-". */
static struct publish *start_with(struct publisher *publisher, struct publish_config *config,
                                  char *why, size_t why_len)
{
    struct io_loop *loop = publisher->publishers->loop;
    if (config->credential_file == NULL || strcmp(config->credential_file, "-") != 0)
        return publish_start(loop, config, on_stopped, publisher, why, why_len);
    char inner[OPTION_WHY_MAX];
    size_t len = 0;
    char *text = keyfile_stdin(&len, inner);
    if (text == NULL) {
        snprintf(why, why_len, "%s", inner);
        return NULL;
    }
    config->credential_file = NULL;
    config->credential_text = text;
    struct publish *publish = publish_start(loop, config, on_stopped, publisher, why, why_len);
    wipe(text, len);
    free(text);
    return publish;
}

static struct publish *start_one(struct publisher *publisher, const struct publishset *set,
                                 size_t count, char *why, size_t why_len)
{
    struct publish_config config;
    struct publish *publish = NULL;
    if (publishset_config(set, &config)) {
        size_t share = memory_all / count;
        config.memory = share < memory_least ? memory_least : share;
        publish = start_with(publisher, &config, why, why_len);
    } else {
        snprintf(why, why_len, "out of memory");
    }
    publishset_clear(&config);
    return publish;
}

/* Takes over `told`. The new one is in the list `where`. False with why. */
static bool begin(struct publishers *publishers, struct list *where, const struct publishset *set,
                  size_t count, char *told, char *why, size_t why_len)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL) {
        free(told);
        snprintf(why, why_len, "out of memory");
        return false;
    }
    publisher->publishers = publishers;
    publisher->told = told;
    list_append(where, &publisher->link);
    publisher->publish = start_one(publisher, set, count, why, why_len);
    if (publisher->publish != NULL)
        return true;
    publisher_free(publisher);
    return false;
}

/* ---- What goes on, and what does not ---- */

static struct publisher *find(const struct publishers *publishers, const char *told)
{
    for (struct list *p = publishers->running.next; p != &publishers->running; p = p->next)
        if (strcmp(publisher_of(p)->told, told) == 0)
            return publisher_of(p);
    return NULL;
}

static void move_all(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *first = from->next;
        list_remove(first);
        list_append(to, first);
    }
}

/*
 * Begins in `fresh` what does not run yet, and moves to `kept` what does. False with why: the
 * caller puts both back.
 */
static bool sort_out(struct publishers *publishers, const struct options *options,
                     struct list *kept, struct list *fresh, char *why, size_t why_len)
{
    size_t count = publishset_count(options);
    for (size_t i = 0; i < count; i++) {
        const struct publishset set = publishset_at(options, i);
        char *told = publishset_text(&set);
        if (told == NULL) {
            snprintf(why, why_len, "out of memory");
            return false;
        }
        struct publisher *same = find(publishers, told);
        if (same != NULL) {
            free(told);
            list_remove(&same->link);
            list_append(kept, &same->link);
        } else if (!begin(publishers, fresh, &set, count, told, why, why_len)) {
            return false;
        }
    }
    return true;
}

/* A mistake in the credential or certificate of one concerns that one alone. */
static int reload_kept(struct publishers *publishers, struct list *kept, char *why, size_t why_len)
{
    int result = 0;
    for (struct list *p = kept->next; p != kept; p = p->next) {
        if (publish_reload(publisher_of(p)->publish, why, why_len) == 0)
            continue;
        if (publishers->several)
            log_event(publishers->loop, LOG_ERROR, "reload", "one service stays as it was: %s",
                      why);
        else
            result = -1;
    }
    return result;
}

int publishers_reload(struct publishers *publishers, const struct options *options, char *why,
                      size_t why_len)
{
    struct list kept;
    struct list fresh;
    list_init(&kept);
    list_init(&fresh);
    bool sorted = sort_out(publishers, options, &kept, &fresh, why, why_len);
    int result = sorted ? reload_kept(publishers, &kept, why, why_len) : -1;
    if (result == 0) {
        publishers->several = options_count(options, "services") > 0;
        while (!list_empty(&publishers->running))
            end(publisher_of(publishers->running.next));
    }
    while (result != 0 && !list_empty(&fresh))
        end(publisher_of(fresh.next));
    move_all(&kept, &publishers->running);
    move_all(&fresh, &publishers->running);
    return result;
}

/* ---- Life ---- */

struct publishers *publishers_start(struct io_loop *loop, const struct options *options,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len)
{
    struct publishers *publishers = calloc(1, sizeof *publishers);
    if (publishers == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    publishers->loop = loop;
    publishers->stopped = stopped;
    publishers->arg = arg;
    list_init(&publishers->running);
    list_init(&publishers->ending);
    if (publishers_reload(publishers, options, why, why_len) == 0)
        return publishers;
    publishers_free(publishers);
    return NULL;
}

void publishers_stop(struct publishers *publishers)
{
    publishers->stopping = true;
    while (!list_empty(&publishers->running))
        end(publisher_of(publishers->running.next));
}

void publishers_free(struct publishers *publishers)
{
    if (publishers == NULL)
        return;
    while (!list_empty(&publishers->running))
        publisher_free(publisher_of(publishers->running.next));
    while (!list_empty(&publishers->ending))
        publisher_free(publisher_of(publishers->ending.next));
    free(publishers);
}

json_t *publishers_status(const struct publishers *publishers)
{
    if (!publishers->several && !list_empty(&publishers->running))
        return publish_status(publisher_of(publishers->running.next)->publish);
    json_t *services = json_array();
    for (struct list *p = publishers->running.next; p != &publishers->running; p = p->next)
        json_array_append_new(services, publish_status(publisher_of(p)->publish));
    return json_pack("{ss, so}", "role", "publish", "services", services);
}
