"""`adit master` and `adit host`, asked by curl."""
import json
import socket
import stat
import time

import pytest
from cryptography.fernet import Fernet

from harness import HANG_S, Wire, until, write_secret
from masters import Master


def opened(programs, answer, key=None):
    token = answer.json["token"].encode()
    return json.loads(Fernet(key or programs.key).decrypt(token))


def test_a_host_gets_a_token_that_the_server_opens(programs):
    master = Master(programs)
    key = master.add("home.example", "--alias", "cam.example", "--allow", "192.0.2.0/24")
    wish = master.wish(cipher="aes-gcm")
    answer = master.ask("/instance/snitun_token", key=key, body=wish)
    assert answer.status == 200
    token = opened(programs, answer)
    assert (token["hostname"], token["alias"]) == ("home.example", ["cam.example"])
    assert (token["aes_key"], token["aes_iv"]) == (wish["aes_key"], wish["aes_iv"])
    assert token["cipher"] == answer.json["cipher"] == "aes-gcm"
    assert token["whitelist"] == answer.json["whitelist"] == ["192.0.2.0/24"]
    assert token["valid"] == answer.json["valid"]
    assert abs(token["valid"] - time.time() - 86400) < 60
    seen = until(lambda: master.show("home.example")["last_token"], "the token is noted")
    assert abs(seen - time.time()) < 60
    assert master.show("home.example")["last_address"] == "127.0.0.1"


def test_a_plain_client_gets_aes_cbc_without_a_field(programs):
    master = Master(programs)
    key = master.add("home.example")
    answer = master.token(key)
    assert "cipher" not in opened(programs, answer) and "cipher" not in answer.json
    assert set(answer.json) == {"token", "server", "valid", "throttling", "protocol_version"}
    assert opened(programs, answer)["protocol_version"] == answer.json["protocol_version"]


def test_both_forms_of_authorization(programs):
    master = Master(programs)
    key = master.add("home.example")
    for value in (key, f"Bearer {key}", f"bearer {key}"):
        assert master.ask("/instance/connection", "-H", f"Authorization: {value}").status == 200
    for value in ("", "Bearer", f"Basic {key}", key[:-1], "Bearer x"):
        refused = master.ask("/instance/connection", "-H", f"Authorization: {value}")
        assert (refused.status, "API key" in refused.json["message"]) == (401, True)


def test_what_is_wrong_with_a_request_is_said(programs):
    master = Master(programs)
    key = master.add("home.example")
    assert master.ask("/nowhere").status == 404
    assert "nowhere" in master.ask("/nowhere").json["message"]
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"):
        refused = master.ask("/instance/snitun_token", "-X", method, key=key)
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert master.ask("/instance/snitun_token", key=key, body="[]").status == 400
    assert master.ask("/instance/snitun_token", key=key, body="\x01").status == 400
    assert master.ask("/instance/register", key=key, body="x" * 16385).status == 413
    large = master.ask("/instance/register", key=key, body="@-", stdin=b"x" * 1_000_000)
    assert large.status == 413
    assert master.ask("/" + "x" * 20000).status >= 400
    assert master.ask("/", "-H", "X: " + "x" * 20000).status >= 400
    assert master.ask("/instance/register", key=key, body="{}").status == 200


def test_a_refusal_is_logged_with_its_address_and_without_the_key(programs):
    master = Master(programs)
    key = master.add("home.example")
    master.ask("/instance/register", key=key, body="x" * 16385)
    master.process.wait_for(r"refused: 127\.0\.0\.1: POST /instance/register: 413")
    master.ask("/instance/connection", key=key[:-1])
    master.process.wait_for(r"refused: 127\.0\.0\.1: GET /instance/connection: 401")
    assert key[:-1] not in master.process.log()


def test_garbage_on_the_wire_is_survived(programs):
    master = Master(programs)
    for garbage in (b"\x16\x03\x01\x00\x05hello", b"gAAAA", b"\0" * 5000, b"GET\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"):
        with Wire.dial(master.host, master.port) as wire:
            wire.send(garbage)
            wire.shutdown()
            wire.ended()
    assert master.ask("/.well-known/service-discovery").status == 200


def test_a_slow_client_is_ended_after_10_seconds(programs):
    """A byte every so often is no reason to wait for ever, and others are served meanwhile."""
    master = Master(programs)
    start = time.monotonic()
    wires = [Wire.dial(master.host, master.port) for _ in range(20)]
    for wire in wires:
        wire.send(b"POST /instance/register HTTP/1.1\r\nContent-Length: 1000\r\n")
    assert master.ask("/nowhere").status == 404
    ended = set()
    while len(ended) < len(wires) and time.monotonic() < start + HANG_S:
        for wire in set(wires) - ended:
            wire.sock.settimeout(0.05)
            try:
                wire.send(b"x")
                if not wire.sock.recv(1000):
                    ended.add(wire)
            except TimeoutError:
                pass
            except OSError:
                ended.add(wire)
    assert len(ended) == len(wires)
    assert time.monotonic() - start > 9


def asked_by_hand(master, source=None):
    """What is answered; nothing where the connection is ended."""
    with Wire.dial(master.host, master.port, source) as wire:
        try:
            wire.send(b"GET /nowhere HTTP/1.1\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return wire.ended()


def test_one_address_does_not_take_every_place(programs):
    master = Master(programs)
    wires = [Wire.dial(master.host, master.port) for _ in range(200)]
    cut = until(lambda: (n := sum(w.readable() for w in wires)) >= 72 and n, "some are ended")
    assert cut == 72
    assert asked_by_hand(master, "127.0.0.9").startswith(b"HTTP/1.1 404 ")
    for wire in wires:
        wire.close()
    until(lambda: asked_by_hand(master).startswith(b"HTTP/1.1 404 "), "the places are free again")


def test_who_asks_too_often_waits(programs):
    master = Master(programs, "--rate", "5")
    start, allowed = time.monotonic(), 0
    while (answer := master.ask("/nowhere")).status == 404:
        allowed += 1
    assert 5 <= allowed <= 5 + (time.monotonic() - start) / 12  # another one every 12 s
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert answer.json["message"]


def test_behind_a_proxy_its_last_address_counts(programs):
    master = Master(programs, "--rate", "2", "--behind-proxy", listen="0.0.0.0:0")
    master.host = "127.0.0.1"
    for source in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        for _ in range(2):
            header = f"X-Forwarded-For: 203.0.113.9, {source}"
            assert master.ask("/nowhere", "-H", header).status == 404
        assert master.ask("/nowhere", "-H", "X-Forwarded-For: 192.0.2.77", "-H", header).status \
            == 429
        master.process.wait_for(f"refused: {source}: ")


def test_tls(programs, authority):
    write_secret(programs.directory / "site.key", (authority / "site.key").read_text())
    flags = ("--tls-cert", authority / "site.pem", "--tls-key", programs.directory / "site.key")
    master = Master(programs, *flags, scheme="https", ca=authority / "ca.pem")
    key = master.add("home.example")
    for body in (master.wish(), master.wish(padding="x" * 15000)):
        assert master.ask("/instance/snitun_token", key=key, body=body).status == 200
    actions = master.ask("/.well-known/service-discovery").json["actions"]
    assert len(actions) == 23
    assert all(url.startswith(f"https://home.example:{master.port}/") for url in actions.values())
    with Wire.dial(master.host, master.port) as wire:  # no answer in the clear
        wire.send(b"GET / HTTP/1.1\r\nHost: home.example\r\n\r\n")
        assert b"HTTP/1.1" not in wire.ended()
    assert master.ask("/nowhere").status == 404


def test_without_tls_only_on_loopback(programs):
    refused = programs.run("master", "--listen", "0.0.0.0:0", "--store",
                           programs.directory / "s.db", "--fernet-key-file", programs.key_file,
                           "--server", "127.0.0.1:443", code=1)
    assert "--tls-cert" in refused.text("err")


def test_a_new_certificate_is_taken_and_a_broken_one_is_not(programs, authority):
    cert, key = programs.directory / "cert.pem", programs.directory / "cert.key"
    cert.write_text((authority / "site.pem").read_text())
    write_secret(key, (authority / "site.key").read_text())
    master = Master(programs, "--tls-cert", cert, "--tls-key", key, scheme="https",
                    ca=authority / "ca.pem")
    cert.write_text("no certificate")
    master.process.signal(1)
    master.process.wait_for("nothing changed: .*cert.pem")
    assert master.ask("/nowhere").status == 404
    cert.write_text((authority / "site.pem").read_text())
    master.process.signal(1)
    master.process.wait_for("reload: reloaded")
    assert master.ask("/nowhere").status == 404


def test_a_rotated_fernet_key_mints_after_sighup(programs):
    master = Master(programs)
    key = master.add("home.example")
    assert opened(programs, master.token(key))
    fresh = Fernet.generate_key().decode()
    write_secret(programs.key_file, f"{fresh}\n{programs.key}\n")
    master.process.signal(1)
    master.process.wait_for("reload: reloaded")
    until(lambda: opened_by(fresh, master.token(key)), "the new key mints")


def opened_by(key, answer):
    try:
        return json.loads(Fernet(key).decrypt(answer.json["token"].encode()))
    except Exception:  # any: it is not opened
        return None


def test_hosts_change_while_the_master_runs(programs):
    master = Master(programs)
    key = master.add("home.example")
    assert master.token(key).status == 200
    master.host_command("disable", "home.example")
    assert master.token(key).status == 403
    master.host_command("enable", "home.example")
    assert master.token(key).status == 200
    fresh = json.loads(master.host_command("rotate", "home.example", "--json").text("out"))
    assert master.token(key).status == 401
    assert master.token(fresh["api_key"]).status == 200
    master.host_command("remove", "home.example")
    assert master.token(fresh["api_key"]).status == 401


def test_two_masters_on_one_store(programs):
    one = Master(programs)
    two = Master(programs, name="master 2")
    key = one.add("home.example")
    assert one.token(key).status == two.token(key).status == 200
    one.host_command("disable", "home.example")
    assert one.token(key).status == two.token(key).status == 403


def test_a_server_asks_what_was_revoked(programs):
    master = Master(programs)
    server = master.add("relay", command="add-server")
    host = master.add("home.example", "--alias", "cam.example")
    assert master.ask("/adit/v1/changes", key=host).status == 403
    assert master.token(server).status == 403
    assert master.ask("/adit/v1/changes", key=server).json["changes"] == []
    master.host_command("remove", "home.example")
    changes = master.ask("/adit/v1/changes?since=0", key=server).json
    assert {c["hostname"] for c in changes["changes"]} == {"home.example", "cam.example"}
    assert all(c["valid_after"] is None for c in changes["changes"])
    again = master.ask(f"/adit/v1/changes?since={changes['seq']}", key=server).json
    assert (again["changes"], again["seq"]) == ([], changes["seq"])


def test_names_are_host_names_and_belong_to_one(programs):
    master = Master(programs)
    master.add("home.example", "--alias", "xn--bcher-kva.example")
    for words in (["home.example"], ["HOME.example."], ["xn--bcher-kva.example"],
                  ["a.example", "--alias", "home.example"], ["a.example", "--alias", "a.example"]):
        refused = master.host_command("add", *words, code=1)
        assert "belongs to a host already" in refused.text("err")
    for name in ("-a.example", "a..example", "a b", "ä.example", "x" * 64, "a_.example/", ""):
        master.host_command("add", name, code=2)
    master.host_command("show", "a.example", code=1)
    master.host_command("add", "many.example", *(w for i in range(30) for w in (
        "--alias", f"{'x' * 60}{i}.{'y' * 60}.example")), code=2)


def test_a_store_and_its_keys_are_nobody_elses(programs):
    master = Master(programs)
    master.host_command("add", "home.example", "--out", programs.directory / "home.key")
    key = programs.directory / "home.key"
    for path in (master.store, key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = key.read_text().strip()
    assert master.token(text).status == 200
    assert master.process.stop() == 0
    stored = b"".join(p.read_bytes() for p in programs.directory.glob("hosts.db*"))
    assert b"home.example" in stored and text.encode() not in stored
    assert text not in master.process.log()


@pytest.mark.parametrize("url", ["http://acme.example/", "acme.example", "https://", "https://a b/"])
def test_an_acme_directory_that_is_no_address_is_refused(programs, url):
    process = programs.adit("master", "--listen", "127.0.0.1:0", "--store", "hosts.db",
                            "--fernet-key-file", programs.key_file, "--server", "home.example:443",
                            "--acme-directory", url)
    assert process.wait_exit() == 2
    assert "--acme-directory is not https://HOST" in process.text("err")


def test_a_store_that_is_none_is_refused(programs):
    path = programs.directory / "s.db"
    path.write_bytes(b"no database" * 1000)
    flags = ("--listen", "127.0.0.1:0", "--store", path, "--fernet-key-file", programs.key_file,
             "--server", "127.0.0.1:443")
    refused = programs.run("master", *flags, code=1)
    assert "no store" in refused.text("err")
    assert "no store" in programs.run("host", "list", "--store", path, code=1).text("err")
    missing = programs.directory / "missing" / "s.db"
    programs.run("host", "list", "--store", missing, code=1)
    programs.run("host", "add", "a.example", "--store", missing, code=1)


def test_an_address_in_use_is_said(programs):
    taken = socket.create_server(("127.0.0.1", 0))
    refused = programs.run("master", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--store",
                           programs.directory / "s.db", "--fernet-key-file", programs.key_file,
                           "--server", "127.0.0.1:443", code=1)
    assert "in use" in refused.text("err")
    taken.close()


def test_status_counts(programs):
    master = Master(programs)
    master.token(master.add("home.example"))
    master.ask("/nowhere")
    counters = programs.status(master.process)["counters"]
    assert counters == {"requests": 2, "tokens": 1, "refused": 1}
    shown = programs.run("status", "--control", master.process.control, "--once").text("out")
    assert "2, 1 tokens given, 1 refused" in shown


def test_a_configuration_file_says_all_of_it(programs):
    config = programs.directory / "master.yaml"
    config.write_text(f"role: master\nlisten: 127.0.0.1:0\nstore: hosts.db\nserver: a.example:443\n"
                      f"fernet_key_file: {programs.key_file}\ntoken_valid: 1h\nrate: 1000\n")
    assert programs.run("check", config).text("err") == ""
    process = programs.role("master", "--config", config)
    assert programs.ready(process)
    assert (programs.directory / "hosts.db").exists()
