#!/usr/bin/env python3
"""explain beside the store: of the user whose event was the last one it ranks the list that is in Redis, drawn places included; and it says
when it cannot know, or is of another moment."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import RedisClient, Rig, produce  # noqa: E402
from services import Kafka, Redis  # noqa: E402

rig = Rig("test_explain")
kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
kafka.topics(1)
engine = rig.engine("explain", kafka.brokers, redis.url, {"rank.n": 50})


def explain(user, *more):
    """Rows and words."""
    done = subprocess.run(engine.words("explain", "--user", user, "--format", "json", *more), env=engine.env, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    rig.check(done.returncode == 0, f"explain of {user} ends well", done.stderr.strip().replace("\n", " | "))
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def event(n, kind, user, item):
    return (user, json.dumps({"event_id": f"x-{n}", "type": kind, "user_id": user, "item_id": item, "ts": 1767225600000 + n}))


def in_the_store(user):
    return json.loads(RedisClient(redis.sock).call("GET", f"zl:feed:{{{user}}}"))


def let_it_learn():
    rig.simulate("--kafka", "--brokers", kafka.brokers, "--users", 200, "--items", 400, "--seed", 5, "--events", 4000, "--span", "1h")
    engine.start()
    engine.wait_ready()
    engine.wait_drained()
    produce(kafka.brokers, "events", [event(n, "like", "last", f"v{n + 1}") for n in range(8)])
    engine.wait_drained()
    engine.stop()


def the_list_of_the_last_event_is_the_one_in_the_store():
    stored = in_the_store("last")
    rows, words = explain("last")
    rig.same([row["item"] for row in rows], stored["items"], "item by item")
    drawn = {row["place"]: row["propensity"] for row in rows if row["slot"] == "explored"}
    rig.same(sorted(drawn), [20, 40], "two places were drawn by chance")
    rig.same({str(k): v for k, v in drawn.items()}, stored["explore"], "with the chances that the store tells")
    rig.none([row for row in rows if row["stored"] != row["place"]], "every row names its place in the store")
    rig.check(f"50 of 50 places are as in the store, whose list is {stored['ver']}" in words, "and the words say so")
    rig.check("position" not in words, "of one moment: nothing about positions")


def without_the_store_it_says_what_may_differ():
    rows, words = explain("last", "--offline")
    rig.check("may be others" in words and "stored" not in rows[0], "--offline: drawn places may differ")
    scored = [row["item"] for row in rows if row["slot"] == "scored"]
    rig.same(scored, [i for place, i in enumerate(in_the_store("last")["items"], 1) if place not in (20, 40)], "the others do not")
    rows, words = explain("last", "--set", "sink.prefix=other:")
    rig.check("no list of this user" in words and "may be others" in words, "no list there: said")
    redis.kill()
    rows, words = explain("last")
    rig.check("was not read" in words and "may be others" in words and len(rows) == 50, "Redis away: said, and explained all the same")
    redis.start()


def another_moment_is_said():
    ver = "0000000000000000000000050000000000000001"
    best = explain("last", "--offline")[0][0]["item"]
    value = json.dumps({"v": 1, "ver": ver, "ts": 1, "experiment": {}, "items": ["gone", best], "explore": {}}, separators=(",", ":"))
    RedisClient(redis.sock).call("SET", "zl:feed:{last}", value)
    rows, words = explain("last")
    rig.check("position 5 of the user's log" in words, "a list of another moment is told with both positions")
    rig.same({row["item"]: row["stored"] for row in rows if row["item"] == best}, {best: 2}, "and where an item stands in it")


let_it_learn()
the_list_of_the_last_event_is_the_one_in_the_store()
without_the_store_it_says_what_may_differ()
another_moment_is_said()
rig.end()
