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
#include <unistd.h>

static const char usage[] =
    "load down|up|echo|connect --to ADDR:PORT [--endpoint ADDR:PORT] [--name HOST]\n"
    "     [--connections N] [--message BYTES] [--warm SECONDS] [--seconds SECONDS]\n"
    "     Without --endpoint another load is it; but not for up.\n"
    "load endpoint --endpoint ADDR:PORT [--name HOST]\n"
    "     Until standard input ends.\n"
    "load peers --to ADDR:PORT --fernet-key-file FILE --pid PID [--connections N]\n"
    "     [--carry BYTES]\n"
    "load again --to ADDR:PORT --fernet-key-file FILE --pid PID [--connections N]\n"
    "     Peers that come back: prints `up`, then waits for the server to go.\n"
    "Prints one JSON object. Exit 0 when every byte was right, 1 when not, 2 for bad usage.\n";

struct arguments {
    const char *mode, *name, *key_file;
    struct sockaddr_in to, endpoint;
    unsigned long connections, message_len, pid, carry;
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
        {"carry", required_argument, NULL, 'b'},
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
        case 'b':
            arguments->carry = strtoul(optarg, NULL, 10);
            break;
        default:
            fine = false;
        }
    }
    arguments->mode = fine && optind == argc - 1 ? argv[optind] : "";
    return fine && optind == argc - 1 && arguments->carry <= UINT32_MAX &&
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
    bool own_endpoint = arguments->endpoint.sin_family == AF_INET;
    if (mode == sizeof(modes) / sizeof(modes[0]) || arguments->to.sin_family != AF_INET ||
        (mode == DEVICE_UP && !own_endpoint)) {
        fputs(usage, stderr);
        return 2;
    }
    load.mode = (enum device_mode)mode;
    struct endpoint *endpoint = NULL;
    if (own_endpoint) {
        endpoint = endpoint_start(&arguments->endpoint, arguments->name);
        if (endpoint == NULL) {
            fprintf(stderr, "load: endpoint: %s\n", strerror(errno));
            return 1;
        }
    }
    int status = device_run(&load, endpoint, &result);
    if (endpoint != NULL)
        endpoint_stop(endpoint);
    return status == 0 ? report(&load, &result, arguments->mode) : 1;
}

static int run_endpoint(const struct arguments *arguments)
{
    char byte;
    struct endpoint *endpoint = NULL;
    if (arguments->endpoint.sin_family == AF_INET)
        endpoint = endpoint_start(&arguments->endpoint, arguments->name);
    if (endpoint == NULL) {
        fprintf(stderr, "load: endpoint: %s\n", strerror(errno));
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    uint64_t errors = endpoint_errors(endpoint);
    endpoint_stop(endpoint);
    printf("{\"mode\": \"endpoint\", \"errors\": %" PRIu64 "}\n", errors);
    return errors == 0 ? 0 : 1;
}

static void report_peers(const struct peers_result *result, const char *mode)
{
    printf("{\"mode\": \"%s\", \"peers\": %u, \"seconds\": %.3f, \"steps\": [", mode, result->peers,
           result->seconds);
    const char *comma = "";
    for (unsigned i = 0; i < PEERS_STEPS; i++) {
        double grown = (double)result->steps[i].memory - (double)result->memory_before;
        unsigned peers = result->steps[i].peers;
        if (peers == 0)
            continue;
        printf("%s{\"peers\": %u, \"memory\": %" PRIu64 ", \"bytes_per_peer\": %.1f}", comma, peers,
               result->steps[i].memory, grown / peers);
        comma = ", ";
    }
    printf("]}\n");
}

static int run_peers(const struct arguments *arguments, bool again)
{
    struct peers_load load = {.to = arguments->to,
                              .key_file = arguments->key_file,
                              .pid = (unsigned)arguments->pid,
                              .count = (unsigned)arguments->connections,
                              .carry = arguments->carry};
    struct peers_result result;
    if (load.key_file == NULL || load.pid == 0 || load.to.sin_family != AF_INET) {
        fputs(usage, stderr);
        return 2;
    }
    if ((again ? peers_run_again(&load, &result) : peers_run(&load, &result)) != 0) {
        fprintf(stderr, "load: %s\n", result.why);
        return 1;
    }
    report_peers(&result, arguments->mode);
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
    if (strcmp(arguments.mode, "endpoint") == 0)
        return run_endpoint(&arguments);
    if (strcmp(arguments.mode, "peers") == 0)
        return run_peers(&arguments, false);
    if (strcmp(arguments.mode, "again") == 0)
        return run_peers(&arguments, true);
    return run_devices(&arguments);
}
