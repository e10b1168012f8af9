#include "base/encode.h"
#include "cli/ask.h"
#include "cli/process.h"
#include "cli/service.h"
#include "cli/vpnconfig.h"
#include "cli/vpntext.h"
#include "io/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- The role ---- */

/* A reload reads files again. */
struct running {
    struct io_loop *loop;
    struct vpn *vpn;
};

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct vpnconfig made;
    struct running *running = calloc(1, sizeof *running);
    if (running == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    running->loop = loop;
    if (vpnconfig_make(&made, options, io_disk(loop), why, why_len))
        running->vpn = vpn_start(loop, &made.config, stopped, arg, why, why_len);
    vpnconfig_clear(&made);
    if (running->vpn == NULL) {
        free(running);
        return NULL;
    }
    return running;
}

static int reload(void *arg, const struct options *options, char *why, size_t why_len)
{
    const struct running *running = arg;
    struct vpnconfig made;
    int result = -1;
    if (vpnconfig_make(&made, options, io_disk(running->loop), why, why_len))
        result = vpn_reload(running->vpn, &made.config, why, why_len);
    vpnconfig_clear(&made);
    return result;
}

static void stop(void *arg)
{
    const struct running *running = arg;
    vpn_stop(running->vpn);
}

static void free_running(void *arg)
{
    struct running *running = arg;
    vpn_free(running->vpn);
    free(running);
}

static bool failed(void *arg)
{
    const struct running *running = arg;
    return vpn_failed(running->vpn);
}

static void status(void *arg, void (*answer)(void *arg, json_t *status), void *answer_arg)
{
    const struct running *running = arg;
    answer(answer_arg, vpn_status(running->vpn));
}

static const struct service_role role = {
    start, reload, stop, free_running, status, IO_SANDBOX_CONNECT | IO_SANDBOX_CHILD, true};

/* ---- --show ---- */

static int show(const struct command *command, const struct options *options)
{
    char path[256];
    char why[OPTION_WHY_MAX];
    const char *given = options_text(options, "control");
    if (given == NULL && !process_control_path(command->name, path, sizeof path))
        return command_unusable(command, "XDG_RUNTIME_DIR is not set: --control PATH is needed");
    json_t *answer = ask(given == NULL ? path : given, "status", why);
    if (answer == NULL) {
        char shown[OPTION_WHY_MAX];
        return command_failed(command, "%s: %s", given == NULL ? path : given,
                              text_escape(why, strlen(why), shown, sizeof shown));
    }
    if (options_switched_on(options, "json")) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        vpntext_print(stdout, answer, 0);
    }
    json_decref(answer);
    return EXIT_FINE;
}

static int run(const struct command *command, struct options *options)
{
    if (options_switched_on(options, "show"))
        return show(command, options);
    if (options_switched_on(options, "json"))
        return command_unusable(command, "--json belongs to --show");
    return service_run_finite(command, &role, failed, options);
}

const struct command command_vpn = {
    .name = "vpn",
    .group = "Join networks",
    .summary = "joins machines and networks by a VPN over TCP",
    .usage = "--config FILE [options] | --show [--json]",
    .about =
        "Makes a network interface, and connects it with those of peers, each over one TCP "
        "connection (QuickTunTcp), encrypted and authenticated by the peers' public keys. One end "
        "listens, any port will do; the other connects, again and again for ever.\n"
        "It starts as root, because only root makes interfaces, and becomes --user then.\n"
        "SIGHUP reads the file again: peers that are as before keep their connection. The "
        "interface, the private key and the addresses to listen at need a restart. SIGTERM and "
        "SIGINT close all and end with status 0; interface and routes are gone then.",
    .example =
        "  adit keygen box --out vpn.key        # prints the public half, for the other end\n"
        "  cat > vpn.yaml <<END\n"
        "  role: vpn\n"
        "  private_key_file: vpn.key\n"
        "  listen: 0.0.0.0:2998\n"
        "  interface: {name: adit0, address: 10.9.0.1/24}\n"
        "  peers:\n"
        "    - name: laptop\n"
        "      public_key: ThePublicHalfOfTheLaptop'sKey\n"
        "      allowed_ips: 10.9.0.2\n"
        "  END\n"
        "  adit check vpn.yaml && adit vpn --config vpn.yaml\n"
        "  adit vpn --show\n",
    .table = {vpnconfig_specs, service_options},
    .examine = vpnconfig_examine,
    .run = run,
};
