#include "hello_maker.h"

#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

struct hello_bytes hello_body;
struct hello_bytes hello;

void hello_put(struct hello_bytes *bytes, const void *from, size_t len)
{
    assert_true(bytes->len + len <= HELLO_ROOM);
    if (len > 0)
        memcpy(bytes->at + bytes->len, from, len);
    bytes->len += len;
}

void hello_put_u8(struct hello_bytes *bytes, size_t value)
{
    uint8_t byte = (uint8_t)value;
    hello_put(bytes, &byte, 1);
}

void hello_put_u16(struct hello_bytes *bytes, size_t value)
{
    uint8_t out[2];
    store_u16(out, (uint16_t)value);
    hello_put(bytes, out, 2);
}

void hello_put_zeros(struct hello_bytes *bytes, size_t len)
{
    while (len-- > 0)
        hello_put_u8(bytes, 0);
}

void hello_begin(void)
{
    hello_body.len = 0;
    hello_put_u16(&hello_body, 0x0303);
    hello_put_zeros(&hello_body, 32); /* random */
    hello_put_u8(&hello_body, 0);     /* session id */
    hello_put_u16(&hello_body, 2);    /* cipher suites */
    hello_put_u16(&hello_body, 0x1301);
    hello_put_u8(&hello_body, 1); /* compression methods */
    hello_put_u8(&hello_body, 0);
}

size_t hello_begin_extensions(void)
{
    hello_begin();
    hello_put_u16(&hello_body, 0);
    return hello_body.len;
}

void hello_end_extensions(size_t start)
{
    store_u16(hello_body.at + start - 2, (uint16_t)(hello_body.len - start));
}

void hello_put_extension(size_t type, const void *content, size_t len)
{
    hello_put_u16(&hello_body, type);
    hello_put_u16(&hello_body, len);
    hello_put(&hello_body, content, len);
}

void hello_put_server_name(const char *name)
{
    size_t len = strlen(name);
    hello_put_u16(&hello_body, 0);
    hello_put_u16(&hello_body, len + 5);
    hello_put_u16(&hello_body, len + 3);
    hello_put_u8(&hello_body, 0);
    hello_put_u16(&hello_body, len);
    hello_put(&hello_body, name, len);
}

void hello_wrap(size_t record_len)
{
    static struct hello_bytes message;
    message.len = 0;
    hello_put_u8(&message, 1);
    hello_put_u8(&message, hello_body.len >> 16);
    hello_put_u16(&message, hello_body.len);
    hello_put(&message, hello_body.at, hello_body.len);
    hello.len = 0;
    for (size_t at = 0; at < message.len; at += record_len) {
        size_t len = message.len - at < record_len ? message.len - at : record_len;
        hello_put(&hello, "\x16\x03\x01", 3);
        hello_put_u16(&hello, len);
        hello_put(&hello, message.at + at, len);
    }
}

void hello_build(const char *name)
{
    size_t start = hello_begin_extensions();
    hello_put_server_name(name);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
}

void hello_build_with(size_t type, const void *content, size_t len)
{
    size_t start = hello_begin_extensions();
    hello_put_extension(type, content, len);
    hello_end_extensions(start);
    hello_wrap(1 << 14);
}

/* The input ends where its memory ends. */
enum clienthello_verdict hello_parse(size_t len, struct clienthello *out)
{
    uint8_t *copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    if (len > 0)
        memcpy(copy, hello.at, len);
    enum clienthello_verdict verdict = clienthello_parse(copy, len, out);
    free(copy);
    return verdict;
}

void hello_expect(enum clienthello_verdict expected)
{
    struct clienthello out;
    enum clienthello_verdict got = hello_parse(hello.len, &out);
    if (got != expected)
        fail_msg("%s instead of %s", clienthello_verdict_text(got),
                 clienthello_verdict_text(expected));
    bool error = false;
    for (size_t len = 0; len < hello.len; len++) {
        got = hello_parse(len, &out);
        if (got == CLIENTHELLO_INCOMPLETE) {
            assert_false(error);
            assert_true(out.need > len);
            continue;
        }
        assert_int_equal(got, expected);
        error = true;
        assert_true(expected < 0);
    }
}

void hello_expect_name(const char *expected)
{
    struct clienthello out;
    hello_expect(CLIENTHELLO_OK);
    assert_int_equal(hello_parse(hello.len, &out), CLIENTHELLO_OK);
    assert_string_equal(out.name, expected);
    assert_int_equal(out.name_len, strlen(expected));
}
