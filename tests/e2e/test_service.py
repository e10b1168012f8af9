"""The units of systemd, and the example files."""
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import HANG_S, ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service.in"))
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))


@pytest.fixture(params=UNITS, ids=lambda path: path.name)
def unit(request, tmp_path):
    path = tmp_path / request.param.name.removesuffix(".in")
    path.write_text(request.param.read_text().replace("@bindir@", "/usr/bin"))
    return path


def test_a_unit_leaves_little_exposed(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
                          capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_unit_runs_a_command_as_adit_and_waits_for_it(unit, programs):
    text = unit.read_text()
    command = re.search(r"^ExecStart=/usr/bin/adit (\w+) ", text, re.M)[1]
    flags = re.findall(r" (--[a-z-]+)", re.search(r"^ExecStart=.*", text, re.M)[0])
    known = programs.run(command, "--help").text("out")
    assert all(f"  {flag} " in known for flag in flags)
    assert "\nType=notify\n" in text and "\nUser=adit\n" in text


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_no_mistake(programs, example):
    programs.run("check", example)


def test_there_is_an_example_for_each_unit():
    names = {re.search(r"/etc/adit/(\S+\.yaml)", unit.read_text())[1] for unit in UNITS}
    more = {"all-in-one.yaml", "publish-several.yaml"}
    assert names | more <= {pathlib.Path(example).name for example in EXAMPLES}


def test_a_unit_may_write_where_the_examples_keep_hosts():
    kept = [text for text in (path.read_text() for path in EXAMPLES) if "/var/lib/adit/" in text]
    assert len(kept) == 2
    for text in kept:
        role = re.search(r"(?m)^role: (\w+)$", text)[1]
        unit = (ROOT / "systemd" / f"adit-{role}.service.in").read_text()
        assert "\nProtectSystem=strict\n" in unit and "\nStateDirectory=adit\n" in unit


def test_the_socket_is_for_the_addresses_of_the_examples():
    unit = (ROOT / "systemd" / "adit-serve.socket").read_text()
    held = re.findall(r"(?m)^ListenStream=(.*)$", unit)
    for name in ("serve.yaml", "all-in-one.yaml"):
        listen = re.search(r"(?m)^listen: \[(.*)\]$", (ROOT / "docs/examples" / name).read_text())[1]
        assert [at.strip("' ") for at in listen.split(",")] == held
    assert "\nBindIPv6Only=ipv6-only\n" in unit  # an IPv6 address listens for IPv6 alone


def test_a_whole_service_by_its_files(programs, authority, tmp_path):
    """The examples with other addresses and paths: master and server start from files alone."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, source in (("fernet.key", programs.key_file), ("master.key", authority / "site.key")):
        (keys / name).touch(mode=0o600)
        (keys / name).write_text(pathlib.Path(source).read_text())
    (keys / "master.pem").write_text((authority / "site.pem").read_text())
    programs.run("host", "add-server", "relay", "--store", tmp_path / "hosts.db", "--out",
                 keys / "relay.key")
    for name in ("master", "serve"):
        text = (ROOT / "docs" / "examples" / f"{name}.yaml").read_text()
        text = re.sub(r"(?m)^listen: .*$", "listen: 127.0.0.1:0", text)
        text = text.replace("/var/lib/adit/", "")
        (tmp_path / f"{name}.yaml").write_text(text)
        programs.ready(programs.role(name, "--config", tmp_path / f"{name}.yaml"))
