/*
 * test_quicktun_explore [CONVERSATIONS] [FIRST SEED]: conversations of two engines with random
 * options and schedules, both directions under way at once. None may fall out of step, use a nonce
 * twice with one key, or accept a plaintext twice; each comes up, or is closed for a reason that
 * the policies of the two ends explain. The first seed that fails is printed.
 */
#include "tests/unit/quicktun_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONVERSATIONS = 2000, STEPS = 250, STEP_MS = 20 };

static bool chance(struct pair *pair, size_t one_in)
{
    return pair_below(pair, one_in) == 0;
}

/* ---- Policies ---- */

static void choose_weakness(struct pair *pair, struct pair_end *end)
{
    struct quicktun_options *options = &end->options;
    end->keyed = !chance(pair, 3);
    end->pinned = !chance(pair, 3);
    options->weak_anyone = chance(pair, 2);
    options->weak_unproven_peer = chance(pair, 2);
    options->weak_unencrypted = chance(pair, 2);
    options->weak_long_term_keys = chance(pair, 2);
    options->weak_clear_passwords = chance(pair, 3);
    options->weak_ethernet_forging = chance(pair, 3);
    options->weak_disable = end->keyed && options->weak_long_term_keys && chance(pair, 2);
    options->disable_encryption = options->weak_disable && chance(pair, 2);
}

static void choose(struct pair *pair, struct pair_end *end)
{
    static const char *const passwords[] = {NULL, NULL, "correct horse", "correct horse", "wrong"};
    struct quicktun_options *options = &end->options;
    pair_defaults(end);
    options->pad_to = chance(pair, 3) ? (uint16_t)pair_below(pair, QUICKTUN_PAD_MAX + 1) : 0;
    options->segmented = chance(pair, 2);
    options->update_after_ms = chance(pair, 2) ? 100 + (uint32_t)pair_below(pair, 1000) : 0;
    options->update_after_bytes = chance(pair, 2) ? 2000 + pair_below(pair, 10000) : 0;
    end->password = passwords[pair_below(pair, 5)];
    end->ask = chance(pair, 3) ? "correct horse" : NULL;
    if (chance(pair, 2))
        choose_weakness(pair, end);
    /* Of a network of adit's ends most agree. */
    if (chance(pair, 2))
        end->password = "correct horse";
}

/* The two ends' options, seen from one of them. */
struct view {
    const struct pair_end *own;
    const struct pair_end *other;
};

static bool proof(const struct pair_end *end)
{
    return end->pinned || !end->options.weak_unproven_peer;
}

static bool waits_for_keys(const struct pair_end *end)
{
    return proof(end) || !end->options.weak_unencrypted || !end->options.weak_long_term_keys;
}

static bool knows(const struct view *view)
{
    return !view->other->keyed || view->own->pinned || view->own->options.weak_anyone;
}

static bool any_keyed(const struct view *view)
{
    return view->own->keyed || view->other->keyed;
}

/* What the policies forbid, seen from the end that would be the one to notice. */
static bool will_not_come_up(const struct view *view)
{
    const struct pair_end *own = view->own;
    const struct pair_end *other = view->other;
    bool session_wanted = !own->options.weak_long_term_keys;
    bool no_updates = own->options.weak_disable || other->options.weak_disable;
    return (proof(own) && !other->keyed) || (!any_keyed(view) && waits_for_keys(own)) ||
           (session_wanted && no_updates) ||
           (own->ask && !any_keyed(view) && !own->options.weak_clear_passwords);
}

static bool asked_in_clear(const struct view *view)
{
    const struct pair_end *other = view->other;
    return other->ask && !other->keyed && other->options.weak_clear_passwords &&
           !waits_for_keys(other);
}

static bool disable_refused(const struct view *view)
{
    return view->other->options.disable_encryption && !view->own->options.weak_disable;
}

/* The password that the other end wants is not what it will get. */
static bool password_wrong(const struct view *view)
{
    return view->own->ask && view->other->password &&
           strcmp(view->own->ask, view->other->password) != 0;
}

static bool password_missing(const struct view *view)
{
    return view->other->ask && !view->own->password;
}

static bool answers_in_clear(const struct view *view)
{
    return view->own->options.weak_clear_passwords;
}

/* A reason why this end may close the connection with that error. */
static bool explains(const struct view *view, const struct view *back, int error)
{
    switch (error) {
    case QUICKTUN_E_KEY_UNKNOWN:
        return !knows(view);
    case QUICKTUN_E_NOT_UP:
        return will_not_come_up(view) || will_not_come_up(back);
    case QUICKTUN_E_UPDATE_UNVOUCHED:
        return proof(view->own) && !view->other->keyed;
    case QUICKTUN_E_UPDATE_AFTER_DISABLE:
        return disable_refused(back);
    case QUICKTUN_E_DISABLE_FORBIDDEN:
        return disable_refused(view);
    case QUICKTUN_E_PASSWORD_NONE:
        return password_missing(view);
    case QUICKTUN_E_PASSWORD_WRONG:
        return password_wrong(view);
    case QUICKTUN_E_PASSWORD_IN_CLEAR:
        return asked_in_clear(view) && !answers_in_clear(view);
    case QUICKTUN_E_UNPROVEN:
        return asked_in_clear(view) && proof(view->own);
    case QUICKTUN_E_UNANSWERED:
        return false; /* both always answer */
    default:
        return false; /* out of step */
    }
}

/* An anonymous end asks for its password under keys, where it hears the other's Start in time. */
static bool may_ask_in_time(const struct view *view)
{
    return asked_in_clear(view) && view->own->keyed && !proof(view->own);
}

/* Nothing in the policies keeps the tunnel from coming up. */
static bool should_come_up(const struct view *view)
{
    bool clear = asked_in_clear(view);
    return knows(view) && !will_not_come_up(view) && !disable_refused(view) &&
           !password_missing(view) && !password_wrong(view) &&
           !(clear && (proof(view->own) || !answers_in_clear(view)));
}

/* ---- Conversations ---- */

static void send_something(struct pair *pair, struct pair_end *end)
{
    static const uint8_t ids[8] = {0, 0, 0, 1, 0, 0, 0, 7};
    static const struct quicktun_network network = {.ipv4.dns = {10, 1, 1, 1}};
    const struct quicktun_route route = {.family = 4, .valid = true, .ids = ids, .id_count = 2};
    size_t len = 11 + pair_below(pair, 600);
    switch (pair_below(pair, 8)) {
    case 0:
        quicktun_send_route(end->session, &end->wire, &route);
        break;
    case 1:
        quicktun_send_network(end->session, &end->wire, &network);
        break;
    case 2:
        pair_send_batch(end, 1 + pair_below(pair, 6), len);
        break;
    case 3:
        pair_send(end, len, 500);
        break;
    default:
        pair_send(end, len, 0);
        break;
    }
}

/* A wire buffer that is nearly full now and then: the engine does less, and goes on later. */
static void squeeze(struct pair *pair, struct pair_end *end)
{
    end->wire.room = PAIR_BYTES_MAX;
    if (chance(pair, 5)) {
        size_t room = end->wire.len + pair_below(pair, 2 * QUICKTUN_ROOM);
        end->wire.room = room < PAIR_BYTES_MAX ? room : PAIR_BYTES_MAX;
    }
}

static void step(struct pair *pair)
{
    struct pair_end *end = &pair->ends[pair_below(pair, 2)];
    squeeze(pair, end);
    switch (pair_below(pair, 5)) {
    case 0:
    case 1:
        if (pair_underway(end) > 0)
            pair_deliver(end, 1 + pair_below(pair, pair_underway(end)));
        break;
    case 2:
        pair_tick(end);
        break;
    case 3:
        send_something(pair, end);
        break;
    default:
        pair->now_ms += pair_below(pair, STEP_MS);
        break;
    }
}

static bool closed(const struct pair *pair)
{
    return pair->ends[0].error || pair->ends[1].error;
}

static const char *judge_closed(const struct pair *pair, const struct view views[2])
{
    for (size_t i = 0; i < 2; i++) {
        int error = pair->ends[i].error;
        if (error && !explains(&views[i], &views[!i], error))
            return quicktun_error_text(error);
    }
    return should_come_up(&views[0]) && should_come_up(&views[1]) ? "closed without a reason"
                                                                  : NULL;
}

/* What is wrong with the conversation, or NULL. */
static const char *judge(struct pair *pair)
{
    const struct view views[2] = {{&pair->ends[0], &pair->ends[1]},
                                  {&pair->ends[1], &pair->ends[0]}};
    if (pair->nonces_repeated > 0)
        return "a nonce was used twice with one key";
    if (pair->plaintexts_repeated > 0)
        return "a plaintext was accepted twice";
    if (pair->ends[0].wrong > 0 || pair->ends[1].wrong > 0)
        return "something was heard that was not said";
    if (closed(pair))
        return judge_closed(pair, views);
    if (!pair_up(pair))
        return "neither up nor closed";
    bool late = may_ask_in_time(&views[0]) || may_ask_in_time(&views[1]);
    if (!late && (!should_come_up(&views[0]) || !should_come_up(&views[1])))
        return "up against a policy";
    for (size_t i = 0; i < 2; i++)
        if (pair->ends[i].packets_heard != pair->ends[!i].packets_sent)
            return "packets are missing";
    return NULL;
}

/* Both ends are quiet and up: packets must go through now. */
static void exchange(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++)
        if (!pair_send(&pair->ends[i], 100, 0) || !pair_send_batch(&pair->ends[i], 3, 50))
            pair->ends[i].wrong++;
    pair_settle(pair);
}

static void describe(const struct pair_end *end)
{
    const struct quicktun_options *options = &end->options;
    fprintf(stderr,
            "  keyed %d pinned %d; weak: anyone %d unproven %d unencrypted %d long-term %d "
            "disable %d (wants it: %d) clear passwords %d; password %s asks %s; %s\n",
            end->keyed, end->pinned, options->weak_anyone, options->weak_unproven_peer,
            options->weak_unencrypted, options->weak_long_term_keys, options->weak_disable,
            options->disable_encryption, options->weak_clear_passwords,
            end->password ? end->password : "-", end->ask ? end->ask : "-",
            quicktun_error_text(end->error));
}

static const char *converse(uint64_t seed, bool *up, uint64_t *packets)
{
    static struct pair pair;
    pair = (struct pair){.random_state = seed, .now_ms = 1000};
    enum quicktun_mode mode = chance(&pair, 4) ? QUICKTUN_ETHERNET : QUICKTUN_IP;
    for (size_t i = 0; i < 2; i++) {
        choose(&pair, &pair.ends[i]);
        pair.ends[i].options.mode = mode;
    }
    pair_start(&pair);
    for (size_t i = 0; i < STEPS && !closed(&pair); i++)
        step(&pair);
    for (size_t i = 0; i < 2; i++)
        pair.ends[i].wire.room = PAIR_BYTES_MAX;
    pair_run(&pair, QUICKTUN_UP_MS + 1000);
    if (!closed(&pair))
        exchange(&pair);
    *up = !closed(&pair);
    *packets += pair.ends[0].packets_heard + pair.ends[1].packets_heard;
    const char *wrong = judge(&pair);
    for (size_t i = 0; wrong && i < 2; i++)
        describe(&pair.ends[i]);
    pair_stop(&pair);
    return wrong;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : CONVERSATIONS;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t came_up = 0;
    uint64_t packets = 0;
    for (uint64_t i = 0; i < count; i++) {
        bool up = false;
        const char *wrong = converse(first + i, &up, &packets);
        if (wrong) {
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)(first + i), wrong);
            return 1;
        }
        came_up += up;
    }
    printf("%llu conversations, %llu came up, %llu packets tunnelled\n", (unsigned long long)count,
           (unsigned long long)came_up, (unsigned long long)packets);
    return came_up > 0 || count == 0 ? 0 : 1;
}
