/*
 * The message of SERVER_HELO: a text, and behind its NUL perhaps the offer of the extension
 * (docs/protocols/sodiumtcp.md, The offer).
 */
#ifndef SODIUMTCP_OFFER_H
#define SODIUMTCP_OFFER_H

#include <adit/sodiumtcp.h>

struct sodiumtcp_offer {
    bool made;
    bool zstd;
};

/* What does not parse is no offer. */
struct sodiumtcp_offer sodiumtcp_offer_read(const char message[SODIUMTCP_MESSAGE_LEN]);

/* message is all zeros; text has at most SODIUMTCP_TEXT_MAX bytes. */
void sodiumtcp_offer_write(char message[SODIUMTCP_MESSAGE_LEN], const char *text, bool made,
                           bool zstd);

#endif
