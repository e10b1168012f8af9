#include "lib/quicktun/codes.h"

#include <adit/quicktun.h>

static const char *const texts[] = {
    [-QUICKTUN_OK] = "no error",
    [-QUICKTUN_E_NO_MEMORY] = "out of memory",
    [-QUICKTUN_E_RANDOM] = "no random bytes",
    [-QUICKTUN_E_POLICY] = "the options contradict each other",
    [-QUICKTUN_E_AUTHENTICATION] =
        "a packet does not authenticate: other keys, changed or repeated",
    [-QUICKTUN_E_EMPTY_CONTROL] = "a control packet without a command",
    [-QUICKTUN_E_PADDING] = "padding longer than its message, or around nothing",
    [-QUICKTUN_E_BATCH] = "multiple messages with a length that lies, or without a message",
    [-QUICKTUN_E_WRAPPERS] = "more than 10 wrappers around a command",
    [-QUICKTUN_E_ARGUMENT] = "a command whose arguments have a wrong length",
    [-QUICKTUN_E_IDENTIFICATION] = "the other side speaks another protocol",
    [-QUICKTUN_E_ROUTE] = "a malformed routing update",
    [-QUICKTUN_E_SECOND_START] = "a second Start crypto auth",
    [-QUICKTUN_E_NONCE_INPUT] = "a nonce input that is zero or our own, reflected",
    [-QUICKTUN_E_KEY_UNKNOWN] = "the peer's key is not configured here",
    [-QUICKTUN_E_KEY_REFUSED] = "a key that is weak, our own or key 0",
    [-QUICKTUN_E_ANSWER] = "an answer to nothing, or out of order",
    [-QUICKTUN_E_SECOND_REQUEST] = "a second password request before the first was answered",
    [-QUICKTUN_E_AFTER_KEYING] = "something after a command that changes keys, in the same packet",
    [-QUICKTUN_E_UPDATE_UNVOUCHED] = "a key update in a packet that does not vouch for it",
    [-QUICKTUN_E_DISABLE_UNVOUCHED] = "Disable encryption in a packet that does not vouch for it",
    [-QUICKTUN_E_UNPROVEN] = "a command that only a peer may send that has proven its key",
    [-QUICKTUN_E_DATA_EARLY] = "a tunnelled packet before the tunnel was up",
    [-QUICKTUN_E_DISABLE_FORBIDDEN] = "Disable encryption, which is not permitted here",
    [-QUICKTUN_E_UPDATE_AFTER_DISABLE] = "a key update after encryption was disabled",
    [-QUICKTUN_E_PASSWORD_UNVOUCHED] = "a password in a packet that does not vouch for it",
    [-QUICKTUN_E_PASSWORD_IN_CLEAR] = "asked for the password where the answer could be read",
    [-QUICKTUN_E_PASSWORD_NONE] = "asked for a password, and none is configured",
    [-QUICKTUN_E_SALT] = "a password request whose salt is short or our own",
    [-QUICKTUN_E_PASSWORD_WRONG] = "a wrong password",
    [-QUICKTUN_E_NOT_UP] = "the tunnel did not come up within 30 s",
    [-QUICKTUN_E_UNANSWERED] = "a request was not answered within 10 s",
    [-QUICKTUN_E_DEAD] = "the other side is silent",
    [-QUICKTUN_E_NOT_CONTROL] = "a tunnelled packet outside the control stream",
    [-QUICKTUN_E_NO_CONTROL_ONLY] = "Ethernet frames that could be turned into commands",
    [-QUICKTUN_E_SEGMENTED] = "a segmented packet, which was not agreed",
    [-QUICKTUN_E_DISABLE_EARLY] = "Disable encryption before our requests were answered",
    [-QUICKTUN_E_FLOOD] = "more commands than a peer may send",
};

const char *quicktun_error_text(int error)
{
    int count = (int)(sizeof texts / sizeof *texts);
    return error <= 0 && error > -count ? texts[-error] : "unknown error";
}

static const char *const names[] = {
    [QUICKTUN_CODE_START_DATA] = "Start tunnel data",
    [QUICKTUN_CODE_START_CRYPTO] = "Start crypto auth",
    [QUICKTUN_CODE_ACK_CRYPTO] = "Acknowledge crypto auth",
    [QUICKTUN_CODE_BEGIN_UPDATE] = "Begin key update",
    [QUICKTUN_CODE_ACK_UPDATE] = "Acknowledge key update",
    [QUICKTUN_CODE_ASK_PASSWORD] = "Start password authentication",
    [QUICKTUN_CODE_PASSWORD] = "Acknowledge password authentication",
    [QUICKTUN_CODE_DISABLE] = "Disable encryption",
    [QUICKTUN_CODE_ACK_DISABLE] = "Acknowledge disable encryption",
    [QUICKTUN_CODE_ECHO] = "Echo request",
    [QUICKTUN_CODE_ECHO_REPLY] = "Echo response",
    [QUICKTUN_CODE_NETWORK] = "Set network configuration",
    [QUICKTUN_CODE_ROUTE] = "Routing information update",
    [QUICKTUN_CODE_PACKET] = "Data packet",
    [QUICKTUN_CODE_PADDING] = "Padding",
    [QUICKTUN_CODE_BATCH] = "Multiple messages",
    [QUICKTUN_CODE_OPTIONS] = "Tunnel options",
    [QUICKTUN_CODE_SEGMENTED] = "Segmented packet",
    [QUICKTUN_CODE_IDENTIFICATION] = "Identification",
};

const char *quicktun_command_name(int code)
{
    int count = (int)(sizeof names / sizeof *names);
    return code >= 0 && code < count && names[code] ? names[code] : "unknown command";
}
