"""The process: signals, files, ports, exit codes."""
import json
import os
import pathlib
import pwd
import resource
import signal
import socket
import stat
import time

import pytest
from cryptography.fernet import Fernet

from harness import (HANG_S, Wire, adit_path, client_hello, in_thread, port_answers, until,
                     write_secret)
from tunnel import NAME, Site, Tunnel
from wire import CLOSE, connect_peer, credential


PATIENT = ("--hello-timeout", "5m", "--token-timeout", "5m")  # for connections that say nothing


def test_sighup_takes_a_new_key_and_keeps_every_connection(programs):
    site = Site(programs)
    fresh = Fernet.generate_key().decode()
    cred = credential(fresh, NAME)

    def refused(token):
        with site.dial() as wire:
            wire.send(token.encode())
            wire.shutdown()
            assert wire.ended() == b""

    refused(cred["token"])
    programs.key_file.write_text(f"# the new one mints\n{fresh}\n\n{programs.key}\n")
    site.process.signal(signal.SIGHUP)
    site.process.wait_for("reload.*reloaded")
    connect_peer(site.host, site.port, cred).ping()
    site.check()
    programs.key_file.write_text(fresh + "\n")
    site.process.signal(signal.SIGHUP)
    site.process.wait_for("reload.*reloaded", count=2)
    refused(credential(programs.key, NAME)["token"])
    site.check()


def test_sighup_with_a_malformed_key_changes_nothing(programs):
    site = Site(programs)
    programs.key_file.write_text("no key\n")
    site.process.signal(signal.SIGHUP)
    site.process.wait_for("reload.*nothing changed")
    connect_peer(site.host, site.port, credential(programs.key, NAME)).ping()
    site.check()


def test_sighup_takes_a_new_route_of_the_file(programs):
    endpoint = programs.endpoint()
    config = programs.directory / "adit.yaml"
    text = "role: serve\nlisten: ['127.0.0.1:0']\nfernet_key_file: fernet.key\ndrain: 1s\n"
    config.write_text(text)
    process = programs.role("serve", "--config", config)
    host, port = programs.ready(process)[0]
    config.write_text(text + f"route: ['www.example={endpoint.address}']\n")
    process.signal(signal.SIGHUP)
    process.wait_for("reload.*reloaded")
    hello = client_hello("www.example")
    with Wire.dial(host, port) as device:
        device.send(hello)
        assert endpoint.accept().receive(len(hello)) == hello
    config.write_text(text + "rout: []\n")
    process.signal(signal.SIGHUP)
    process.wait_for(r"line 5 column 1: .*did you mean route\?")


def test_sigterm_drains(programs):
    """It accepts nobody, closes the peer without channels, lets the other end its last one."""
    server = programs.serve(drain="12s")
    busy = connect_peer(server.host, server.port, credential(programs.key, NAME))
    idle = connect_peer(server.host, server.port, credential(programs.key, "idle.example"))
    busy.ping()
    idle.ping()
    hello = client_hello(NAME)
    device = Wire.dial(server.host, server.port)
    device.send(hello)
    channel = busy.receive_flag(1).channel
    assert busy.receive_data(channel, len(hello)) == hello
    server.process.signal(signal.SIGTERM)
    server.process.wait_for("stopping")
    idle.wire.ended()
    until(lambda: not port_answers(server.host, server.port), "no worker listens any more")
    device.send(b"goes on")
    assert busy.receive_data(channel, 7) == b"goes on"
    busy.send(channel, 2, b"to its end")
    assert device.receive(10) == b"to its end"
    device.close()
    busy.wire.ended()
    assert server.process.wait_exit() == 0


def test_a_second_signal_ends_at_once(programs):
    tunnel = Tunnel(programs)
    server = programs.serve(drain="60s", name="slow to drain")
    mux = connect_peer(server.host, server.port, credential(programs.key, NAME))
    mux.ping()
    with Wire.dial(server.host, server.port) as device:
        device.send(client_hello(NAME))
        mux.receive_flag(1)
        server.process.signal(signal.SIGTERM)
        server.process.wait_for("stopping")
        server.process.signal(signal.SIGTERM)
        device.ended()
    mux.wire.close()
    assert server.process.wait_exit() == 0
    assert tunnel.publisher.running()


def test_fixed_routes_share_the_memory_budget(programs):
    """Nobody vouches for who asks for a fixed route: they must not use up what peers need."""
    def endless(wire):
        while True:
            wire.send(bytes(1 << 18))

    site = Site(programs, "--workers", "1", "--memory", "2MiB", "--route",
                f"www.example={programs.service(endless).address}")
    hello = client_hello("www.example")
    devices = []
    for n in range(100):
        devices.append(Wire.dial(site.host, site.port, f"127.0.2.{1 + n}", receive_buffer=4096))
        devices[-1].send(hello)
    site.said("memory-budget: closed the fixed route")
    until(lambda: programs.status(site.process)["counters"]["routed"] == 100, "100 routes")
    until(lambda: programs.status(site.process)["workers"][0]["buffered"] <= 2 << 20, "within it")
    site.check()
    for device in devices:
        device.reset()


@pytest.mark.slow
def test_workers_wait_for_their_last_bytes_side_by_side(programs):
    """Each has a device that does not read what its peer sent: 5 s, and not 5 s a worker."""
    server = programs.serve("--workers", "6", drain="100ms")
    devices, busy = [], []
    while len(busy) < 5:  # a peer is the worker's that was the first to take it
        assert len(devices) < 60, busy
        name = f"house-{len(devices)}.example"
        mux = connect_peer(server.host, server.port, credential(programs.key, name))
        mux.ping()
        device = Wire.dial(server.host, server.port, receive_buffer=4096)
        device.send(client_hello(name))
        mux.send(mux.receive_flag(1).channel, 2, bytes(8 << 20))
        mux.ping()
        devices.append(device)
        if len(devices) >= 5:
            busy = [w for w in programs.status(server.process)["workers"] if w["buffered"]]
    start = time.monotonic()
    server.process.signal(signal.SIGTERM)
    assert server.process.wait_exit() == 0
    assert time.monotonic() - start < 20


@pytest.mark.threads
def test_a_signal_before_the_workers_are_ready_ends_the_server(programs):
    """It waits from the start, and is the first thing that the server sees."""
    first = ("import os, signal, sys\n"
             "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
             "os.kill(os.getpid(), signal.SIGTERM)\n"
             "os.execv(sys.argv[1], sys.argv[1:])")
    process = programs.python("-c", first, adit_path(), "serve", "--listen", "127.0.0.1:0",
                              "--fernet-key-file", programs.key_file, "--workers", "32",
                              "--control", "none", *(["--user", "root"] if not os.getuid() else []))
    assert process.wait_exit() == 0, process.log()
    assert process.matches("stopped: all") and not process.matches("ready:"), process.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_publisher_ends_with_0(programs, number):
    tunnel = Tunnel(programs)
    tunnel.publisher.signal(number)
    assert tunnel.publisher.wait_exit() == 0


@pytest.mark.parametrize("argv,suggestion", [
    (["serv"], "serve"), (["serve", "--lisen", "127.0.0.1:0"], "--listen"),
    (["publish", "--servr", "x:1"], "--server"), (["serve", "--listen", "127.0.0.1"], "--listen"),
    (["serve", "--listen", "127.0.0.1:99999"], "--listen"), (["serve"], "--listen"),
    (["publish", "--server", "x:1", "--to", "y:1", "--credential", "f", "--proxy-protocol", "v3"],
     "v1"), (["token", "mnt"], "mint"), ([], "help"), (["serve", "stray"], "stray"),
    (["serve", "--route", "no", "--listen", "127.0.0.1:0"], "NAME=HOST:PORT"),
    (["keygen", "fernt"], "fernet"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_unusable_arguments_are_2_and_a_suggestion(programs, argv, suggestion):
    process = programs.run(*argv, code=2)
    assert suggestion in process.text("err")
    assert process.text("out") == ""


def test_help_is_0_and_on_standard_output(programs):
    for argv in (["--help"], ["serve", "--help"], ["publish", "--help"], ["token", "mint",
                                                                            "--help"]):
        process = programs.run(*argv)
        assert process.text("out") and not process.text("err")


def serve_fails(programs, *flags, key_file=None):
    process = programs.adit("serve", "--listen", "127.0.0.1:0", "--fernet-key-file",
                            key_file or programs.key_file, "--control", "none", "--user",
                            pwd.getpwuid(os.getuid()).pw_name, *flags)
    assert process.wait_exit() == 1, process.log()
    return process.text("err")


def test_a_port_in_use_is_one_clear_line(programs):
    taken = programs.endpoint()
    said = serve_fails(programs, "--listen", taken.address)
    assert taken.address in said and "in use" in said


def test_an_address_of_another_machine_is_one_clear_line(programs):
    assert "192.0.2.1:4443" in serve_fails(programs, "--listen", "192.0.2.1:4443")


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604, 0o642])
def test_a_key_file_that_others_may_use_is_refused(programs, mode):
    programs.key_file.chmod(mode)
    said = serve_fails(programs)
    assert str(programs.key_file) in said
    assert programs.key not in said


def test_a_missing_key_file_is_refused(programs):
    missing = programs.directory / "missing"
    said = serve_fails(programs, key_file=missing)
    assert str(missing) in said


@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "A" * 43, "A" * 44,
                                  "not base64 at all, but 44 characters long!!!!", "\0" * 44],
                         ids=["empty", "comment", "short", "45th", "no base64", "zeros"])
def test_a_key_file_without_a_key_is_refused(programs, text):
    path = write_secret(programs.directory / "bad.key", text)
    said = serve_fails(programs, key_file=path)
    assert str(path) in said
    if text.strip():
        assert text.strip() not in said, "its contents stay secret"


def test_descriptors_exhausted_pause_accepting_and_resume(programs):
    """RLIMIT_NOFILE is small: connections wait, nobody spins, then all are served."""
    site = Site(programs, "--early-per-address", "1000", "--workers", "1")
    resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    wires = [site.dial(f"127.0.0.{2 + n % 100}") for n in range(60)]
    site.said("exhausted")
    before = cpu_ticks(site.process.pid)
    for _ in range(20):
        site.mux.ping()
    for wire in wires:
        wire.close()
    until(lambda: programs.status(site.process)["counters"]["early"] == 0, "all gone")
    assert cpu_ticks(site.process.pid) - before < 200, "it spun"
    site.check()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_device_that_comes_as_its_publisher_goes_finds_nobody(programs):
    """The publisher's end and the device's first bytes are there at once, in this order."""
    site = Site(programs, "--workers", "1", *PATIENT)
    mux = connect_peer(site.host, site.port, credential(programs.key, NAME))
    mux.ping()
    device = site.dial("127.0.0.1")
    until(lambda: programs.status(site.process)["counters"]["early"] == 1, "it is accepted")
    site.process.signal(signal.SIGSTOP)
    mux.wire.reset()
    device.send(client_hello(NAME))
    site.process.signal(signal.SIGCONT)
    site.said(f"refused-unknown-name.*{NAME}")
    site.check()


def test_unknown_connections_give_way_when_others_wait(programs):
    """Eight that say nothing hold all places; a device waits until the oldest is safe no longer."""
    site = Site(programs, "--workers", "1", "--early-per-worker", "8", *PATIENT)
    wires = [site.dial(f"127.0.1.{1 + n}") for n in range(8)]
    site.said("early-limit: paused accepting: 8 ")
    before = cpu_ticks(site.process.pid)
    device, hello = site.dial("127.0.2.1"), client_hello(site.name)
    device.send(hello)
    channel = site.mux.receive_flag(1).channel
    assert site.mux.receive_data(channel, len(hello)) == hello
    site.said("refused-early-limit: closed 127.0.1.1: ")
    counters = programs.status(site.process)["counters"]
    assert counters["refused-early-limit"] >= 1
    assert counters["early"] + counters["refused-early-limit"] == len(wires)
    assert cpu_ticks(site.process.pid) - before < 200, "it spun"
    for wire in wires:
        wire.close()
    until(lambda: programs.status(site.process)["counters"]["early"] == 0, "all have gone")
    site.check()


def test_a_raised_limit_of_unknown_connections_closes_none_of_them(programs):
    config = programs.directory / "adit.yaml"
    text = "role: serve\nlisten: ['127.0.0.1:0']\nfernet_key_file: fernet.key\ndrain: 1s\n"
    config.write_text(text + "workers: 1\nearly_per_worker: 4\n")
    process = programs.role("serve", "--config", config)
    host, port = programs.ready(process)[0]
    wires = [Wire.dial(host, port) for _ in range(3)]
    config.write_text(text + "workers: 1\nearly_per_worker: 40\n")
    process.signal(signal.SIGHUP)
    process.wait_for("reloaded")
    programs.status(process)  # asks the worker, which has taken the new limit before it answers
    wires += [Wire.dial(host, port) for _ in range(2)]
    wires[4].send(client_hello("nobody.example"))
    process.wait_for("refused-unknown-name.*nobody")
    counters = programs.status(process)["counters"]
    assert (counters["early"], counters["early_limit"]) == (4, 0)


def part_of_long_hello():
    """24 KiB of what a ClientHello of 60 KiB would be."""
    start = b"\x01\x00\xf0\x00\x03\x03" + b"\0" * 32 + b"\0" + b"\xef\x00"  # cipher suites without end
    part = b"\x16\x03\x01\x40\x00" + start + b"\0" * (16384 - len(start))
    return part + b"\x16\x03\x01\x40\x00" + b"\0" * 8192


def test_unknown_connections_hold_so_many_bytes_and_no_more(programs):
    site = Site(programs, "--workers", "1", "--early-bytes", "1MiB")
    wires = [site.dial(f"127.0.1.{1 + n}") for n in range(60)]
    for wire in wires:
        wire.send(part_of_long_hello())
    site.said("refused-early-bytes.*127.0.1.")
    site.mux.ping()
    for wire in wires:
        wire.close()
    until(lambda: programs.status(site.process)["counters"]["early"] == 0, "all have gone")
    site.check()


def test_those_that_send_much_do_not_keep_those_out_that_send_little(programs):
    """Long ClientHellos that never end hold all bytes; two short ones come in two pieces each."""
    site = Site(programs, "--workers", "1", "--early-bytes", "1MiB", *PATIENT)
    site.mux.ping()
    known = programs.status(site.process)["counters"]["accepted"]
    wires = []
    for length, count in ((16384, 60), (8192, 8), (4100, 8)):  # less than 8,200 bytes are left
        for _ in range(count):
            wires.append(site.dial(f"127.0.1.{1 + len(wires)}"))
            wires[-1].send(part_of_long_hello()[:length])
        until(lambda: programs.status(site.process)["counters"]["accepted"] == known + len(wires),
              "all are accepted")
        site.mux.ping()  # what came before it was read
    hello = client_hello(site.name, ["x" * 250] * 30)
    devices = [site.dial("127.0.2.1"), site.dial("127.0.2.2")]
    for device in devices:
        device.send(hello[:4000])
    until(lambda: programs.status(site.process)["counters"]["accepted"] == known + len(wires) + 2,
          "the devices are accepted")
    site.mux.ping()
    assert not any(device.readable() for device in devices), "one was ended"
    for device in devices:
        device.send(hello[4000:])
        channel = site.mux.receive_flag(1).channel
        assert site.mux.receive_data(channel, len(hello)) == hello
    for wire in wires:
        wire.close()
    site.check()


def test_one_address_has_so_many_unknown_connections_and_no_more(programs):
    site = Site(programs, "--early-per-address", "8", *PATIENT)
    wires = [site.dial("127.0.0.200") for _ in range(8)]
    until(lambda: programs.status(site.process)["counters"]["early"] == 8, "all are counted")
    try:
        assert site.dial("127.0.0.200").ended() == b""
    except ConnectionResetError:  # before connect() could say that it had worked
        pass
    site.said("refused-address-quota.*127.0.0.200")
    site.check()
    wires[0].close()
    until(lambda: programs.status(site.process)["counters"]["early"] == 7, "one has gone")
    hello = client_hello(site.name)
    again = site.dial("127.0.0.200")
    again.send(hello)
    channel = site.mux.receive_flag(1).channel
    assert site.mux.receive_data(channel, len(hello)) == hello


def test_one_address_has_so_many_channels_and_no_more(programs):
    site = Site(programs, "--channels-per-address", "3", "--trust-proxy", "127.0.0.50/32")
    kept = [site.open(source="127.0.0.200") for _ in range(3)]
    with site.dial("127.0.0.200") as beyond:
        beyond.send(client_hello(site.name))
        assert beyond.ended()[:1] == b"\x15", "it is told by an alert"
    site.said("refused-caller-quota.*127.0.0.200")
    for _ in range(5):
        site.open(source="127.0.0.50")  # a front stands for many
    device, channel = kept[0]
    device.close()
    site.mux.receive_flag(CLOSE, channel)
    site.open(source="127.0.0.200")
    assert programs.status(site.process)["counters"]["refused-caller-quota"] == 1
    site.check()


def test_a_device_beyond_the_channels_of_a_peer_is_told_by_an_alert(programs):
    site = Site(programs, "--channels-per-peer", "2")
    _, channel = site.open()
    with site.dial() as beyond:
        beyond.send(client_hello(site.name))
        assert beyond.ended()[:1] == b"\x15"
    site.said("refused-resources.*no room for another channel")
    site.mux.send(channel, CLOSE)
    site.check()


def test_a_token_used_again_and_again_leaves_a_few_connections_behind(programs):
    site = Site(programs, "--workers", "1")
    cred = credential(programs.key, NAME)
    muxes = []
    for _ in range(7):
        muxes.append(connect_peer(site.host, site.port, cred))
        muxes[-1].ping()
    for mux in muxes[:2]:  # four older ones stay, and the newest
        mux.wire.ended()
    site.process.wait_for(f"peer-gone.*{NAME}.*too many newer", count=2)
    for mux in muxes[2:]:
        mux.ping()
    device, channel = site.open(muxes[-1], NAME)
    site.check()


def test_publishers_that_do_not_read_are_cut_for_the_memory_budget(programs):
    """What waits for a publisher is no channel's, and counts all the same."""
    site = Site(programs, "--workers", "1", "--memory", "256KiB")
    muxes, devices = [], []
    for number in range(40):
        mux = site.peer(f"greedy-{number}.example")
        muxes.append(mux)
        mux.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        device, _ = site.open(mux, f"greedy-{number}.example")
        device.sock.setblocking(False)
        devices.append(device)

    def pour():
        for device in devices:
            try:
                device.sock.send(bytes(1 << 20))
            except OSError:
                pass
        return site.process.matches("memory-budget: closed the multiplexer")
    until(pour, "one is cut")
    # What the cut ones hold goes at the end of a round, and a status may come before it.
    until(lambda: programs.status(site.process)["workers"][0]["buffered"] <= 256 << 10, "within it")
    site.check()


def test_status_tells_of_hundreds_of_peers_while_some_go(programs):
    """It is put together in pieces, between which peers come and go."""
    site = Site(programs, "--workers", "1")
    muxes = [site.peer(f"house-{n}.example", cipher="aes-cbc") for n in range(300)]
    told = programs.status(site.process)
    assert sorted(peer["hostname"] for peer in told["peers"]) == sorted(
        [site.name] + [f"house-{n}.example" for n in range(300)])
    assert told["workers"][0]["peers"] == 301
    asking = [in_thread(programs.status, site.process) for _ in range(3)]
    for mux in muxes:
        mux.wire.reset()
    for job in asking:
        names = [peer["hostname"] for peer in job.finish()["peers"]]
        assert len(names) == len(set(names)) and site.name in names
    until(lambda: len(programs.status(site.process)["peers"]) == 1, "they are gone")
    site.check()


def test_peers_and_devices_have_ports_of_their_own(programs):
    site = Site(programs, "--peer-listen", "127.0.0.1:0")
    peers = site.server.addresses[1]
    assert peers[1] != site.port
    with site.dial() as wire:
        wire.send(credential(programs.key, NAME)["token"].encode())
        assert wire.ended() == b"", "the devices' port takes no token"
    with Wire.dial(*peers) as wire:
        wire.send(client_hello(site.name))
        assert wire.ended() == b"", "the peers' port takes no device"
    site.check()


def test_status_says_who_is_there(programs):
    tunnel = Tunnel(programs)
    device, service, _ = tunnel.open()
    device.send(b"12345")
    assert service.receive(5) == b"12345"
    served = programs.status(tunnel.server.process)
    assert served["role"] == "server"
    assert [p["hostname"] for p in served["peers"]] == [NAME]
    assert served["counters"]["devices"] == 1
    published = programs.status(tunnel.publisher)
    assert published["role"] == "publish"
    assert published["state"] == "connected"
    assert published["hostname"] == NAME
    assert published["cipher"] == "aes-gcm-siv"
    assert published["protocol_version"] == 2
    assert len(published["channels"]) == 1
    for process in (tunnel.server.process, tunnel.publisher):
        assert stat.S_IMODE(process.control.stat().st_mode) == 0o600


def test_the_control_socket_takes_what_is_no_request(programs):
    server = programs.serve()
    for garbage in (b"\n", b"{}\n", b"nonsense\n", b'{"command": 7}\n', b"x" * 10000 + b"\n",
                    b'{"command": "status"', b"\xff\xfe\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(server.process.control))
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(HANG_S)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert programs.status(server.process)["role"] == "server"


def test_status_reload_is_sighup(programs):
    server = programs.serve()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(server.process.control))
        sock.sendall(b'{"command": "reload"}\n')
        answer = sock.makefile().readline()
    assert json.loads(answer) == {"reloaded": True}
    server.process.wait_for("reload.*reloaded")


def test_no_secret_is_logged_or_on_a_command_line(programs):
    site = Site(programs, "--log-level", "debug")
    cred = credential(programs.key, NAME)
    endpoint = programs.endpoint()
    process = programs.publish(site.server, cred, endpoint.address, "--log-level", "debug")
    with Wire.dial(site.host, site.port) as device:
        device.send(client_hello(NAME))
        endpoint.accept().receive(10)
    site.check()
    said = process.text() + site.process.text() + " ".join(process.argv + site.process.argv)
    for secret in (programs.key, cred["token"], cred["token"][:40], cred["aes_key"],
                   cred["aes_iv"]):
        assert secret not in said


def serve_under(programs, prefix, *flags):
    """A server started by a shell that sets something first; stopped by its own signal."""
    words = [adit_path(), "serve", "--listen", "127.0.0.1:0", "--fernet-key-file",
             programs.key_file, "--drain", "1s", "--control", "none", "--user",
             pwd.getpwuid(os.getuid()).pw_name, *flags]
    process = programs.start(["/bin/sh", "-c", f'{prefix} exec "$@"', "sh", *words], "serve")
    process.wait_for(r"\bready\b")
    return process


def test_few_open_files_are_a_warning(programs):
    process = serve_under(programs, "ulimit -n 1000;")
    assert process.matches("warn files: only 1000 files")
    assert process.stop() == 0


def test_the_limit_of_open_files_is_raised(programs):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = serve_under(programs, "ulimit -S -n 100;")
    limits = pathlib.Path("/proc", str(process.pid), "limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3:5] == [str(hard), str(hard)]
    assert process.stop() == 0


def test_workers_0_is_one_for_each_processor_that_may_be_used(programs):
    one = min(os.sched_getaffinity(0))
    process = serve_under(programs, f"taskset -p -c {one} $$ >/dev/null;")
    assert process.matches("with 1 worker$")
    assert process.stop() == 0
    process = serve_under(programs, f"taskset -p -c {one} $$ >/dev/null;", "--workers", "3")
    assert process.matches("with 3 workers$")
    assert process.stop() == 0
