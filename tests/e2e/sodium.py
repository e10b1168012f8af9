"""Receivers and senders of `adit receive` and `adit send`, for the tests of sodium-tcp."""
import base64
import contextlib
import hashlib
import os
import pathlib

import harness
from harness import write_secret

PASSPHRASE = "correct horse"
PART = ".adit-part-"


class Site:
    """A key, a user, a target directory, and the programs that use them."""

    def __init__(self, programs):
        self.programs = programs
        self.home = programs.directory
        self.key_file = self.home / "server.key"
        self.public = programs.run("keygen", "box", "--out", self.key_file).text("out").strip()
        self.users = self.home / "users"
        self.password = write_secret(self.home / "passphrase", PASSPHRASE + "\n")
        programs.run("passwd", "--users", self.users, "--password-file", self.password, "alice")
        self.into = self.home / "in"
        self.into.mkdir()
        self.address = None

    def receive(self, *flags, into=None, listen="127.0.0.1:0", **kw):
        process = self.programs.role("receive", "--listen", listen, "--key-file", self.key_file,
                                     "--users", self.users, "--into", into or self.into, *flags,
                                     **kw)
        self.address = harness.join(*self.programs.ready(process)[0])
        return process

    def argv(self, *what, user="alice", key=None, password=None):
        return ["send", "--to", self.address, "--key", key or self.public, "--user", user,
                "--password-file", password or self.password, *what]

    def send(self, *what, code=0, stdin=None, **kw):
        return self.programs.run(*self.argv(*what, **kw), code=code, stdin=stdin)

    def begin(self, *what, **kw):
        """A sender that is not waited for."""
        return self.programs.adit(*self.argv(*what), name="send", **kw)

    def raw_public(self):
        return base64.b64decode(self.public)

    def parts(self):
        return sorted(p for p in self.into.rglob(PART + "*"))

    def parts_len(self):
        """Bytes in parts; one that becomes a file meanwhile has none."""
        total = 0
        for part in self.parts():
            with contextlib.suppress(FileNotFoundError):
                total += part.stat().st_size
        return total


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def random_file(path, size):
    with open(path, "wb") as file:
        while size:
            size -= file.write(os.urandom(min(size, 1 << 20)))
    return path


def tree(top):
    """Everything beneath: path -> (mode, mtime, contents or None)."""
    found = {}
    for path in sorted(pathlib.Path(top).rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(top))] = (
            stat.st_mode, stat.st_mtime_ns, None if path.is_dir() else path.read_bytes())
    return found
