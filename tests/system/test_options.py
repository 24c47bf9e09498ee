#!/usr/bin/env python3
"""Every setting that shapes learning and lists, at its least and at its most as `check` permits, while all that is off by default is on: the
engine ends well, its lists are whole, and a run that was stopped in the middle comes to the state of one that was not. No service needed.

With $ZHILIU a build with sanitizers this is a hunt for their reports; it is slow there: OPTIONS_EVENTS (500) makes it shorter. Names as
arguments: only keys that contain one of them."""

import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import FEED, Rig  # noqa: E402

rig = Rig("test_options")
events, half, items = rig.work / "events.jsonl", rig.work / "half.jsonl", rig.work / "items.jsonl"
ROOMS = ("reward.", "catalog.", "model.", "conversion.", "rank.", "policy.", "similar.", "hot.")
N_EVENTS = int(os.environ.get("OPTIONS_EVENTS", 500))
# What is off by default, on: a fault in one hides behind no other's being off.
ON = {"catalog.features.video": 3, "catalog.features.text": 4, "model.adversarial.weight": 0.5, "reward.baseline": "mean",
      "reward.correction.propensity": "ratio", "reward.correction.top_k": 10, "policy.conversion": 1, "policy.mmr": 0.3,
      "policy.category.most": 5, "policy.category.within": 10, "policy.courses.most": 8, "policy.courses.least": 2,
      "policy.courses.distance": 2, "policy.fresh.most": 3, "policy.explore.slots": 3, "policy.explore.per": 10}
# Neighbours that a value needs, or `check` refuses it.
WITH = {("policy.explore.slots", "100"): {"policy.explore.per": 101}, ("policy.explore.per", "2"): {"policy.explore.slots": 1},
        ("policy.courses.least", "1000"): {"policy.courses.most": 1000}, ("policy.courses.most", "0"): {"policy.courses.least": 0},
        ("policy.courses.most", "-1"): {"policy.courses.least": 2}}


def write_stream():
    """A simulated platform with what it leaves out: propensities, dislikes, vectors of items, some of which are huge."""
    rig.simulate("--events", N_EVENTS, "--users", 60, "--items", 600, "--topics", 8, "--courses", 30, "--seed", 7, "--span", "20h",
                 "--bad", 0.005, "--repeats", 0.01, "--out", events, "--items-out", items)
    lines = events.read_bytes().splitlines()
    for i, line in enumerate(lines):
        if i % 3 == 0 and line.endswith(b"}") and b'"position":' in line:
            lines[i] = line[:-1] + b',"propensity":%s}' % [b"1", b"0.2", b"1e-9"][i % 7 % 3]
        elif i % 11 == 0:
            lines[i] = re.sub(rb'"type":"watch"', [b'"type":"not_interested"', b'"type":"purchase"', b'"type":"like"'][i % 3], line)
    events.write_bytes(b"\n".join(lines) + b"\n")
    half.write_bytes(b"\n".join(lines[:len(lines) // 2]) + b"\n")
    rows = [json.loads(line) for line in items.read_text().splitlines()]
    for i, row in enumerate(rows):
        size = [1, 1e-30, 1e30][i % 3] if i % 50 == 0 else 1
        if i % 4:
            row["features"] = {"video": [size * ((i * 7 + d) % 5 - 2) for d in range(3)]}
            if i % 3 == 0:
                row["features"]["text"] = [0.1 * ((i + d) % 9) for d in range(4)]
        if i % 5 == 0:
            row.update(course_id=f"{['', 'ad:', 'q:', 'sub:'][i % 4]}c{i % 10}", price=[0, 9900, 10**12][i % 3])
    items.write_text("".join(json.dumps(row) + "\n" for row in rows))


def extremes():
    """(key, value) from the reference page, which is made from the table of settings."""
    page = rig.run("check", "--reference").stdout.decode()
    for key, kind in re.findall(r"^\| `([a-z_.]+)` \| ([^|]+) \|", page, re.M):
        if not key.startswith(ROOMS) or (len(sys.argv) > 1 and not any(word in key for word in sys.argv[1:])):
            continue
        span = re.fullmatch(r"(?:whole number|number|time|size) (\S+?)\.\.(\S+)", kind)
        choices = ["on", "off"] if kind == "on or off" else re.findall("`([a-z]+)`", kind)
        if not span and not choices:
            if kind != "text":
                rig.check(False, f"the kind of {key} is known to this test", kind)
            continue
        for value in span.groups() if span else choices:
            yield key, value


def refuse(word):
    raise ValueError(f"{word} in a list")


def faults_of_list(line, most):
    try:
        row = json.loads(line, parse_constant=refuse)
    except ValueError as fault:
        return [f"{fault}: {line[:200]!r}"]
    listed = row.get("items", [])
    listed = [x["item"] if isinstance(x, dict) else x for x in listed]
    faults = [] if len(set(listed)) == len(listed) <= most else [f"{len(listed)} items, {len(set(listed))} different: {line[:200]!r}"]
    return faults + [f"propensity {p}: {line[:200]!r}" for p in row.get("explore", {}).values() if not 0 < p <= 1]


def one(numbered):
    """Faults of one setting: a whole replay, and a run that is stopped in the middle and goes on."""
    number, sets = numbered
    folder = rig.work / f"state-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    words = [FEED] + [w for k, v in {**sets, "source.file": events, "source.items_file": items}.items() for w in ("--set", f"{k}={v}")]
    run = ["run", *words, "--set", "sink.kind=stdout", "--set", "sink.scores=on", "--set", "sink.similar=on", "--set",
           f"checkpoint.path={folder}", "--set"]
    steps = [rig.run("replay", *words, events, "--items", items, "--format", "json"), rig.run(*run, f"source.file={half}"), rig.run(*run, f"source.file={events}"),
             rig.run("inspect", "checkpoint", *words, "--checkpoint", folder, "--format", "json")]
    shutil.rmtree(folder, ignore_errors=True)
    for step in steps:
        if step.returncode:
            # A table that this machine has no room for is refused in words.
            return [] if step.returncode in (70, 78) and b"reserve" in step.stderr else [
                f"{step.args[1]}: exit {step.returncode}: {step.stderr.decode(errors='replace')[-1500:]}"]
    whole, parts = (re.search(rb'"digest": ?"([0-9a-f]{16})"', step.stdout)[1] for step in (steps[0], steps[3]))
    faults = [] if whole == parts else [f"digest {whole} undisturbed, {parts} after a restart"]
    lines = steps[1].stdout.splitlines() + steps[2].stdout.splitlines()
    faults += list(itertools.chain.from_iterable(faults_of_list(line, 1000) for line in lines))
    return faults if lines else faults + ["no list came out"]


write_stream()
trials = [("all that is off by default, on", {**ON})] + [("defaults", {})]
for key, value in extremes():
    trials.append((f"{key} {value}", {**ON, **WITH.get((key, value), {}), key: value}))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    for (name, _), faults in zip(trials, pool.map(one, enumerate(sets for _, sets in trials))):
        rig.none(faults, f"{name}: ends well, whole lists, the same state after a restart")
rig.end()
