"""`adit publish` with a list of services in its configuration file."""
import signal
import socket
import ssl

import harness
from harness import Wire, call_echo, client_hello, echo, until, write_secret
from masters import Master

NAMES = ["one.example", "two.example", "three.example"]


class Row:
    """A server, its master, and one publisher for several services."""

    def __init__(self, programs, count=3):
        self.programs = programs
        self.server = programs.serve()
        self.master = Master(programs, server=self.server.address)
        self.config = programs.directory / "publish.yaml"
        self.services = {}
        for name in NAMES[:count]:
            self.add(name)
        self.write()
        self.process = programs.role("publish", "--config", self.config)

    def add(self, name, **more):
        key = self.programs.directory / f"{name}.key"
        self.master.host_command("add", name, "--out", key)
        self.services[name] = {"to": self.programs.service(echo).address,
                               "api_key_file": key.name, **more}

    def write(self, text=""):
        lines = ["role: publish", f"master: {self.master.url()}", "services:"]
        for name, keys in self.services.items():
            lines.append("  - " + "\n    ".join(f"{k}: {v}" for k, v in keys.items()))
        self.config.write_text("\n".join(lines) + "\n" + text)

    def reload(self):
        mark = self.process.mark()
        self.process.signal(signal.SIGHUP)
        self.process.wait_for("reload: (reloaded|nothing changed)", after=mark)
        return mark

    def call(self, name):
        return call_echo(self.server.host, self.server.port, name)

    def wait_served(self, *names, after=0):
        for name in names:
            self.server.wait_served(name, after)

    def status(self):
        return {s["hostname"]: s for s in self.programs.status(self.process)["services"]}


def answers(wire):
    wire.send(b"hello")
    assert wire.receive(5) == b"hello"


def test_each_service_has_a_name_and_a_tunnel_of_its_own(programs):
    row = Row(programs)
    row.wait_served(*NAMES)
    for name in NAMES:
        answers(row.call(name))
    status = row.status()
    assert set(status) == set(NAMES)
    assert all(s["state"] == "connected" for s in status.values())
    assert {s["to"] for s in status.values()} == {k["to"] for k in row.services.values()}
    shown = programs.run("status", "--control", row.process.control, "--once").text("out")
    assert all(name in shown for name in NAMES)


def test_what_is_wrong_with_one_stops_no_other(programs, authority):
    """A key that is not there, one that the master does not know, and a certificate that comes
    later."""
    row = Row(programs)
    row.wait_served(*NAMES)
    row.process.stop()
    (programs.directory / "one.example.key").unlink()
    write_secret(programs.directory / "two.example.key", "wrong\n")
    row.services["three.example"].update(
        to="http://" + row.services["three.example"]["to"], tls_cert="cert.pem",
        tls_key="cert.key", hostname="three.example")
    row.add("four.example")
    row.write()
    mark = row.server.process.mark()
    again = programs.role("publish", "--config", row.config, name="publish again")
    row.process = again
    again.wait_for(r"127\.0\.0\.1:\d+: cannot read the API key .*one\.example\.key")
    again.wait_for("no token: 401")
    again.wait_for("three.example: there is none yet: .*cert.pem")
    row.wait_served("four.example", "three.example", after=mark)
    answers(row.call("four.example"))
    (programs.directory / "cert.pem").write_text((authority / "site.pem").read_text())
    write_secret(programs.directory / "cert.key", (authority / "site.key").read_text())
    row.reload()
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    context.check_hostname = False
    with socket.create_connection((row.server.host, row.server.port), harness.HANG_S) as wire, \
            context.wrap_socket(wire, server_hostname="three.example") as tls:
        tls.sendall(b"hello")
        assert tls.recv(5) == b"hello"


def test_a_reload_adds_and_removes_and_touches_no_other(programs):
    row = Row(programs)
    row.wait_served(*NAMES)
    stays, goes = row.call("one.example"), row.call("two.example")
    del row.services["two.example"]
    row.add("four.example")
    row.write()
    row.reload()
    assert goes.ended() == b""
    row.server.wait_served("four.example")
    answers(row.call("four.example"))
    answers(stays)
    status = row.status()
    assert set(status) == {"one.example", "three.example", "four.example"}
    assert status["one.example"]["counters"]["connections"] == 1


def test_a_service_that_has_changed_begins_anew_alone(programs):
    row = Row(programs)
    row.wait_served(*NAMES)
    stays, changed = row.call("one.example"), row.call("two.example")
    other = programs.service(lambda wire: wire.send(b"another"))
    row.services["two.example"]["to"] = other.address
    row.write()
    row.reload()
    assert changed.ended() == b""
    row.server.process.wait_for(" peer: two.example ", count=2)

    def is_another():
        with Wire.dial(row.server.host, row.server.port) as wire:
            wire.send(client_hello("two.example"))
            return wire.ended() == b"another"

    until(is_another, "the new place is published")
    answers(stays)


def test_a_reload_with_a_mistake_changes_nothing(programs):
    row = Row(programs, 2)
    row.wait_served(*NAMES[:2])
    wires = [row.call(name) for name in NAMES[:2]]
    row.services["two.example"]["api_key_file"] = "one.example.key"
    row.write()
    mark = row.reload()
    assert row.process.matches("nothing changed: the configuration file has 1 mistake", mark)
    assert row.process.matches("config: line 6 column 5: .*that of the service in line 4", mark)
    for wire in wires:
        answers(wire)


def test_one_service_by_file_can_be_changed_too(programs):
    """Without a list: the file's other service begins, the former ends."""
    row = Row(programs, 1)
    row.wait_served("one.example")
    first = row.call("one.example")
    keys = row.services["one.example"]
    other = programs.service(lambda wire: wire.send(b"another"))
    row.config.write_text(f"role: publish\nmaster: {row.master.url()}\napi_key_file: "
                          f"{keys['api_key_file']}\nto: {other.address}\n")
    row.reload()
    assert first.ended() == b""
    row.server.process.wait_for(" peer: one.example ", count=2)
    assert programs.status(row.process)["to"] == other.address
    row.config.write_text("role: publish\n")
    mark = row.reload()
    assert row.process.matches("nothing changed", mark)
    assert programs.status(row.process)["to"] == other.address


def test_mistakes_in_a_list_are_named_with_their_places(programs):
    config = programs.directory / "publish.yaml"
    config.write_text("""role: publish
services:
  - to: 127.0.0.1:1
  - to: 127.0.0.1:2
    master: http://192.0.2.1
    api_key_file: a.key
  - {master: https://a.example, api_key_file: a.key}
  - {to: 127.0.0.1:3, server: 'a.example:443', credential: '-'}
  - {to: 127.0.0.1:4, server: 'a.example:443', credential: c, allow: 10.0.0.0/8, block: 10.1.0.0/16}
  - {to: 127.0.0.1:5, colour: red}
""")
    said = programs.run("check", config, code=1).text("out")
    assert "publish.yaml:10:23: services.colour" in said
    config.write_text(config.read_text().replace(", colour: red", ""))
    said = programs.run("check", config, code=1).text("out")
    for expected in (":3:5: services: --credential or --master is missing",
                     ":4:5: services.master: ", ":7:5: services: --to is missing",
                     ":7:5: services: --api-key-file is that of the service in line 4",
                     ":8:5: services.credential: standard input",
                     ":9:5: services: --allow and --block", ":10:5: services: --credential or"):
        assert expected in said, expected
    config.write_text("role: publish\nto: 127.0.0.1:1\nmaster: https://a.example\n"
                      "services: [{to: 127.0.0.1:2, api_key_file: a.key}]\n")
    assert "stands in each of them" in programs.run("check", config, code=1).text("out")
