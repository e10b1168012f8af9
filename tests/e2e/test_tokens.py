"""Tokens and credentials: in pieces, used up, replaced."""
import json
import signal

import pytest

from harness import Wire, client_hello, until
from tunnel import NAME, Site
from wire import DATA, connect_peer, credential

TRIALS_MAX = 512


def byte_by_byte(wire, token):
    for byte in token:
        wire.send(bytes([byte]))


@pytest.mark.parametrize("aliases", [0, 60], ids=["short", "long"])
def test_a_token_in_single_bytes_works_and_costs_512_trials_at_most(programs, aliases):
    site = Site(programs, "--workers", "1")
    before = programs.status(site.process)["counters"]["token_trials"]
    alias = [f"alias-number-{n}.home.example" for n in range(aliases)]
    cred = credential(programs.key, NAME, alias=alias)
    mux = connect_peer(site.host, site.port, cred, send=byte_by_byte)
    mux.ping()
    trials = programs.status(site.process)["counters"]["token_trials"] - before
    assert 0 < trials <= TRIALS_MAX
    device, channel = site.open(mux, alias[-1] if alias else NAME)
    mux.send(channel, DATA, b"here")
    assert device.receive(4) == b"here"
    site.check()


def test_an_aes_gcm_credential_is_marked_used_and_refused_afterwards(programs):
    server = programs.serve()
    endpoint = programs.endpoint()
    path = programs.credential_file(credential(programs.key, NAME, "aes-gcm"))
    before = set(programs.directory.iterdir())
    first = programs.publish(server, path, endpoint.address)
    assert set(programs.directory.iterdir()) - before - {first.control}, "no mark beside it"
    assert first.stop() == 0
    again = programs.publish(server, path, endpoint.address, wait=False)
    line = again.wait_for(r"(?i)\bused\b.*|.*already.*").string
    assert "aes-gcm" in line
    assert again.stop() in (0, 1)
    assert len(server.process.matches(r" peer: ")) == 1, "it was not sent again"


def test_an_aes_gcm_credential_is_marked_before_it_is_sent(programs):
    """A publisher that is killed right after its token was on the wire does not use it again."""
    listener = programs.endpoint()
    path = programs.credential_file(credential(programs.key, NAME, "aes-gcm"))
    first = programs.publish(listener.address, path, listener.address, wait=False)
    assert listener.accept().receive(100)[:2] == b"gA"
    first.kill()
    again = programs.publish(listener.address, path, listener.address, wait=False)
    again.wait_for(r"(?i)used|already")
    assert listener.idle()
    again.stop()


def test_a_publisher_reads_its_credential_again_on_sighup(programs):
    server = programs.serve()
    endpoint = programs.endpoint()
    path = programs.credential_file(credential(programs.key, NAME))
    process = programs.publish(server, path, endpoint.address)
    path.write_text(json.dumps(credential(programs.key, "other.example")))
    process.signal(signal.SIGHUP)
    process.wait_for("reload.*reloaded")
    assert process.running()


@pytest.mark.parametrize("text,why", [
    ("", "empty|JSON"), ("{", "JSON"), ("[]", "object"), ("{}", "token"),
    ('{"token": "gAAA", "aes_key": "00", "aes_iv": "00"}', "aes_key|token"),
], ids=["empty", "half", "list", "nothing in it", "short key"])
def test_a_malformed_credential_is_one_clear_line(programs, text, why):
    path = programs.directory / "bad.json"
    path.write_text(text)
    path.chmod(0o600)
    process = programs.publish("127.0.0.1:1", path, "127.0.0.1:1", wait=False)
    assert process.wait_exit() == 1
    assert len(process.lines) == 1, process.log()
    process.wait_for(why)


def test_a_credential_from_standard_input_works(programs):
    server = programs.serve()
    endpoint = programs.endpoint()
    process = programs.role("publish", "--server", server.address, "--credential", "-", "--to",
                            endpoint.address, stdin=json.dumps(credential(programs.key, NAME)))
    process.wait_for(r"\bconnected\b")


@pytest.mark.parametrize("make", [
    lambda key: credential(key, NAME, valid=-5),
    lambda key: credential("A" * 42 + "A=", NAME),
], ids=["expired", "foreign"])
def test_a_refused_credential_is_a_clear_line_and_no_end(programs, make):
    server = programs.serve("--token-timeout", "300ms")
    process = programs.publish(server, make(programs.key), "127.0.0.1:1", wait=False)
    process.wait_for(r"(?i)refused|expired|closed")
    assert process.running()


def test_a_newer_publisher_gets_every_new_device_and_the_older_keeps_its_channels(programs):
    site = Site(programs)
    older = site.peer()
    device, channel = site.open(older, NAME)
    newer = site.peer()
    until(lambda: site.process.matches("peer-superseded"), "superseded")
    hello = client_hello(NAME)
    with Wire.dial(site.host, site.port) as fresh:
        fresh.send(hello)
        new = newer.receive_flag(1)
        assert newer.receive_data(new.channel, len(hello)) == hello
    older.ping()
    device.send(b"old channel")
    assert older.receive_data(channel, 11) == b"old channel"


def test_a_token_that_expires_closes_its_peer(programs):
    site = Site(programs)
    cred = credential(programs.key, NAME, valid=5)
    mux = connect_peer(site.host, site.port, cred)
    mux.ping()
    mux.wire.ended()
    site.said(f"peer-gone.*{NAME}.*expired")
    site.check()


def test_an_alias_moves_on_its_own(programs):
    site = Site(programs)
    first = connect_peer(site.host, site.port, credential(programs.key, NAME,
                                                          alias=["www.example", "a.example"]))
    first.ping()
    second = connect_peer(site.host, site.port, credential(programs.key, "www.example"))
    second.ping()
    site.open(second, "www.example")
    site.open(first, "a.example")
    site.open(first, NAME)
