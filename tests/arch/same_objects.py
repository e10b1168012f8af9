#!/usr/bin/python3
"""same_objects.py BUILD: fails when build/adit and build/tests/sim are not linked from the same
objects of base/, lib/ and roles/, or when one has a part of the other's implementation of io."""
import subprocess
import sys

SHARED = ("base/", "lib/", "roles/", "io/")
ONLY = {"adit": "io/real/", "tests/sim": "io/sim/"}


def objects_of(build, program):
    """Every object that goes into a program, archives looked through, as Ninja knows it."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "inputs", program], text=True,
                             capture_output=True, check=True).stdout
    return {line for line in listing.splitlines() if line.endswith(".o")}


def compiled_again(objects):
    """Objects outside the shared directories whose source stands in one: Meson names those
    <target>.p/.._roles_server_server.c.o or, for a target at the root, <target>.p/roles_….c.o."""
    found = []
    for path in objects:
        name = path.rpartition("/")[2]
        while name.startswith(".._"):
            name = name[3:]
        if not path.startswith(SHARED) and name.startswith(
                tuple(top.replace("/", "_") for top in SHARED)):
            found.append(path)
    return found


def violations(adit, sim):
    """adit, sim: sets of objects. (number shared, lines that say what is wrong)."""
    wrong = []
    shared = {}
    for program, objects in (("adit", adit), ("tests/sim", sim)):
        own = ONLY[program]
        others = [only for only in ONLY.values() if only != own]
        shared[program] = {o for o in objects if o.startswith(SHARED) and not o.startswith(own)}
        wrong += [f"{program} is linked with {o}" for o in sorted(objects)
                  if o.startswith(tuple(others))]
        wrong += [f"{program} has its own copy {o}" for o in sorted(compiled_again(objects))]
        if not any(o.startswith(own) for o in objects):
            wrong.append(f"{program} has nothing of {own}")
    for top in ("base/", "lib/", "roles/"):
        if not any(o.startswith(top) for o in shared["adit"]):
            wrong.append(f"adit has nothing of {top}")
    wrong += [f"{o} is in one of the two alone"
              for o in sorted(shared["adit"] ^ shared["tests/sim"])]
    return len(shared["adit"] & shared["tests/sim"]), wrong


def main():
    build = sys.argv[1]
    count, wrong = violations(objects_of(build, "adit"), objects_of(build, "tests/sim"))
    print(*wrong, sep="\n")
    print(f"{count} objects in both, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
