#!/usr/bin/env python3
"""The sink room against a real redis-server: version guard, trouble of every kind, and coming back from it.

Builds tests/support/sink_probe.c with the sanitizers and drives it by lines. Each Redis is a private one of this test."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(tempfile.mkdtemp(prefix="zhiliu-sink-"))
PROBE = WORK / "sink_probe"
BASE = "metrics log clock check words hash".split()


def build():
    sources = [ROOT / "tests/support/sink_probe.c", *sorted((ROOT / "src/sink").glob("*.c"))]
    sources += [ROOT / f"src/base/{name}.c" for name in BASE]
    subprocess.run(
        ["gcc", "-std=c17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
         f"-I{ROOT}/include", f"-I{ROOT}/src", *sources, "-lhiredis", "-lxxhash", "-lm", "-o", PROBE],
        check=True)


def until(what, condition, seconds=8.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    """redis-server on a unix socket and a port; the folder may be started again, always empty."""

    running = []

    def __init__(self, *options, env=None):
        self.folder = Path(tempfile.mkdtemp(dir=WORK))
        self.sock = self.folder / "s"
        self.port = free_port()
        self.options, self.env = options, {**os.environ, **(env or {})}
        self.unix, self.tcp = f"unix://{self.sock}", f"redis://127.0.0.1:{self.port}"
        self.password = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.sock,
             "--save", "", "--appendonly", "no", "--dir", self.folder, *self.options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        Redis.running.append(self)
        until("redis-server answers", lambda: re.search("PONG|NOAUTH|LOADING", self.cli("ping", check=False)))

    def cli(self, *words, check=True):
        auth = ["--user", "default", "--pass", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-s", self.sock, *auth, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def feed(self, user):
        text = self.cli("get", "zl:feed:{%s}" % user).strip()
        return json.loads(text) if text else None


class Probe:
    """sink_probe with its lines kept as they come."""

    running = []

    def __init__(self, url, inflight=64, timeout_ms=500, user="", password=None):
        words = [PROBE, url, str(inflight), str(timeout_ms), user]
        self.process = subprocess.Popen(words + ([password] if password is not None else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.log = [], []
        for pipe, into in (self.process.stdout, self.lines), (self.process.stderr, self.log):
            threading.Thread(target=lambda p=pipe, i=into: i.extend(iter(p.readline, "")), daemon=True).start()
            # extend() takes line by line, so what came is seen at once
        Probe.running.append(self)

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def wait(self, pattern, seconds=8.0):
        """The newest line that matches, waiting for one that came after the newest mark()."""
        found = []

        def look():
            found[:] = [m for m in map(re.compile(pattern).match, self.lines[self.marked:]) if m]
            return found
        until(f"a line {pattern}; have {self.lines[-8:]} {self.log[-8:]}", look, seconds)
        return found[-1]

    marked = 0

    def ask(self, line, pattern, seconds=8.0):
        self.marked = len(self.lines)
        self.say(line)
        return self.wait(pattern, seconds)

    def put(self, token, user, position, n=3):
        """What became of it: written, stale, failed."""
        self.room()
        return self.ask(f"put {token} {user} {position} {n}", f"answer {token} (\\w+) ?(\\w*)").groups()

    def room(self):
        until("room", lambda: int(self.ask("state", r"counts \d+ \d+ \d+ (\d+)")[1]) > 0)

    def state(self):
        return self.ask("state", "state (yes|no) (.*)").groups()

    def why(self, words, seconds=8.0):
        until(f"state names '{words}'; is {self.state()}", lambda: words in self.state()[1], seconds)

    def ready(self, seconds=8.0):
        until(f"connected; is {self.state()}", lambda: self.state()[0] == "yes", seconds)

    def counts(self):
        return list(map(int, self.ask("state", r"counts (\d+) (\d+) (\d+) (\d+)").groups()))

    def end(self):
        if self.process.poll() is None:
            self.say("quit")
            assert self.process.wait(10) == 0, self.log
        assert not any("Sanitizer" in line or "runtime error" in line for line in self.log), "".join(self.log)


def check(url, *credentials):
    done = subprocess.run([PROBE, "check", url, *credentials], stdout=subprocess.PIPE, text=True)
    match = re.match(r"check (\d+) (.*)", done.stdout)
    return int(match[1]), match[2]


def an_older_list_never_replaces_a_newer_one():
    for env in ({}, {"LC_ALL": "en_US.UTF-8", "LC_COLLATE": "en_US.UTF-8"}):
        redis = Redis(env=env)
        for url in redis.unix, redis.tcp:
            probe = Probe(url)
            probe.ready()
            redis.cli("flushall")
            assert probe.put(1, "u", 0x9F)[0] == "written"
            assert probe.put(2, "u", 0x9E) == ("stale", "00000001000000000000009f0000000000000001")
            assert probe.put(3, "u", 0x9F, 5)[0] == "written"  # equal versions are accepted
            assert len(redis.feed("u")["items"]) == 5
            assert probe.put(4, "u", 0xA0, 2)[0] == "written"  # '9' < 'a' in every locale
            assert len(redis.feed("u")["items"]) == 2
            assert redis.cli("getrange", "zl:feed:{u}", "14", "53").strip() == "0000000100000000000000a00000000000000001"
            ttl = int(redis.cli("pttl", "zl:feed:{u}"))
            assert 6.2 * 86400e3 < ttl <= 7 * 86400e3, ttl
            probe.end()


def two_writers_at_once_leave_the_newest():
    redis = Redis()
    probes = [Probe(redis.unix), Probe(redis.unix)]
    for probe in probes:
        probe.ready()
    probes[0].say("fill 20000 100 7 50")
    probes[1].say("fill 20000 100 8 20")
    stale = int(probes[0].wait(r"filled \d+ (\d+)")[1])
    probes[1].wait("filled 20000 0 0")
    assert stale > 0
    assert all(len(redis.feed(f"u{i}")["items"]) == 20 for i in range(100))
    for probe in probes:
        probe.end()


def a_forgotten_user_reads_an_empty_list_that_an_older_writer_cannot_revive():
    redis = Redis()
    probe = Probe(redis.unix)
    assert probe.put(1, "u", 5)[0] == "written"
    assert probe.ask("forget 2 u 6", r"answer 2 (\w+)")[1] == "written"
    assert redis.feed("u")["items"] == []
    assert 3500e3 < int(redis.cli("pttl", "zl:feed:{u}")) <= 3600e3
    assert probe.put(3, "u", 5)[0] == "stale"
    probe.end()


def a_key_of_another_kind_is_replaced_and_text_that_is_no_version_too():
    redis = Redis()
    probe = Probe(redis.unix)
    redis.cli("lpush", "zl:feed:{u}", "x")
    assert probe.put(1, "u", 1)[0] == "written"
    redis.cli("set", "zl:feed:{u}", "z" * 100)
    assert probe.put(2, "u", 1)[0] == "written"
    assert len(redis.feed("u")["items"]) == 3
    probe.end()


def a_flushed_script_is_loaded_again():
    redis = Redis()
    probe = Probe(redis.unix)
    assert probe.put(1, "u", 1)[0] == "written"
    redis.cli("script", "flush")
    assert probe.put(2, "u", 2)[0] == "failed"
    assert probe.put(3, "u", 2)[0] == "written"
    redis.cli("script", "flush")
    probe.say("fill 5000 500 3 50")  # many on the way when it is found out
    assert int(probe.wait(r"filled 5000 0 (\d+)")[1]) >= 1
    assert probe.counts()[0] == 1, "no new connection was needed"
    probe.end()


def a_redis_that_restarts_empty_gets_everything_again():
    redis = Redis()
    probe = Probe(redis.unix)
    probe.say("fill 200000 1000 4 50")
    until("lists arrive", lambda: int(redis.cli("dbsize")) > 0)
    redis.stop()
    probe.why("Redis at unix://")
    assert probe.counts()[3] == 0, "no room while it is away"
    time.sleep(1)
    redis.start()
    probe.wait(r"filled \d+ \d+ [1-9]\d*", 60)
    assert probe.counts()[0] == 2
    assert int(redis.cli("dbsize")) == 1000
    probe.end()


def waits_between_tries_grow_and_nothing_spins():
    probe = Probe(f"unix://{WORK}/nobody")
    probe.why("No such file")
    _, errors, polls, _ = probe.counts()
    time.sleep(3)
    _, errors_later, polls_later, _ = probe.counts()
    assert 2 <= errors_later - errors + 2 <= 9, f"{errors} {errors_later}"
    assert polls_later - polls < 60, f"{polls} {polls_later}"
    probe.end()


def a_frozen_redis_is_left_after_the_timeout_and_found_again():
    for kind in "unix", "tcp":
        redis = Redis()
        probe = Probe(getattr(redis, kind), timeout_ms=300)
        assert probe.put(1, "u", 1)[0] == "written"
        redis.signal(signal.SIGSTOP)
        before = time.monotonic()
        assert probe.put(2, "u", 2)[0] == "failed"
        assert 0.25 < time.monotonic() - before < 2
        probe.why("no answer for 300 ms")
        redis.signal(signal.SIGCONT)
        probe.ready()
        assert probe.put(3, "u", 2)[0] == "written"
        probe.end()


def a_frozen_redis_is_noticed_without_any_list():
    redis = Redis()
    probe = Probe(redis.unix, timeout_ms=300)
    probe.ready()
    redis.signal(signal.SIGSTOP)
    probe.why("no answer for 300 ms", 3)
    redis.signal(signal.SIGCONT)
    probe.ready()
    probe.end()


def a_wrong_password_is_named_and_a_right_one_works():
    redis = Redis("--requirepass", "right")
    redis.password = "right"
    assert "wrong" in check(redis.unix, "default", "bad")[1]
    assert "password" in check(redis.unix)[1]
    assert check(redis.unix, "default", "right")[0] == 0
    assert check(f"redis://:right@127.0.0.1:{redis.port}")[0] == 0
    probe = Probe(redis.tcp, user="", password="bad")
    probe.why("the user name or password is wrong")
    assert not any("bad" in line for line in probe.log)
    probe.end()
    redis.cli("config", "set", "requirepass", "")


def a_user_with_the_fewest_rights_is_enough_and_one_without_is_named():
    redis = Redis()
    rights = "~zl:* resetchannels -@all +evalsha +script|load +getrange +set +ping +auth +client|setname +select +hello"
    redis.cli("acl", "setuser", "zhiliu", "on", ">pw", "resetkeys", *rights.split())
    assert check(redis.unix, "zhiliu", "pw") == (0, "")
    assert check(f"unix://zhiliu:pw@{redis.sock}?db=3") == (0, "")
    probe = Probe(redis.unix, user="zhiliu", password="pw")
    assert probe.put(1, "u", 2)[0] == "written"
    assert probe.put(2, "u", 1)[0] == "stale"
    for missing in "+evalsha", "+script|load", "+getrange", "+set", "+ping":
        redis.cli("acl", "setuser", "poor", "reset", "on", ">pw", *[r for r in rights.split() if r != missing])
        code, words = check(redis.unix, "poor", "pw")
        assert code == 69 and "lacks a right" in words, f"without {missing}: {code} {words}"
    redis.cli("acl", "setuser", "keyless", "on", ">pw", *[r for r in rights.split() if r != "~zl:*"])
    assert "lacks a right" in check(redis.unix, "keyless", "pw")[1]
    redis.cli("acl", "setuser", "zhiliu", "-getrange")  # while it runs: the guard must not be passed over
    assert probe.put(3, "u", 1)[0] == "failed"
    probe.why("lacks a right")
    assert redis.feed("u")["ver"].endswith("20000000000000001")
    probe.end()


def a_full_memory_is_named_and_waited_for():
    redis = Redis("--maxmemory-policy", "noeviction")
    probe = Probe(redis.unix)
    assert probe.put(1, "u", 1)[0] == "written"
    redis.cli("config", "set", "maxmemory", "1mb")
    assert probe.put(2, "u", 2)[0] == "failed"
    probe.why("its memory is full")
    errors = probe.counts()[1]
    probe.say("fill 1000 100 3 50")  # the probe tries again as soon as it may
    time.sleep(2)
    tries = probe.counts()[1] - errors
    assert 1 <= tries <= 12, f"{tries} tries in 2 s"
    assert "memory is full" in probe.state()[1]
    redis.cli("config", "set", "maxmemory", "0")
    probe.wait("filled 1000 0")
    probe.ready()
    probe.end()


def a_replica_is_named_and_left():
    primary, redis = Redis("--repl-diskless-sync-delay", "0"), Redis()
    probe = Probe(redis.unix)
    assert probe.put(1, "u", 1)[0] == "written"
    redis.cli("replicaof", "127.0.0.1", str(primary.port))
    until("the replica is in sync", lambda: "master_link_status:up" in redis.cli("info", "replication"))
    assert probe.put(2, "u", 2)[0] == "failed"
    probe.why("it is a replica")
    assert "replica" in check(redis.unix)[1]
    until("a new connection: the name may lead to the new primary", lambda: probe.counts()[0] > 1)
    redis.cli("replicaof", "no", "one")
    probe.ready(10)
    assert probe.put(3, "u", 2)[0] == "written"
    probe.end()


def a_busy_redis_is_named_and_waited_for():
    redis = Redis("--busy-reply-threshold", "100")
    probe = Probe(redis.unix, timeout_ms=1500)
    assert probe.put(1, "u", 1)[0] == "written"
    hog = subprocess.Popen(["redis-cli", "-s", redis.sock, "eval", "while true do end", "0"], stdout=subprocess.DEVNULL)
    until("redis is busy", lambda: "BUSY" in redis.cli("get", "x"))
    assert probe.put(2, "u", 2)[0] == "failed"
    probe.why("a script keeps it busy")
    redis.cli("script", "kill")
    hog.wait()
    probe.ready()
    assert probe.put(3, "u", 2)[0] == "written"
    probe.end()


def a_loading_redis_is_named_and_waited_for():
    redis = Redis("--enable-debug-command", "yes", "--key-load-delay", "500",
                  "--loading-process-events-interval-bytes", "1024")
    redis.cli("debug", "populate", "6000")
    redis.cli("save")
    redis.stop()
    probe = Probe(redis.unix)
    redis.start()
    probe.why("it is still loading its data", 3)
    probe.ready(20)
    assert probe.put(1, "u", 1)[0] == "written"
    probe.end()


def what_is_not_a_redis_is_named():
    for reply, words in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a Redis"), (b"*1000000000\r\n", "not a Redis"),
                         (b"$900000000\r\n" + b"x" * 300000, "endless"), (b"", "closed the connection"),
                         (b"+OK\r\n" * 40, "is it a Redis"), (b"$3\r\nabc\r\n", "is it a Redis"),
                         (b"-DENIED protected mode\r\n", "error")):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve(server=server, reply=reply):
                while True:
                    try:
                        with server.accept()[0] as s:
                            s.settimeout(1)
                            s.recv(65536)
                            s.sendall(reply)
                            if reply:
                                s.recv(65536)
                    except OSError:
                        if server.fileno() < 0:
                            return
            threading.Thread(target=serve, daemon=True).start()
            url = "redis://127.0.0.1:%d" % server.getsockname()[1]
            code, said = check(url)
            assert code == 69 and words in said, f"{reply[:20]} gave {code} {said}"
            probe = Probe(url)
            probe.why(words)
            probe.end()


def names_are_looked_up_and_a_refusal_is_named():
    redis = Redis()
    assert check(f"redis://localhost:{redis.port}") == (0, "")
    assert "refused" in check(f"redis://localhost:{free_port()}")[1]
    assert check("redis://no-such-host.invalid")[0] == 69


def lists_on_the_way_are_bounded():
    redis = Redis()
    probe = Probe(redis.unix, inflight=8)
    probe.ready()
    redis.signal(signal.SIGSTOP)
    probe.marked = len(probe.lines)
    for i in range(20):
        probe.say(f"put {i} u{i} 1 1000")
    probe.wait("room 0 19")
    refused = sum(line.startswith("room 0") for line in probe.lines)
    assert refused == 12, refused
    redis.signal(signal.SIGCONT)
    probe.end()


def values_of_a_thousand_items_go_through():
    redis = Redis()
    probe = Probe(redis.unix, inflight=256)
    probe.ask("fill 3000 300 5 1000", "filled 3000 0 0")
    assert len(redis.feed("u7")["items"]) == 1000
    probe.end()


TESTS = [an_older_list_never_replaces_a_newer_one, two_writers_at_once_leave_the_newest,
         a_forgotten_user_reads_an_empty_list_that_an_older_writer_cannot_revive,
         a_key_of_another_kind_is_replaced_and_text_that_is_no_version_too, a_flushed_script_is_loaded_again,
         a_redis_that_restarts_empty_gets_everything_again, waits_between_tries_grow_and_nothing_spins,
         a_frozen_redis_is_left_after_the_timeout_and_found_again, a_frozen_redis_is_noticed_without_any_list,
         a_wrong_password_is_named_and_a_right_one_works,
         a_user_with_the_fewest_rights_is_enough_and_one_without_is_named, a_full_memory_is_named_and_waited_for,
         a_replica_is_named_and_left, a_busy_redis_is_named_and_waited_for, a_loading_redis_is_named_and_waited_for, what_is_not_a_redis_is_named, names_are_looked_up_and_a_refusal_is_named,
         lists_on_the_way_are_bounded, values_of_a_thousand_items_go_through]


def main():
    build()
    failed = 0
    for test in TESTS:
        if sys.argv[1:] and test.__name__ not in sys.argv[1:]:
            continue
        started = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception as error:  # the next test is worth running all the same
            failed += 1
            line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
            print(f"FAIL {test.__name__}, line {line}: {type(error).__name__} {error}", flush=True)
        for probe in Probe.running:
            probe.process.kill()
        for redis in Redis.running:
            redis.stop()
        Probe.running.clear()
        Redis.running.clear()
    subprocess.run(["rm", "-rf", WORK], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
