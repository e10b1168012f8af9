"""What a person sees and types."""
import fcntl
import json
import os
import pty
import re
import select
import subprocess
import termios

import pytest
from harness import HANG_S, adit_path, until
from sodium import PASSPHRASE, Site, digest, random_file


@pytest.fixture
def site(programs):
    return Site(programs)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, columns=80, **kw):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        # A session of its own, whose terminal this is: /dev/tty leads here.
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **kw)
        os.close(slave)
        self.text = ""

    def read_more(self):
        ready, _, _ = select.select([self.master], [], [], HANG_S)
        assert ready, self.text
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # the last one has closed it
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, pattern):
        while not re.search(pattern, self.text):
            assert self.read_more(), self.text
        return self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def finish(self):
        while self.read_more():
            pass
        os.close(self.master)
        return self.process.wait(HANG_S)


def test_a_bar_shows_bytes_rate_and_time_left(site):
    site.receive()
    file = random_file(site.home / "f", 6_000_000)
    terminal = Terminal([adit_path(), *site.argv("--limit-rate", "4MiB", file)])
    terminal.wait_for(r"\[#+\.+\] +\d+%  [\d.]+ [KM]iB of 5\.7 MiB  [\d.]+ [KM]iB/s  \d+:\d\d left")
    assert terminal.finish() == 0
    assert "\r\x1b[K" in terminal.text and "1 item kept" in terminal.text
    assert digest(site.into / "f") == digest(file)


def test_the_bar_fits_a_narrow_terminal(site):
    site.receive()
    file = random_file(site.home / "f", 6_000_000)
    terminal = Terminal([adit_path(), *site.argv("--limit-rate", "4MiB", file)], columns=30)
    terminal.wait_for(r"\d+%")
    assert terminal.finish() == 0
    for line in re.findall(r"\x1b\[K([^\r]*)", terminal.text):
        assert len(line.split("\n")[0]) < 80
        if "%" in line:
            assert len(line) < 30, line


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_no_bar_where_none_is_wanted(site, flag):
    site.receive()
    file = random_file(site.home / "f", 3_000_000)
    terminal = Terminal([adit_path(), *site.argv("--limit-rate", "4MiB", flag, file)])
    assert terminal.finish() == 0
    assert "\x1b" not in terminal.text and " left" not in terminal.text
    if flag == "--json":
        assert json.loads(terminal.text)["ok"]
    else:
        assert terminal.text == ""


def test_no_bar_without_a_terminal(site):
    site.receive()
    said = site.send(random_file(site.home / "f", 3_000_000), "--limit-rate", "4MiB")
    assert said.text("err") == "" and "\x1b" not in said.text("out")


def test_the_passphrase_is_asked_without_echo(site):
    site.receive()
    file = random_file(site.home / "f", 1000)
    argv = site.argv(file)
    at = argv.index("--password-file")
    terminal = Terminal([adit_path(), *argv[:at], *argv[at + 2:]])
    terminal.wait_for("Passphrase: ")
    terminal.type(PASSPHRASE + "\n")
    assert terminal.finish() == 0
    assert PASSPHRASE not in terminal.text and "1 item kept" in terminal.text


def test_passwd_asks_twice(site):
    for again, code in (("other", 1), ("new one", 0)):
        terminal = Terminal([adit_path(), "passwd", "--users", site.users, "bob"])
        terminal.wait_for("Passphrase: ")
        terminal.type("new one\n")
        terminal.wait_for("Again: ")
        terminal.type(again + "\n")
        assert terminal.finish() == code, terminal.text
        assert "new one" not in terminal.text
        assert ("\nbob:" in site.users.read_text()) == (code == 0)


def test_the_passphrase_may_come_from_a_descriptor(site):
    site.receive()
    file = random_file(site.home / "f", 1000)
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    argv = site.argv(file, password=f"/dev/fd/{reading}")
    done = subprocess.run([adit_path(), *argv], pass_fds=[reading], capture_output=True, text=True,
                          timeout=HANG_S, check=False)
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert digest(site.into / "f") == digest(file)


def test_no_terminal_and_no_file_is_said(site):
    site.receive()
    argv = site.argv(random_file(site.home / "f", 10))
    at = argv.index("--password-file")
    done = subprocess.run(["setsid", "-w", adit_path(), *argv[:at], *argv[at + 2:]],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=HANG_S, check=False)
    assert done.returncode == 1 and "there is no terminal to ask" in done.stderr


def test_the_passphrase_is_in_no_argv(site):
    """There is no flag that takes it."""
    site.receive()
    sender = site.begin(random_file(site.home / "f", 3_000_000), "--limit-rate", "1MiB")
    until(site.parts, "a part")
    with open(f"/proc/{sender.pid}/cmdline", "rb") as file:
        assert PASSPHRASE.encode() not in file.read()
    with open(f"/proc/{sender.pid}/environ", "rb") as file:
        assert PASSPHRASE.encode() not in file.read()
    sender.kill()
