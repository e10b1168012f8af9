#include "roles/master/store.h"

#include "base/encode.h"
#include "roles/master/database.h"

#include <stdlib.h>
#include <string.h>

void store_host_clear(struct store_host *host)
{
    free(host->aliases);
    free(host->allow);
    memset(host, 0, sizeof(*host));
}

int store_promise(struct master_store *store, int64_t token_valid_s)
{
    return database_run(store,
                        "INSERT INTO setting VALUES ('token_valid', ?1) ON CONFLICT DO UPDATE"
                        " SET number = max(number, excluded.number)",
                        "i", token_valid_s);
}

/* ---- Reading hosts ---- */

static int read_aliases(struct master_store *store, struct store_host *host)
{
    int error = STORE_OK;
    int code = SQLITE_DONE;
    sqlite3_stmt *rows =
        database_prepare(store, "SELECT name FROM name WHERE host = ?1 ORDER BY place LIMIT ?2",
                         &error, "ii", host->id, (int64_t)STORE_ALIASES_MAX + 1);

    if (rows == NULL)
        return error;
    host->aliases = calloc(STORE_ALIASES_MAX, sizeof(*host->aliases));
    if (host->aliases == NULL)
        return STORE_E_NO_MEMORY;
    for (size_t i = 0; (code = sqlite3_step(rows)) == SQLITE_ROW; i++)
        if (i == 0)
            database_text(rows, 0, host->name, sizeof(host->name));
        else
            database_text(rows, 0, host->aliases[host->alias_count++], sizeof(host->aliases[0]));
    sqlite3_reset(rows);
    return database_error(code);
}

static int read_allow(struct master_store *store, struct store_host *host)
{
    int error = STORE_OK;
    int code = SQLITE_DONE;
    sqlite3_stmt *rows =
        database_prepare(store, "SELECT cidr FROM allow WHERE host = ?1 ORDER BY place LIMIT ?2",
                         &error, "ii", host->id, (int64_t)STORE_ALLOW_MAX);

    if (rows == NULL)
        return error;
    host->allow = calloc(STORE_ALLOW_MAX, sizeof(*host->allow));
    if (host->allow == NULL)
        return STORE_E_NO_MEMORY;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        char text[CIDR_TEXT_MAX];

        database_text(rows, 0, text, sizeof(text));
        /* A list that cannot be read must not become one that lets everybody in. */
        if (!cidr_parse(text, &host->allow[host->allow_count++])) {
            code = SQLITE_CORRUPT;
            break;
        }
    }
    sqlite3_reset(rows);
    return database_error(code);
}

/* The columns of a row of `host`, in the order of the table, without the key. */
#define HOST_COLUMNS "id, kind, ciphers, enabled, created, floor, token, address"

static void read_columns(sqlite3_stmt *row, struct store_host *host)
{
    char address[IP_TEXT_MAX];

    memset(host, 0, sizeof(*host));
    host->id = sqlite3_column_int64(row, 0);
    host->kind = sqlite3_column_int(row, 1) == STORE_SERVER ? STORE_SERVER : STORE_HOST;
    host->ciphers = (unsigned)sqlite3_column_int(row, 2);
    host->enabled = sqlite3_column_int(row, 3) != 0;
    host->created_s = sqlite3_column_int64(row, 4);
    host->floor_s = sqlite3_column_int64(row, 5);
    host->token_s = sqlite3_column_int64(row, 6);
    database_text(row, 7, address, sizeof(address));
    if (!ip_parse(address, &host->from))
        memset(&host->from, 0, sizeof(host->from));
}

static int complete(struct master_store *store, struct store_host *host)
{
    int error = read_aliases(store, host);

    if (error == STORE_OK)
        error = read_allow(store, host);
    if (error != STORE_OK)
        store_host_clear(host);
    return error;
}

static int read_one(struct master_store *store, sqlite3_stmt *rows, int error,
                    struct store_host *host)
{
    int code;

    memset(host, 0, sizeof(*host));
    if (rows == NULL)
        return error;
    code = sqlite3_step(rows);
    if (code == SQLITE_ROW)
        read_columns(rows, host);
    sqlite3_reset(rows);
    if (code == SQLITE_DONE)
        return STORE_E_NOT_FOUND;
    return code == SQLITE_ROW ? complete(store, host) : database_error(code);
}

int store_find_key(struct master_store *store, const uint8_t key_digest[SHA256_LEN],
                   struct store_host *host)
{
    int error = STORE_OK;
    sqlite3_stmt *rows = database_prepare(store, "SELECT " HOST_COLUMNS " FROM host WHERE key = ?1",
                                          &error, "d", key_digest);

    return read_one(store, rows, error, host);
}

int store_find_name(struct master_store *store, const char *name, struct store_host *host)
{
    int error = STORE_OK;
    sqlite3_stmt *rows = database_prepare(
        store,
        "SELECT " HOST_COLUMNS " FROM host WHERE id = (SELECT host FROM name WHERE name = ?1)",
        &error, "t", name);

    return read_one(store, rows, error, host);
}

int store_each(struct master_store *store, void (*visit)(void *arg, const struct store_host *host),
               void *arg)
{
    int error = STORE_OK;
    int code = SQLITE_DONE;
    sqlite3_stmt *rows =
        database_prepare(store,
                         "SELECT " HOST_COLUMNS " FROM host ORDER BY"
                         " (SELECT name FROM name WHERE host = host.id AND place = 0)",
                         &error, "");

    while (error == STORE_OK && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct store_host host;

        read_columns(rows, &host);
        error = complete(store, &host);
        if (error == STORE_OK)
            visit(arg, &host);
        store_host_clear(&host);
    }
    if (rows != NULL)
        sqlite3_reset(rows);
    return error == STORE_OK ? database_error(code) : error;
}

/* ---- What was revoked ---- */

/* Tokens for the name that are valid until valid_after_s or less are refused from now on. */
static int change(struct master_store *store, const char *name, int64_t valid_after_s,
                  int64_t floor_s)
{
    return database_run(store,
                        "INSERT INTO change VALUES (?1,"
                        " (SELECT ifnull(max(seq), 0) + 1 FROM change), ?2, ?3)"
                        " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq,"
                        " valid_after = excluded.valid_after, floor = excluded.floor",
                        "tii", name, valid_after_s, floor_s);
}

static int change_all(struct master_store *store, const struct store_host *host,
                      int64_t valid_after_s, int64_t floor_s)
{
    int error = STORE_OK;

    if (host->kind == STORE_SERVER)
        return STORE_OK;
    error = change(store, host->name, valid_after_s, floor_s);
    for (size_t i = 0; error == STORE_OK && i < host->alias_count; i++)
        error = change(store, host->aliases[i], valid_after_s, floor_s);
    return error;
}

int store_last_change(struct master_store *store, int64_t *last)
{
    return database_number(store, "SELECT max(seq) FROM change", 0, last, "");
}

int store_changes(struct master_store *store, int64_t since, struct store_change *changes,
                  size_t *count, int64_t *last)
{
    int code = SQLITE_DONE;
    int error = store_last_change(store, last);
    sqlite3_stmt *rows;

    *count = 0;
    if (error != STORE_OK)
        return error;
    rows = database_prepare(store,
                            "SELECT seq, valid_after, name FROM change WHERE seq > ?1"
                            " ORDER BY seq LIMIT ?2",
                            &error, "ii", since, (int64_t)STORE_CHANGES_MAX);
    if (rows == NULL)
        return error;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct store_change *next = &changes[(*count)++];

        next->seq = sqlite3_column_int64(rows, 0);
        next->valid_after_s = sqlite3_column_int64(rows, 1);
        database_text(rows, 2, next->name, sizeof(next->name));
    }
    sqlite3_reset(rows);
    return database_error(code);
}

/* ---- Changing hosts ---- */

/* What a former host of the name was given is still refused. */
static int raise_floor(struct master_store *store, const char *name, int64_t *floor_s)
{
    int64_t found = 0;
    int error =
        database_number(store, "SELECT floor FROM change WHERE name = ?1", 0, &found, "t", name);

    if (found > *floor_s)
        *floor_s = found;
    return error;
}

static int add_name(struct master_store *store, const char *name, int64_t host, int64_t place,
                    char taken[HOSTNAME_MAX + 1])
{
    int error =
        database_run(store, "INSERT INTO name VALUES (?1, ?2, ?3)", "tii", name, host, place);

    if (error == STORE_E_TAKEN)
        memcpy(taken, name, strlen(name) + 1);
    return error;
}

static int add_parts(struct master_store *store, const struct store_host *host, int64_t id,
                     char taken[HOSTNAME_MAX + 1])
{
    int error = add_name(store, host->name, id, 0, taken);

    for (size_t i = 0; error == STORE_OK && i < host->alias_count; i++)
        error = add_name(store, host->aliases[i], id, (int64_t)i + 1, taken);
    for (size_t i = 0; error == STORE_OK && i < host->allow_count; i++) {
        char text[CIDR_TEXT_MAX];

        cidr_format(&host->allow[i], text);
        error = database_run(store, "INSERT INTO allow VALUES (?1, ?2, ?3)", "iit", id, (int64_t)i,
                             text);
    }
    return error;
}

static int add(struct master_store *store, const struct store_host *host,
               const uint8_t key_digest[SHA256_LEN], char taken[HOSTNAME_MAX + 1])
{
    int64_t floor_s = 0;
    int error = raise_floor(store, host->name, &floor_s);

    for (size_t i = 0; error == STORE_OK && i < host->alias_count; i++)
        error = raise_floor(store, host->aliases[i], &floor_s);
    if (error == STORE_OK)
        error = database_run(store,
                             "INSERT INTO host (kind, key, ciphers, enabled, created, floor)"
                             " VALUES (?1, ?2, ?3, 1, ?4, ?5)",
                             "idiii", (int64_t)host->kind, key_digest, (int64_t)host->ciphers,
                             host->created_s, floor_s);
    if (error == STORE_OK)
        error = add_parts(store, host, sqlite3_last_insert_rowid(store->database), taken);
    return error == STORE_OK && floor_s > 0 ? change_all(store, host, floor_s, floor_s) : error;
}

int store_add(struct master_store *store, const struct store_host *host,
              const uint8_t key_digest[SHA256_LEN], char taken[HOSTNAME_MAX + 1])
{
    int error = database_begin(store);

    taken[0] = '\0';
    return error == STORE_OK ? database_end(store, add(store, host, key_digest, taken)) : error;
}

/*
 * The end of what was minted until now. A clock may have been set back: it is never lower than it
 * was, and covers a last token of the host that seems to be of the future.
 */
static int floor_of(struct master_store *store, const struct store_host *host, int64_t now_s,
                    int64_t *floor_s)
{
    int64_t latest_s = host->token_s > now_s ? host->token_s : now_s;
    int64_t lifetime_s = 0;
    int error = database_number(store, "SELECT number FROM setting WHERE name = 'token_valid'", 0,
                                &lifetime_s, "");

    *floor_s = latest_s + lifetime_s > host->floor_s ? latest_s + lifetime_s : host->floor_s;
    return error;
}

static int enable(struct master_store *store, const struct store_host *host, bool enabled,
                  int64_t now_s)
{
    int64_t floor_s = host->floor_s;
    int error = STORE_OK;

    if (host->enabled == enabled)
        return STORE_OK;
    if (!enabled)
        error = floor_of(store, host, now_s, &floor_s);
    if (error == STORE_OK)
        error = database_run(store, "UPDATE host SET enabled = ?2, floor = ?3 WHERE id = ?1", "iii",
                             host->id, (int64_t)enabled, floor_s);
    return error == STORE_OK ? change_all(store, host, enabled ? floor_s : STORE_FOR_EVER, floor_s)
                             : error;
}

static int remove_host(struct master_store *store, const struct store_host *host, int64_t now_s)
{
    int64_t floor_s = 0;
    int error = floor_of(store, host, now_s, &floor_s);

    if (error == STORE_OK)
        error = database_run(store, "DELETE FROM host WHERE id = ?1", "i", host->id);
    return error == STORE_OK ? change_all(store, host, STORE_FOR_EVER, floor_s) : error;
}

int store_enable(struct master_store *store, const char *name, bool enabled, int64_t now_s)
{
    struct store_host host;
    int error = database_begin(store);

    if (error != STORE_OK)
        return error;
    error = store_find_name(store, name, &host);
    if (error == STORE_OK)
        error = enable(store, &host, enabled, now_s);
    store_host_clear(&host);
    return database_end(store, error);
}

int store_remove(struct master_store *store, const char *name, int64_t now_s)
{
    struct store_host host;
    int error = database_begin(store);

    if (error != STORE_OK)
        return error;
    error = store_find_name(store, name, &host);
    if (error == STORE_OK)
        error = remove_host(store, &host, now_s);
    store_host_clear(&host);
    return database_end(store, error);
}

int store_rotate(struct master_store *store, const char *name, const uint8_t key_digest[SHA256_LEN])
{
    int error = database_run(
        store, "UPDATE host SET key = ?2 WHERE id = (SELECT host FROM name WHERE name = ?1)", "td",
        name, key_digest);

    if (error != STORE_OK)
        return error;
    return sqlite3_changes(store->database) == 1 ? STORE_OK : STORE_E_NOT_FOUND;
}

/* ---- What is not promised ---- */

void store_saw_token(struct master_store *store, int64_t host, int64_t at_s,
                     const struct adit_ip *from)
{
    size_t at = 0;

    while (at < store->seen_count && store->seen[at].host != host)
        at++;
    if (at == STORE_SEEN_MAX)
        return;
    if (at == store->seen_count)
        store->seen_count++;
    store->seen[at] = (struct store_seen){.host = host, .at_s = at_s, .from = *from};
}

int store_flush(struct master_store *store)
{
    int error;

    if (store->seen_count == 0)
        return STORE_OK;
    error = database_begin(store);
    if (error == STORE_OK) {
        for (size_t i = 0; error == STORE_OK && i < store->seen_count; i++) {
            char address[IP_TEXT_MAX];

            ip_format(&store->seen[i].from, address);
            error = database_run(store, "UPDATE host SET token = ?2, address = ?3 WHERE id = ?1",
                                 "iit", store->seen[i].host, store->seen[i].at_s, address);
        }
        error = database_end(store, error);
    }
    if (error == STORE_OK)
        store->seen_count = 0;
    return error;
}

/* ---- DNS challenges ---- */

int store_add_challenge(struct master_store *store, int64_t host, const char *txt, int64_t at_s)
{
    int error = database_begin(store);

    if (error != STORE_OK)
        return error;
    error = database_run(store,
                         "INSERT INTO challenge (host, txt, at) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT DO UPDATE SET at = excluded.at",
                         "iti", host, txt, at_s);
    if (error == STORE_OK)
        error = database_run(store,
                             "DELETE FROM challenge WHERE host = ?1 AND id NOT IN (SELECT id FROM"
                             " challenge WHERE host = ?1 ORDER BY id DESC LIMIT ?2)",
                             "ii", host, (int64_t)STORE_CHALLENGES_MAX);
    return database_end(store, error);
}

int store_remove_challenge(struct master_store *store, int64_t host, const char *txt)
{
    return database_run(store, "DELETE FROM challenge WHERE host = ?1 AND txt = ?2", "it", host,
                        txt);
}

int store_each_challenge(struct master_store *store, int64_t host,
                         void (*visit)(void *arg, const char *txt), void *arg)
{
    int error = STORE_OK;
    int code = SQLITE_DONE;
    sqlite3_stmt *rows = database_prepare(
        store, "SELECT txt FROM challenge WHERE host = ?1 ORDER BY id", &error, "i", host);

    if (rows == NULL)
        return error;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        char txt[STORE_TXT_MAX + 1];

        database_text(rows, 0, txt, sizeof(txt));
        visit(arg, txt);
    }
    sqlite3_reset(rows);
    return database_error(code);
}
