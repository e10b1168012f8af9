"""`adit serve --with-master`: the public server and its session master in one process."""
import json
import re
import shlex
import signal
import sqlite3

import pytest
from cryptography.fernet import Fernet

from harness import ROOT, Wire, call_echo, client_hello, echo, until, write_secret
from masters import Master, curl
from wire import credential, until_refused

NAME, OTHER = "home.example", "other.example"


class Whole(Master):
    """One process; what a Master can be asked, and where devices come."""

    def __init__(self, programs, *flags, listen="127.0.0.1:0", at="127.0.0.1:0", name="serve"):
        self.programs, self.scheme, self.ca = programs, "http", None
        self.store = programs.directory / "hosts.db"
        self.process = programs.role("serve", "--listen", listen, "--with-master", at, "--store",
                                     self.store, "--fernet-key-file", programs.key_file, "--drain",
                                     "1s", *flags, name=name)
        self.device_host, self.device_port = found(self.process, "serving on")
        self.host, self.port = found(self.process, "session master on")
        self.service = programs.service(echo)

    def publish(self, name, *flags, title=None):
        key = self.add(name, *flags)
        process = self.programs.role("publish", "--master", self.url(), "--api-key-file",
                                     self.key_file(key), "--to", self.service.address,
                                     name=title or f"publish {name}")
        process.wait_for(r"\bconnected\b")
        self.process.wait_for(rf" peer: {name} ")
        return process, key

    def call(self, name=NAME):
        return call_echo(self.device_host, self.device_port, name)


def found(process, what):
    match = process.wait_for(rf"ready: {what} (\d+\.\d+\.\d+\.\d+):(\d+)")
    return match[1], int(match[2])


def answers(wire):
    wire.send(b"hello")
    assert wire.receive(5) == b"hello"


def test_one_process_is_a_whole_service(programs):
    whole = Whole(programs)
    publisher, key = whole.publish(NAME)
    answers(whole.call())
    assert programs.status(publisher)["server"] == f"127.0.0.1:{whole.device_port}"
    assert key not in whole.process.log() + " ".join(whole.process.argv)


def test_what_is_disabled_loses_its_tunnel_and_nothing_else_does(programs):
    whole = Whole(programs)
    whole.publish(NAME)
    bystander, _ = whole.publish(OTHER)
    mine, theirs = whole.call(), whole.call(OTHER)
    whole.host_command("disable", NAME)
    whole.process.wait_for(f"peer-gone: {NAME} .*: its token was revoked")
    assert mine.ended() == b""
    answers(theirs)
    whole.host_command("remove", OTHER)
    assert theirs.ended() == b""
    bystander.wait_for("no token: 401")


def test_more_changes_than_are_told_at_once(programs):
    """1,200 hosts were removed before this one is disabled."""
    whole = Whole(programs)
    whole.publish(NAME)
    with sqlite3.connect(whole.store) as store:
        store.executemany("INSERT INTO change VALUES (?, ?, ?, 0)",
                          [(f"gone{i}.example", i + 1, 1 << 53) for i in range(1200)])
    store.close()
    whole.host_command("disable", NAME)
    whole.process.wait_for(f"peer-gone: {NAME} .*: its token was revoked")


def test_it_knows_which_instance_is_connected(programs):
    whole = Whole(programs)
    key = whole.add(OTHER)
    assert whole.ask("/instance/connection", key=key).json == {"connected": False}
    publisher, key = whole.publish(NAME)
    answer = whole.ask("/instance/connection", key=key).json
    assert answer["connected"] is True
    assert set(answer["details"]) == {"connected_at", "name", "remote_ip_address", "version"}
    assert answer["details"]["name"] == NAME
    assert answer["details"]["remote_ip_address"] == "127.0.0.1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
                        answer["details"]["connected_at"])
    publisher.stop()
    until(lambda: whole.ask("/instance/connection", key=key).json == {"connected": False},
          "it is seen that it left")


def test_status_shows_both(programs):
    whole = Whole(programs)
    whole.publish(NAME)
    status = programs.status(whole.process)
    assert (status["role"], status["peers"][0]["hostname"]) == ("server", NAME)
    assert status["master"]["counters"]["tokens"] == 1
    shown = programs.run("status", "--control", whole.process.control, "--once").text("out")
    assert re.search("(?m)^server .*", shown) and re.search("(?m)^master .*", shown)


def test_a_reload_brings_the_keys_to_both(programs):
    """The publisher that is there stays, and a new one gets a token of the new key."""
    whole = Whole(programs)
    whole.publish(NAME)
    wire = whole.call()
    fresh = Fernet.generate_key().decode()
    write_secret(programs.key_file, f"{fresh}\n{programs.key}\n")
    whole.process.signal(signal.SIGHUP)
    whole.process.wait_for("reload: reloaded")
    _, key = whole.publish(OTHER)
    token = whole.token(key).json["token"].encode()
    assert json.loads(Fernet(fresh).decrypt(token))["hostname"] == OTHER
    answers(wire)
    answers(whole.call(OTHER))


def test_a_reload_that_one_refuses_changes_neither(programs, authority):
    cert, key = programs.directory / "cert.pem", programs.directory / "cert.key"
    cert.write_text((authority / "site.pem").read_text())
    write_secret(key, (authority / "site.key").read_text())
    whole = Whole(programs, "--tls-cert", cert, "--tls-key", key)
    whole.scheme, whole.ca = "https", authority / "ca.pem"
    host = whole.add(NAME)
    cert.write_text("no certificate")
    write_secret(programs.key_file, Fernet.generate_key().decode() + "\n")
    whole.process.signal(signal.SIGHUP)
    whole.process.wait_for("nothing changed: .*cert.pem")
    token = whole.token(host).json["token"].encode()
    assert Fernet(programs.key).decrypt(token)
    cert.write_text((authority / "site.pem").read_text())
    write_secret(programs.key_file, "no key\n")
    whole.process.signal(signal.SIGHUP)
    whole.process.wait_for("nothing changed: .*fernet.key")
    assert Fernet(programs.key).decrypt(whole.token(host).json["token"].encode())


def test_publishers_come_back_after_a_restart(programs):
    whole = Whole(programs, listen=programs.address(), at=programs.address())
    publisher, _ = whole.publish(NAME)
    whole.process.kill()
    mark = publisher.mark()
    again = Whole(programs, listen=f"{whole.device_host}:{whole.device_port}",
                  at=f"{whole.host}:{whole.port}", name="serve again")
    publisher.wait_for(r"\bconnected\b", after=mark)
    again.process.wait_for(rf" peer: {NAME} ")
    answers(again.call())


def test_what_was_revoked_while_it_was_down_is_known(programs):
    """A token that is good for a day, of a host that is removed while nothing runs."""
    whole = Whole(programs)
    whole.publish(NAME)
    mine = credential(programs.key, NAME)
    assert whole.process.stop() == 0
    whole.host_command("remove", NAME)
    again = Whole(programs, name="serve again")
    until_refused(again.device_host, again.device_port, mine["token"])


def test_the_commands_of_the_demo_work_as_they_are_printed(programs):
    """But for the place of the user's service; and a second time, when the host is known."""
    state = programs.directory / "demo"
    service = programs.service(echo)
    for turn in range(2):
        demo = programs.adit("demo", "--state", state, name=f"demo {turn}")
        demo.wait_for("ctrl-C ends it")
        lines = [shlex.split(line.removeprefix("out|"))[1:] for line in demo.log().split("\n")
                 if re.match(r"out\|   ?\S*adit ", line)]
        adding, publish = [line for line in lines if "add" in line], lines[-3]
        assert len(adding) == 1 - turn
        for words in adding:
            programs.run(*words)
        words = [service.address if word == "127.0.0.1:8443" else word for word in publish]
        publisher = programs.adit(*words, "--control", "none", name=f"publish {turn}")
        port = int(publisher.wait_for(r"publishing mine.localhost through 127\.0\.0\.1:(\d+)")[1])

        def is_served():
            with Wire.dial("127.0.0.1", port) as wire:
                hello = client_hello("mine.localhost")
                wire.send(hello)
                return wire.sock.recv(1) == hello[:1]  # an alert begins otherwise

        until(is_served, "the user's service is reached")
        programs.run(*lines[-2])
        programs.run(*lines[-1])
        publisher.wait_for("disconnected")
        programs.run("host", "enable", "mine.localhost", "--store", state / "hosts.db")
        assert publisher.stop() == 0 and demo.stop() == 0


@pytest.mark.parametrize("flags,said", [
    (["--store", "s.db"], "--store is for --with-master"),
    (["--token-valid", "1h"], "--token-valid is for --with-master"),
    (["--behind-proxy"], "--behind-proxy is for --with-master"),
    (["--with-master", "127.0.0.1:0"], "needs --store"),
    (["--with-master", "127.0.0.1:0", "--store", "s.db", "--tls-cert", "c"], "--tls-key"),
    (["--with-master", "127.0.0.1:0", "--store", "s.db", "--master", "https://a",
      "--server-key-file", "k"], "exclude each other"),
    (["--with-master", "127.0.0.1:0", "--store", "s.db", "--listen", "0.0.0.0:0"], "--server")],
    ids=lambda f: " ".join(f) if isinstance(f, list) else "")
def test_what_does_not_go_together_is_said(programs, flags, said):
    listen = [] if "--listen" in flags else ["--listen", "127.0.0.1:0"]
    refused = programs.run("serve", *listen, "--fernet-key-file", programs.key_file, *flags,
                           code=2)
    assert said in refused.text("err")


@pytest.mark.parametrize("taken", ["--listen", "--with-master"])
def test_an_address_in_use_ends_both(programs, taken):
    used = programs.endpoint()
    at = {"--listen": "127.0.0.1:0", "--with-master": "127.0.0.1:0", taken: used.address}
    refused = programs.run("serve", *[word for pair in at.items() for word in pair], "--store",
                           programs.directory / "s.db", "--fernet-key-file", programs.key_file,
                           code=1)
    assert "in use" in refused.text("err")


def test_without_tls_the_master_is_on_loopback_alone(programs):
    refused = programs.run("serve", "--listen", "127.0.0.1:0", "--with-master", "0.0.0.0:0",
                           "--store", programs.directory / "s.db", "--fernet-key-file",
                           programs.key_file, code=1)
    assert "--tls-cert" in refused.text("err")


def test_the_example_is_a_whole_service_by_one_file(programs, authority, tmp_path):
    """With other addresses, names and paths; the master is reached by its name on the public
    port."""
    keys = tmp_path / "keys"
    keys.mkdir()
    write_secret(keys / "fernet.key", programs.key + "\n")
    write_secret(keys / "master.key", (authority / "site.key").read_text())
    (keys / "master.pem").write_text((authority / "site.pem").read_text())
    text = (ROOT / "docs" / "examples" / "all-in-one.yaml").read_text()
    text = re.sub(r"(?m)^listen: .*$", "listen: 127.0.0.1:0", text)
    text = text.replace("127.0.0.1:8444", programs.address())
    text = text.replace("master.example.org", "www.example").replace("/var/lib/adit/", "")
    (tmp_path / "serve.yaml").write_text(text)
    process = programs.role("serve", "--config", tmp_path / "serve.yaml")
    _, port = found(process, "serving on")
    done = programs.run("host", "add", NAME, "--store", tmp_path / "hosts.db", "--json")
    key = json.loads(done.text("out"))["api_key"]
    answer = curl(f"https://www.example:{port}/instance/register", "--cacert",
                  authority / "ca.pem", "--resolve", f"www.example:{port}:127.0.0.1", "-H",
                  f"Authorization: Bearer {key}", "--data-binary", "{}")
    assert (answer.status, answer.json["server"]) == (200, "relay.example.org")
