"""What system and fault tests share: the engine as an object, a small Redis client, and checks that are counted.

    rig = Rig("test_run_feed")
    engine = rig.engine("a", kafka.brokers, redis.url, {"checkpoint.interval": "1s"})
    engine.start(); engine.wait_ready()
    rig.check(engine.stop()[0] == 0, "SIGTERM ends with exit 0")
    rig.end()                       # prints "N passed, N failed", exits

Programs: $ZHILIU (else build/release/zhiliu), work folder: $ZHILIU_WORK or $WORK (else a temporary one).
"""

import atexit
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
FEED = TOP / "pipelines" / "feed.yaml"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds, every=0.05):
    """Polls until condition() is true; returns the seconds it took, or raises."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"waited {seconds} s for: {what}")
        time.sleep(every)
    return time.monotonic() - begin


class Rig:
    def __init__(self, name):
        self.name = name
        self.zhiliu = os.environ.get("ZHILIU") or str(TOP / "build" / "release" / "zhiliu")
        work = os.environ.get("ZHILIU_WORK") or os.environ.get("WORK")
        self._temporary = None
        if not work:
            self._temporary = tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True)
            work = self._temporary.name
        self.work = pathlib.Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.n_passed = self.n_failed = 0
        self._begin = time.monotonic()

    # ---- what is checked
    def say(self, words):
        print(f"[{time.monotonic() - self._begin:6.1f}] {words}", flush=True)

    def check(self, holds, words, figure=""):
        self.n_passed += bool(holds)
        self.n_failed += not holds
        self.say(f"{'ok    ' if holds else 'FAILED'} {words}{f': {figure}' if figure != '' else ''}")
        return bool(holds)

    def same(self, got, expected, words):
        return self.check(got == expected, words, "" if got == expected else f"{got!r}, expected {expected!r}")

    def none(self, differences, words, figure=""):
        """No differences may be left; the first few are shown."""
        self.check(not differences, words, figure if not differences else f"{len(differences)} differences")
        for line in differences[:10]:
            print(f"           {line}")

    def end(self):
        print(f"{self.n_passed} passed, {self.n_failed} failed", flush=True)
        sys.exit(1 if self.n_failed or not self.n_passed else 0)

    def tool(self, name):
        """A program of tests/support/NAME.c."""
        return str(pathlib.Path(os.environ.get("ZHILIU_BUILD") or pathlib.Path(self.zhiliu).parent) / name)

    # ---- the program
    def run(self, *words, env=None, timeout=600, **options):
        return subprocess.run([self.zhiliu, *map(str, words)], env={**os.environ, **(env or {})}, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)

    def simulate(self, *words, timeout=900):
        done = self.run("simulate", *words, timeout=timeout)
        if done.returncode:
            raise RuntimeError(f"simulate {words}: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done

    def engine(self, name, brokers, redis_url, sets=None, pipeline=FEED):
        return Engine(self, name, brokers, redis_url, sets or {}, pipeline)


class Engine:
    """One `zhiliu run`, its checkpoint folder and its log; may be started again after it ended."""

    def __init__(self, rig, name, brokers, redis_url, sets, pipeline):
        self.rig, self.name, self.pipeline = rig, name, pipeline
        self.folder = rig.work / f"{name}.checkpoint"
        self.log = rig.work / f"{name}.log"
        self.port = free_port()
        self.env = {**os.environ, "KAFKA_BROKERS": brokers or "127.0.0.1:1", "REDIS_URL": redis_url or "redis://127.0.0.1:1"}
        self.sets = {"source.group": f"zhiliu-{name}", "checkpoint.path": self.folder, "checkpoint.interval": "1s",
                     "monitor.listen": f"127.0.0.1:{self.port}", **sets}
        self.process = None
        atexit.register(self.kill)

    def words(self, verb, *more):
        words = [self.rig.zhiliu, verb, *map(str, more), str(self.pipeline)]
        for key, value in self.sets.items():
            words += ["--set", f"{key}={value}"]
        return words

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words("run"), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()

    def stop(self, number=signal.SIGTERM, seconds=30):
        """(exit code, seconds it took)."""
        begin = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = "did not end"
        return code, time.monotonic() - begin

    def words_said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ---- its web pages
    def get(self, page):
        """(status, text); status 0: nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """'name{labels}' -> value."""
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def total(self, name, metrics=None, **labels):
        """Sum over the series of a name whose labels match."""
        metrics = self.metrics() if metrics is None else metrics
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(w in k for w in wanted))

    def _running(self):
        if not self.alive():
            raise RuntimeError(f"engine {self.name} ended with {self.process.returncode}:\n{self.words_said()[-3000:]}")
        return True

    def wait_ready(self, seconds=60):
        return wait_for(f"{self.name} ready", lambda: self._running() and self.get("/readyz")[0] == 200, seconds)

    def wait_events(self, n, seconds=120):
        """Until n events were taken in since this start (any outcome)."""
        return wait_for(f"{self.name} takes {n} events", lambda: self._running() and self.total("zhiliu_events_total") >= n, seconds)

    def _drained(self):
        self._running()
        m = self.metrics()
        lag = [v for k, v in m.items() if k.startswith("zhiliu_source_lag_messages")]
        state = (lag and not sum(lag), m.get('zhiliu_source_messages_total{topic="events"}'), m.get("zhiliu_users_due"),
                 m.get("zhiliu_lists_ranked_total"))
        self._steady = self._steady + 1 if state == self._state and state[0] and not state[2] else 0
        self._state = state
        return self._steady >= 4

    def wait_drained(self, seconds=120):
        """Until nothing more comes and no list is due."""
        self._steady, self._state = 0, None
        return wait_for(f"{self.name} has drained", self._drained, seconds, 0.4)

    # ---- what its checkpoint holds
    def inspect(self, what):
        done = subprocess.run(self.words("inspect", what, "--format", "json"), env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise RuntimeError(f"inspect {what}: exit {done.returncode}: {done.stderr.decode()}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def positions(self):
        """(topic, partition) -> next offset, and the digest."""
        row = self.inspect("checkpoint")[0]
        return {(p["topic"], p["partition"]): p["next"] for p in row["positions"]}, row["digest"]


def ends(brokers, topic, partitions):
    """partition -> next offset of the log."""
    words = ["kcat", "-Q", "-b", brokers]
    for p in range(partitions):
        words += ["-t", f"{topic}:{p}:-1"]
    out = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {int(m[1]): int(m[2]) for m in re.finditer(r"\[(\d+)\] offset (\d+)", out)}


def produce(brokers, topic, messages):
    """messages: (key, value) texts; value None: a tombstone. By kcat, which waits for the acknowledgements."""
    lines = []
    for key, value in messages:
        lines.append(f"{key}\x1f{'' if value is None else value}\x1e")
    words = ["kcat", "-P", "-b", brokers, "-t", topic, "-K", "\x1f", "-D", "\x1e", "-Z", "-X", "linger.ms=1",
             "-X", "message.max.bytes=8388608"]
    subprocess.run(words, input="".join(lines).encode(), check=True)


# ---- Redis ---------------------------------------------------------------------------------------------------------
class RedisClient:
    """As much of the protocol as tests need: call("GET", "key")."""

    def __init__(self, sock):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(sock))
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    @staticmethod
    def _pack(words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        return b"".join(parts)

    def _answer(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        n = int(rest)
        if n < 0:
            return None
        if kind == b"$":
            return self.file.read(n + 2)[:-2]
        return [self._answer() for _ in range(n)]

    def call(self, *words):
        self.socket.sendall(self._pack(words))
        return self._answer()

    def keys(self, pattern):
        found, cursor = [], b"0"
        while True:
            cursor, some = self.call("SCAN", cursor, "MATCH", pattern, "COUNT", 5000)
            found += some
            if cursor == b"0":
                return sorted(set(found))

    def values(self, pattern):
        """key text -> value bytes, of all keys that match."""
        found, keys = {}, self.keys(pattern)
        for i in range(0, len(keys), 1000):
            some = self.call("MGET", *keys[i:i + 1000])
            found.update({k.decode(): v for k, v in zip(keys[i:i + 1000], some) if v is not None})
        return found

    def lists(self, prefix="zl:"):
        """user -> the list as it stands, parsed."""
        head = len(f"{prefix}feed:{{")
        return {key[head:-1]: json.loads(value) for key, value in self.values(f"{prefix}feed:*").items()}


# ---- machine ---------------------------------------------------------------------------------------------------------
def machine():
    """One line: processor, cores, versions."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    def first(*words):
        try:
            return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout.split("\n")[0]
        except OSError:
            return "?"
    java = re.search(r'"(.*?)"', first("java", "-version"))
    redis = re.search(r"v=(\S+)", first("redis-server", "--version"))
    rdkafka = first("pkg-config", "--modversion", "rdkafka")
    return (f"{model[1] if model else 'unknown processor'}, {os.cpu_count()} cores, Linux {os.uname().release}, "
            f"Kafka 4.3.1 (Java {java[1] if java else '?'}), Redis {redis[1] if redis else '?'}, librdkafka {rdkafka}")
