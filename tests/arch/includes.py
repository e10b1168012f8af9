#!/usr/bin/python3
"""includes.py ROOT: fails when a file includes one that it may not know."""
import re
import sys
from pathlib import Path

from rules import MAY_KNOW, may_know, zone_of

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def included(root, path, quote, name):
    """The project's file that an include names, relative to the root, or None for a system's."""
    places = [root, root / "include"] + ([(root / path).parent] if quote == '"' else [])
    for place in reversed(places):
        file = (place / name).resolve()
        if file.is_file() and file.is_relative_to(root):
            return str(file.relative_to(root))
    return None


def violations(root):
    """(number of includes looked at, list of lines that say what is wrong)."""
    root = Path(root).resolve()
    looked_at, wrong = 0, []
    tops = sorted({zone.split("/")[0] for zone in MAY_KNOW})
    for file in sorted(f for top in tops for f in (root / top).rglob("*.[ch]")):
        path = str(file.relative_to(root))
        who = zone_of(path)
        if who is None:
            wrong.append(f"{path}: in no zone of tests/arch/rules.py")
            continue
        for quote, name in INCLUDE.findall(file.read_text(encoding="utf-8")):
            target = included(root, path, quote, name)
            looked_at += 1
            if target is None:
                if quote == '"':
                    wrong.append(f'{path}: includes "{name}", which is no file')
                continue
            whom = zone_of(target)
            if whom is None or not may_know(who, whom):
                wrong.append(f"{path}: includes {target}: {who} may not know {whom}")
    return looked_at, wrong


def main():
    looked_at, wrong = violations(sys.argv[1])
    print(*wrong, sep="\n")
    print(f"{looked_at} includes, {len(wrong)} wrong")
    return 1 if wrong or looked_at == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
