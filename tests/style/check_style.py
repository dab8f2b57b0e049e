#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a grep can check. Prints one line per breach; ends with 1 if there is any.

A call rule may be broken where a comment on the same line, or on the one before, begins with "Rule zero:" and says why
the rule was not good enough.

    check_style.py ROOT       the tree
    check_style.py --self     every rule on a snippet that breaks it: a rule that cannot fire checks nothing
"""
import os
import re
import sys

FOLDERS = ("engine", "offsets", "stages", "bench")
SOURCES = (".c", ".h", ".cc", ".def")
LINES_MAX = 800

# A folder may include what stands beside it: dependencies run one way.
ARROWS = {
    "engine": ("engine",),
    "offsets": ("engine", "offsets"),
    "stages": ("engine", "offsets", "stages"),
    "engine/app": ("engine", "offsets", "stages", "engine/app"),
    "bench": ("engine", "offsets", "stages", "bench", "tests"),
}

BANNED_CALLS = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets|rand|localtime|strerror|system|u?sleep|nanosleep|assert"
    r"|alloca)\s*\(")
ALLOCATING_CALLS = re.compile(r"(?<![\w.>])(malloc|strdup|strndup)\s*\(")
CLOCK_CALLS = re.compile(
    r"(?<![\w.>])(clock_gettime|gettimeofday|timespec_get|time|clock|ftime|tr_clock_system)\s*\(")
BARE_ATOMICS = re.compile(
    r"(?<!\w)atomic_(load|store|exchange|compare_exchange_(?:strong|weak)|fetch_(?:add|sub|or|and|xor))\s*\(")
UNOWNED = re.compile(r"(?<!\w)(TODO|FIXME|XXX)(?!\w)")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
LITERAL_OR_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

# Each of these libraries is seen by one file per part of it.
LIBRARIES = {
    "liburing.h": ("engine/reactor_uring.c",),
    "libdeflate.h": ("engine/crc32.c", "engine/deflate.c"),
    "simdjson.h": ("engine/json.cc",),
}


def folder_of(path):
    return "engine/app" if path.startswith("engine/app/") else path.split("/", 1)[0]


def code_of(text):
    """The text with comments and literals blanked, its lines kept."""
    return LITERAL_OR_COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_includes(path, text, exists):
    for found in INCLUDE.finditer(text):
        kind, name = found.groups()
        line = line_of(text, found.start(2))
        if kind == "<":
            if path not in LIBRARIES.get(name, (path,)):
                yield line, f"<{name}> belongs into {' and '.join(LIBRARIES[name])} alone"
            continue
        if not exists(name):
            yield line, f'"{name}": not a path from the root'
        elif folder_of(name) not in ARROWS[folder_of(path)]:
            yield line, f'"{name}": {folder_of(path)} must not know {folder_of(name)}'


def check_calls(path, text):
    code = code_of(text)
    folder = folder_of(path)
    rules = [(BANNED_CALLS, "banned: {}()"), (BARE_ATOMICS, "atomic_{}: name its memory order (_explicit)")]
    if folder in ("offsets", "stages"):
        rules.append((ALLOCATING_CALLS, "{}() outside engine/: take zeroed memory at start (calloc), or a pool's"))
        rules.append((CLOCK_CALLS, "{}() outside engine/: the time is passed down"))
    lines = text.split("\n")
    for rule, message in rules:
        for found in rule.finditer(code):
            line = line_of(code, found.start(1))
            if not any("Rule zero:" in near for near in lines[max(line - 2, 0):line]):
                yield line, message.format(found.group(1))


def check_file(path, text, exists):
    lines = text.count("\n")
    if not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
        yield 1, "the first line must be the SPDX line"
    if lines > LINES_MAX:
        yield lines, f"{lines} lines: want at most {LINES_MAX}"
    for found in UNOWNED.finditer(text):
        yield line_of(text, found.start()), f"{found.group()}: do it, or refuse it by name at run time"
    if path.endswith(".def"):
        return
    yield from check_includes(path, text, exists)
    yield from check_calls(path, text)


def check_tree(root):
    breaches = 0
    files = 0
    for folder in FOLDERS:
        for at, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(at, name), root)
                if not name.endswith(SOURCES):
                    continue
                files += 1
                with open(os.path.join(root, path), encoding="utf-8") as source:
                    text = source.read()
                exists = lambda include: os.path.exists(os.path.join(root, include)) and "/" in include
                for line, message in check_file(path, text, exists):
                    print(f"{path}:{line}: {message}")
                    breaches += 1
    print(f"{files} files, {breaches} breaches")
    return 1 if breaches or files == 0 else 0


SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
# path, text, part of the message wanted; None = must pass
CASES = [
    ("engine/a.c", "int x;\n", "SPDX"),
    ("engine/a.c", SPDX + "int x;\n" * 800, "801 lines"),
    ("engine/a.c", SPDX + "int x;\n" * 799, None),
    ("engine/a.c", SPDX + "// TODO: later\n", "TODO"),
    ("engine/a.c", SPDX + "int TODOS;\n", None),
    ("engine/a.c", SPDX + '#include "offsets/b.h"\n', "must not know offsets"),
    ("offsets/a.c", SPDX + '#include "stages/b.h"\n', "must not know stages"),
    ("stages/s/a.c", SPDX + '#include "engine/app/b.h"\n', "must not know engine/app"),
    ("stages/s/a.c", SPDX + '#include "bench/b.h"\n', "must not know bench"),
    ("stages/s/a.c", SPDX + '#include "offsets/b.h"\n#include "engine/b.h"\n', None),
    ("engine/app/a.c", SPDX + '#include "stages/b.h"\n', None),
    ("engine/app/a.c", SPDX + '#include "bench/b.h"\n', "must not know bench"),
    ("bench/a.c", SPDX + '#include "stages/b.h"\n', None),
    ("engine/a.c", SPDX + '#include "missing.h"\n', "not a path from the root"),
    ("engine/a.c", SPDX + "#include <liburing.h>\n", "alone"),
    ("engine/reactor_uring.c", SPDX + "#include <liburing.h>\n", None),
    ("engine/a.c", SPDX + "void f(void)\n{\n    strcpy(a, b);\n}\n", "banned: strcpy"),
    ("engine/a.c", SPDX + "x = atoi (b);\n", "banned: atoi"),
    ("engine/a.c", SPDX + "assert(x);\n", "banned: assert"),
    ("engine/a.c", SPDX + "system(\"ls\");\n", "banned: system"),
    ("engine/a.c", SPDX + "TR_ASSERT(x); _Static_assert(1, \"\"); port->system(1); snprintf(a, 1, b);\n", None),
    ("engine/a.c", SPDX + "/* sprintf(a) */ const char *x = \"strtok(a)\"; // rand()\n", None),
    ("engine/a.c", SPDX + "atomic_store(&x, 1);\n", "memory order"),
    ("engine/a.c", SPDX + "atomic_store_explicit(&x, 1, memory_order_release);\n", None),
    ("stages/s/a.c", SPDX + "p = malloc(1);\n", "malloc() outside engine/"),
    ("engine/a.c", SPDX + "p = malloc(1);\n", None),
    ("offsets/a.c", SPDX + "clock_gettime(CLOCK_MONOTONIC, &at);\n", "clock_gettime() outside engine/"),
    ("stages/s/a.c", SPDX + "now = time(NULL);\n", "time() outside engine/"),
    ("stages/s/a.c", SPDX + "clock = tr_clock_system();\n", "tr_clock_system() outside engine/"),
    ("stages/s/a.c", SPDX + "/* Rule zero: waits. */\nclock = tr_clock_system();\n", None),
    ("stages/s/a.c", SPDX + "/* Rule zero: waits. */\n\nclock = tr_clock_system();\n", "tr_clock_system() outside"),
    ("engine/clock.c", SPDX + "clock_gettime(id, &at);\n", None),
    ("stages/s/a.c", SPDX + "x = read_time(1) + sleep_time(2);\n", None),
]


def check_self():
    failed = 0
    for path, text, want in CASES:
        found = [message for _, message in check_file(path, text, lambda include: "/" in include)]
        if (want is None and found) or (want is not None and not any(want in message for message in found)):
            print(f"{path}: {text!r}: want {want!r}, found {found}")
            failed += 1
    print(f"{len(CASES)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(check_self() if sys.argv[1] == "--self" else check_tree(sys.argv[1]))
