/*
 * SQLite for the store: opening, schema, statements, transactions.
 */
#ifndef ROLES_MASTER_DATABASE_H
#define ROLES_MASTER_DATABASE_H

#include "base/list.h"
#include "roles/master/store.h"

#include <sqlite3.h>

enum { DATABASE_STATEMENTS_MAX = 48 };

struct database_statement {
    const char *sql; /* a literal: found again by its address */
    sqlite3_stmt *statement;
};

/* A token that was given out and is not written yet. */
struct store_seen {
    int64_t host;
    int64_t at_s;
    struct adit_ip from;
};

struct master_store {
    sqlite3 *database;
    struct database_statement statements[DATABASE_STATEMENTS_MAX];
    size_t statement_count;
    struct store_seen *seen;
    size_t seen_count;
};

/* A store_error for what SQLite answered. */
int database_error(int code);

/*
 * The prepared statement of a literal, made once, with arguments bound by `types`: i = int64_t,
 * t = const char *, d = const uint8_t[SHA256_LEN]. NULL with *error set. To be reset after use.
 */
sqlite3_stmt *database_prepare(struct master_store *store, const char *sql, int *error,
                               const char *types, ...);

/* Runs a statement that answers no row. */
int database_run(struct master_store *store, const char *sql, const char *types, ...);

/* The first column of the first row; `otherwise` where there is none. */
int database_number(struct master_store *store, const char *sql, int64_t otherwise, int64_t *number,
                    const char *types, ...);

/* Write transactions: end takes what happened, commits on 0, and answers that or its own error. */
int database_begin(struct master_store *store);
int database_end(struct master_store *store, int error);

/* Text of a column, cut where it does not fit. */
void database_text(sqlite3_stmt *statement, int column, char *out, size_t out_len);

#endif
