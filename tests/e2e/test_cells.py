"""Every cipher and version in both roles, no cell skipped: the independent peer as client against
`adit serve` and as server against `adit publish`, adit against adit, and the peer against itself,
which proves the tests."""
import os

import pytest

from tunnel import CALLER, Tunnel

CIPHERS = ["aes-cbc", "aes-gcm", "aes-gcm-siv"]
VERSIONS = [0, 1, 2]
PAIRS = [("adit", "peer"), ("peer", "adit"), ("adit", "adit"), ("peer", "peer")]
@pytest.fixture(params=PAIRS, ids=lambda p: f"{p[0]}-serves-{p[1]}-publishes")
def pair(request):
    return request.param


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_channel_carries_both_directions_and_closes_from_either_side(programs, pair, cipher,
                                                                       version):
    tunnel = Tunnel(programs, pair, cipher, version, 4)
    block = os.urandom(300_000)

    device, service, caller = tunnel.open()
    assert caller == CALLER[4]
    device.send(b"ping")
    assert service.receive(4) == b"ping"
    service.send(b"pong!")
    assert device.receive(5) == b"pong!"
    device.send(block)
    device.close()
    assert service.receive_to_end() == block, "data before the device's end is delivered"

    device, service, _ = tunnel.open()
    service.send(block)
    service.close()
    assert device.receive_to_end() == block, "data before the endpoint's end is delivered"

    device, service, _ = tunnel.open()
    other, other_service, _ = tunnel.open()
    device.close()
    assert service.receive_to_end() == b""
    other.send(b"still here")
    assert other_service.receive(10) == b"still here", "a close ends its own channel alone"
    other.shutdown()
    assert other_service.receive_to_end() == b"", "there is no half-close"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_an_ipv6_caller_is_seen_from_version_2_on(programs, pair, cipher, version):
    tunnel = Tunnel(programs, pair, cipher, version, 6)
    device, service, caller = tunnel.open()
    assert caller == (CALLER[6] if version >= 2 else None)
    service.send(b"hello")
    assert device.receive(5) == b"hello"
    device.close()
    assert service.receive_to_end() == b""
