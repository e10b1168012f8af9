"""`adit publish`: coming back, endpoints that fail, and a server that is hostile."""
import os
import signal
import socket

import pytest

from harness import Wire, client_hello, in_thread
from tunnel import NAME, Publisher, Tunnel
from wire import CLOSE, DATA, NEW, PAUSE, PING, RESUME, accept_peer, credential


def test_a_publisher_comes_back_after_the_server_was_killed(programs):
    first = programs.serve(listen=[programs.address()])
    endpoint = programs.endpoint()
    process = programs.publish(first, credential(programs.key, NAME), endpoint.address)
    first.process.kill()
    second = programs.serve(listen=[first.address], name="serve again")
    second.wait_served(NAME)
    process.wait_for(r"\bconnected\b", count=2)
    hello = client_hello(NAME)
    with Wire.dial(second.host, second.port) as device:
        device.send(hello)
        assert endpoint.accept().receive(len(hello)) == hello


def test_a_publisher_waits_for_a_server_that_is_not_there_yet(programs):
    address = programs.address()
    process = programs.publish(address, credential(programs.key, NAME), "127.0.0.1:1", wait=False)
    process.wait_for("refused")
    server = programs.serve(listen=[address])
    process.wait_for(r"\bconnected\b")
    server.wait_served(NAME)


def test_a_name_is_tried_at_all_its_addresses(programs):
    """localhost is ::1 and 127.0.0.1; only the latter listens."""
    server = programs.serve()
    programs.publish(f"localhost:{server.port}", credential(programs.key, NAME), "127.0.0.1:1")


def test_an_endpoint_that_refuses_closes_the_channel_alone(programs):
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    publisher = Publisher(programs, to=f"127.0.0.1:{closed.getsockname()[1]}")
    channel = publisher.mux.open(bytes(4))
    publisher.mux.receive_flag(CLOSE, channel)
    publisher.process.wait_for("(?i)endpoint.*refused|refused.*endpoint")
    publisher.mux.ping()
    closed.close()


@pytest.fixture
def silent():
    """The address of an endpoint that does not even answer a SYN."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    for _ in range(3):  # fills the backlog
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
        waiting.append(sock)
    yield f"127.0.0.1:{full.getsockname()[1]}"
    for sock in [*waiting, full]:
        sock.close()


def test_an_endpoint_that_is_silent_is_given_up(silent, programs):
    publisher = Publisher(programs, "--endpoint-timeout", "500ms", to=silent)
    channel = publisher.mux.open(bytes(4))
    publisher.mux.receive_flag(CLOSE, channel)
    publisher.mux.ping()


def test_channels_that_were_closed_while_they_connect_count_too(silent, programs):
    publisher = Publisher(programs, "--channels", "20", "--endpoint-timeout", "5m", to=silent)
    mux = publisher.mux
    for _ in range(50):
        channel = mux.open(bytes(4))
        mux.send(channel, DATA, b"for later")
        mux.send(channel, CLOSE)
    mux.ping()
    assert len(programs.status(publisher.process)["channels"]) == 20


@pytest.mark.parametrize("more", [4, 16 << 20])
def test_an_answer_before_all_was_read_is_delivered(programs, more):
    """The service closes with unread bytes: its answer is there when the reset is noticed."""
    publisher = Publisher(programs, cipher="aes-cbc")
    channel, service = publisher.open()
    answer = b"too large." * 5000
    publisher.mux.send(channel, DATA, bytes(4 << 20))
    publisher.mux.ping()
    publisher.process.signal(signal.SIGSTOP)
    service.send(answer)
    service.close()
    sending = in_thread(publisher.mux.send, channel, DATA, bytes(more))
    if more < 1000:
        sending.finish()
    publisher.process.signal(signal.SIGCONT)
    assert publisher.mux.receive_data(channel, len(answer)) == answer
    publisher.mux.receive_flag(CLOSE, channel)
    sending.finish()
    publisher.check()


def test_an_endpoint_that_resets_mid_stream_closes_its_channel_alone(programs):
    publisher = Publisher(programs)
    channel, service = publisher.open()
    service.send(b"half an")
    assert publisher.mux.receive_data(channel, 7) == b"half an"
    service.reset()
    publisher.mux.receive_flag(CLOSE, channel)
    publisher.check()


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("cipher", ["aes-cbc", "aes-gcm", "aes-gcm-siv"])
def test_frames_of_unknown_kinds_and_channels_are_skipped(programs, cipher, version):
    publisher = Publisher(programs, cipher=cipher, version=version)
    mux = publisher.mux
    for flag in (0x00, 0x03, 0x40, 0xff):
        mux.send(os.urandom(16), flag, os.urandom(1000))
    for flag in (DATA, CLOSE, PAUSE, RESUME):
        mux.send(os.urandom(16), flag, os.urandom(1000))
    mux.send(os.urandom(16), PING, b"with a payload", extra=b"what")
    mux.ping()
    publisher.check()


def test_the_other_ping_code_is_answered_with_the_right_one(programs):
    publisher = Publisher(programs)
    channel = os.urandom(16)
    publisher.mux.send(channel, 0x05, extra=b"ping")
    frame = publisher.mux.receive()
    assert (frame.channel, frame.flag, frame.extra[:4]) == (channel, PING, b"pong")


@pytest.mark.parametrize("size", [0, 5, 15, 17, 64, 0xffffffff])
def test_a_new_of_odd_size_closes_the_connection(programs, size):
    publisher = Publisher(programs)
    mux = publisher.mux
    unit = mux.crypto.seal(bytes(min(size, 64)))
    mux.wire.send(mux.header(os.urandom(16), NEW, size) + unit)
    mux.wire.ended()
    again = accept_peer(publisher.listener, programs.key)  # and it comes back
    again.ping()


def test_a_new_for_a_live_channel_closes_the_connection(programs):
    publisher = Publisher(programs)
    channel, service = publisher.open()
    publisher.mux.open(bytes(4), channel)
    publisher.mux.wire.ended()
    assert service.ended() == b""


def test_a_family_that_does_not_exist_is_survived(programs):
    publisher = Publisher(programs)
    mux = publisher.mux
    mux.wire.send(mux.header(os.urandom(16), NEW, 16) + mux.crypto.seal(b"9" + bytes(15)))
    mux.wire.sock.settimeout(10)
    try:
        mux.ping()
    except (AssertionError, OSError):  # closing is as good as skipping
        accept_peer(publisher.listener, programs.key).ping()


def test_channels_beyond_the_limit_are_refused(programs):
    publisher = Publisher(programs, "--channels", "20")
    mux = publisher.mux
    kept = [mux.open(bytes(4)) for _ in range(20)]
    for _ in range(30):
        beyond = mux.open(bytes(4))
        mux.receive_flag(CLOSE, beyond)
    for channel in kept:
        mux.send(channel, CLOSE)
    for _ in kept:
        assert publisher.endpoint.accept().ended() == b""
    publisher.check()


def test_channels_without_end_take_no_memory_without_end(programs):
    publisher = Publisher(programs, "--channels", "20", cipher="aes-cbc")
    mux = publisher.mux
    drain = in_thread(lambda: [mux.receive() for _ in range(20)])
    for _ in range(20_000):
        mux.open(bytes(4))
    drain.finish()
    assert len(programs.status(publisher.process)["channels"]) == 20


def test_a_size_of_4_gib_with_no_data_is_streamed(programs):
    publisher = Publisher(programs)
    channel, service = publisher.open()
    publisher.mux.wire.send(publisher.mux.header(channel, DATA, 0xffffffff) + b"only this")
    assert service.receive(9) == b"only this"
    publisher.mux.wire.close()
    assert service.ended() == b""


@pytest.mark.slow
def test_data_without_end_for_a_stalled_endpoint_stays_under_the_cap(programs):
    """A server that ignores PAUSE: the channel goes, the connection and its memory stay."""
    publisher = Publisher(programs)
    channel, _ = publisher.open()
    block = os.urandom(1 << 20)
    mux = publisher.mux
    closed = False
    for _ in range(120):
        mux.send(channel, DATA, block)
        while mux.wire.readable():
            closed = closed or mux.receive().flag == CLOSE
    if not closed:
        mux.receive_flag(CLOSE, channel)
    publisher.check()


def test_a_wrong_tag_in_the_challenge_is_survived(programs):
    listener = programs.endpoint()
    process = programs.publish(listener.address, credential(programs.key, NAME), "127.0.0.1:1",
                               wait=False)
    wire = listener.accept()
    assert wire.sock.recv(65536)[:2] == b"gA"
    wire.send(os.urandom(60))
    assert wire.ended() == b""
    accept_peer(listener, programs.key).ping()
    assert process.running()


@pytest.mark.parametrize("address,header", [
    (bytes(4), b"PROXY UNKNOWN"), (bytes([127, 0, 0, 1]), b"PROXY TCP4 127.0.0.1 "),
    (socket.inet_pton(socket.AF_INET6, "2001:db8::9"), b"PROXY TCP6 2001:db8::9 "),
], ids=["unknown", "IPv4", "IPv6"])
def test_the_callers_address_is_what_the_server_says(programs, address, header):
    publisher = Publisher(programs, "--proxy-protocol", "v1")
    channel = publisher.mux.open(address)
    publisher.mux.send(channel, DATA, b"x")
    service = publisher.endpoint.accept()
    assert service.receive_line().startswith(header)
    assert service.receive(1) == b"x"


def test_a_connection_of_a_publisher_ends_with_it(programs):
    tunnel = Tunnel(programs)
    device, service, _ = tunnel.open()
    tunnel.publisher.signal(signal.SIGTERM)
    assert device.ended() == b""
    assert service.ended() == b""
    device.close()
    service.close()
    assert tunnel.publisher.wait_exit() == 0
