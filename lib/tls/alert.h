/*
 * The fatal TLS alerts with which a proxy refuses a ClientHello (RFC 8446, 6.2; RFC 6066, 3).
 */
#ifndef LIB_TLS_ALERT_H
#define LIB_TLS_ALERT_H

#include <stdint.h>

enum { TLS_ALERT_LEN = 7 };

enum tls_alert {
    TLS_ALERT_ACCESS_DENIED = 49,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_UNRECOGNIZED_NAME = 112,
};

/* Writes the record of a fatal alert. */
void tls_alert_write(enum tls_alert alert, uint8_t out[TLS_ALERT_LEN]);

#endif
