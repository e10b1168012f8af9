"""clienthello_variations.py PROGRAM FILE: PROGRAM accepts FILE and nothing that differs from it.

Every expectation of every case is made wrong in turn, every way in which a file can be no file of
vectors is tried, and a few cases are made longer without another answer.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

program, path = sys.argv[1:]
root = json.loads(pathlib.Path(path).read_text())
cases = {case["name"]: case for case in root["cases"]}
wrong = []


def run(content, expected, what):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
        file.flush()
        check(file.name, expected, what)


def check(file, expected, what):
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    if done.returncode != expected or (expected != 0 and not done.stderr.strip()):
        wrong.append(f"{what}: exit {done.returncode} instead of {expected}: {done.stderr[:200]}")


def one(case, expected, what, **changes):
    run({"cases": [dict(copy.deepcopy(case), **changes)]}, expected, f"{case['name']}: {what}")


for case in root["cases"]:
    for verdict in ("ok", "no_sni", "not_tls", "malformed"):
        if verdict != case["verdict"]:
            sni = "other.example" if verdict == "ok" else None
            one(case, 1, f"verdict {verdict}", verdict=verdict, sni=sni)
    one(case, 1, "ech turned round", ech=not case["ech"])
    one(case, 1, "one more protocol", alpn=case["alpn"] + ["h2"])
    if case["verdict"] == "ok":
        one(case, 1, "case of the name", sni=case["sni"].swapcase())
        one(case, 1, "longer name", sni=case["sni"] + "\0")
        one(case, 1, "cut short", hello=case["hello"][:-2 * 22])
    if case["alpn"]:
        one(case, 1, "other protocols", alpn=case["alpn"][::-1] + ["x"])

curl = cases["curl"]
one(curl, 0, "as it is")
one(curl, 0, "bytes after it", hello=curl["hello"] + "17030300")
one(curl, 0, "upper case hex", hello=curl["hello"].upper())
one(curl, 1, "protocols the other way round", alpn=curl["alpn"][::-1])
one(curl, 2, "odd hex", hello=curl["hello"] + "0")
one(curl, 2, "no hex", hello="16zz")
one(curl, 2, "unknown verdict", verdict="fine")
one(curl, 2, "verdict of another type", verdict=0)
one(curl, 2, "no name", name=None)
one(curl, 2, "sni null with ok", sni=None)
one(curl, 2, "alpn null", alpn=None)
one(curl, 2, "alpn of numbers", alpn=[1])
one(curl, 2, "ech null", ech=None)
one(cases["openssl-nosni"], 2, "sni with no_sni", sni="a.example")
for field in ("name", "hello", "verdict", "sni", "alpn", "ech"):
    run({"cases": [{k: v for k, v in curl.items() if k != field}]}, 2, f"without {field}")
run({"cases": [curl, dict(curl, verdict="?")]}, 2, "one case right, one not")
run({"cases": [curl, dict(curl, sni="x"), curl]}, 1, "one case of three does not hold")
run({"cases": []}, 2, "no cases")
run({"cases": {}}, 2, "cases of another type")
run({"about": ""}, 2, "nothing")
run([curl], 2, "a list")
run("", 2, "an empty file")
run("{", 2, "half a file")
check("/nonexistent/file", 2, "no file")
check("/", 2, "a directory")

print("\n".join(wrong) or "every variation was told apart")
sys.exit(1 if wrong else 0)
