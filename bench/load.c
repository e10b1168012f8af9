#include "bench/device.h"
#include "bench/endpoint.h"
#include "bench/net.h"
#include "bench/peers.h"
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "load down|up|echo|connect --to ADDR:PORT --endpoint ADDR:PORT [--name HOST]\n"
    "     [--connections N] [--message BYTES] [--warm SECONDS] [--seconds SECONDS]\n"
    "load peers --to ADDR:PORT --fernet-key-file FILE --pid PID [--connections N]\n"
    "Prints one JSON object. Exit 0 when every byte was right, 1 when not, 2 for bad usage.\n";

struct arguments {
    const char *mode, *name, *key_file;
    struct sockaddr_in to, endpoint;
    unsigned long connections, message_len, pid;
    double warm_s, measure_s;
};

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},
        {"endpoint", required_argument, NULL, 'e'},
        {"name", required_argument, NULL, 'n'},
        {"connections", required_argument, NULL, 'c'},
        {"message", required_argument, NULL, 'm'},
        {"warm", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'},
        {"fernet-key-file", required_argument, NULL, 'k'},
        {"pid", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    bool fine = true;
    int option;
    while (fine && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            fine = net_parse(optarg, &arguments->to);
            break;
        case 'e':
            fine = net_parse(optarg, &arguments->endpoint);
            break;
        case 'n':
            arguments->name = optarg;
            fine = hello_len(optarg) <= HELLO_MAX;
            break;
        case 'c':
            arguments->connections = strtoul(optarg, NULL, 10);
            break;
        case 'm':
            arguments->message_len = strtoul(optarg, NULL, 10);
            break;
        case 'w':
            arguments->warm_s = strtod(optarg, NULL);
            break;
        case 's':
            arguments->measure_s = strtod(optarg, NULL);
            break;
        case 'k':
            arguments->key_file = optarg;
            break;
        case 'p':
            arguments->pid = strtoul(optarg, NULL, 10);
            break;
        default:
            fine = false;
        }
    }
    arguments->mode = fine && optind == argc - 1 ? argv[optind] : "";
    return fine && optind == argc - 1 && arguments->to.sin_family == AF_INET &&
           arguments->connections > 0 && arguments->connections < 1000000 &&
           arguments->message_len > 0 && arguments->message_len <= DEVICE_MESSAGE_MAX;
}

static int report(const struct device_load *load, const struct device_result *result,
                  const char *mode)
{
    double seconds = (double)result->measured_ns / 1e9;
    double per_s = seconds > 0 ? 1 / seconds : 0;
    printf("{\"mode\": \"%s\", \"connections\": %u, \"seconds\": %.3f, \"bytes\": %" PRIu64
           ", \"bytes_all\": %" PRIu64 ", \"operations\": %" PRIu64 ", \"operations_all\": %" PRIu64
           ", \"mb_per_s\": %.1f, \"operations_per_s\": %.1f, \"errors\": %" PRIu64
           ", \"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f}}\n",
           mode, load->connections, seconds, result->bytes, result->bytes_all, result->operations,
           result->operations_all, (double)result->bytes * per_s / 1e6,
           (double)result->operations * per_s, result->errors,
           (double)histogram_quantile(&result->latency_ns, 0.5) / 1e3,
           (double)histogram_quantile(&result->latency_ns, 0.9) / 1e3,
           (double)histogram_quantile(&result->latency_ns, 0.99) / 1e3,
           (double)histogram_quantile(&result->latency_ns, 0.999) / 1e3);
    bool moved = load->mode == DEVICE_DOWN || load->mode == DEVICE_UP ? result->bytes > 0
                                                                      : result->operations > 0;
    return moved && result->errors == 0 ? 0 : 1;
}

static int run_devices(const struct arguments *arguments)
{
    static const char *const modes[] = {[DEVICE_DOWN] = "down",
                                        [DEVICE_UP] = "up",
                                        [DEVICE_ECHO] = "echo",
                                        [DEVICE_CONNECT] = "connect"};
    struct device_load load = {
        .to = arguments->to,
        .name = arguments->name,
        .connections = (unsigned)arguments->connections,
        .message_len = arguments->message_len,
        .warm_ns = (uint64_t)(arguments->warm_s * 1e9),
        .measure_ns = (uint64_t)(arguments->measure_s * 1e9),
    };
    static struct device_result result;
    unsigned mode = 0;
    while (mode < sizeof(modes) / sizeof(modes[0]) && strcmp(modes[mode], arguments->mode) != 0)
        mode++;
    if (mode == sizeof(modes) / sizeof(modes[0]) || arguments->endpoint.sin_family != AF_INET) {
        fputs(usage, stderr);
        return 2;
    }
    load.mode = (enum device_mode)mode;
    struct endpoint *endpoint = endpoint_start(&arguments->endpoint, arguments->name);
    if (endpoint == NULL) {
        fprintf(stderr, "load: endpoint: %s\n", strerror(errno));
        return 1;
    }
    int status = device_run(&load, endpoint, &result);
    endpoint_stop(endpoint);
    return status == 0 ? report(&load, &result, arguments->mode) : 1;
}

static int run_peers(const struct arguments *arguments)
{
    if (arguments->key_file == NULL || arguments->pid == 0) {
        fputs(usage, stderr);
        return 2;
    }
    struct peers_result result;
    if (peers_run(&arguments->to, arguments->key_file, (unsigned)arguments->connections,
                  (unsigned)arguments->pid, &result) != 0) {
        fprintf(stderr, "load: %s\n", result.why);
        return 1;
    }
    printf("{\"mode\": \"peers\", \"peers\": %u, \"seconds\": %.3f, \"peers_per_s\": %.1f, "
           "\"rss_before\": %" PRIu64 ", \"rss_after\": %" PRIu64 ", \"bytes_per_peer\": %.1f}\n",
           result.peers, result.seconds, result.peers / result.seconds, result.rss_before,
           result.rss_after, ((double)result.rss_after - (double)result.rss_before) / result.peers);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .name = "home.example", .connections = 1, .message_len = 64, .warm_s = 0.3, .measure_s = 2};
    if (!read_arguments(&arguments, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    raise_file_limit();
    pattern_init();
    return strcmp(arguments.mode, "peers") == 0 ? run_peers(&arguments) : run_devices(&arguments);
}
