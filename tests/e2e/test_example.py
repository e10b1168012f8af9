"""The example publisher, compiled against the installed library as a device maker would."""
import hashlib
import os
import select
import subprocess

import pytest

import harness
from harness import Wire, client_hello, in_thread
from wire import credential

NAME = "home.example"
EXAMPLES = harness.ROOT / "examples"
CIPHERS = ["aes-cbc", "aes-gcm", "aes-gcm-siv"]
VERSIONS = [0, 1, 2]
MEGABYTE = 1 << 20


@pytest.fixture(scope="session")
def publisher(tmp_path_factory):
    """The program and the environment it runs in."""
    root = tmp_path_factory.mktemp("installed")
    build = harness.adit_path().parent
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", root],
                   check=True, capture_output=True)
    pc = next(root.rglob("adit-snitun.pc")).parent
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "adit-snitun"], check=True, capture_output=True,
        text=True, env={**os.environ, "PKG_CONFIG_PATH": str(pc),
                        "PKG_CONFIG_SYSROOT_DIR": str(root)}).stdout.split()
    needed = subprocess.run(["nm", "-D", "--undefined-only", pc.parent / "libadit-snitun.so"],
                            check=True, capture_output=True, text=True).stdout
    for symbol, flag in (("__asan_init", "-fsanitize=address,undefined"),
                         ("__tsan_init", "-fsanitize=thread")):
        flags += [flag] if symbol in needed else []
    program = root / "publisher"
    subprocess.run(["cc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o", program,
                    *sorted(EXAMPLES.glob("*.c")), *flags], check=True)
    return program, {"LD_LIBRARY_PATH": str(pc.parent)}


def publish(programs, publisher, server, cipher, version, to):
    program, environment = publisher
    cred = programs.credential_file(credential(programs.key, NAME, cipher, version))
    mark = server.process.mark()
    process = programs.start([program, cred, server.address, to], "example", env=environment)
    process.wait_for(r"\bconnected\b")
    server.wait_served(NAME, mark)
    return process


def open_channel(server, endpoint):
    """A device and its connection at the endpoint, ClientHello passed."""
    device = Wire.dial(server.host, server.port)
    hello = client_hello(NAME)
    device.send(hello)
    service = endpoint.accept()
    assert service.receive(len(hello)) == hello
    return device, service


@pytest.fixture(params=["adit", "peer"])
def server(request, programs):
    return programs.serve() if request.param == "adit" else programs.peer_server()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_it_carries_both_directions_and_closes_from_either_side(programs, publisher, server,
                                                                cipher, version):
    endpoint = programs.endpoint()
    publish(programs, publisher, server, cipher, version, endpoint.address)
    block = os.urandom(300_000)

    device, service = open_channel(server, endpoint)
    service.send(b"hello")
    assert device.receive(5) == b"hello"
    device.send(block)
    device.close()
    assert service.receive_to_end() == block, "data before the device's end is delivered"

    device, service = open_channel(server, endpoint)
    service.send(block)
    service.close()
    assert device.receive_to_end() == block, "data before the endpoint's end is delivered"


def test_twenty_megabytes_each_way_on_four_channels_at_once(programs, publisher, server):
    endpoint = programs.endpoint()
    publish(programs, publisher, server, "aes-gcm-siv", 2, endpoint.address)
    block = os.urandom(20 * MEGABYTE)
    channels = [open_channel(server, endpoint) for _ in range(4)]
    senders = [in_thread(wire.send, block) for pair in channels for wire in pair]
    receivers = [in_thread(wire.receive, len(block)) for pair in channels for wire in pair]
    for sender in senders:
        sender.finish()
    for receiver in receivers:
        assert hashlib.sha256(receiver.finish()).digest() == hashlib.sha256(block).digest()


def test_an_endpoint_that_does_not_read_pauses_its_device_alone(programs, publisher):
    server = programs.serve()
    endpoint = programs.endpoint()
    publish(programs, publisher, server, "aes-gcm-siv", 2, endpoint.address)
    device, service = open_channel(server, endpoint)
    block = os.urandom(MEGABYTE)

    device.sock.setblocking(False)
    sent = hashlib.sha256()
    total = 0
    while total < 60 * MEGABYTE and select.select([], [device.sock], [], 1)[1]:
        n = device.sock.send(block)
        sent.update(block[:n])
        total += n
    assert total < 60 * MEGABYTE, "nothing stopped the device"

    other, other_service = open_channel(server, endpoint)
    other.send(b"still here")
    assert other_service.receive(10) == b"still here"

    device.sock.settimeout(harness.HANG_S)
    device.close()
    received = service.receive_to_end()
    assert hashlib.sha256(received).digest() == sent.digest()


def test_an_endpoint_that_refuses_closes_the_channel(programs, publisher, server):
    endpoint = programs.endpoint()
    process = publish(programs, publisher, server, "aes-gcm-siv", 2, endpoint.address)
    endpoint.close()
    device = Wire.dial(server.host, server.port)
    device.send(client_hello(NAME))
    assert device.ended() == b""
    assert process.running()


def test_it_comes_back_when_the_server_went_away(programs, publisher):
    endpoint = programs.endpoint()
    first = programs.peer_server()
    process = publish(programs, publisher, first, "aes-gcm-siv", 2, endpoint.address)
    first.process.kill()
    process.wait_for("disconnected")
    mark = process.mark()
    again = programs.python(harness.PEER, "server", "--listen", first.address,
                            f"--key={programs.key}", name="peer server")
    process.wait_for(r"\bconnected\b", after=mark)
    again.wait_for('"event": "peer"')
    device, service = open_channel(first, endpoint)
    service.send(b"hello")
    assert device.receive(5) == b"hello"


def test_an_aes_gcm_credential_is_used_once(programs, publisher):
    endpoint = programs.endpoint()
    server = programs.peer_server()
    process = publish(programs, publisher, server, "aes-gcm", 2, endpoint.address)
    server.process.kill()
    assert process.wait_exit() == 1


def test_unusable_arguments_exit_with_2(publisher, tmp_path):
    program, environment = publisher
    bad = tmp_path / "credential"
    for text in ("", "{}", '{"token": "gAAA", "aes_key": "12"}'):
        bad.write_text(text)
        run = subprocess.run([program, bad, "127.0.0.1:1", "127.0.0.1:2"], text=True,
                             env={**os.environ, **environment}, capture_output=True, check=False)
        assert run.returncode == 2
        assert "usage" in run.stderr
