"""`adit serve --master`: what is disabled or removed loses its tunnel."""
import time

import pytest

from harness import Wire, call_echo, echo, until
from masters import Master
from test_renewal import Caller
from wire import connect_peer, credential, until_refused

NAME, OTHER = "home.example", "other.example"


class Town:
    """A server that asks its master each second, and two publishers."""

    def __init__(self, programs):
        self.programs = programs
        address = programs.address()
        self.master = Master(programs, server=address)
        key_file = self.master.key_file(self.master.add("relay", command="add-server"))
        self.keys = {name: self.master.add(name) for name in (NAME, OTHER)}
        self.flags = ("--master", self.master.url(), "--server-key-file", key_file,
                      "--master-interval", "1s")
        self.server = programs.serve(*self.flags, listen=[address])
        self.service = programs.service(echo)
        self.publishers = {name: self.publish(name) for name in (NAME, OTHER)}

    def publish(self, name, *flags, title=None):
        process = self.programs.role("publish", "--master", self.master.url(), "--api-key-file",
                                     self.master.key_file(self.keys[name]), "--to",
                                     self.service.address, *flags, name=title or f"publish {name}")
        process.wait_for(r"\bconnected\b")
        self.server.wait_served(name)
        return process


def test_a_disabled_host_loses_its_tunnel_and_comes_back(programs):
    town = Town(programs)
    caller = Caller(town.server)
    caller.check()
    bystander = call_echo(town.server.host, town.server.port, OTHER)
    town.master.host_command("disable", NAME)
    town.server.process.wait_for(f"peer-gone: {NAME} .*: its token was revoked")
    assert caller.wire.ended() == b""
    town.publishers[NAME].wait_for("no token: 403")
    bystander.send(b"still here")
    assert bystander.receive(10) == b"still here"
    publisher, server = town.publishers[NAME], town.server
    before, served_before = publisher.mark(), server.process.mark()
    town.master.host_command("enable", NAME)
    until(lambda: programs_hup(publisher).matches(r"\bconnected\b", before), "it is back")
    server.wait_served(NAME, served_before)
    Caller(server).check()
    assert not town.publishers[OTHER].matches("disconnected")


def programs_hup(process):
    process.signal(1)
    time.sleep(0.1)
    return process


def test_a_removed_hosts_old_token_is_refused(programs):
    """A publisher of another make keeps its token: it does not come back with it."""
    town = Town(programs)
    until(lambda: programs.status(town.master.process)["counters"]["requests"] > 4, "it was asked")
    mine = credential(programs.key, "third.example")
    town.keys["third.example"] = town.master.add("third.example")
    mux = connect_peer(town.server.host, town.server.port, mine)
    mux.ping()
    town.master.host_command("remove", "third.example")
    town.server.process.wait_for("peer-gone: third.example .*: its token was revoked")
    assert mux.wire.ended() == b""
    wire = Wire.dial(town.server.host, town.server.port)
    wire.send(mine["token"].encode())
    assert wire.ended() == b""
    town.server.process.wait_for("the token of third.example was revoked")


def test_a_server_that_is_started_again_knows_what_was_revoked(programs):
    town = Town(programs)
    mine = credential(programs.key, NAME)
    town.master.host_command("disable", NAME)
    town.server.process.kill()
    again = programs.serve(*town.flags, listen=[town.server.address], name="serve again")
    until_refused(again.host, again.port, mine["token"])


def test_no_answer_changes_nothing(programs):
    town = Town(programs)
    caller = Caller(town.server)
    assert town.master.process.stop() == 0
    town.server.process.wait_for("cannot be asked what was revoked")
    caller.check()
    Caller(town.server).check()


@pytest.mark.parametrize("answer", [
    b"{}", b"[]", b'{"changes": 1, "seq": 1}', b'{"changes": [], "seq": "1"}',
    b'{"changes": [{"hostname": 1, "valid_after": null}], "seq": 1}',
    b'{"changes": [{"hostname": "home.example"}], "seq": 1}',
    b'{"changes": [{"hostname": "a b", "valid_after": null}], "seq": 1}', b"x" * 3_000_000],
    ids=lambda a: a[:40].decode())
def test_an_answer_that_is_none_changes_nothing(programs, answer):
    def serve(wire):
        while wire.receive_line() != b"\r\n":
            pass
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    hostile = programs.service(serve)
    key = programs.directory / "relay.key"
    key.touch(mode=0o600)
    key.write_text("somekey\n")
    server = programs.serve("--master", f"http://{hostile.address}", "--server-key-file", key,
                            "--master-interval", "1s")
    server.process.wait_for("warn master: .*(cannot be used|cannot be asked)")
    connect_peer(server.host, server.port, credential(programs.key, NAME)).ping()
    assert "somekey" not in server.process.log()


def test_what_does_not_go_together_is_said(programs):
    flags = ("--listen", "127.0.0.1:0", "--fernet-key-file", programs.key_file)
    programs.run("serve", *flags, "--master", "https://a", code=2)
    programs.run("serve", *flags, "--server-key-file", programs.key_file, code=2)
    refused = programs.run("serve", *flags, "--master", "http://192.0.2.1", "--server-key-file",
                           programs.key_file, code=1)
    assert "in the clear" in refused.text("err")
