#include "roles/master/database.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "adit", so that another program's file is not taken for a store. */
enum { APPLICATION_ID = 0x61646974 };

/* From version i to i + 1; what is here is never changed, only continued. */
static const char *const migrations[] = {
    "CREATE TABLE host (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key BLOB NOT NULL UNIQUE,"
    " ciphers INTEGER NOT NULL, enabled INTEGER NOT NULL, created INTEGER NOT NULL,"
    " floor INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '')"
    " STRICT;"
    "CREATE TABLE name (name TEXT PRIMARY KEY,"
    " host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE, place INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX name_host ON name (host, place);"
    "CREATE TABLE allow (host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,"
    " place INTEGER NOT NULL, cidr TEXT NOT NULL, PRIMARY KEY (host, place)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE change (name TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE,"
    " valid_after INTEGER NOT NULL, floor INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE challenge (id INTEGER PRIMARY KEY,"
    " host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE, txt TEXT NOT NULL,"
    " at INTEGER NOT NULL, UNIQUE (host, txt)) STRICT;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
enum { SCHEMA_VERSION = sizeof(migrations) / sizeof(migrations[0]) };

const char *store_error_text(int error)
{
    switch ((enum store_error)error) {
    case STORE_OK:
        return "no error";
    case STORE_E_NOT_FOUND:
        return "no such host";
    case STORE_E_TAKEN:
        return "the name belongs to another host";
    case STORE_E_BUSY:
        return "another process keeps the store locked";
    case STORE_E_READ_ONLY:
        return "the store, or its directory, cannot be written by this user";
    case STORE_E_FULL:
        return "no space is left for the store";
    case STORE_E_CORRUPT:
        return "the file is no store, or is damaged: restore a copy of it";
    case STORE_E_NEWER:
        return "the store was written by a newer version of adit";
    case STORE_E_CANNOT_OPEN:
        return "cannot open the store: no such file, no right to it, or its disk cannot be written";
    case STORE_E_NO_MEMORY:
        return "out of memory";
    case STORE_E_OTHER:
        break;
    }
    return "the store failed";
}

int database_error(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return STORE_OK;
    case SQLITE_CONSTRAINT:
        return STORE_E_TAKEN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STORE_E_BUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return STORE_E_READ_ONLY;
    case SQLITE_FULL:
        return STORE_E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_E_CORRUPT;
    case SQLITE_CANTOPEN:
        return STORE_E_CANNOT_OPEN;
    case SQLITE_NOMEM:
        return STORE_E_NO_MEMORY;
    default:
        return STORE_E_OTHER;
    }
}

/* ---- Statements ---- */

static sqlite3_stmt *prepared(struct master_store *store, const char *sql, int *error)
{
    struct database_statement *entry = &store->statements[store->statement_count];

    for (size_t i = 0; i < store->statement_count; i++)
        if (store->statements[i].sql == sql)
            return store->statements[i].statement;
    if (store->statement_count == DATABASE_STATEMENTS_MAX) {
        *error = STORE_E_NO_MEMORY;
        return NULL;
    }
    *error = database_error(sqlite3_prepare_v3(store->database, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                               &entry->statement, NULL));
    if (*error != STORE_OK)
        return NULL;
    entry->sql = sql;
    store->statement_count++;
    return entry->statement;
}

static sqlite3_stmt *prepare(struct master_store *store, const char *sql, int *error,
                             const char *types, va_list args)
{
    sqlite3_stmt *statement = prepared(store, sql, error);
    int code = SQLITE_OK;

    for (int i = 1; statement != NULL && code == SQLITE_OK && types[i - 1] != '\0'; i++) {
        switch (types[i - 1]) {
        case 'i':
            code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            break;
        case 't':
            code =
                sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
            break;
        default:
            code = sqlite3_bind_blob(statement, i, va_arg(args, const uint8_t *), SHA256_LEN,
                                     SQLITE_TRANSIENT);
            break;
        }
    }
    if (code == SQLITE_OK)
        return statement;
    *error = database_error(code);
    return NULL;
}

sqlite3_stmt *database_prepare(struct master_store *store, const char *sql, int *error,
                               const char *types, ...)
{
    va_list args;
    sqlite3_stmt *statement;

    va_start(args, types);
    statement = prepare(store, sql, error, types, args);
    va_end(args);
    return statement;
}

int database_run(struct master_store *store, const char *sql, const char *types, ...)
{
    va_list args;
    int error = STORE_OK;
    sqlite3_stmt *statement;

    va_start(args, types);
    statement = prepare(store, sql, &error, types, args);
    va_end(args);
    if (statement == NULL)
        return error;
    error = database_error(sqlite3_step(statement));
    sqlite3_reset(statement);
    return error;
}

int database_number(struct master_store *store, const char *sql, int64_t otherwise, int64_t *number,
                    const char *types, ...)
{
    va_list args;
    int error = STORE_OK;
    int code;
    sqlite3_stmt *statement;

    va_start(args, types);
    statement = prepare(store, sql, &error, types, args);
    va_end(args);
    if (statement == NULL)
        return error;
    code = sqlite3_step(statement);
    *number = code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL
                  ? sqlite3_column_int64(statement, 0)
                  : otherwise;
    sqlite3_reset(statement);
    return database_error(code);
}

int database_begin(struct master_store *store)
{
    return database_run(store, "BEGIN IMMEDIATE", "");
}

int database_end(struct master_store *store, int error)
{
    if (error == STORE_OK)
        error = database_run(store, "COMMIT", "");
    /* Some errors have rolled back already. */
    if (error != STORE_OK && sqlite3_get_autocommit(store->database) == 0)
        (void)database_run(store, "ROLLBACK", "");
    return error;
}

void database_text(sqlite3_stmt *statement, int column, char *out, size_t out_len)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    snprintf(out, out_len, "%s", text == NULL ? "" : (const char *)text);
}

/* ---- Opening ---- */

static int execute(struct master_store *store, const char *sql)
{
    return database_error(sqlite3_exec(store->database, sql, NULL, NULL, NULL));
}

static int pragma_number(struct master_store *store, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return database_error(code);
}

static int apply(struct master_store *store, int64_t version)
{
    char sql[96];
    int error = STORE_OK;

    for (int64_t v = version; error == STORE_OK && v < SCHEMA_VERSION; v++)
        error = execute(store, migrations[v]);
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; PRAGMA application_id = %d;",
             SCHEMA_VERSION, APPLICATION_ID);
    return error == STORE_OK ? execute(store, sql) : error;
}

/* Two processes may open a new store at once: the version is read under the lock that writes it. */
static int migrate(struct master_store *store)
{
    int64_t version = 0;
    int64_t id = 0;
    int64_t tables = 0;
    int error = database_begin(store);

    if (error != STORE_OK)
        return error;
    error = pragma_number(store, "PRAGMA user_version", &version);
    if (error == STORE_OK)
        error = pragma_number(store, "PRAGMA application_id", &id);
    if (error == STORE_OK)
        error = pragma_number(store, "SELECT count(*) FROM sqlite_schema", &tables);
    if (error == STORE_OK && id != APPLICATION_ID && (version != 0 || tables != 0))
        error = STORE_E_CORRUPT;
    if (error == STORE_OK && version > SCHEMA_VERSION)
        error = STORE_E_NEWER;
    if (error == STORE_OK && version < SCHEMA_VERSION)
        error = apply(store, version);
    return database_end(store, error);
}

/* Without a first page that is whole, nothing else needs to be tried. */
static int set_up(struct master_store *store)
{
    int error = execute(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
                               "PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL;");

    return error == STORE_OK ? migrate(store) : error;
}

struct master_store *store_open(const char *path, bool create, int *error)
{
    struct master_store *store = calloc(1, sizeof(*store));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);

    if (store != NULL)
        store->seen = calloc(STORE_SEEN_MAX, sizeof(*store->seen));
    if (store == NULL || store->seen == NULL) {
        *error = STORE_E_NO_MEMORY;
        goto err;
    }
    *error = database_error(sqlite3_open_v2(path, &store->database, flags, NULL));
    if (*error != STORE_OK)
        goto err;
    sqlite3_extended_result_codes(store->database, 1);
    sqlite3_busy_timeout(store->database, STORE_BUSY_MS);
    *error = set_up(store);
    if (*error != STORE_OK)
        goto err;
    return store;

err:
    store_close(store);
    return NULL;
}

void store_close(struct master_store *store)
{
    if (store == NULL)
        return;
    (void)store_flush(store);
    for (size_t i = 0; i < store->statement_count; i++)
        sqlite3_finalize(store->statements[i].statement);
    sqlite3_close(store->database);
    free(store->seen);
    free(store);
}
