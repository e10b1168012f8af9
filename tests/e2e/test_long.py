"""What takes minutes; part of make check."""
import resource

import pytest

from harness import Wire, client_hello, until
from tunnel import NAME, Site
from wire import CLOSE, DATA, PAUSE, PING, credential

pytestmark = pytest.mark.long


@pytest.mark.timeout(600)
def test_a_publisher_comes_back_50_times_after_the_server_was_killed(programs):
    server = programs.serve(listen=[programs.address()])
    endpoint = programs.endpoint()
    process = programs.publish(server, credential(programs.key, NAME), endpoint.address)
    hello = client_hello(NAME)
    for _ in range(50):
        with Wire.dial(server.host, server.port) as device:
            device.send(hello)
            service = endpoint.accept()
            assert service.receive(len(hello)) == hello
            server.process.kill()
            assert service.ended() == b""
        programs.all.remove(server.process)
        server = programs.serve(listen=[server.address])
        server.wait_served(NAME)


@pytest.mark.parametrize("flag", [PING, PAUSE, CLOSE], ids=["pings", "pauses", "closes"])
def test_a_million_frames_for_nothing_disturb_nobody(programs, flag):
    site = Site(programs)
    mux = site.peer(cipher="aes-cbc")
    device, channel = site.open(mux, NAME)
    target = channel if flag == PAUSE else bytes(16)
    for _ in range(100):
        mux.wire.send(b"".join(mux.header(target, flag, 0, b"pong") for _ in range(10_000)))
    site.check()
    mux.ping()
    mux.send(channel, DATA, b"here")
    assert device.receive(4) == b"here"


@pytest.mark.timeout(300)
def test_2000_connections_at_once(programs):
    site = Site(programs, "--early-per-address", "4000")
    mux = site.peer()
    pairs = [site.open(mux, NAME, source=f"127.0.0.{1 + n % 200}") for n in range(2000)]
    for number, (_, channel) in enumerate(pairs):
        mux.send(channel, DATA, b"%04d" % number)
    for number, (device, _) in enumerate(pairs):
        assert device.receive(4) == b"%04d" % number
    for device, _ in pairs:
        device.close()
    for _ in pairs:
        mux.receive_flag(CLOSE)
    site.check()


@pytest.mark.timeout(300)
def test_5000_half_open_handshakes_and_honest_devices_go_on(programs):
    """Half ClientHellos and halves of tokens, from 100 addresses, within every default limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    site = Site(programs, "--workers", "2", "--hello-timeout", "5m", "--token-timeout", "5m")
    halves = (client_hello(site.name)[:100], credential(programs.key, NAME)["token"][:60].encode())
    wires = []
    for number in range(5000):
        wires.append(site.dial(f"127.0.3.{1 + number % 100}"))
        wires[-1].send(halves[number % 2])
        if number % 250 == 0:
            site.check()
    until(lambda: programs.status(site.process)["counters"]["early"] == 5000, "5000 wait")
    site.check()
    for wire in wires:
        wire.close()
    until(lambda: programs.status(site.process)["counters"]["early"] == 0, "all have gone")
    site.check()
