#!/usr/bin/env python3
"""replay of a log in Kafka beside an engine at work on it: it ends by itself where the log ended, in the state that a file of the same
events ends in; the engine, whose group and name are in the same pipeline, does not notice."""

import json
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import FEED, Rig, ends, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

rig = Rig("test_replay_kafka")
kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
kafka.topics(1)
engine = rig.engine("feed", kafka.brokers, redis.url, {"source.instance": "the-engine"})
NO_ITEMS = ("--set", "source.topics.items=")


def replay(*more, code=0):
    """The answer of `zhiliu replay` with all settings of the engine at work."""
    done = subprocess.run(engine.words("replay", "--format", "json", *more), env=engine.env, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(f"replay {more}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout) if code == 0 else done.stderr


def file_replay(n):
    """The same for a file of the first n events of the log."""
    path = rig.work / f"first-{n}.jsonl"
    with open(path, "wb") as file:
        subprocess.run(["kcat", "-C", "-q", "-b", kafka.brokers, "-t", "events", "-p", "0", "-o", "beginning", "-c", str(n), "-f", "%s\n"],
                       stdout=file, check=True, timeout=60)
    done = rig.run("replay", FEED, path, "--format", "json")
    return json.loads(done.stdout)


def disturbances():
    """What the engine said about its group, its name, its brokers."""
    return [line for line in engine.words_said().splitlines()
            if re.search(r"rebalanc|fenced|another engine|assignment|WARN|ERROR", line) and "is not there" not in line]


common = ["--kafka", "--brokers", kafka.brokers, "--users", 300, "--items", 500]
rig.simulate(*common, "--seed", 5, "--events", 6000, "--span", "1h", "--repeats", 0.01)
engine.start()
engine.wait_ready()
engine.wait_events(6000)
before = disturbances()
with open(rig.work / "producer.log", "wb") as log:
    producer = subprocess.Popen([rig.zhiliu, "simulate", *map(str, common), "--only", "events", "--seed", "6", "--live", "--rate", "400",
                                 "--duration", "10m"], stdout=log, stderr=log)
wait_for("more events", lambda: ends(kafka.brokers, "events", 1)[0] > 6200, 30)

low = ends(kafka.brokers, "events", 1)[0]
begin = time.monotonic()
whole = replay(*NO_ITEMS)
took = time.monotonic() - begin
high = ends(kafka.brokers, "events", 1)[0]
rig.check(low <= whole["messages"] <= high and producer.poll() is None,
          "while events go on coming, a replay ends by itself where the log ended", f"{whole['messages']} messages, {took:.1f} s")
producer.terminate()  # it waits for what it produced
rig.same(whole["digest"], file_replay(whole["messages"])["digest"], "in the digest of a file of the same events")

part = replay(*NO_ITEMS, "--until", "0:2500")
rig.same(part["messages"], 2500, "--until 0:2500 stops there")
rig.same(part["digest"], file_replay(2500)["digest"], "in the digest of the first 2,500 lines")
rig.same(replay(*NO_ITEMS, "--from", "0:1000", "--until", "0:2500")["messages"], 1500, "--from 0:1000 begins there")

known = [replay("--until", "0:2500") for _ in range(2)]
rig.check(known[0]["digest"] == known[1]["digest"] and known[0]["items"] == 500 and known[0]["messages"] == 3000,
          "with the catalogue two replays end in one digest", known)
words = replay("--set", "source.topics.events=nothing", code=66)
rig.check("topic nothing is not there" in words, "a topic that is not there is exit 66 and named", words.strip())

rig.same([line for line in disturbances() if line not in before], [], "the engine at work says nothing of it")
rig.same(engine.get("/readyz")[0], 200, "and is ready")
producer.wait(60)
engine.wait_drained()
end = ends(kafka.brokers, "events", 1)[0]
rig.same(engine.metrics().get('zhiliu_source_messages_total{topic="events"}'), float(end), "and took in every event once")
rig.same(engine.stop()[0], 0, "and ends well")
rig.same(engine.positions()[0][("events", 0)], end, "with a checkpoint at the end of the log")
rig.same(disturbances(), before, "without a word on the way")
rig.end()
