#!/usr/bin/env python3
"""Items with wrong vectors, through Kafka: each becomes a dead letter that names the field and what to do, and spoils nothing; and a
pipeline that asks for vectors without a dimension is told so by check."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import FEED, RedisClient, Rig, produce, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

rig = Rig("test_feature_letters")
kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
kafka.topics(1)
engine = rig.engine("features", kafka.brokers, redis.url, {"catalog.features.video": 4, "policy.explore.slots": 0})

# what is wrong with item vN: reason, words that the letter must have
WRONG = [
    ('{"video":[1,2,3]}', "bad_features", ["features.video", "3 numbers", "says 4", "catalog.features.video"]),
    ('{"video":[1,2,3,NaN]}', "bad_json", ["features.video", "NaN", "send finite numbers"]),
    ('{"video":[1,2,-Infinity,4]}', "bad_json", ["features.video", "Infinity", "send finite numbers"]),
    ('{"video":[1,2,3,1e39]}', "not_finite", ["features.video", "send finite numbers"]),
    ('{"video":[1,2,3,null]}', "bad_features", ["features.video", "null", "send numbers"]),
    ('{"video":{"0":1}}', "bad_features", ["features.video", "an object"]),
    ('{"smell":[1,2,3,4]}', "bad_features", ["features.smell", "video, audio, text", "leave it out"]),
    ('{"text":["a"]}', "bad_features", ["features.text", "a string"]),
]


def item(i, features, **more):
    about = json.dumps({"item_id": f"v{i}", "title": f"video {i}", "category": "good"} | more)
    return (f"v{i}", about[:-1] + (f',"features":{features}' if features else "") + "}")


def letters():
    done = rig.run("dead-letters", "list", "--brokers", kafka.brokers, "--format", "json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def each_is_a_letter_that_says_what_to_do():
    good = [item(i, "{\"video\":[1,2,3,4]}") for i in range(len(WRONG))]
    bad = [item(i, features, category="bad") for i, (features, _, _) in enumerate(WRONG)]
    produce(kafka.brokers, "items", good + bad + [item(99, '{"audio":[1,2],"video":null}')])
    engine.start()
    engine.wait_ready()
    wait_for("the letters", lambda: len(letters()) >= len(WRONG), 30)
    found = {letter["offset"]: letter for letter in letters()}
    rig.same(sorted(found), list(range(len(good), len(good) + len(bad))), "one letter for each wrong item, none for the others")
    for i, (features, reason, words) in enumerate(WRONG):
        letter = found[len(good) + i]
        missing = [w for w in words if w not in letter["detail"]]
        rig.check(letter["reason"] == reason and not missing, f"{features}: {reason}", letter["detail"])
        rig.check(letter["value"] == bad[i][1], "the item's bytes are in the letter")


def the_items_stay_what_they_were():
    now = int(time.time() * 1000)
    produce(kafka.brokers, "events", [(f"u{u}", json.dumps({"event_id": f"e-{u}-{i}", "type": "like", "user_id": f"u{u}",
                                                            "item_id": f"v{i}", "ts": now})) for u in range(3) for i in (0, 1)])
    store = RedisClient(redis.sock)
    wait_for("a list of the good ones", lambda: store.call("GET", "zl:hot:good"), 20)
    rig.same(sorted(json.loads(store.call("GET", "zl:hot:good"))["items"]), ["v0", "v1"], "a refused description changes nothing")
    rig.check(store.call("GET", "zl:hot:bad") is None, "not even the category")
    listed = json.loads(store.call("GET", "zl:feed:{u1}"))["items"]
    rig.check(set(listed) == {f"v{i}" for i in list(range(2, len(WRONG))) + [99]}, "all of them are served", f"{listed}")


def a_modality_without_a_dimension_is_named():
    done = rig.run("check", FEED, "--offline", "--set", "model.modalities=video,audio", "--set", "catalog.features.video=4")
    rig.check(done.returncode == 78 and b"catalog.features.audio" in done.stderr, "check names the missing dimension",
              done.stderr.decode().splitlines()[0])
    done = rig.run("check", FEED, "--offline", "--set", "model.modalities=smell")
    rig.check(done.returncode == 78 and b"smell is none of video, audio, text" in done.stderr, "and a modality that there is not")


each_is_a_letter_that_says_what_to_do()
the_items_stay_what_they_were()
a_modality_without_a_dimension_is_named()
rig.end()
