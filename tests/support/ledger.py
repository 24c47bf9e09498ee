"""An independent ledger: what the engine must have counted, worked out again from the log by other means.

It reads the log in offset order (from Kafka by kcat, or JSON lines), applies the rules for events and items from the
design (validity and the closed list of reasons, duplicates by event_id within 24 h a partition) and keeps, in
exact integers: counts by type for each user and each item, sums of table rewards in micro-units (all types but
watch), and the set of dead-letter keys. compare() holds the engine's `inspect` output and its dead-letters topic
against that and returns every difference in words; nothing of zhiliu's own code is used.

    python3 tests/support/ledger.py FILE.jsonl          prints the ledger of a file as JSON lines
"""

import collections
import json
import subprocess
import sys

TYPES = (
    "impression watch like coin favorite comment share follow not_interested report "
    "course_click enroll purchase refund"
).split()
NO_ITEM_NEEDED = {"follow", "course_click", "enroll", "purchase", "refund"}
REWARD_MICRO = {
    "like": 1000000, "favorite": 1500000, "coin": 2000000, "comment": 1500000, "share": 2000000, "follow": 2000000,
    "course_click": 1500000, "enroll": 3000000, "purchase": 4000000,
}  # all others: 0; watch is not of the table
DAY_MS = 86400000
MAX_BYTES = 1048576
MAX_DEPTH = 32
YEAR_3000_MS = 32503680000000


class Reject(Exception):
    """reason is of the closed list."""

    def __init__(self, reason, detail=""):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


# ---- one element -----------------------------------------------------------------------------------------------
def _float(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Reject("not_finite", text)
    return value


def _constant(text):
    raise Reject("bad_json", text)


class _Pairs(list):
    """A JSON object as its pairs, so that a key that stands twice is seen."""


def _parse(text):
    def pairs(found):
        return _Pairs(found)

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_float=_float, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise Reject("bad_json", str(error)) from error
    except RecursionError as error:
        raise Reject("bad_json", "depth") from error


def _object(parsed):
    if not isinstance(parsed, _Pairs):
        raise Reject("not_object")
    names = [name for name, _ in parsed]
    if len(set(names)) != len(names):
        raise Reject("duplicate_key")
    return dict(parsed)


def _string(event, name, needed):
    value = event.get(name)
    if value is None:
        if needed:
            raise Reject("missing_field", name)
        return None
    if not isinstance(value, str):
        raise Reject("bad_type", name)
    if not 1 <= len(value.encode()) <= 64 or any(ord(c) < 32 for c in value):
        raise Reject("out_of_range", name)
    return value


def _integer(event, name, needed, low, high):
    value = event.get(name)
    if value is None:
        if needed:
            raise Reject("missing_field", name)
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Reject("bad_type", name)
    if not low <= value <= high:
        raise Reject("out_of_range", name)
    return value


def _version(event):
    if event.get("v", 1) != 1:
        raise Reject("unknown_version")


def check_event(event, key, log_ms):
    """The event's (type, user, item or None, event_id, ts), or Reject."""
    _version(event)
    event_id = _string(event, "event_id", True)
    kind = event.get("type")
    if kind is None:
        raise Reject("missing_field", "type")
    if not isinstance(kind, str):
        raise Reject("bad_type", "type")
    if kind not in TYPES:
        raise Reject("unknown_type", kind)
    user = _string(event, "user_id", True)
    item = _string(event, "item_id", kind not in NO_ITEM_NEEDED)
    ts = _integer(event, "ts", True, 1, YEAR_3000_MS)
    _integer(event, "watch_ms", kind == "watch", 0, DAY_MS)
    _integer(event, "duration_ms", False, 0, DAY_MS)
    _integer(event, "amount", False, 0, 2**63 - 1)
    _integer(event, "position", False, 1, 10000)
    for name in ("course_id", "uploader_id", "device_id", "session_id", "surface", "currency"):
        _string(event, name, False)
    if key is not None and key != user:
        raise Reject("key_mismatch")
    if log_ms is not None and ts > log_ms + DAY_MS:
        raise Reject("future_time")
    return kind, user, item, event_id, ts


def check_item(item, key):
    """The item's id, or Reject."""
    _version(item)
    item_id = _string(item, "item_id", True)
    if key is not None and key != item_id:
        raise Reject("key_mismatch")
    features = item.get("features")
    if features is not None:
        if not isinstance(features, _Pairs):
            raise Reject("bad_type", "features")
        for _, vector in features:
            numbers = isinstance(vector, list) and all(
                isinstance(x, (int, float)) and not isinstance(x, bool) for x in vector)
            if vector is not None and not numbers:
                raise Reject("bad_features")
    return item_id


def elements(value):
    """(index, parsed or Reject) of a message: an object, an array of them, or lines of them."""
    if len(value) > MAX_BYTES:
        yield 0, Reject("too_large")
        return
    try:
        text = value.decode("utf-8")
        whole = _parse(text)
    except UnicodeDecodeError:
        whole = Reject("bad_utf8")
    except Reject as reject:
        whole = reject
    lines = [line for line in value.split(b"\n") if line.strip()]
    if isinstance(whole, Reject) and len(lines) > 1 and lines[0].rstrip().endswith(b"}"):
        for index, line in enumerate(lines):
            yield index, next(elements(line))[1]
    elif isinstance(whole, list) and not isinstance(whole, _Pairs):
        yield from enumerate(whole)
    else:
        yield 0, whole


# ---- the books -------------------------------------------------------------------------------------------------
class Account:
    """What one user or one item is owed."""

    def __init__(self):
        self.counts = collections.Counter()
        self.reward_table_micro = 0
        self.last_ms = 0

    def add(self, kind, ts):
        self.counts[kind] += 1
        self.reward_table_micro += REWARD_MICRO.get(kind, 0)
        self.last_ms = max(self.last_ms, ts)


class Ledger:
    def __init__(self, events_topic="events", items_topic="items"):
        self.events_topic, self.items_topic = events_topic, items_topic
        self.users = collections.defaultdict(Account)
        self.items = collections.defaultdict(Account)
        self.types = collections.Counter()
        self.dead = {}  # key of the dead letter -> reason
        self.duplicates = 0
        self.described = {}  # item id -> its newest message
        self.next = {}  # (topic, partition) -> next offset
        self._seen = collections.defaultdict(dict)  # partition -> event_id -> log_ms

    def feed(self, topic, partition, offset, log_ms, key, value):
        """One message; log_ms None: a file (the clock is its highest ts: no event lies in the future)."""
        self.next[topic, partition] = offset + 1
        if value is None:
            return
        for index, element in elements(value):
            try:
                if isinstance(element, Reject):
                    raise element
                self._take(topic, partition, log_ms, key, _object(element))
            except Reject as reject:
                self.dead[f"{topic}-{partition}-{offset}-{index}"] = reject.reason

    def _take(self, topic, partition, log_ms, key, element):
        if topic == self.items_topic:
            self.described[check_item(element, key)] = element
            return
        kind, user, item, event_id, ts = check_event(element, key, log_ms)
        seen, clock = self._seen[partition], log_ms if log_ms is not None else ts
        if event_id in seen and clock - seen[event_id] <= DAY_MS:
            self.duplicates += 1
            return
        seen[event_id] = clock
        self.types[kind] += 1
        self.users[user].add(kind, ts)
        if item is not None:
            self.items[item].add(kind, ts)

    @property
    def reasons(self):
        return collections.Counter(self.dead.values())


# ---- reading logs ----------------------------------------------------------------------------------------------
def read_jsonl(path, topic="events"):
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            yield topic, 0, number, None, None, line.rstrip(b"\n")


def read_kafka(brokers, topic):
    """Every message of a topic: (topic, partition, offset, log_ms, key, value), by kcat."""
    command = ["kcat", "-C", "-q", "-e", "-b", brokers, "-t", topic, "-o", "beginning", "-X",
               "fetch.message.max.bytes=8388608", "-f", "%p %o %T %K %S\n%k%s\n"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as kcat:
        while head := kcat.stdout.readline():
            partition, offset, log_ms, key_len, value_len = map(int, head.split())
            key = kcat.stdout.read(key_len).decode("utf-8", "replace") if key_len >= 0 else None
            value = kcat.stdout.read(value_len) if value_len >= 0 else None
            kcat.stdout.read(1)
            yield topic, partition, offset, log_ms, key, value
    if kcat.returncode:
        raise RuntimeError(f"kcat failed on {topic}")


def of_kafka(brokers, events="events", items="items"):
    ledger = Ledger(events, items)
    for topic in (items, events):
        for message in read_kafka(brokers, topic):
            ledger.feed(*message)
    return ledger


def of_file(path):
    ledger = Ledger()
    for message in read_jsonl(path):
        ledger.feed(*message)
    return ledger


def dead_letter_keys(brokers, topic="dead-letters"):
    """key -> how often it stands in the topic."""
    return collections.Counter(message[4] for message in read_kafka(brokers, topic))


# ---- holding the engine against it -----------------------------------------------------------------------------
def inspect(zhiliu, what, pipeline, checkpoint, env=None, sets=()):
    command = [zhiliu, "inspect", what, "--format", "json", "--checkpoint", str(checkpoint)]
    for pair in sets:
        command += ["--set", pair]
    done = subprocess.run(command + [str(pipeline)], stdout=subprocess.PIPE, check=True, env=env)
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def _differences(what, expected, rows, name):
    found = []
    got = {row[name]: row for row in rows if any(row["counts"].values()) or row["reward_table_micro"]}
    for key in sorted(set(expected) | set(got)):
        account, row = expected.get(key), got.get(key)
        if account is None or row is None:
            found.append(f"{what} {key}: {'not in the engine' if row is None else 'not in the ledger'}")
            continue
        counts = {kind: n for kind, n in row["counts"].items() if n}
        if counts != dict(account.counts):
            found.append(f"{what} {key}: counts {counts}, ledger {dict(account.counts)}")
        if row["reward_table_micro"] != account.reward_table_micro:
            found.append(f"{what} {key}: rewards {row['reward_table_micro']}, ledger {account.reward_table_micro}")
    return found


def compare(ledger, users, items, dead_keys):
    """users, items: rows of `inspect`; dead_keys: keys found in the dead-letters topic. Differences in words."""
    found = _differences("user", ledger.users, users, "user") + _differences("item", ledger.items, items, "item")
    found += [f"dead letter {key} ({ledger.dead[key]}): lost" for key in sorted(set(ledger.dead) - set(dead_keys))]
    found += [f"dead letter {key}: not in the ledger" for key in sorted(set(dead_keys) - set(ledger.dead))]
    return found


def summary(ledger):
    return (f"{sum(ledger.types.values()):,} events of {len(ledger.users):,} users on {len(ledger.items):,} items, "
            f"{ledger.duplicates:,} duplicates, {len(ledger.dead):,} dead letters")


if __name__ == "__main__":
    book = of_file(sys.argv[1])
    for user_id in sorted(book.users):
        row = book.users[user_id]
        print(json.dumps({"user": user_id, "counts": row.counts, "reward_table_micro": row.reward_table_micro}))
    print(summary(book), dict(book.reasons), file=sys.stderr)
