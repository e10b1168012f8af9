#include "lib/tls/alert.h"

#include <string.h>

void tls_alert_write(enum tls_alert alert, uint8_t out[TLS_ALERT_LEN])
{
    static const uint8_t record[TLS_ALERT_LEN] = {
        0x15,       /* content type: alert */
        0x03, 0x03, /* version, as every record after the first flight has it */
        0x00, 0x02, /* length */
        0x02,       /* level: fatal */
    };

    memcpy(out, record, TLS_ALERT_LEN);
    out[TLS_ALERT_LEN - 1] = (uint8_t)alert;
}
