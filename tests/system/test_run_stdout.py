#!/usr/bin/env python3
"""File in, lists out, no service at all; and the simulated platform that writes the file.

Checks: the lists' format, exit 0 at the end of the input, the same bytes from the same seed, unseen items only, what
stdin, gzip and a reader that goes away do, and that replay's digest repeats."""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import ledger  # noqa: E402
from rig import FEED, Rig  # noqa: E402

rig = Rig("test_run_stdout")
events, items, planted = rig.work / "events.jsonl", rig.work / "items.jsonl", rig.work / "planted.jsonl"
SMALL = ["--users", 300, "--items", 400, "--topics", 12, "--courses", 20, "--seed", 7, "--span", "2h"]
STDOUT = ["--set", "sink.kind=stdout"]


def simulate_writes_what_was_asked():
    words = ["--events", 5000, *SMALL, "--bad", 0.01, "--repeats", 0.01, "--out", events, "--items-out", items, "--ledger", planted]
    rig.simulate(*words)
    first = events.read_bytes()
    rig.simulate(*words)
    rig.check(events.read_bytes() == first, "simulate: the same seed gives the same bytes", f"{len(first):,} bytes")
    rig.same(first.count(b"\n"), 5000, "simulate: as many lines as events were asked for")
    book = ledger.of_file(events)
    plan = [json.loads(line) for line in planted.read_text().splitlines()]
    bad = {f"events-0-{row['n']}-0": row["reason"] for row in plan if "reason" in row}
    rig.same(book.dead, bad, "simulate: the ledger refuses what was planted, for the planted reasons, and nothing else")
    rig.same(book.duplicates, sum("repeat" in row for row in plan), "simulate: the ledger finds the planted repeats")
    return book


def lists_of(output):
    return [json.loads(line) for line in output.splitlines()]


def check_lists(output, book):
    lists = lists_of(output)
    rig.check(len(lists) > 500, "lists come out", f"{len(lists)} lists of {len({x['user'] for x in lists})} users")
    shape = re.compile(rb'\{"user":"[^"]+","v":1,"ver":"[0-9a-f]{40}","ts":\d+,"experiment":\{\},"items":\[.*\],"explore":\{[^{}]*\}\}')
    rig.none([line[:200] for line in output.splitlines() if not shape.fullmatch(line)], "every line has the fields of a list")
    rig.none([x for x in lists if not 1 <= len(x["items"]) <= 50 or len(set(x["items"])) != len(x["items"])],
             "a list has 1..50 items, each once")
    rig.check({x["user"] for x in lists} <= set(book.users), "lists are of users who did something")
    last = {}
    rig.none([x["user"] for x in lists if last.setdefault(x["user"], x["ver"]) > x["ver"] or last.update({x["user"]: x["ver"]})],
             "a user's versions never fall")


def never_a_seen_item(output):
    bad = {row["n"] for row in map(json.loads, planted.read_text().splitlines()) if "reason" in row}
    seen = {}
    for n, line in enumerate(events.read_bytes().splitlines()):
        event = json.loads(line) if n not in bad else {"type": "impression"}
        if event["type"] != "impression":
            seen.setdefault(event["user_id"], set()).add(event.get("item_id"))
    final = {x["user"]: x["items"] for x in lists_of(output)}
    rig.none([u for u, listed in final.items() if set(listed) & seen.get(u, set())], "no last list holds an item its user has seen")


def run(*words, stdin=None):
    return rig.run("run", FEED, *words, *STDOUT, "--set", f"source.items_file={items}", stdin=stdin)


def the_engine_prints_lists(book):
    done = run("--set", f"source.file={events}", "--set", "source.kind=file")
    rig.same(done.returncode, 0, "run ends with exit 0 at the end of the file")
    check_lists(done.stdout, book)
    never_a_seen_item(done.stdout)
    with open(events, "rb") as file:
        piped = run("--set", "source.file=-", stdin=file)
    final = [{x["user"]: x["items"] for x in lists_of(d.stdout)} for d in (done, piped)]
    rig.check(piped.returncode == 0 and final[0] == final[1], "from stdin (source.file=- alone): the same last lists")
    packed = rig.work / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(events.read_bytes()))
    unpacked = run("--set", "source.kind=file", "--set", f"source.file={packed}")
    rig.check({x["user"]: x["items"] for x in lists_of(unpacked.stdout)} == final[0], "from .gz: the same last lists")


def a_reader_that_goes_away_ends_it():
    words = f'"{rig.zhiliu}" run "{FEED}" --set sink.kind=stdout --set source.kind=file --set source.file="{events}" | head -n 1'
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    rig.check(done.stdout.count(b"\n") == 1 and done.returncode < 128, "head -n 1 ends it without a signal's death", f"exit {done.returncode}")


def a_missing_file_is_said():
    done = rig.run("run", FEED, *STDOUT, "--set", "source.kind=file", "--set", f"source.file={rig.work}/none.jsonl")
    rig.check(done.returncode == 66 and b"none.jsonl" in done.stderr, "a file that is not there: exit 66, named", f"exit {done.returncode}")


def replay_digest(*words):
    done = rig.run("replay", FEED, events, "--format", "json", *words)
    found = re.search(rb'"digest": ?"([0-9a-f]{16})"', done.stdout)
    return found[1].decode() if found else f"exit {done.returncode}: {done.stderr.decode()[-300:]}"


def replay_repeats_itself():
    first, again, named = (replay_digest(*words) for words in (["--items", items], ["--items", items], ["--set", f"source.items_file={items}"]))
    rig.same(again, first, "replay: the same file gives the same digest")
    rig.same(named, first, "replay: without --items those of source.items_file are read")
    rig.check(replay_digest() != first, "replay: without any items the state is another one")


book = simulate_writes_what_was_asked()
the_engine_prints_lists(book)
a_reader_that_goes_away_ends_it()
a_missing_file_is_said()
replay_repeats_itself()
rig.end()
