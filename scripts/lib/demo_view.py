#!/usr/bin/env python3
"""What scripts/demo shows: one named user acts, and how many milliseconds later the list in Redis is another one.

The user's events go through Kafka like everybody's (kcat produces them); the list is read from Redis as an app would read it.
Numbers come from the engine's /metrics. Standard library only."""
import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

USER = 'anna'
ACTIONS = ('watch', 'like', 'watch', 'favorite', 'watch', 'coin', 'watch', 'share')
SHOWN = 5
WARM_S = 5  # the platform's producer takes a second to connect and then sends that second at once: not what a day looks like


class Redis:
    """GET over a socket: all that a reader of lists needs."""

    def __init__(self, url):
        u = urllib.parse.urlparse(url)
        if u.scheme == 'unix':
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(u.path)
        else:
            self.sock = socket.create_connection((u.hostname or '127.0.0.1', u.port or 6379))
        self.file = self.sock.makefile('rb')
        if u.password:
            self.call('AUTH', *([urllib.parse.unquote(u.username)] if u.username else []), urllib.parse.unquote(u.password))
        if u.scheme != 'unix' and u.path.strip('/'):
            self.call('SELECT', u.path.strip('/'))

    def call(self, *words):
        raw = [w.encode() for w in words]
        self.sock.sendall(b'*%d\r\n' % len(raw) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in raw))
        line = self.file.readline()
        if line[:1] == b'-':
            raise RuntimeError(line.decode())
        if line[:1] != b'$':
            return line[1:].strip().decode()
        size = int(line[1:])
        return None if size < 0 else self.file.read(size + 2)[:-2].decode()

    def list_of(self, user):
        text = self.call('GET', 'zl:feed:{%s}' % user)
        return json.loads(text) if text else None


def metrics(url):
    values = {}
    try:
        with urllib.request.urlopen(url, timeout=2) as page:
            for line in page.read().decode().splitlines():
                if line and line[0] != '#':
                    name, value = line.rsplit(' ', 1)
                    values[name] = float(value)
    except OSError:
        pass
    return values


def quantile(old, new, name, q):
    """Of a histogram between two scrapes, interpolated in its bucket."""
    buckets = []
    for key, value in new.items():
        m = re.match(re.escape(name) + r'_bucket\{le="([^"]+)"\}', key)
        if m:
            buckets.append((float(m.group(1).replace('+Inf', 'inf')), value - old.get(key, 0)))
    buckets.sort()
    if not buckets or buckets[-1][1] <= 0:
        return None
    target, below, low = q * buckets[-1][1], 0, 0.0
    for high, count in buckets:
        if count >= target:
            if high == float('inf'):
                return low
            return low + (high - low) * (target - below) / max(count - below, 1)
        below, low = count, high
    return low


def total(values, prefix):
    return sum(v for k, v in values.items() if k.startswith(prefix))


def titles_of(path):
    titles = {}
    try:
        with open(path, encoding='utf-8') as f:
            for line in f:
                item = json.loads(line)
                titles[item['item_id']] = item
    except OSError:
        pass
    return titles


class View:
    def __init__(self, args):
        self.args = args
        self.redis = Redis(args.redis)
        self.items = titles_of(args.items)
        self.kcat = ['kcat', '-P', '-b', args.kafka, '-t', 'events', '-K', '\t', '-X', 'linger.ms=0', '-q']
        self.delays = []
        self.changed = None
        self.n = 0

    def alive(self):
        try:
            os.kill(self.args.engine, 0)
            return True
        except OSError:
            return False

    def name(self, item):
        described = self.items.get(item, {})
        title = described.get('title', '')
        return '%s %s' % (item, title[:28]) if title else item

    def act(self, item, kind):
        self.n += 1
        now = int(time.time() * 1000)
        length = self.items.get(item, {}).get('duration_ms') or 60000
        event = {'event_id': 'demo-%d-%d' % (os.getpid(), self.n + now), 'type': kind, 'user_id': USER, 'item_id': item, 'ts': now}
        if kind == 'watch':
            event.update(watch_ms=int(length * 0.9), duration_ms=length)
        subprocess.run(self.kcat, input='%s\t%s' % (USER, json.dumps(event)), text=True, check=False)

    def watch_list(self, seconds):
        """In a thread: the first list that differs, and when a reader saw it."""
        old, start = self.redis.list_of(USER), time.monotonic()
        while time.monotonic() - start < seconds and not self.changed:
            new = self.redis.list_of(USER)
            if new and new['items'] != (old or {}).get('items'):
                self.changed = (new, time.time() * 1000)
            time.sleep(0.0005)

    def first_list(self):
        start, asked = time.monotonic(), 0
        left = self.redis.list_of(USER)  # by an earlier demo, in a Redis of yours
        while time.monotonic() - start < 60 and self.alive():
            found = self.redis.list_of(USER)
            if found and found['ver'] != (left or {}).get('ver'):
                return found
            if time.monotonic() - asked > 1:  # the user opens the app; the event may come before the engine does
                self.act('v%d' % (1 + self.n), 'watch')
                asked = time.monotonic()
            time.sleep(0.005)
        return None

    def status(self, old, new, seconds):
        rate = (total(new, 'zhiliu_events_total') - total(old, 'zhiliu_events_total')) / seconds
        lists = (new.get('zhiliu_lists_written_total{result="written"}', total(new, 'zhiliu_lists_written_total')) -
                 old.get('zhiliu_lists_written_total{result="written"}', total(old, 'zhiliu_lists_written_total'))) / seconds
        p50 = quantile(old, new, 'zhiliu_freshness_sent_seconds', 0.5)
        p99 = quantile(old, new, 'zhiliu_freshness_sent_seconds', 0.99)
        fresh = 'no list yet' if p50 is None else 'event to list p50 %.1f ms, p99 %.1f ms' % (p50 * 1000, p99 * 1000)
        return '%6.0f events/s  %6.0f lists/s  %s' % (rate, lists, fresh)

    def step(self, current, k):
        kind = ACTIONS[k % len(ACTIONS)]
        item = current['items'][k * 3 % SHOWN]
        self.changed = None
        watcher = threading.Thread(target=self.watch_list, args=(3,))
        watcher.start()
        self.act(item, kind)
        watcher.join()
        if not self.changed:
            print('  %s: %s %s; the list is as it was' % (USER, kind, self.name(item)))
            return current
        new, seen_ms = self.changed
        ms = seen_ms - new['ts']  # ts: when the event entered the log (Kafka's timestamp, whole milliseconds)
        self.delays.append(ms)
        fresh = [i for i in new['items'] if i not in current['items']]
        print('\n  %s: %-8s %s' % (USER, kind, self.name(item)))
        print('  %.1f ms later the list is another one (%d of %d new), now it begins with' % (ms, len(fresh), len(new['items'])))
        for place, i in enumerate(new['items'][:SHOWN], 1):
            tags = ', '.join(self.items.get(i, {}).get('tags', [])[:3])
            print('   %2d. %-38s %s%s' % (place, self.name(i), tags, '   <- new' if i in fresh else ''))
        return new

    def run(self):
        current = self.first_list()
        if not current:
            print('demo: no list came; the engine\'s log says why', file=sys.stderr)
            return 1
        print('\nThe first list stood in Redis %.1f s after the start of this script.' % (time.time() - self.args.started))
        start = time.monotonic()
        first = old = metrics(self.args.metrics)
        first_at = shown = start
        warm, k = False, 0
        while time.monotonic() - start < self.args.seconds:
            if not self.alive():
                print('demo: the engine ended; its log says why', file=sys.stderr)
                return 1
            current = self.step(current, k)
            k += 1
            time.sleep(1.5)
            now, new = time.monotonic(), metrics(self.args.metrics)
            print('  ' + self.status(old, new, now - shown))
            sys.stdout.flush()
            old, shown = new, now
            if not warm and WARM_S <= now - start and self.args.seconds >= 3 * WARM_S:
                first, first_at, warm = new, now, True
        self.summary(first, old, shown - first_at, warm)
        return 0

    def summary(self, first, last, seconds, warm):
        delays = sorted(self.delays)
        print('\nSummary of %.0f s%s' % (max(seconds, 0), ' (without the first seconds, in which the platform starts)' if warm else ''))
        print('  ' + self.status(first, last, max(seconds, 1e-9)))
        if delays:
            print('  %s acted %d times; the list followed after %.1f ms (median), %.1f ms (worst), measured by a reader of Redis' %
                  (USER, len(delays), delays[len(delays) // 2], delays[-1]))
        print('  events by outcome: ' + ', '.join('%s %d' % (o, sum(v for k, v in last.items() if k.startswith('zhiliu_events_total')
              and 'outcome="%s"' % o in k)) for o in ('learned', 'counted', 'duplicate', 'rejected')))


def main():
    p = argparse.ArgumentParser()
    for name in ('redis', 'kafka', 'metrics', 'items'):
        p.add_argument('--' + name, required=True)
    p.add_argument('--seconds', type=float, default=60)
    p.add_argument('--started', type=float, required=True)
    p.add_argument('--engine', type=int, required=True)
    args = p.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # live, also through a pipe
    view = View(args)
    try:
        return view.run()
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
