#include "roles/master/service.h"

#include "io/log.h"

#include <stdlib.h>

/* Changes on their way to the server's loop. */
struct news {
    struct io_message message;
    struct master_service *service;
    size_t count;
    struct store_change changes[STORE_CHANGES_MAX];
};

static void tell(struct io_loop *loop, void *arg)
{
    struct news *news = arg;
    const struct master_server *server = &news->service->config.here;

    (void)loop;
    server->revoked(server->arg, news->changes, news->count);
    free(news);
}

static void complain(struct master_service *service, int error)
{
    if (!service->watch.failed)
        log_event(service->own, LOG_ERROR, "store", "cannot see what was revoked: %s",
                  store_error_text(error));
    service->watch.failed = true;
}

/* What follows `since`, on its way to the server's loop. */
static int post_changes(struct master_service *service, int64_t since, bool *more)
{
    struct news *news = calloc(1, sizeof(*news));
    int64_t last;
    int error;

    if (news == NULL)
        return STORE_E_NO_MEMORY;
    error = store_changes(service->master.store, since, news->changes, &news->count, &last);
    if (error == STORE_OK)
        service->watch.seq = news->count == 0 ? since : news->changes[news->count - 1].seq;
    if (error != STORE_OK || news->count == 0) {
        free(news);
        return error;
    }
    *more = news->count == STORE_CHANGES_MAX;
    news->message = (struct io_message){.fn = tell, .arg = news};
    news->service = service;
    io_post_message(service->loop, &news->message);
    return STORE_OK;
}

bool watch_look(struct master_service *service)
{
    struct watch *watch = &service->watch;
    bool more = false;
    int64_t last;
    int error;

    if (service->config.here.revoked == NULL)
        return false;
    error = store_last_change(service->master.store, &last);
    /* A store that was put back from a copy has fewer changes than were told: all of it again. */
    if (error == STORE_OK && last != watch->seq)
        error = post_changes(service, last < watch->seq ? 0 : watch->seq, &more);
    if (error != STORE_OK)
        complain(service, error);
    else
        watch->failed = false;
    return more;
}
