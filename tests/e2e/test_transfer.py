"""Bytes in quantity: whole, in order, in both directions, beside each other, and held back."""
import hashlib
import os
import random

import pytest

from harness import Wire, client_hello, in_thread
from tunnel import NAME, Publisher, Site, Tunnel
from wire import CLOSE, DATA, PAUSE, RESUME

MIB = 1 << 20


def send_blocks(wire, seed, total):
    """Sends total bytes that follow from a seed; their SHA-256."""
    rng, digest, left = random.Random(seed), hashlib.sha256(), total
    block = rng.randbytes(MIB)
    while left:
        part = block[:left]
        wire.send(part)
        digest.update(part)
        left -= len(part)
        turn = rng.randrange(1, MIB)
        block = block[turn:] + block[:turn]
    return digest.hexdigest()


def receive_blocks(wire, total):
    digest, buffer, left = hashlib.sha256(), bytearray(MIB), total
    while left:
        n = wire.sock.recv_into(buffer, min(left, MIB))
        assert n, f"end, {left} bytes too early"
        digest.update(memoryview(buffer)[:n])
        left -= n
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("pair", [("adit", "adit"), ("adit", "peer"), ("peer", "adit")],
                         ids=lambda p: f"{p[0]}-serves-{p[1]}-publishes")
def test_100_mb_arrive_whole_in_both_directions_at_once(programs, pair):
    device, service, _ = Tunnel(programs, pair).open()
    total = 100_000_000
    sides = [in_thread(send_blocks, service, 1, total), in_thread(receive_blocks, device, total),
             in_thread(send_blocks, device, 2, total), in_thread(receive_blocks, service, total)]
    down_sent, down, up_sent, up = [side.finish() for side in sides]
    assert down == down_sent
    assert up == up_sent


@pytest.mark.threads
def test_200_connections_at_once_keep_their_bytes_apart(programs):
    tunnel = Tunnel(programs)
    hellos, devices = {}, {}
    for number in range(200):
        hello = client_hello(NAME)
        device = Wire.dial(tunnel.server.host, tunnel.server.port, f"127.0.0.{1 + number % 8}")
        device.send(hello + number.to_bytes(4, "big"))
        hellos[number], devices[number] = hello, device
    services = {}
    for _ in devices:
        service = tunnel.endpoint.accept()
        service.receive_line()  # PROXY header
        first = service.receive(len(hellos[0]) + 4)
        number = int.from_bytes(first[-4:], "big")
        assert first[:-4] == hellos[number]
        services[number] = service
    assert len(services) == 200
    for number, service in services.items():
        service.send(hashlib.sha256(b"%d" % number).digest() * 100)
    for number, device in devices.items():
        assert device.receive(3200) == hashlib.sha256(b"%d" % number).digest() * 100
    for number in range(0, 200, 2):
        devices[number].close()
    for number in range(0, 200, 2):
        assert services[number].receive_to_end() == b""
    for number in range(1, 200, 2):
        services[number].close()
        assert devices[number].receive_to_end() == b""


@pytest.mark.parametrize("version", [1, 2])
def test_a_stalled_device_pauses_its_channel_alone_and_gets_everything_later(programs, version):
    site = Site(programs)
    mux = site.peer(version=version)
    slow, stalled = site.open(mux, NAME)
    quick, other = site.open(mux, NAME)
    sent, block = hashlib.sha256(), os.urandom(64 * 1024)
    total = 0
    while True:  # more than kernels hold, until the server says stop
        mux.send(stalled, DATA, block)
        sent.update(block)
        total += len(block)
        assert total < 256 * MIB, "no PAUSE"
        if not mux.wire.readable():
            continue
        frame = mux.receive()
        if frame.flag == PAUSE:
            assert frame.channel == stalled
            break
    mux.send(other, DATA, b"not held up")
    assert quick.receive(11) == b"not held up"
    quick.send(b"nor this way")
    assert mux.receive_data(other, 12) == b"nor this way"
    assert receive_blocks(slow, total) == sent.hexdigest()
    mux.receive_flag(RESUME, stalled)
    site.check()


@pytest.mark.parametrize("version", [1, 2])
def test_a_stalled_endpoint_pauses_its_channel_alone_and_gets_everything_later(programs, version):
    publisher = Publisher(programs, version=version)
    mux = publisher.mux
    stalled, slow = publisher.open()
    other, quick = publisher.open()
    sent, block = hashlib.sha256(), os.urandom(64 * 1024)
    total = 0
    while True:
        mux.send(stalled, DATA, block)
        sent.update(block)
        total += len(block)
        assert total < 256 * MIB, "no PAUSE"
        if not mux.wire.readable():
            continue
        frame = mux.receive()
        if frame.flag == PAUSE:
            assert frame.channel == stalled
            break
    mux.send(other, DATA, b"not held up")
    assert quick.receive(11) == b"not held up"
    assert receive_blocks(slow, total) == sent.hexdigest()
    mux.receive_flag(RESUME, stalled)
    publisher.check()


@pytest.mark.parametrize("version", [1, 2])
def test_the_server_obeys_pause_until_resume(programs, version):
    site = Site(programs)
    mux = site.peer(version=version)
    device, channel = site.open(mux, NAME)
    mux.send(channel, PAUSE)
    mux.ping()
    sender = in_thread(send_blocks, device, 3, 4 * MIB)
    for _ in range(50):
        probe = os.urandom(16)
        mux.send(probe, 0x08, extra=b"ping")
        frame = mux.receive()
        assert frame.channel == probe, "the channel is paused, nothing of it may come"
    mux.send(channel, RESUME)
    data = mux.receive_data(channel, 4 * MIB)
    assert hashlib.sha256(data).hexdigest() == sender.finish()


@pytest.mark.parametrize("version", [1, 2])
def test_the_publisher_obeys_pause_until_resume(programs, version):
    publisher = Publisher(programs, version=version)
    mux = publisher.mux
    channel, service = publisher.open()
    mux.send(channel, PAUSE)
    mux.ping()
    sender = in_thread(send_blocks, service, 4, 4 * MIB)
    for _ in range(50):
        probe = os.urandom(16)
        mux.send(probe, 0x08, extra=b"ping")
        frame = mux.receive()
        assert frame.channel == probe, "the channel is paused, nothing of it may come"
    mux.send(channel, RESUME)
    data = mux.receive_data(channel, 4 * MIB)
    assert hashlib.sha256(data).hexdigest() == sender.finish()


def test_data_before_a_close_is_delivered_to_a_slow_device(programs):
    site = Site(programs)
    mux = site.peer()
    device, channel = site.open(mux, NAME)
    block = os.urandom(512 * 1024)
    for _ in range(8):
        mux.send(channel, DATA, block)
    mux.send(channel, CLOSE)
    mux.ping()
    assert device.receive_to_end() == block * 8


@pytest.mark.parametrize("size", [4, 64])
def test_frames_of_one_byte_and_of_megabytes_are_carried(programs, size):
    site = Site(programs)
    mux = site.peer()
    device, channel = site.open(mux, NAME)
    for byte in b"one by one":
        mux.send(channel, DATA, bytes([byte]))
    mux.send(channel, DATA, b"")
    assert device.receive(10) == b"one by one"
    receiver = in_thread(receive_blocks, device, size * MIB)
    block = os.urandom(MIB)
    mux.wire.send(mux.header(channel, DATA, size * MIB))
    for _ in range(size):
        mux.wire.send(block)
    assert receiver.finish() == hashlib.sha256(block * size).hexdigest()
    site.check()


def test_the_servers_own_frames_are_64_kib_at_most(programs):
    site = Site(programs)
    mux = site.peer()
    device, channel = site.open(mux, NAME)
    sender = in_thread(send_blocks, device, 5, 8 * MIB)
    got = 0
    while got < 8 * MIB:
        frame = mux.receive_flag(DATA, channel)
        assert 0 < frame.size <= 64 * 1024
        got += frame.size
    sender.finish()
