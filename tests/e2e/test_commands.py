"""Commands that end by themselves: keygen, token, check, demo."""
import base64
import json
import re
import stat
import time

import pytest
from cryptography.fernet import Fernet

from harness import Wire, client_hello
from tunnel import NAME
from wire import connect_peer, credential


def test_keygen_makes_a_fernet_key(programs):
    text = programs.run("keygen", "fernet").text("out")
    Fernet(text.encode())
    assert text != programs.run("keygen", "fernet").text("out")


def test_keygen_makes_a_box_key_pair(programs):
    path = programs.directory / "box.key"
    public = programs.run("keygen", "box", "--out", path).text("out")
    assert len(base64.b64decode(public)) == 32
    assert len(base64.b64decode(path.read_text())) == 32
    assert public not in path.read_text()


def test_keygen_does_not_overwrite_without_force(programs):
    path = programs.directory / "new.key"
    programs.run("keygen", "fernet", "--out", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    refused = programs.run("keygen", "fernet", "--out", path, code=1)
    assert "--force" in refused.text("err") and path.read_text() == first
    programs.run("keygen", "fernet", "--out", path, "--force")
    assert path.read_text() != first


def mint(programs, *flags):
    text = programs.run("token", "mint", "--fernet-key-file", programs.key_file, "--hostname",
                        NAME, *flags).text("out")
    return json.loads(text)


def test_a_minted_credential_says_what_the_token_says(programs):
    cred = mint(programs, "--alias", "www.example", "--alias", "a.example", "--allow",
                "192.0.2.0/24", "--valid", "2h")
    inner = json.loads(Fernet(programs.key).decrypt(cred["token"].encode()))
    assert cred["cipher"] == inner["cipher"] == "aes-gcm-siv"
    assert cred["protocol_version"] == inner["protocol_version"] == 2
    for field in ("hostname", "aes_key", "aes_iv", "valid", "alias"):
        assert cred[field] == inner[field], field
    assert inner["alias"] == ["www.example", "a.example"]
    assert inner["whitelist"] == ["192.0.2.0/24"]
    assert 7100 < inner["valid"] - time.time() <= 7200
    assert len(cred["token"]) <= 2048


@pytest.mark.parametrize("version", ["0", "1", "2"])
@pytest.mark.parametrize("cipher", ["aes-cbc", "aes-gcm", "aes-gcm-siv"])
def test_minted_credentials_work_with_the_independent_peer(programs, cipher, version):
    cred = mint(programs, "--cipher", cipher, "--protocol-version", version)
    server = programs.peer_server()
    endpoint = programs.endpoint()
    programs.publish(server, cred, endpoint.address)
    hello = client_hello(NAME)
    with Wire.dial(server.host, server.port) as device:
        device.send(hello)
        assert endpoint.accept().receive(len(hello)) == hello


def show(programs, text, code=0):
    process = programs.run("token", "show", "--fernet-key-file", programs.key_file, stdin=text,
                           code=code)
    return process.text()


def test_token_show_explains_a_token_and_a_credential(programs):
    cred = mint(programs, "--alias", "www.example")
    for text in (json.dumps(cred), cred["token"], cred["token"] + "\n"):
        said = show(programs, text)
        assert NAME in said and "www.example" in said and "aes-gcm-siv" in said
        assert cred["aes_key"] not in said and cred["token"] not in said


def test_token_show_says_what_is_wrong(programs):
    assert "expired" in show(programs, credential(programs.key, NAME, valid=-5)["token"], 1)
    foreign = credential(Fernet.generate_key().decode(), NAME)["token"]
    assert "foreign" in show(programs, foreign, 1)
    show(programs, "gAAAA", 1)
    show(programs, "", 1)


def test_a_token_too_long_for_public_servers_is_not_minted(programs):
    aliases = [w for n in range(100) for w in ("--alias", f"alias-{n}.home.example")]
    process = programs.run("token", "mint", "--fernet-key-file", programs.key_file, "--hostname",
                           NAME, *aliases, code=1)
    assert "too long" in process.text("err")


def write_config(programs, text):
    path = programs.directory / "adit.yaml"
    path.write_text(text)
    return path


GOOD = """\
role: serve
listen: ['127.0.0.1:0', '[::1]:0']
fernet_key_file: fernet.key
workers: 1
drain: 1s
trust_proxy: [192.0.2.0/24]
route: ['www.example=127.0.0.1:8443']
"""


def test_check_accepts_a_good_file(programs):
    programs.run("check", write_config(programs, GOOD))


def test_check_names_every_mistake_with_its_place(programs):
    path = write_config(programs, """\
role: serve
listn: ['127.0.0.1:0']
fernet_key_file: fernet.key
workers: many
drain: 30 parsecs
trust_proxy: [192.0.2.0/99]
listen: 127.0.0.1
""")
    said = programs.run("check", path, code=1).text()
    for place in (r"2:1.*listen", r"4:10.*workers", r"5:8.*drain", r"6:15.*trust_proxy", r"7:9"):
        assert re.search(place, said), f"{place} in:\n{said}"


@pytest.mark.parametrize("text", [
    "listen: &a ['127.0.0.1:0']\n", "listen: ['127.0.0.1:0']\npeer_listen: *a\n", "a: [", "- a\n",
    "", "role: [serve]\n", "role: serve\nrole: serve\n", "\0", "role: serve\n---\nrole: serve\n",
    "x: " + "[" * 5000, "role: serve\nlisten: [" + "'127.0.0.1:0'," * 12000 + "]\n",
    "#" + "x" * (1 << 20) + "\n",
], ids=["anchor", "alias", "half", "list", "empty", "role", "twice", "nul", "two documents",
        "deep", "nodes", "long"])
def test_check_refuses_what_is_no_configuration(programs, text):
    process = programs.run("check", write_config(programs, text), code=1)
    assert process.text().strip()


def test_check_warns_of_every_file_that_must_be_there(programs):
    text = GOOD + "with_master: 127.0.0.1:0\nstore: hosts.db\ntls_cert: a.pem\ntls_key: a.key\n"
    said = programs.run("check", write_config(programs, text)).text("out")
    warned = re.findall(r"warning: (\w+):", said)
    assert warned == ["tls_cert", "tls_key"], said


def test_a_store_without_its_directory_is_one_line(programs):
    store = programs.directory / "none" / "hosts.db"
    said = programs.run("host", "add", NAME, "--store", store, code=1).text("err")
    assert said == f"adit host add: {store}: cannot make the store: there is no such directory"


def test_a_configuration_file_runs(programs):
    process = programs.role("serve", "--config", write_config(programs, GOOD))
    addresses = programs.ready(process)
    assert [host for host, _ in addresses] == ["127.0.0.1", "::1"]
    connect_peer(*addresses[0], credential(programs.key, NAME)).ping()
    endpoint = programs.endpoint()
    path = programs.credential_file(credential(programs.key, "other.example"))
    config = programs.directory / "publish.yaml"
    config.write_text(f"role: publish\nserver: 127.0.0.1:{addresses[0][1]}\n"
                      f"credential: {path.name}\nto: {endpoint.address}\nproxy_protocol: v1\n")
    programs.run("check", config)
    publisher = programs.role("publish", "--config", config)
    publisher.wait_for(r"\bconnected\b")
    process.wait_for(r" peer: other\.example ")
    with Wire.dial(*addresses[0]) as device:
        device.send(client_hello("other.example"))
        assert endpoint.accept().receive_line().startswith(b"PROXY TCP4 127.0.0.1 ")


def test_a_flag_beats_the_file(programs):
    path = write_config(programs, GOOD.replace("'127.0.0.1:0'", "'127.0.0.1:1'"))
    process = programs.role("serve", "--config", path, "--listen", "127.0.0.1:0")
    assert programs.ready(process)[0][1] > 1


@pytest.mark.slow
def test_the_demo_proves_itself_once(programs):
    process = programs.adit("demo", "--once", "--state", programs.directory / "demo")
    assert process.wait_exit() == 0, process.log()
    said = process.text()
    for fact in ("127.0.0.1", "aes-gcm", "master", "ms", "bytes"):
        assert fact in said
