#!/usr/bin/env python3
"""Related and popularity lists on real parts: Kafka -> engine -> Redis.

People watch in pairs; seconds later each item's list is in Redis with the other of its pair first. An item is blocked and leaves
all lists; the store is lost and gets all lists back; the engine starts again from its checkpoint and knows what it knew."""

import json
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import RedisClient, Rig, produce, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

PAIRS, USERS = 60, 400
ITEMS = 2 * PAIRS
rig = Rig("test_similar")
kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
kafka.topics(2)
engine = rig.engine("similar", kafka.brokers, redis.url, {"similar.every": "1s", "hot.every": "1s", "similar.ttl": "2d"})
number = 0


def store():
    return RedisClient(redis.sock)


def lists(prefix):
    return {key[len(prefix):]: json.loads(value) for key, value in store().values(f"{prefix}*").items()}


def item(i, status="approved"):
    return (f"v{i}", json.dumps({"item_id": f"v{i}", "title": f"video {i}", "status": status,
                                 "category": "even" if i % 2 == 0 else "odd"}))


def like(user, i):
    global number
    number += 1
    return (user, json.dumps({"event_id": f"s-{number}", "type": "like", "user_id": user, "item_id": f"v{i}",
                              "ts": int(time.time() * 1000)}))


def fill():
    chance = random.Random(7)
    produce(kafka.brokers, "items", [item(i) for i in range(ITEMS)])
    messages = []
    for n in range(3000):
        pair, user = chance.randrange(PAIRS), f"u{n % USERS}"
        messages += [like(user, 2 * pair), like(user, 2 * pair + 1)]
    produce(kafka.brokers, "events", messages)


def lists_appear():
    engine.start()
    engine.wait_ready()
    engine.wait_drained()
    took = wait_for("a list an item", lambda: len(lists("zl:similar:")) == ITEMS, 20)
    rig.say(f"{ITEMS} related lists {took:.1f} s after the events were taken in")
    wait_for("nothing due", lambda: engine.total("zhiliu_similar_due") == 0, 30)
    found = lists("zl:similar:")
    rig.none([k for k, v in found.items() if set(v) != {"v", "ver", "ts", "items"} or v["v"] != 1 or len(v["ver"]) != 40],
             "every value has the documented fields")
    rig.none([k for k, v in found.items() if len(v["items"]) != 20 or k in v["items"]], "20 items, never the item itself")
    first = sum(found[f"v{2 * p}"]["items"][0] == f"v{2 * p + 1}" for p in range(PAIRS))
    rig.check(first >= PAIRS * 0.95, "what people watch next stands first", f"{first} of {PAIRS}")
    day = 86400000
    ttls = [store().call("PTTL", f"zl:similar:{k}") for k in found]
    rig.check(all(1.79 * day < t <= 2 * day for t in ttls), "every related list has the TTL of the config")


def popularity_is_there():
    hot = lists("zl:hot:")
    rig.same(sorted(hot), ["all", "even", "odd"], "one popularity list a category, and one of all")
    rig.none([i for i in hot["odd"]["items"] if int(i[1:]) % 2 == 0], "a category's list holds the category alone")
    rig.check(len(hot["all"]["items"]) == 50 and store().call("PTTL", "zl:hot:all") > 0, "zl:hot:all has 50 items and a TTL")


def a_blocked_item_leaves():
    before = lists("zl:similar:")
    held = [k for k, v in before.items() if "v5" in v["items"]]
    produce(kafka.brokers, "items", [item(5, "blocked")])
    took = wait_for("no list with v5", lambda: not any("v5" in v["items"] for v in lists("zl:similar:").values()), 15)
    rig.check(len(held) > 0, "a blocked item leaves the related lists of others", f"{len(held)} lists, {took:.2f} s")
    wait_for("its own to be empty", lambda: lists("zl:similar:")["v5"]["items"] == [], 5)
    rig.check(0 < store().call("PTTL", "zl:similar:v5") <= 3600000, "its own list is empty and goes within the hour")
    rig.check(lists("zl:similar:")["v5"]["ver"] >= before["v5"]["ver"], "its version stands in the way of older writers")
    wait_for("no popularity list with v5", lambda: not any("v5" in v["items"] for v in lists("zl:hot:").values()), 15)
    wait_for("full lists again", lambda: all(len(v["items"]) == 20 for k, v in lists("zl:similar:").items() if k != "v5"), 15)
    rig.check(True, "lists that were cut are full again")


def in_no_list(*gone):
    return not any(i in v["items"] for i in gone for v in lists("zl:similar:").values())


def removed_and_unpublished_items_leave_too():
    held = {i: sum(i in v["items"] for v in lists("zl:similar:").values()) for i in ("v6", "v9")}
    rig.check(min(held.values()) > 0, "both stand in lists of others", f"{held}")
    produce(kafka.brokers, "items", [("v6", None), item(9, "pending")])
    took = wait_for("no list with v6 or v9", lambda: in_no_list("v6", "v9"), 15)
    rig.check(True, "a removed item and one that is pending leave the lists of others", f"{took:.2f} s")
    wait_for("their own to be empty", lambda: all(lists("zl:similar:")[i]["items"] == [] for i in held), 5)
    wait_for("no popularity list with them", lambda: not any(i in v["items"] for i in held for v in lists("zl:hot:").values()), 15)
    produce(kafka.brokers, "items", [item(6), item(9)])
    wait_for("their lists again", lambda: all(len(lists("zl:similar:")[i]["items"]) == 20 for i in held), 15)
    rig.check(True, "approved again, they have lists again")
    wait_for("nothing due", lambda: engine.total("zhiliu_similar_due") == 0, 30)


def an_item_blocked_while_the_engine_was_away():
    lone = {"item_id": "lone", "title": "lone", "category": "lonely"}
    produce(kafka.brokers, "items", [("lone", json.dumps(lone))])
    produce(kafka.brokers, "events", [(f"u{n}", json.dumps(json.loads(like(f"u{n}", 0)[1]) | {"item_id": "lone"})) for n in range(40)])
    wait_for("a list of its category", lambda: lists("zl:hot:").get("lonely", {}).get("items") == ["lone"], 15)
    wait_for("its related list", lambda: len(lists("zl:similar:").get("lone", {"items": []})["items"]) == 20, 15)
    engine.stop()
    produce(kafka.brokers, "items", [("lone", None)])
    engine.start()
    engine.wait_ready()
    wait_for("no list with it", lambda: in_no_list("lone") and lists("zl:similar:")["lone"]["items"] == [], 20)
    wait_for("its category's list to be empty", lambda: lists("zl:hot:")["lonely"]["items"] == [], 10)
    rig.check(True, "an item removed while no engine ran leaves all lists at the next start, its category's too")


def the_store_gets_them_back():
    redis.kill()
    produce(kafka.brokers, "events", [like("u1", 2), like("u1", 3)])
    time.sleep(1)
    redis.start()
    took = wait_for("all lists", lambda: len(lists("zl:similar:")) == ITEMS and len(lists("zl:hot:")) == 3, 40)
    rig.check(True, "a store that lost everything has all lists again", f"{took:.1f} s")
    rig.same(lists("zl:similar:")["v5"]["items"], [], "the blocked item's is empty there too")


def inspect(i):
    done = rig.run("inspect", "similar", f"v{i}", "--checkpoint", engine.folder, "--format", "json")
    return json.loads(done.stdout)


def a_restart_knows_what_it_knew():
    wait_for("nothing due", lambda: engine.total("zhiliu_similar_due") == 0, 30)
    before = {k: v["items"] for k, v in lists("zl:similar:").items()}
    engine.stop()
    shown = {f"v{i}": [x["item"] for x in inspect(i)["items"]] for i in (0, 1, 8, 77)}
    rig.none([k for k, v in shown.items() if v != before[k]], "inspect similar shows the list that is in the store")
    rig.none([x for x in inspect(8)["items"] if not {"score", "core", "cooccurrence", "popularity"} <= set(x)],
             "with the parts of each score")
    store().call("FLUSHALL")
    engine.start()
    engine.wait_ready()
    wait_for("all lists", lambda: len(lists("zl:similar:")) == ITEMS, 40)
    after = {k: v["items"] for k, v in lists("zl:similar:").items()}
    rig.none([k for k in before if after[k] != before[k]], "an engine that starts again writes the same lists")


def a_file_prints_them_by_wish():
    lines = []
    for sets in ([], ["--set", "sink.similar=on"]):
        events = rig.work / "events.jsonl"
        events.write_text("".join(value + "\n" for _, value in [like(f"u{n}", n % 5) for n in range(50)] +
                                  [like(f"u{n}", n % 7) for n in range(50)]))
        done = rig.run("run", "pipelines/feed.yaml", "--set", f"source.file={events}", "--set", "sink.kind=stdout", *sets)
        lines.append([json.loads(line) for line in done.stdout.splitlines()])
    rig.check(all("user" in x for x in lines[0]), "stdout has users' lists only")
    rig.same(sum("similar" in x for x in lines[1]), 7, "with sink.similar: on a file ends with a list an item")
    rig.same(sum("hot" in x for x in lines[1]), 1, "and what is popular")


fill()
lists_appear()
popularity_is_there()
a_blocked_item_leaves()
removed_and_unpublished_items_leave_too()
the_store_gets_them_back()
a_restart_knows_what_it_knew()
an_item_blocked_while_the_engine_was_away()
a_file_prints_them_by_wish()
rig.end()
