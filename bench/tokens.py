#!/usr/bin/python3
"""Tokens a second that a session master gives out: 20,000 hosts, a connection for each request.

tokens.py [--adit PROGRAM] [--seconds S] [--tls]. Master and clients share the machine."""
import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import sqlite3
import ssl
import subprocess
import tempfile
import time

HOSTS = 20_000
CLIENTS = 4


def fill(store):
    """Hosts beside the first one, which `adit host add` has made with the store."""
    database = sqlite3.connect(store)
    with database:
        for number in range(HOSTS):
            key = hashlib.sha256(b"key%d" % number).digest()
            row = database.execute("INSERT INTO host (kind, key, ciphers, enabled, created, floor)"
                                   " VALUES (0, ?, 7, 1, 0, 0)", (key,))
            database.execute("INSERT INTO name VALUES (?, ?, 0)",
                             (f"host{number}.example", row.lastrowid))
    database.close()


def ask(port, tls, until, counts):
    context = ssl.create_default_context() if tls else None
    if tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    done, slowest = 0, 0.0
    while time.monotonic() < until:
        start = time.monotonic()
        connection = (http.client.HTTPSConnection("127.0.0.1", port, context=context) if tls
                      else http.client.HTTPConnection("127.0.0.1", port))
        connection.request("POST", "/instance/snitun_token", json.dumps({
            "aes_key": os.urandom(32).hex(), "aes_iv": os.urandom(16).hex(), "cipher": "aes-gcm"}),
            {"Authorization": f"Bearer key{random.randrange(HOSTS)}"})
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["token"]
        connection.close()
        done += 1
        slowest = max(slowest, time.monotonic() - start)
    counts.put((done, slowest))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--adit", default="build/adit")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        store = f"{home}/hosts.db"

        def adit(*words):
            subprocess.run([options.adit, *words], check=True, capture_output=True)

        adit("keygen", "fernet", "--out", f"{home}/fernet.key")
        adit("host", "add", "first.example", "--store", store)
        fill(store)
        flags = []
        if options.tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{home}/key.pem",
                            "-out", f"{home}/cert.pem", "-days", "1", "-subj", "/CN=localhost"],
                           check=True, capture_output=True)
            flags = ["--tls-cert", f"{home}/cert.pem", "--tls-key", f"{home}/key.pem"]
        user = ["--user", "root"] if os.getuid() == 0 else []
        master = subprocess.Popen([options.adit, "master", "--listen", "127.0.0.1:0", "--store",
                                   store, "--fernet-key-file", f"{home}/fernet.key", "--server",
                                   "relay.example:443", "--control", "none", "--rate", "60000",
                                   *flags, *user], stderr=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r"127\.0\.0\.1:(\d+)", master.stderr.readline())[1])
            counts = multiprocessing.Queue()
            start, before = time.monotonic(), cpu_seconds(master.pid)
            clients = [multiprocessing.Process(
                target=ask, args=(port, options.tls, start + options.seconds, counts))
                for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            results = [counts.get() for _ in clients]
            for client in clients:
                client.join()
            tokens = sum(done for done, _ in results)
            seconds = time.monotonic() - start
            print(f"{tokens / seconds:.0f} tokens/s over {'TLS' if options.tls else 'TCP'}, "
                  f"{(cpu_seconds(master.pid) - before) / tokens * 1e6:.0f} us of CPU each, "
                  f"slowest {max(slow for _, slow in results) * 1000:.0f} ms, {HOSTS} hosts")
        finally:
            master.terminate()
            master.wait()


if __name__ == "__main__":
    main()
