"""A session master and what asks it."""
import json
import os
import subprocess

import harness
from harness import write_secret


class Answer:
    """What curl got: status, headers by lower case name, body."""

    def __init__(self, text):
        head, _, self.body = text.replace("\r\n", "\n").partition("\n\n")
        lines = head.split("\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip()
                        for name, _, value in (line.partition(":") for line in lines[1:])}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json", self.body
        return json.loads(self.body)


def curl(url, *flags, stdin=None):
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", str(harness.HANG_S), *map(str, flags),
                           url], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return Answer(done.stdout.decode())


class Master:
    """`adit master` on a store of its own, or a shared one."""

    def __init__(self, programs, *flags, store=None, server="127.0.0.1:443", listen="127.0.0.1:0",
                 name="master", scheme="http", ca=None):
        self.programs, self.scheme, self.ca = programs, scheme, ca
        self.store = store or programs.directory / "hosts.db"
        self.process = programs.role("master", "--listen", listen, "--store", self.store,
                                     "--fernet-key-file", programs.key_file, "--server", server,
                                     *flags, name=name)
        self.host, self.port = programs.ready(self.process)[0]

    def url(self, path=""):
        name = "home.example" if self.scheme == "https" else self.host
        return f"{self.scheme}://{name}:{self.port}{path}"

    def ask(self, path, *flags, key=None, body=None, **kw):
        more = []
        if self.scheme == "https":
            more += ["--cacert", self.ca, "--resolve", f"home.example:{self.port}:{self.host}"]
        if key:
            more += ["-H", f"Authorization: Bearer {key}"]
        if body is not None:
            more += ["--data-binary", json.dumps(body) if isinstance(body, dict) else body]
        return curl(self.url(path), *more, *flags, **kw)

    def host_command(self, *words, code=0):
        return self.programs.run("host", *words, "--store", self.store, code=code)

    def add(self, name, *flags, command="add"):
        """A host, and its API key."""
        done = self.host_command(command, name, "--json", *flags)
        return json.loads(done.text("out"))["api_key"]

    def show(self, name):
        return json.loads(self.host_command("show", name, "--json").text("out"))

    def key_file(self, key):
        path = self.programs.directory / f"api-{len(list(self.programs.directory.iterdir()))}.key"
        return write_secret(path, key + "\n")

    def wish(self, **more):
        return {"aes_key": os.urandom(32).hex(), "aes_iv": os.urandom(16).hex(), **more}

    def token(self, key, **more):
        return self.ask("/instance/snitun_token", key=key, body=self.wish(**more))
