"""`adit publish --master`: tokens that are renewed, a master that is away, and a hostile one."""
import itertools
import json
import os
import signal
import threading
import time

import pytest

from harness import HANG_S, Wire, client_hello, echo, until
from masters import Master
from wire import accept_peer

NAME = "home.example"


class House:
    """A server, a master for it and a publisher of an echo service."""

    def __init__(self, programs, *flags, valid="24h", host_flags=(), serve_flags=()):
        self.programs = programs
        self.server = programs.serve(*serve_flags, listen=[programs.address()])
        self.master = Master(programs, "--token-valid", valid, server=self.server.address,
                             listen=programs.address())
        self.key = self.master.add(NAME, *host_flags)
        self.key_file = self.master.key_file(self.key)
        self.service = programs.service(echo)
        self.flags = flags
        self.publisher = self.publish(self.master.url())
        self.publisher.wait_for(r"\bconnected\b")
        self.server.wait_served(NAME)

    def publish(self, url, name="publish"):
        return self.programs.role("publish", "--master", url, "--api-key-file", self.key_file,
                                  "--to", self.service.address, *self.flags, name=name)

    def open(self):
        return Caller(self.server)


class Caller:
    """A device whose bytes come back."""

    def __init__(self, server):
        self.wire = Wire.dial(server.host, server.port)
        self.hello = client_hello(NAME)
        self.wire.send(self.hello)
        assert self.wire.receive(len(self.hello)) == self.hello

    def check(self):
        data = os.urandom(1000)
        self.wire.send(data)
        assert self.wire.receive(len(data)) == data


def test_a_publisher_gets_its_token_from_the_master(programs):
    house = House(programs)
    house.open().check()
    status = programs.status(house.publisher)
    assert (status["state"], status["hostname"]) == ("connected", NAME)
    assert (status["cipher"], status["protocol_version"]) == ("aes-gcm", 2)
    assert status["server"] == house.server.address
    for process in (house.publisher, house.master.process, house.server.process):
        assert house.key not in process.log() + " ".join(process.argv)


def test_a_token_is_renewed_without_dropping_a_channel(programs):
    house = House(programs, valid="8s")
    caller = house.open()
    caller.check()
    mark = house.publisher.mark()
    house.publisher.wait_for(r"\bconnected\b", after=mark)
    caller.check()
    other = house.open()
    other.check()
    status = programs.status(house.publisher)
    assert status["counters"]["connections"] >= 2
    assert len(status["channels"]) >= 2
    caller.check()


@pytest.mark.slow
def test_short_tokens_never_leave_a_gap(programs):
    """Tokens that are renewed twice, after half of their time: new callers are served meanwhile."""
    house = House(programs, valid="8s")
    mark = house.publisher.mark()
    while len(house.publisher.matches(r"\bconnected\b", mark)) < 2:
        house.open().wire.close()
    assert programs.status(house.publisher)["counters"]["connections"] >= 3
    assert not house.publisher.matches("refused|cannot be used")


def test_every_connection_has_a_key_of_its_own(programs):
    """With aes-gcm the server refuses a second use: a restart of it shows that there is none."""
    house = House(programs)
    house.server.process.kill()
    second = programs.serve(listen=[house.server.address], name="serve again")
    house.publisher.wait_for(r"\bconnected\b", count=2)
    second.wait_served(NAME)
    Caller(second).check()
    assert programs.status(house.master.process)["counters"]["tokens"] >= 2


@pytest.mark.slow
def test_the_tunnel_stays_while_the_master_is_away(programs):
    house = House(programs, valid="30s")  # asks after half of it
    caller = house.open()
    address = f"{house.master.host}:{house.master.port}"
    assert house.master.process.stop() == 0
    house.publisher.wait_for("warn master: .*onnect")
    caller.check()
    house.open().check()
    mark = house.publisher.mark()
    again = Master(programs, "--token-valid", "1h", server=house.server.address, listen=address,
                   name="master again")

    def is_renewed():
        house.publisher.signal(signal.SIGHUP)  # asks now, if it waits to try again
        return house.publisher.matches(r"\bconnected\b", mark)

    until(is_renewed, "a token of the new master's")
    caller.check()
    assert programs.status(again.process)["counters"]["tokens"] == 1


def test_a_publisher_waits_for_a_master_that_is_not_there_yet(programs):
    address = programs.address()
    server = programs.serve()
    store = programs.directory / "hosts.db"
    key = programs.directory / "home.key"
    programs.run("host", "add", NAME, "--store", store, "--out", key)
    publisher = programs.role("publish", "--master", f"http://{address}",
                              "--api-key-file", key, "--to", "127.0.0.1:1")
    publisher.wait_for("warn master")
    Master(programs, server=server.address, listen=address)
    publisher.wait_for(r"\bconnected\b")


def test_a_disabled_host_is_told_and_comes_back(programs):
    house = House(programs, valid="3s")
    house.master.host_command("disable", NAME)
    house.publisher.wait_for(f"no token: 403, {NAME} is disabled")
    house.publisher.wait_for("disconnected")
    mark = house.publisher.mark()
    house.master.host_command("enable", NAME)
    house.publisher.signal(signal.SIGHUP)
    house.publisher.wait_for(r"\bconnected\b", after=mark)


def test_a_rotated_key_is_read_from_its_file(programs):
    house = House(programs, valid="3s")
    fresh = json.loads(house.master.host_command("rotate", NAME, "--json").text("out"))["api_key"]
    house.publisher.wait_for("no token: 401")
    mark = house.publisher.mark()
    house.key_file.write_text(fresh + "\n")
    house.publisher.signal(signal.SIGHUP)
    until(lambda: house.publisher.matches(r"\bconnected\b", mark), "the new key is used")


def test_tls_to_the_master(programs, authority):
    key = programs.directory / "site.key"
    key.touch(mode=0o600)
    key.write_text((authority / "site.key").read_text())
    server = programs.serve()
    listen = "127.0.0.1:0"
    master = Master(programs, "--tls-cert", authority / "site.pem", "--tls-key", key,
                    scheme="https", ca=authority / "ca.pem", server=server.address, listen=listen)
    key_file = master.key_file(master.add(NAME))
    flags = ("--master", f"https://127.0.0.1:{master.port}", "--api-key-file", key_file, "--to",
             "127.0.0.1:1")
    # the certificate is for home.example, not for the address, and nobody trusts its authority
    for more in ((), ("--master-ca", authority / "ca.pem")):
        programs.role("publish", *flags, *more, name=f"publish {len(more)}").wait_for(
            "(?i)warn master: .*(certificate|SSL)")
    assert programs.status(master.process)["counters"]["requests"] == 0


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://master.example", "ftp://127.0.0.1",
                                 "https://user@master.example", "https://", "master.example",
                                 "https://a b", "http://127.0.0.1.example:80"])
def test_an_address_that_would_give_the_key_away_is_refused(programs, url):
    programs.run("publish", "--master", url, "--api-key-file", programs.key_file, "--to",
                 "127.0.0.1:1", code=1)


@pytest.mark.parametrize("flags", [
    ["--credential", "c"], ["--server", "a:1"], ["--master", "https://a"],
    ["--master", "https://a", "--api-key-file", "k", "--credential", "c"],
    ["--master", "https://a", "--api-key-file", "k", "--allow", "::/0", "--block", "::/0"]])
def test_what_does_not_go_together_is_said(programs, flags):
    refused = programs.run("publish", "--to", "127.0.0.1:1", *flags, code=2)
    assert "--" in refused.text("err")


# ---- A hostile master ----


class Hostile:
    """Answers each request by answer(body), a dict or raw bytes."""

    def __init__(self, programs, answer, *flags):
        self.answer, self.asked = answer, threading.Semaphore(0)
        self.service = programs.service(self.serve)
        key = programs.directory / "api.key"
        key.touch(mode=0o600)
        key.write_text("somekey\n")
        self.endpoint = programs.endpoint()
        self.publisher = programs.role("publish", "--master", f"http://{self.service.address}",
                                       "--api-key-file", key, "--to", "127.0.0.1:1", *flags)

    def serve(self, wire):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.receive_line()
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        body = json.loads(wire.receive(length))
        self.asked.release()
        answer = self.answer(body)
        if callable(answer):
            answer(wire)
            return
        if not isinstance(answer, bytes):
            text = json.dumps(answer).encode()
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text
        wire.send(answer)


def good(at, **changes):
    answer = {"token": "gAAA", "server": at.host, "port": at.port, "valid":
              int(time.time()) + 3600, "throttling": 0, "protocol_version": 2, "cipher": "aes-gcm",
              "hostname": NAME, "alias": [], "whitelist": []}
    answer.update(changes)
    return {k: v for k, v in answer.items() if v is not None}


@pytest.mark.parametrize("changes", [
    {"token": None}, {"token": 1}, {"token": ""}, {"token": "a b"}, {"token": "A" * 9000},
    {"server": None}, {"server": 5}, {"server": "a b"}, {"server": "x" * 300}, {"port": 0},
    {"port": 65536}, {"port": "443"}, {"valid": "soon"}, {"valid": 5}, {"valid": None},
    {"protocol_version": 3}, {"protocol_version": "2"}, {"cipher": "aes-cbc"}, {"cipher": None},
    {"cipher": 1}, {"hostname": None}, {"hostname": 1}, {"hostname": "a b"},
    {"hostname": "other.example"}, {"whitelist": "all"}, {"whitelist": ["x"]}, {"whitelist": [1]},
    {"whitelist": ["10.0.0.0/8"] * 300}], ids=lambda c: f"{list(c)[0]}={str(list(c.values())[0])[:20]}")
def test_an_answer_of_wrong_types_is_refused(programs, changes):
    listener = programs.endpoint()
    hostile = Hostile(programs, lambda _: good(listener, **changes), "--hostname", NAME)
    hostile.publisher.wait_for("error master: .*cannot be used: ")
    assert listener.idle()
    assert "somekey" not in hostile.publisher.log()


@pytest.mark.parametrize("answer", [
    b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 30000,
    b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 403 No\r\n\r\n{\"message\": \"\x1b[2J\"}"],
    ids=["nothing", "garbage", "empty", "a list", "huge", "endless headers", "deep", "moved", "500",
         "escapes"])
def test_an_answer_that_is_none_is_survived(programs, answer):
    hostile = Hostile(programs, lambda _: answer)
    hostile.publisher.wait_for("(warn|error) master: ")
    assert "\x1b" not in hostile.publisher.log()
    assert hostile.publisher.running()


def test_a_slow_master_is_given_up(programs):
    def trickle(wire):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        for _ in range(100):
            wire.send(b" ")
            threading.Event().wait(0.3)

    hostile = Hostile(programs, lambda _: trickle)
    hostile.publisher.wait_for("(?i)warn master: .*timed out")


def test_a_publisher_ends_while_the_master_says_nothing(programs):
    hostile = Hostile(programs, lambda _: lambda wire: wire.ended())
    assert hostile.asked.acquire(timeout=HANG_S)
    start = time.monotonic()
    assert hostile.publisher.stop() == 0
    assert time.monotonic() - start < 15  # the answer has 20 s


def test_the_first_name_is_the_only_one(programs):
    """Without --hostname: a later token for another name is refused."""
    listener = programs.endpoint()
    names = iter([NAME, "other.example"])
    hostile = Hostile(programs, lambda _: good(listener, hostname=next(names, "other.example")))
    wire = listener.accept()
    wire.close()  # the connection fails, and a new token is asked for
    hostile.publisher.wait_for("cannot be used: its token is for other.example, and this "
                               "publisher is for home.example")


# ---- Who may call ----


@pytest.mark.parametrize("flags,welcome", [
    (["--allow", "192.0.2.0/24"], True), (["--allow", "192.0.2.7"], True),
    (["--allow", "198.51.100.0/24", "--allow", "2001:db8::/32"], False),
    (["--block", "192.0.2.0/24"], False), (["--block", "198.51.100.0/24"], True)],
    ids=lambda f: "".join(f) if isinstance(f, list) else "")
def test_access_lists(programs, flags, welcome):
    from tunnel import Publisher  # the raw server
    publisher = Publisher(programs, *flags)
    channel = publisher.mux.open(bytes([192, 0, 2, 7]))
    publisher.mux.send(channel, 0x02, b"hello")
    if welcome:
        assert publisher.endpoint.accept().receive(5) == b"hello"
    else:
        publisher.mux.receive_flag(0x04, channel)
        publisher.process.wait_for("blocked: 192.0.2.7 may not call")
        assert publisher.endpoint.idle()
    unknown = publisher.mux.open(bytes(4))
    if flags[0] == "--allow":
        publisher.mux.receive_flag(0x04, unknown)
        publisher.process.wait_for("blocked: unknown may not call")
    else:
        publisher.endpoint.accept()


def test_the_masters_list_is_enforced_by_the_publisher_too(programs):
    """A server that does not look at the token's list: the publisher does."""
    raw = programs.endpoint()
    master = Master(programs, server=raw.address)
    key_file = master.key_file(master.add(NAME, "--allow", "198.51.100.0/24"))
    endpoint = programs.endpoint()
    publisher = programs.role("publish", "--master", master.url(), "--api-key-file", key_file,
                              "--to", endpoint.address)
    mux = accept_peer(raw, programs.key)
    mux.ping()
    mux.receive_flag(0x04, mux.open(bytes([192, 0, 2, 7])))
    publisher.wait_for("blocked: 192.0.2.7 may not call")
    mux.open(bytes([198, 51, 100, 1]))
    endpoint.accept()


# ---- All three ----


@pytest.mark.parametrize("order", list(itertools.permutations(["master", "serve", "publish"])),
                         ids="-".join)
def test_each_is_restarted_in_every_order(programs, order):
    """Killed and started again one after the other: callers are served again after each."""
    house = House(programs)
    master = f"{house.master.host}:{house.master.port}"
    server, publisher = house.server, house.publisher
    for name in order:
        mark, served = publisher.mark(), server.process.mark()
        if name == "master":
            house.master.process.kill()
            house.master = Master(programs, server=server.address, listen=master, name="master 2")
        elif name == "serve":
            server.process.kill()
            server = programs.serve(listen=[server.address], name="serve 2")
            publisher.wait_for(r"\bconnected\b", after=mark)
            server.wait_served(NAME)
        else:
            publisher.kill()
            publisher = house.publish(house.master.url(), name="publish 2")
            publisher.wait_for(r"\bconnected\b")
            server.wait_served(NAME, served)
        until(lambda: is_served(server), f"callers are served after a restart of {name}")


def is_served(server):
    try:
        Caller(server).check()
        return True
    except (AssertionError, OSError):
        return False
