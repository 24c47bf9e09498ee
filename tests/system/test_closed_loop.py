#!/usr/bin/env python3
"""The loop closed on real parts: simulated users read their lists from Redis, what they do goes through Kafka, the engine makes
new lists. First come 150,000 events of what the platform alone shows (100 a user), then the loop is closed for 20 s at 1,500
events a second, of which the engine catches up for the first few. What people are shown is liked better than what the
platform would have shown at the same moments."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import RedisClient, Rig, wait_for  # noqa: E402
from services import Kafka, Redis  # noqa: E402

rig = Rig("test_closed_loop")
kafka, redis = Kafka(rig.work / "kafka"), Redis(rig.work / "redis")
kafka.topics(1)
store = RedisClient(redis.sock)
engine = rig.engine("loop", kafka.brokers, redis.url, {"rank.coalesce": "1ms", "policy.explore.per": 8})
WORLD = ["--users", 1500, "--items", 1000, "--topics", 30, "--seed", 5]
KAFKA = ["--kafka", "--brokers", kafka.brokers]


def consume(topic):
    done = subprocess.run(["kcat", "-C", "-b", kafka.brokers, "-t", topic, "-e", "-q"], stdout=subprocess.PIPE, check=True)
    (rig.work / f"{topic}.jsonl").write_bytes(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


engine.start()
engine.wait_ready()
# A replay reads all items first. What the engine learns from an event before it knows the item is not what the replay learns.
rig.simulate(*KAFKA, "--only", "items", "--span", "2d", *WORLD)
wait_for("the items are known", lambda: engine.total("zhiliu_items_total") >= 1000, 60, 0.2)
done = rig.simulate(*KAFKA, "--only", "events", "--open-events", 150000, "--events", 180000, "--span", "2d", "--rate", 1500, "--page", 8,
                    "--closed-loop", "--redis", redis.url, "--format", "json", *WORLD)
truth, words = json.loads(done.stdout), done.stderr.decode()
rig.check("the platform's choice" in words, "the truth is said while it runs")
shown = {name: part["shown"] for name, part in truth["origins"].items()}
rig.check(shown["feed"] > 0.7 * truth["overall"]["shown"], "users find lists of their own", shown)
lists, platform = truth["origins"]["feed"]["interest"], truth["platform"]["interest"]
rig.check(lists > 1.05 * platform, "lists are liked better than the platform's own choice", f"{lists:.3f} against {platform:.3f}")
explored = truth["explored"]["shown"]

engine.wait_drained()
consume("items")
events = consume("events")
listed = [e for e in events if e["type"] == "impression" and len(e.get("request_id", "")) == 40]
rig.check(0.9 * shown["feed"] < len(listed) <= shown["feed"] + shown["hot"], "impressions carry the list's version", len(listed))
drawn = [e for e in listed if "propensity" in e]
rig.check(all(0 < e["propensity"] <= 1 and e["position"] % 8 == 0 for e in drawn), "explored places carry their chance", len(drawn))
rig.check(0 < len(drawn) <= explored, "explored places are summed apart", explored)

log = rig.work / "events.jsonl"
done = rig.run("evaluate", log, "--items", rig.work / "items.jsonl", "--snips", "--format", "json", "--outcome-window", "10m",
               "--pipeline", engine.pipeline, "--set", "policy.explore.per=8")
estimate = json.loads(done.stdout) if done.returncode == 0 else {}
rig.check(estimate.get("most_off_one") == 0, "a replay of the topic gives every propensity to the bit", estimate or done.stderr.decode())
rig.check(estimate.get("draws", 0) > 100, "enough were drawn", estimate.get("draws"))

redis.stop()
done = rig.run("simulate", "--closed-loop", "--redis", redis.url, "--events", 10, *WORLD)
rig.same(done.returncode, 69, "without Redis the closed loop says so and ends")
engine.stop()
kafka.stop()
rig.end()
