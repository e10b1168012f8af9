#include "io/http.h"

#include <stdio.h>
#include <string.h>

static bool is_loopback(const char *host)
{
    static const struct adit_ip loopback6 = {.family = 6, .bytes = {[15] = 1}};
    struct adit_ip ip;

    if (strcmp(host, "localhost") == 0)
        return true;
    return ip_parse(host, &ip) &&
           ((ip.family == 4 && ip.bytes[0] == 127) || ip_equal(&ip, &loopback6));
}

/* HOST, HOST:PORT, [v6] or [v6]:PORT, len bytes. */
static bool read_host(const char *text, size_t len, char host[HOST_TEXT_MAX])
{
    char authority[HOST_TEXT_MAX + 8];
    uint16_t port;

    if (len == 0 || len >= HOST_TEXT_MAX)
        return false;
    memcpy(authority, text, len);
    authority[len] = '\0';
    if (hostport_parse(authority, false, host, &port))
        return true;
    snprintf(authority + len, sizeof(authority) - len, ":443");
    return hostport_parse(authority, false, host, &port);
}

bool io_http_url_check(const char *url, char *why, size_t why_len)
{
    bool secure = strncmp(url, "https://", 8) == 0;
    const char *authority = strstr(url, "://");
    char host[HOST_TEXT_MAX];

    if (authority == NULL || (!secure && strncmp(url, "http://", 7) != 0)) {
        snprintf(why, why_len, "the address begins neither with https:// nor with http://");
        return false;
    }
    authority += strlen("://");
    if (strlen(url) > IO_HTTP_URL_MAX || strpbrk(url, "@?#\\ \"") != NULL ||
        !read_host(authority, strcspn(authority, "/"), host)) {
        snprintf(why, why_len, "the address is not https://HOST[:PORT][/PATH]");
        return false;
    }
    if (secure || is_loopback(host))
        return true;
    snprintf(why, why_len,
             "an API key must not cross a network in the clear: use https:// (http:// is for this "
             "machine alone)");
    return false;
}
