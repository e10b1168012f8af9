"""Hostile input to `adit serve`: a clear line, that connection closed, nothing else disturbed."""
import os
import socket
import struct
import time

import pytest
from cryptography.fernet import Fernet

from harness import client_hello, in_thread
from tunnel import NAME, Site
from wire import CLOSE, DATA, NEW, PAUSE, PING, RESUME, connect_peer, credential

CIPHERS = ["aes-cbc", "aes-gcm", "aes-gcm-siv"]
ALERT_UNRECOGNIZED = bytes([0x15, 3, 3, 0, 2, 2, 112])


@pytest.fixture
def site(programs):
    return Site(programs)


def refused(site, data, line, source=None, answer=b""):
    """Sends bytes; the connection is closed with the answer expected and a line in the log."""
    mark = site.process.mark()
    with site.dial(source) as wire:
        try:
            wire.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert wire.ended() == answer
    site.process.wait_for(line, after=mark)
    site.check()


def test_garbage_is_refused(site):
    refused(site, os.urandom(3) + b"\0" * 500, "refused-protocol")


def test_http_on_the_port_is_refused(site):
    refused(site, b"GET / HTTP/1.1\r\nHost: home.example\r\n\r\n", "refused-protocol")


def test_control_characters_never_reach_the_log(site):
    hello = client_hello("evil-name.example").replace(b"evil-name", b"e\x1b[31m\ne\"")
    with site.dial() as wire:
        wire.send(hello)
        wire.ended()
    site.said("refused-(hello|no-name|unknown-name)")
    assert "\x1b" not in site.process.text()
    site.check()


def test_a_client_hello_without_a_name_is_refused_with_an_alert(site):
    refused(site, client_hello(None), "refused-no-name",
            answer=ALERT_UNRECOGNIZED)


def test_an_unknown_name_is_refused_with_an_alert(site):
    refused(site, client_hello("nobody.example"), r"refused-unknown-name.*nobody\.example",
            answer=ALERT_UNRECOGNIZED)


def test_a_client_hello_whose_lengths_lie_is_refused(site):
    hello = bytearray(client_hello(NAME))
    hello[43] = 255  # the session id would pass the end
    refused(site, bytes(hello), "refused-hello")


def test_64_kib_of_client_hello_are_refused(site):
    record = b"\x16\x03\x01\x40\x00"
    body = b"\x01\x01\x00\x00\x03\x03" + os.urandom(32) + b"\0" * (16384 - 38)
    refused(site, record + body + (record + b"\0" * 16384) * 4, "refused-hello")


def test_a_client_hello_in_single_bytes_is_served(site):
    hello = client_hello(site.name)
    device = site.dial()
    for byte in hello:
        device.send(bytes([byte]))
    channel = site.mux.receive_flag(NEW).channel
    assert site.mux.receive_data(channel, len(hello)) == hello
    site.check()


def test_a_client_hello_over_many_records_is_served(site):
    hello = client_hello(site.name)
    body = hello[5:]
    records = b"".join(b"\x16\x03\x01\x00\x07" + body[i:i + 7] if i + 7 <= len(body) else
                       b"\x16\x03\x01" + struct.pack(">H", len(body) - i) + body[i:]
                       for i in range(0, len(body), 7))
    device = site.dial()
    device.send(records)
    channel = site.mux.receive_flag(NEW).channel
    assert site.mux.receive_data(channel, len(records)) == records
    site.check()


def test_what_never_becomes_whole_is_closed_in_time(programs):
    """Half a token, half a ClientHello, one that dribbles, a single byte, and nothing."""
    site = Site(programs, "--token-timeout", "3s", "--hello-timeout", "3s")
    token = credential(site.programs.key, NAME)["token"].encode()
    hello = client_hello(NAME)
    starts = [b"", token[:len(token) // 2], hello[:100], b"g", hello[:1]]
    wires = []
    for start in starts:
        wires.append(site.dial())
        wires[-1].send(start)
    dribble = site.dial()

    def feed():
        started = time.monotonic()
        try:
            for byte in hello[:400]:
                dribble.send(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            return time.monotonic() - started
        return None

    feeding = in_thread(feed)
    assert [wire.ended() for wire in wires] == [b""] * len(wires)
    assert feeding.finish() is not None, "a byte every 100 ms keeps no connection open"
    site.process.wait_for("refused-timeout", count=len(starts) + 1)
    site.check()


def test_a_foreign_token_is_refused(programs):
    """It has no end that could be seen, so its time must pass."""
    site = Site(programs, "--token-timeout", "2s")
    token = credential(Fernet.generate_key().decode(), NAME)["token"]
    refused(site, token.encode(), "refused-(token|timeout):.*token")


def test_an_expired_token_is_refused(site):
    token = credential(site.programs.key, NAME, valid=-5)["token"]
    refused(site, token.encode(), rf"refused-token-expired.*{NAME}")


def test_a_tampered_token_is_refused(site):
    token = bytearray(credential(site.programs.key, NAME)["token"].encode())
    token[60] = ord("A") if token[60] != ord("A") else ord("B")
    with site.dial() as wire:
        wire.send(bytes(token))
        wire.shutdown()
        assert wire.ended() == b""
    site.said("refused-token:")
    site.check()


def test_a_truncated_token_is_refused(site):
    token = credential(site.programs.key, NAME)["token"].encode()
    with site.dial() as wire:
        wire.send(token[:-4])
        wire.shutdown()
        assert wire.ended() == b""
    site.said("refused-token:")
    site.check()


def test_a_token_without_end_is_refused(site):
    refused(site, b"gA" + b"A" * 20000, "refused-token:")


WRONG_PAYLOADS = [
    {"protocol_version": 3}, {"protocol_version": -1}, {"cipher": "aes-ctr"}, {"cipher": None,
     "protocol_version": "2"}, {"aes_key": "00"}, {"aes_iv": "zz" * 16}, {"aes_key": None},
    {"hostname": ""}, {"hostname": "a b"}, {"hostname": None}, {"hostname": 7}, {"valid": "soon"},
    {"valid": None}, {"alias": "www.example"}, {"alias": [1]}, {"whitelist": ["300.0.0.0/8"]},
    {"whitelist": "127.0.0.0/8"},
]


def test_a_token_with_a_wrong_payload_is_refused(site):
    for field in WRONG_PAYLOADS:
        token = credential(site.programs.key, NAME, payload=field)["token"]
        with site.dial() as wire:
            wire.send(token.encode())
            assert wire.ended() == b"", field
    site.said("refused-token:")
    refused_so_far = site.programs.status(site.process)["counters"]["refused-token"]
    assert refused_so_far == len(WRONG_PAYLOADS)
    site.check()


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_wrong_response_to_the_challenge_is_refused(site, cipher):
    cred = credential(site.programs.key, NAME, cipher)
    mux = connect_peer(site.host, site.port, cred, answer=lambda challenge: challenge)
    assert mux.wire.ended() == b""
    site.said("refused-challenge")
    site.check()


def test_a_repeated_aes_gcm_token_is_refused(site):
    cred = credential(site.programs.key, NAME, "aes-gcm")
    connect_peer(site.host, site.port, cred).ping()
    refused(site, cred["token"].encode(), "refused-key-used")


def test_a_gcm_key_is_refused_in_another_token_too(site):
    first = credential(site.programs.key, NAME, "aes-gcm")
    connect_peer(site.host, site.port, first).ping()
    again = credential(site.programs.key, "other.example", "aes-gcm", payload={"aes_key": first["aes_key"]})
    refused(site, again["token"].encode(), "refused-key-used")


def test_a_challenge_that_is_never_answered_is_given_up(programs):
    site = Site(programs, "--challenge-timeout", "2s")
    with site.dial() as wire:
        wire.send(credential(programs.key, NAME)["token"].encode())
        wire.receive(60)
        assert wire.ended() == b""
    site.said("refused-(timeout|challenge)")
    site.check()


def test_whoever_does_not_answer_the_challenge_does_not_take_the_name_over(site):
    cred = credential(site.programs.key, site.name)
    with site.dial() as wire:
        wire.send(cred["token"].encode())
        wire.receive(60)
        site.check()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_frames_of_unknown_kinds_and_channels_are_skipped(site, version):
    mux = site.peer(version=version)
    device, channel = site.open(mux, NAME)
    for flag in (0x00, 0x03, 0x05, 0x40, 0xff):
        mux.send(os.urandom(16), flag, os.urandom(1000))
    for flag in (DATA, CLOSE, PAUSE, RESUME):
        mux.send(os.urandom(16), flag, os.urandom(1000))
    mux.send(os.urandom(16), PING, b"with a payload", extra=b"what")
    mux.open(bytes(4))  # a NEW from a client
    mux.send(channel, DATA, b"still here")
    assert device.receive(10) == b"still here"
    mux.ping()
    site.check()


def test_a_new_at_version_2_whose_size_is_odd_closes_the_peer(site):
    mux = site.peer("odd.example")
    mux.wire.send(mux.header(os.urandom(16), NEW, 17) + mux.crypto.seal(bytes(17)))
    mux.wire.ended()
    site.said(r"peer-gone.*odd\.example")
    site.check()


def test_a_size_of_4_gib_with_no_data_holds_nothing_up(site):
    mux = site.peer()
    device, channel = site.open(mux, NAME)
    mux.wire.send(mux.header(channel, DATA, 0xffffffff) + b"only this")
    assert device.receive(9) == b"only this"
    mux.wire.close()
    assert device.ended() == b""
    site.check()


@pytest.mark.parametrize("cipher", ["aes-gcm", "aes-gcm-siv"])
def test_a_flipped_tag_closes_the_peer(site, cipher):
    mux = site.peer(cipher=cipher)
    device, channel = site.open(mux, NAME)
    unit = bytearray(mux.header(channel, CLOSE, 0))
    unit[-1] ^= 1
    mux.wire.send(bytes(unit))
    mux.wire.ended()
    assert device.ended() == b""
    site.said(rf"peer-gone.*{NAME}")
    site.check()


@pytest.mark.parametrize("step", [-1, 1], ids=["repeated", "skipped"])
def test_a_gcm_counter_out_of_order_closes_the_peer(site, step):
    mux = site.peer(cipher="aes-gcm")
    mux.crypto.n += step
    mux.send(os.urandom(16), PING, extra=b"ping")
    mux.wire.ended()
    site.said(rf"peer-gone.*{NAME}")
    site.check()


def test_the_other_sides_gcm_prefix_closes_the_peer(site):
    mux = site.peer(cipher="aes-gcm")
    mux.crypto.prefix = struct.pack(">I", 1)
    mux.send(os.urandom(16), PING, extra=b"ping")
    mux.wire.ended()
    site.said(rf"peer-gone.*{NAME}")
    site.check()


@pytest.mark.slow
@pytest.mark.parametrize("flag", [PING, PAUSE, CLOSE], ids=["pings", "pauses", "closes"])
def test_a_hundred_thousand_frames_for_nothing_disturb_nobody(site, flag):
    mux = site.peer(cipher="aes-cbc")
    device, channel = site.open(mux, NAME)
    target = channel if flag == PAUSE else bytes(16)
    for _ in range(100):  # made while they are sent: who is silent meanwhile is dead
        mux.wire.send(b"".join(mux.header(target, flag, 0, b"pong") for _ in range(1000)))
    site.check()
    mux.ping()
    mux.send(channel, DATA, b"here")
    assert device.receive(4) == b"here"


def test_pings_whose_answers_are_not_read_hold_a_bounded_queue(site):
    """A peer that asks and never reads is stopped, or cut; the server's memory is bounded."""
    mux = site.peer(cipher="aes-cbc")
    mux.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frames = b"".join(mux.header(bytes(16), PING, 0, b"ping") for _ in range(10_000))
    mux.wire.sock.settimeout(1)
    sent = 0
    try:
        while sent < 400:
            mux.wire.send(frames)
            sent += 1
    except (TimeoutError, OSError):
        pass
    assert sent < 400, "128 MB of pings without one answer read"
    site.check()


def test_a_device_that_resets_mid_stream_closes_its_channel_alone(site):
    mux = site.peer()
    device, channel = site.open(mux, NAME)
    device.send(b"half a")
    device.reset()
    mux.receive_flag(CLOSE, channel)
    site.check()


def test_a_peer_cut_off_ends_its_devices_at_once(site):
    mux = site.peer()
    device, _ = site.open(mux, NAME)
    mux.wire.reset()
    assert device.ended() == b""
    refused(site, client_hello(NAME), "refused-unknown-name", answer=ALERT_UNRECOGNIZED)


def test_a_caller_outside_the_whitelist_is_refused(site):
    cred = credential(site.programs.key, NAME, payload={"whitelist": ["127.0.0.64/26",
                                                                      "2001:db8::/32"]})
    mux = connect_peer(site.host, site.port, cred)
    mux.ping()
    device, channel = site.open(mux, NAME, source="127.0.0.70")
    with site.dial("127.0.0.9") as other:
        other.send(client_hello(NAME))
        assert other.ended()[:1] == b"\x15"
    site.said("refused-caller.*127.0.0.9")
    mux.ping()  # no NEW came before it
    device.send(b"allowed")
    assert mux.receive_data(channel, 7) == b"allowed"


# PROXY headers -----------------------------------------------------------------------------------

PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2_header(source, command=0x21, extra=b""):
    kind = 0x21 if ":" in source else 0x11
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    raw = socket.inet_pton(family, source)
    body = raw * 2 + struct.pack(">HH", 1234, 443) + extra
    return PROXY_V2 + struct.pack(">BBH", command, kind, len(body)) + body


def v1_header(source):
    kind = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {kind} {source} {source} 1234 443\r\n".encode()


def caller_of(site, header, source="127.0.0.1"):
    hello = client_hello(site.name)
    with site.dial(source) as device:
        device.send(header + hello)
        new = site.mux.receive_flag(NEW)
        assert site.mux.receive_data(new.channel, len(hello)) == hello
    raw = new.caller(2)
    return socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)


@pytest.mark.parametrize("make", [v1_header, v2_header])
@pytest.mark.parametrize("source", ["192.0.2.44", "2001:db8::44"])
def test_a_trusted_fronts_proxy_header_replaces_the_source(programs, make, source):
    site = Site(programs, "--trust-proxy", "127.0.0.1/32")
    assert caller_of(site, make(source)) == source
    assert caller_of(site, b"") == "127.0.0.1", "a trusted address without a header is served"
    assert caller_of(site, v2_header(source, command=0x20)) == "127.0.0.1", "LOCAL"
    assert caller_of(site, b"PROXY UNKNOWN\r\n") == "127.0.0.1"
    site.check()


def test_an_ipv4_mapped_source_counts_as_ipv4(programs):
    site = Site(programs, "--trust-proxy", "127.0.0.1/32")
    assert caller_of(site, v2_header("::ffff:192.0.2.44")) == "192.0.2.44"


@pytest.mark.parametrize("make", [v1_header, v2_header])
def test_a_proxy_header_from_an_untrusted_address_is_refused(site, make):
    refused(site, make("192.0.2.44") + client_hello(site.name), "refused-protocol")


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2.44\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
    b"PROXY TCP4 " + b"1" * 120 + b"\r\n", b"PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n",
    PROXY_V2 + b"\x21\x11\x00\x04abcd", PROXY_V2 + b"\x31\x11\x00\x0c" + bytes(12),
    PROXY_V2 + b"\x21\x11\xff\xff" + bytes(2000),
], ids=["v1 short", "v1 port", "v1 over-long", "v1 family", "v2 short", "v2 version",
        "v2 over-long"])
def test_a_bad_proxy_header_of_a_trusted_front_is_refused(programs, header):
    site = Site(programs, "--trust-proxy", "127.0.0.1/32")
    mark = site.process.mark()
    with site.dial("127.0.0.1") as wire:
        wire.send(header + client_hello(site.name))
        assert wire.ended() == b""
    site.process.wait_for("refused-proxy-header", after=mark)
    site.check()


def test_a_proxy_header_before_a_token_is_honoured(programs):
    site = Site(programs, "--trust-proxy", "127.0.0.1/32")
    connect_peer(site.host, site.port, credential(programs.key, NAME), source="127.0.0.1",
                 before=v1_header("192.0.2.99")).ping()
    site.said(rf"{NAME} from 192\.0\.2\.99")
