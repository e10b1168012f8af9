#include <adit/sodiumtcp.h>

const char *sodiumtcp_error_text(int error)
{
    switch (error) {
    case SODIUMTCP_OK:
        return "no error";
    case SODIUMTCP_E_NO_MEMORY:
        return "out of memory";
    case SODIUMTCP_E_RANDOM:
        return "no random bytes";
    case SODIUMTCP_E_CREDENTIAL:
        return "login or passphrase is longer than 128 bytes";
    case SODIUMTCP_E_KEY:
        return "a public key that makes no shared secret";
    case SODIUMTCP_E_SEALED:
        return "the first bytes do not open: not meant for this key, or not sodium-tcp";
    case SODIUMTCP_E_AUTHENTICATION:
        return "a message is not authentic: changed, repeated or left out on the way";
    case SODIUMTCP_E_TAG:
        return "a message with a tag that is not 0";
    case SODIUMTCP_E_MAGIC:
        return "a header without the magic number";
    case SODIUMTCP_E_TYPE:
        return "a PDU of a type that may not come here";
    case SODIUMTCP_E_SIZE:
        return "a PDU of a size that its type does not have";
    case SODIUMTCP_E_VERSION:
        return "another version of the protocol";
    case SODIUMTCP_E_NONCE:
        return "the server's answer is not to this connection's nonce";
    case SODIUMTCP_E_LOGIN:
        return "login refused";
    case SODIUMTCP_E_ANSWER:
        return "not the answer to the oldest data under way";
    case SODIUMTCP_E_PONG:
        return "a pong that was not asked for";
    case SODIUMTCP_E_PINGS:
        return "more pings than can be answered";
    case SODIUMTCP_E_PONGS:
        return "the other side does not answer pings";
    case SODIUMTCP_E_OPTION:
        return "an option that was not offered";
    case SODIUMTCP_E_CREDIT:
        return "more bytes than granted, or a grant that does not grow";
    case SODIUMTCP_E_FIELD:
        return "a field with a value that it may not have";
    case SODIUMTCP_E_NAME:
        return "a name that no item may have";
    case SODIUMTCP_E_ORDER:
        return "a step that is not the next one of its item";
    case SODIUMTCP_E_LENGTH:
        return "an item whose bytes are not what was said of it";
    case SODIUMTCP_E_ITEMS:
        return "too many items announced";
    case SODIUMTCP_E_TRUNCATED:
        return "the connection ended too early";
    case SODIUMTCP_E_TIMEOUT:
        return "the login was not sent or answered in time";
    case SODIUMTCP_E_DEAD:
        return "the other side is silent";
    case SODIUMTCP_E_CALL:
        return "not allowed now";
    case SODIUMTCP_E_CIPHER:
        return "the cipher failed";
    default:
        return "unknown error";
    }
}
