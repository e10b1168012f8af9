#include "base/encode.h"
#include "cli/command.h"
#include "cli/demodevice.h"
#include "cli/demofiles.h"
#include "cli/demosite.h"
#include "cli/demotext.h"
#include "cli/whole.h"
#include "io/log.h"
#include "io/real/real.h"
#include "roles/publish/publish.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT_FIRST = 20000, /* below the ports that kernels give away by themselves */
    PORT_COUNT = 12000,
    PORT_TRIALS = 8,
    LOOK_MS = 10,       /* how often the server's state is looked at */
    CONNECT_MS = 10000, /* until the publisher must be connected */
    NONCE_LEN = 16,
    PATH_TEXT_MAX = 64,
    TOKEN_VALID_S = 24 * 60 * 60,
    RATE_PER_MINUTE = 600,
};

static const char name[] = "demo.localhost";
static const char mine[] = "mine.localhost";

static const struct option_spec specs[] = {
    {.name = "once",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Ends after the proof, with exit status 0 or 1."},
    {.name = "state",
     .value = "DIR",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Where the keys are kept. Default: $XDG_STATE_HOME/adit/demo or "
             "~/.local/state/adit/demo."},
    {.name = NULL},
};

struct demo {
    struct io_loop *loop;
    bool once;
    struct demofiles files;
    struct io_tls *site_tls;
    struct io_tls *device_tls;
    struct demosite *site;
    struct whole *whole; /* the server and its session master */
    struct publish *publish;
    struct demodevice *device;
    struct io_timer look;
    uint64_t publish_since_ms;
    struct addr public_addr; /* where the device connects */
    char path[PATH_TEXT_MAX];
    unsigned step;
    unsigned running; /* roles that have not stopped */
    bool stopping;
    int status;
};

/* One line of the report: "3  server     text". */
static void say(struct demo *demo, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct demo *demo, const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    demo->step++;
    printf("%2u  %-10s", demo->step, what);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
    va_end(args);
}

static void wind_up(struct demo *demo)
{
    if (demo->running == 0) {
        if (demo->site != NULL) {
            demosite_close(demo->site);
            demo->site = NULL;
        }
        io_real_stop(demo->loop);
    }
}

static void on_stopped(void *arg)
{
    struct demo *demo = arg;
    demo->running--;
    wind_up(demo);
}

static void stop(struct demo *demo)
{
    if (demo->stopping)
        return;
    demo->stopping = true;
    io_timer_stop(&demo->look);
    if (demo->device != NULL) {
        demodevice_cancel(demo->device);
        demo->device = NULL;
    }
    if (demo->publish != NULL)
        publish_stop(demo->publish);
    if (demo->whole != NULL) {
        /* Twice: nothing waits for callers of a demo. */
        whole_stop(demo->whole);
        whole_stop(demo->whole);
    }
    wind_up(demo);
}

static void fail(struct demo *demo, const char *what, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "adit demo: %s: %s\n", what, why);
    demo->status = EXIT_FAILED;
    stop(demo);
}

static void on_signal(void *arg)
{
    stop(arg);
}

/* ---- The proof ---- */

/* True when the page has this line. */
static bool page_says(const char *answer, const char *key, const char *value)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s: %s\n", key, value);
    return strstr(answer, line) != NULL;
}

/* The value of a line of the page, as it may be shown. */
static char *page_value(const char *answer, const char *key, char *out, size_t out_len)
{
    char start[64];
    snprintf(start, sizeof start, "\n%s: ", key);
    const char *line = strstr(answer, start);
    const char *value = line == NULL ? "" : line + strlen(start);
    return text_escape(value, strcspn(value, "\n"), out, out_len);
}

static void report_page(struct demo *demo, const struct demodevice_seen *seen)
{
    char from[ADDR_TEXT_MAX];
    char to[ADDR_TEXT_MAX];
    char told[64];
    char connection[ADDR_TEXT_MAX];
    char status_line[64];
    addr_format(&seen->from, from);
    addr_format(&demo->public_addr, to);
    say(demo, "device", "%s reached the public address %s in %u ms", from, to, seen->connect_ms);
    say(demo, "TLS", "%s, %s, certificate of %s verified against %s, in %u ms", seen->tls_version,
        seen->tls_cipher, name, demo->files.ca, seen->tls_ms);
    say(demo, "page", "%s, %zu bytes through the tunnel in %u ms",
        text_escape(seen->answer, strcspn(seen->answer, "\r\n"), status_line, sizeof status_line),
        seen->len, seen->page_ms);
    say(demo, "caller",
        "the site was told %s by its PROXY header; its connection came from %s, the publisher",
        page_value(seen->answer, "caller", told, sizeof told),
        page_value(seen->answer, "connection", connection, sizeof connection));
}

static void master_url(const struct demo *demo, char url[ADDR_TEXT_MAX + 16])
{
    struct addr at = whole_master_addr(demo->whole);
    char text[ADDR_TEXT_MAX];
    addr_format(&at, text);
    snprintf(url, ADDR_TEXT_MAX + 16, "http://%s", text);
}

static void show_commands(const struct demo *demo)
{
    char url[ADDR_TEXT_MAX + 16];
    master_url(demo, url);
    demotext_commands(
        stdout, &demo->files,
        &(struct demotext){
            .name = name, .mine = mine, .master = url, .port = demo->public_addr.port});
}

static void on_page(void *arg, const struct demodevice_seen *seen)
{
    struct demo *demo = arg;
    char caller[IP_TEXT_MAX];
    demo->device = NULL;
    if (!seen->fine) {
        fail(demo, "device", seen->why);
        return;
    }
    report_page(demo, seen);
    ip_format(&seen->from.ip, caller);
    if (strncmp(seen->answer, "HTTP/1.1 200 ", 13) != 0 ||
        !page_says(seen->answer, "asked", demo->path)) {
        fail(demo, "page", "it is not the one that was asked for");
    } else if (!page_says(seen->answer, "caller", caller)) {
        fail(demo, "caller", "the site was told another address than the device's");
    } else {
        printf("\nProved: %s is reached through the tunnel, TLS end to end.\n", name);
        if (demo->once)
            stop(demo);
        else
            show_commands(demo);
    }
}

static void call(struct demo *demo)
{
    uint8_t nonce[NONCE_LEN];
    char text[2 * NONCE_LEN + 1];
    int error = 0;
    io_random(demo->loop, nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, text);
    snprintf(demo->path, sizeof demo->path, "/%s", text);
    demo->device = demodevice_start(demo->loop, &demo->public_addr, name, demo->path,
                                    demo->device_tls, on_page, demo, &error);
    if (demo->device == NULL)
        fail(demo, "device", io_error_text(error));
}

static const char *field(const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text == NULL ? "-" : text;
}

static bool serves(const json_t *state)
{
    const json_t *peers = json_object_get(state, "peers");
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const json_t *peer = json_array_get(peers, i);
        if (strcmp(field(peer, "hostname"), name) == 0 &&
            strcmp(field(peer, "state"), "serving") == 0)
            return true;
    }
    return false;
}

/* The publisher is connected when it has answered the challenge, but devices reach it only when the
 * server has read that answer: so the server is asked. */
static void on_server_status(void *arg, json_t *state)
{
    struct demo *demo = arg;
    uint64_t waited_ms = io_now_ms(demo->loop) - demo->publish_since_ms;
    if (demo->stopping) {
        json_decref(state);
        return;
    }
    if (serves(state)) {
        json_t *status = publish_status(demo->publish);
        say(demo, "publisher", "connected to %s as %s in %llu ms: %s, version %d",
            field(status, "server"), field(status, "hostname"), (unsigned long long)waited_ms,
            field(status, "cipher"),
            (int)json_integer_value(json_object_get(status, "protocol_version")));
        json_decref(status);
        call(demo);
    } else if (waited_ms > CONNECT_MS) {
        fail(demo, "publisher", "it did not connect to the server");
    } else {
        io_timer_set_in(&demo->look, LOOK_MS);
    }
    json_decref(state);
}

static void on_look(void *arg)
{
    struct demo *demo = arg;
    whole_status(demo->whole, on_server_status, demo);
}

/* ---- Starting ---- */

static const struct adit_ip loopback_4 = {.family = 4, .bytes = {127, 0, 0, 1}};
static const struct adit_ip loopback_6 = {.family = 6, .bytes = {[15] = 1}};

/* On both loopback addresses at one port that happens to be free; on IPv4 alone as the last
 * resort. */
static bool start_server(struct demo *demo, char *why, size_t why_len)
{
    struct addr listen[2];
    struct server_config config = {
        .listen = listen, .fernet_key_file = demo->files.fernet_key, .workers = 0};
    struct master_config master = {.listen = {.ip = loopback_4},
                                   .store_file = demo->files.store,
                                   .fernet_key_file = demo->files.fernet_key,
                                   .server_host = "127.0.0.1",
                                   .token_valid_s = TOKEN_VALID_S,
                                   .rate_per_minute = RATE_PER_MINUTE};
    server_limits_default(&config.limits);
    for (int i = 0; demo->whole == NULL && i <= PORT_TRIALS; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + io_random_below(demo->loop, PORT_COUNT));
        bool last = i == PORT_TRIALS;
        listen[0] = (struct addr){loopback_4, last ? 0 : port};
        listen[1] = (struct addr){loopback_6, port};
        config.listen_count = last ? 1 : 2;
        demo->whole = whole_start(demo->loop, &config, &master, on_stopped, demo, why, why_len);
    }
    if (demo->whole == NULL)
        return false;
    demo->running++;
    struct addr bound[2];
    size_t count = whole_addresses(demo->whole, bound, 2);
    /* The IPv6 one: its callers are told apart from the publisher, who comes by IPv4. */
    demo->public_addr = bound[count - 1];
    char text[2][ADDR_TEXT_MAX] = {"", ""};
    for (size_t i = 0; i < count; i++)
        addr_format(&bound[i], text[i]);
    say(demo, "server", "listens on %s%s%s", text[0], count > 1 ? " and " : "", text[1]);
    struct addr at = whole_master_addr(demo->whole);
    addr_format(&at, text[0]);
    say(demo, "master", "gives tokens on http://%s to hosts in hosts.db, in the same process",
        text[0]);
    return true;
}

static bool start_site(struct demo *demo, char *why, size_t why_len)
{
    int error = 0;
    const struct democa *certificates = &demo->files.certificates;
    demo->site_tls = io_tls_server_new(certificates->cert, certificates->key, why, why_len);
    demo->device_tls = io_tls_client_new(certificates->ca, why, why_len);
    if (demo->site_tls == NULL || demo->device_tls == NULL)
        return false;
    demo->site = demosite_open(demo->loop, demo->site_tls, &error);
    if (demo->site == NULL) {
        snprintf(why, why_len, "%s", io_error_text(error));
        return false;
    }
    struct addr at = demosite_addr(demo->site);
    char text[ADDR_TEXT_MAX];
    addr_format(&at, text);
    say(demo, "site", "HTTPS on %s with a certificate for %s", text, name);
    return true;
}

static bool start_publish(struct demo *demo, char *why, size_t why_len)
{
    struct addr at = demosite_addr(demo->site);
    char url[ADDR_TEXT_MAX + 16];
    master_url(demo, url);
    struct publish_config config = {.master_url = url,
                                    .api_key_file = demo->files.api_key,
                                    .cipher = SNITUN_AES_GCM,
                                    .to_host = "127.0.0.1",
                                    .to_port = at.port,
                                    .proxy_protocol = 2};
    demo->publish_since_ms = io_now_ms(demo->loop);
    demo->publish = publish_start(demo->loop, &config, on_stopped, demo, why, why_len);
    if (demo->publish == NULL)
        return false;
    demo->running++;
    io_timer_set_in(&demo->look, LOOK_MS);
    return true;
}

static void start(void *arg)
{
    struct demo *demo = arg;
    char why[OPTION_WHY_MAX] = "";
    if (!start_server(demo, why, sizeof why))
        fail(demo, "server", why);
    else if (!start_site(demo, why, sizeof why))
        fail(demo, "site", why);
    else if (!start_publish(demo, why, sizeof why))
        fail(demo, "publisher", why);
}

static int run_loop(const struct command *command, const struct options *options, struct demo *demo)
{
    char why[OPTION_WHY_MAX] = "";
    if (io_real_on_signal(demo->loop, SIGTERM, on_signal, demo) != 0 ||
        io_real_on_signal(demo->loop, SIGINT, on_signal, demo) != 0 ||
        io_real_on_signal(demo->loop, SIGHUP, on_signal, demo) != 0)
        return command_failed(command, "cannot wait for signals");
    if (!demofiles_make(&demo->files, demo->loop, options_text(options, "state"), name, mine, why))
        return command_failed(command, "%s", why);
    say(demo, "keys", "in %s: fernet.key (%s), the API key demo.key of %s, the CA ca.pem",
        demo->files.directory, demo->files.key_is_new ? "new" : "kept", name);
    struct io_task first;
    io_task_init(&first, demo->loop, start, demo);
    io_task_queue(&first);
    io_timer_init(&demo->look, demo->loop, on_look, demo);
    io_real_run(demo->loop);
    return demo->status;
}

static int run(const struct command *command, struct options *options)
{
    int error = 0;
    struct io_real_options settings = {.log_level = LOG_WARN};
    struct demo demo = {.once = options_switched_on(options, "once"), .status = EXIT_FINE};
    demo.loop = io_real_new(&settings, &error);
    if (demo.loop == NULL)
        return command_failed(command, "%s", io_error_text(error));
    int status = run_loop(command, options, &demo);
    if (demo.publish != NULL)
        publish_free(demo.publish);
    whole_free(demo.whole);
    if (demo.site_tls != NULL)
        io_tls_unref(demo.site_tls);
    if (demo.device_tls != NULL)
        io_tls_unref(demo.device_tls);
    demofiles_clear(&demo.files);
    io_real_free(demo.loop);
    return status;
}

const struct command command_demo = {
    .name = "demo",
    .group = "Look and try",
    .summary = "shows all of it on this machine, and proves that it works",
    .usage = "[--once] [--state DIR]",
    .about = "Makes keys, starts a server with its session master, a publisher and a small HTTPS "
             "site with a certificate of a throw-away CA, connects to the public address as a "
             "device would and fetches a page through the tunnel. Each step is printed with what "
             "was seen. Then it stays up "
             "and prints the commands with which you publish something of your own.",
    .example = "  adit demo\n  adit demo --once --state /tmp/adit-demo\n",
    .table = {specs, NULL},
    .run = run,
};
