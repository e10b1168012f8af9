#include "roles/master/service.h"

#include "io/log.h"

#include <stdlib.h>
#include <string.h>

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

/* A store that was put back from a copy has fewer changes than were told: all of it again. */
static int read_changes(struct master_service *service, struct news *news)
{
    struct watch *watch = &service->watch;
    int64_t last = 0;
    int error =
        store_changes(service->master.store, watch->seq, news->changes, &news->count, &last);

    if (error != STORE_OK || last >= watch->seq)
        return error;
    return store_changes(service->master.store, 0, news->changes, &news->count, &last);
}

static void complain(struct master_service *service, int error)
{
    if (!service->watch.failed)
        log_event(service->own, LOG_ERROR, "store", "cannot see what was revoked: %s",
                  store_error_text(error));
    service->watch.failed = true;
}

bool watch_look(struct master_service *service)
{
    struct watch *watch = &service->watch;
    struct news *news;
    bool more;
    int error;

    if (service->config.here.revoked == NULL)
        return false;
    news = calloc(1, sizeof(*news));
    error = news == NULL ? STORE_E_NO_MEMORY : read_changes(service, news);
    if (error != STORE_OK)
        complain(service, error);
    else
        watch->failed = false;
    if (error != STORE_OK || news->count == 0) {
        free(news);
        return false;
    }
    watch->seq = news->changes[news->count - 1].seq;
    more = news->count == STORE_CHANGES_MAX;
    news->message = (struct io_message){.fn = tell, .arg = news};
    news->service = service;
    io_post_message(service->loop, &news->message);
    return more;
}
