"""No secret gets into an argument, the environment, a log or a dump."""
import base64
import http.client
import json
import os
import pathlib
import pwd
import signal
import subprocess

import pytest
from cryptography.fernet import Fernet

from harness import Wire, adit_path, client_hello, echo, until, write_secret
from masters import Master
from tunnel import NAME
from wire import credential

PIECE = 12  # characters of a secret in a row that are one too many
OTHER_USER = "nobody"


def forms(secret):
    """A secret of bytes as it could be printed."""
    return [secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode(),
            base64.urlsafe_b64encode(secret).decode()]


def secrets_of(key, *creds):
    """All that may be nowhere: each in each of its forms."""
    raw = base64.urlsafe_b64decode(key)
    found = [key, *forms(raw), *forms(raw[:16]), *forms(raw[16:])]
    for cred in creds:
        # Its first 16 characters are the same for all tokens of a minute.
        found.append(cred["token"][16:])
        for field in ("aes_key", "aes_iv"):
            found += forms(bytes.fromhex(cred[field]))
    return found


def leaked(secrets, text):
    """The first piece of a secret in a text, or None."""
    pieces = {text[i:i + PIECE] for i in range(len(text) - PIECE + 1)}
    for secret in secrets:
        for i in range(len(secret) - PIECE + 1):
            if secret[i:i + PIECE] in pieces:
                return secret[i:i + PIECE]
    return None


def assert_hidden(secrets, text, where):
    piece = leaked(secrets, text)
    assert piece is None, f"{where}: {piece} in:\n{text}"


def proc(pid, name):
    """A file of /proc/PID; empty where we may not even look."""
    try:
        return pathlib.Path("/proc", str(pid), name).read_bytes().decode(errors="replace")
    except PermissionError:
        return ""


def assert_hidden_in_proc(secrets, pid):
    for name in ("cmdline", "environ", "comm"):
        assert_hidden(secrets, proc(pid, name), f"/proc/{pid}/{name}")


def core_limits(pid):
    line = next(line for line in proc(pid, "limits").splitlines() if "core file size" in line)
    return line.split()[4:6]


def assert_never_dumped(pid):
    """The limit for the dump itself; and the kernel gives the files of a process that must not be
    dumped to root, which can be seen where it runs as another user."""
    assert core_limits(pid) == ["0", "0"]
    uid = int(next(line for line in proc(pid, "status").splitlines()
                   if line.startswith("Uid:")).split()[1])
    owner = pathlib.Path("/proc", str(pid), "environ").stat().st_uid
    if uid != 0:
        assert owner == 0, f"/proc/{pid}/environ belongs to {owner}: the process can be dumped"


def test_the_search_finds_what_it_looks_for(key):
    cred = credential(key, NAME)
    secrets = secrets_of(key, cred)
    assert leaked(secrets, "nothing") is None
    for text in (key, key[5:20], cred["token"], cred["token"][-PIECE:], cred["aes_key"].upper(),
                 base64.urlsafe_b64decode(key).hex(), cred["aes_iv"][:PIECE]):
        assert leaked(secrets, f"key={text}.") is not None, text


def test_no_log_of_a_tunnel_has_a_secret(programs):
    """Good, foreign, expired, used and malformed ones, at the level that says most."""
    stranger = Fernet.generate_key().decode()
    creds = {"good": credential(programs.key, NAME),
             "used": credential(programs.key, "used.example", "aes-gcm"),
             "foreign": credential(stranger, "foreign.example"),
             "expired": credential(programs.key, "expired.example", valid=-10)}
    secrets = secrets_of(programs.key, *creds.values()) + secrets_of(stranger)
    server = programs.serve("--log-level", "debug", "--token-timeout", "3s")
    endpoint = programs.endpoint()
    publisher = programs.publish(server, creds["good"], endpoint.address, "--log-level", "debug")
    running = [server.process, publisher]
    for name in ("used", "foreign", "expired"):
        running.append(programs.publish(server, creds[name], endpoint.address, "--log-level",
                                        "debug", name=name, wait=False))
    server.wait_served("used.example")
    for cred in creds.values():
        for text in (cred["token"], cred["token"][:-1] + "!", cred["token"][:100]):
            with Wire.dial(server.host, server.port) as wire:
                wire.send(text.encode())
                wire.shutdown()
                wire.ended()
    server.process.wait_for("refused-token-expired")
    server.process.wait_for("refused-key-used")
    server.process.wait_for("refused-token:")
    with Wire.dial(server.host, server.port) as device:
        device.send(client_hello(NAME))
        endpoint.accept().receive(10)
    programs.key_file.write_text(programs.key[:-3] + "\n")
    server.process.signal(signal.SIGHUP)
    server.process.wait_for("nothing changed")
    for process in running:
        assert_hidden_in_proc(secrets, process.pid)
        assert_hidden(secrets, json.dumps(programs.status(process)), f"status of {process.name}")
    for process in running:
        process.stop()
        assert_hidden(secrets, process.log(), process.name)


class Between:
    """Stands between publishers and a master, and keeps what each is told."""

    def __init__(self, programs):
        self.master, self.said = None, []
        self.service = programs.service(self.serve)

    def serve(self, wire):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.receive_line()
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = wire.receive(int(headers.get("Content-Length", 0)))
        method, target, _ = first.split()
        onward = http.client.HTTPConnection(self.master.host, self.master.port)
        onward.request(method, target, body, {k: v for k, v in headers.items() if k != "Expect"})
        answer = onward.getresponse()
        text = answer.read()
        self.said.append((json.loads(body or b"{}"), json.loads(text)))
        wire.send(f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode()
                  + text)
        onward.close()

    def credentials(self):
        """Each key that was asked with, and the token that was answered."""
        return [{**asked, "token": told.get("token", "")} for asked, told in self.said
                if "aes_key" in asked]


def test_no_log_and_no_argument_of_a_whole_service_has_a_secret(programs, authority):
    """Server, master, publishers and adit host, at the level that says most: API keys, Fernet
    keys, what the master was asked with and what it gave, a certificate's private key."""
    pem = (authority / "site.key").read_text()
    tls_key = write_secret(programs.directory / "site.key", pem)
    debug = ("--log-level", "debug")
    between = Between(programs)
    address = programs.address()
    master = between.master = Master(programs, "--token-valid", "3s", *debug,
                                     server=address)
    relay = programs.directory / "relay.key"
    master.host_command("add-server", "relay", "--out", relay)
    keys = {name: programs.directory / f"{name}.key" for name in (NAME, "other.example")}
    for name, path in keys.items():
        master.host_command("add", name, "--out", path)
    secrets = secrets_of(programs.key) + [path.read_text().strip()
                                          for path in (relay, *keys.values())]
    secrets += [line for line in pem.split("\n") if line and "-" not in line]
    server = programs.serve("--master", master.url(), "--server-key-file", relay,
                            "--master-interval", "1s", *debug, listen=[address])
    publishers = [programs.role("publish", "--master", f"http://{between.service.address}",
                                "--api-key-file", path, "--to",
                                "http://" + programs.service(echo).address, "--tls-cert",
                                authority / "site.pem", "--tls-key", tls_key, *debug, name=name)
                  for name, path in keys.items()]
    whole = programs.role("serve", "--listen", "127.0.0.1:0", "--with-master", "127.0.0.1:0",
                          "--store", programs.directory / "whole.db", "--fernet-key-file",
                          programs.key_file, "--tls-cert", authority / "site.pem", "--tls-key",
                          tls_key, *debug, name="whole")
    for publisher, name in zip(publishers, keys):
        publisher.wait_for(r"\bconnected\b")
        server.wait_served(name)
        mark = publisher.mark()
        publisher.wait_for(r"\bconnected\b", after=mark)  # renewed
    for wrong in ("x", keys[NAME].read_text().strip()[:-1], "Bearer"):
        master.ask("/instance/snitun_token", key=wrong, body=master.wish())
    master.host_command("disable", NAME)
    publishers[0].wait_for("no token: 403")
    master.host_command("rotate", "other.example", "--out", keys["other.example"], "--force")
    secrets.append(keys["other.example"].read_text().strip())
    for process in (master.process, server.process, *publishers, whole):
        process.signal(signal.SIGHUP)
        process.wait_for("reload: reloaded")
        assert_hidden_in_proc(secrets, process.pid)
        assert_hidden(secrets, json.dumps(programs.status(process)), f"status of {process.name}")
    given = between.credentials()
    assert len([one for one in given if one["token"]]) >= 4
    secrets += secrets_of(programs.key, *given)
    for process in programs.all:
        if process.running() and "adit" in process.argv[0]:
            process.stop()
        said = process.log() + "\n" + " ".join(process.argv)
        assert_hidden(secrets, said, process.name)


def test_no_complaint_about_a_credential_has_a_secret(programs):
    """A mistake in a file is named without what stands there."""
    cred = credential(programs.key, NAME)
    secrets = secrets_of(programs.key, cred)
    text = json.dumps(cred)
    broken = [text[:-1], text.replace(cred["aes_key"], cred["aes_key"][:-2]),
              text.replace(cred["aes_iv"], cred["aes_iv"] + "00"),
              text.replace(cred["token"], cred["token"][1:]), cred["token"], f'"{cred["token"]}"',
              programs.key, text.replace('"cipher": "aes-gcm-siv"', f'"cipher": "{programs.key}"')]
    for number, wrong in enumerate(broken):
        path = write_secret(programs.directory / f"broken-{number}.json", wrong)
        process = programs.adit("publish", "--server", "127.0.0.1:1", "--credential", path, "--to",
                                "127.0.0.1:1", "--control", "none", "--log-level", "debug")
        until(lambda: process.log() or not process.running(), "a word")
        process.stop()
        assert process.text("err")
        assert_hidden(secrets, process.log(), f"publish with {path.name}")


def test_no_command_says_more_than_it_is_asked_for(programs):
    """keygen and token mint print the secret where none names a file; token show explains, check
    names mistakes, and nothing of it on standard error."""
    made = programs.run("keygen", "fernet")
    key = made.text("out").strip()
    assert_hidden(secrets_of(key), made.text("err"), "keygen")
    out = programs.directory / "made.key"
    made = programs.run("keygen", "fernet", "--out", out)
    secrets = secrets_of(out.read_text().strip())
    assert_hidden(secrets, made.log(), "keygen --out")
    again = programs.run("keygen", "fernet", "--out", out, code=1)
    assert_hidden(secrets, again.log(), "keygen once more")

    minted = programs.run("token", "mint", "--fernet-key-file", out, "--hostname", NAME)
    cred = json.loads(minted.text("out"))
    secrets += secrets_of(key, cred)
    assert_hidden(secrets, minted.text("err"), "token mint")
    path = programs.directory / "minted.json"
    minted = programs.run("token", "mint", "--fernet-key-file", out, "--hostname", NAME, "--out",
                          path)
    secrets += secrets_of(key, json.loads(path.read_text()))
    assert_hidden(secrets, minted.log(), "token mint --out")

    for given, code in ((json.dumps(cred), 0), (cred["token"], 0), (cred["token"][:-4], 1),
                        (json.dumps({**cred, "aes_key": "00" * 32}), 1), (key, 1), ("{", 1)):
        for form in ([], ["--json"]):
            shown = programs.run("token", "show", "--fernet-key-file", out, *form, stdin=given,
                                 code=code)
            assert_hidden(secrets, shown.log(), f"token show {form}")

    swapped = programs.run("token", "mint", "--fernet-key-file", path, "--hostname", NAME, code=1)
    assert_hidden(secrets, swapped.log(), "token mint with a credential for a key")
    config = write_secret(programs.directory / "adit.yaml",
                          f"role: serve\nlisten: ['{key}']\nfernet_key_file: minted.json\n")
    programs.run("check", config, code=1)


def test_processes_that_hold_secrets_cannot_be_dumped(programs):
    cred = credential(programs.key, NAME)
    server = programs.serve()
    publisher = programs.publish(server, cred, programs.endpoint().address)
    for process in (server.process, publisher):
        assert_never_dumped(process.pid)


def test_a_command_that_waits_for_its_input_cannot_be_dumped(programs):
    with subprocess.Popen([adit_path(), "token", "show", "--fernet-key-file", programs.key_file],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as waiting:
        try:
            until(lambda: core_limits(waiting.pid) == ["0", "0"], "no dumps")
            assert_never_dumped(waiting.pid)
        finally:
            waiting.communicate(b"")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("role", ["serve", "publish"])
def test_a_change_of_user_does_not_make_it_dumpable_again(programs, role):
    user = pwd.getpwnam(OTHER_USER)
    server = programs.serve()
    if role == "serve":
        flags = ["--listen", "127.0.0.1:0", "--fernet-key-file", programs.key_file]
    else:
        cred = programs.credential_file(credential(programs.key, NAME))
        flags = ["--server", server.address, "--credential", cred, "--to", "127.0.0.1:1"]
    process = programs.adit(role, *flags, "--control", "none", "--user", OTHER_USER)
    process.wait_for(f"runs as {OTHER_USER}")
    assert f"Uid:\t{user.pw_uid}\t" in proc(process.pid, "status")
    assert_never_dumped(process.pid)
