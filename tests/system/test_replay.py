#!/usr/bin/env python3
"""replay: the same log and seed give the same state, byte for byte, however the bytes arrived; another seed does not. A checkpoint made in the
middle, loaded and gone on from, ends in that state too. Needs no service."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

ZHILIU = os.environ.get('ZHILIU', 'build/release/zhiliu')
WORK = os.environ.get('ZHILIU_WORK') or tempfile.mkdtemp()
PIPELINE = 'pipelines/feed.yaml'
results = []


def check(sentence, holds, words=''):
    results.append(bool(holds))
    print('%s %s%s' % ('ok    ' if holds else 'FAILED', sentence, '' if holds else ': %s' % (words,)))


def replay(file, *more):
    out = subprocess.run([ZHILIU, 'replay', PIPELINE, file, '--format', 'json', *more], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def run_from(stdin, state, *more):
    return subprocess.run([ZHILIU, 'run', PIPELINE, '--set', 'source.kind=file', '--set', 'source.file=-', '--set', 'sink.kind=none',
                           '--set', 'checkpoint.path=' + state, *more], stdin=stdin, capture_output=True, text=True)


def digest_of(state):
    out = subprocess.run([ZHILIU, 'inspect', 'checkpoint', PIPELINE, '--checkpoint', state, '--set', 'source.kind=file', '--set',
                          'source.file=-', '--format', 'json'], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def dribble(lines, state):
    """The same bytes through a pipe, in pieces that end in the middle of lines."""
    p = subprocess.Popen([ZHILIU, 'run', PIPELINE, '--set', 'source.kind=file', '--set', 'source.file=-', '--set', 'sink.kind=none',
                          '--set', 'checkpoint.path=' + state], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    data, at = b''.join(lines), 0
    for i in range(40):
        step = 1 + (i * 7919) % 5000
        p.stdin.write(data[at:at + step])
        p.stdin.flush()
        at += step
        time.sleep(0.01)
    p.stdin.write(data[at:])
    p.stdin.close()
    words = p.stderr.read().decode()
    assert p.wait() == 0, words


def interrupted(events, lines, digest):
    """The pipe stays open, so the replay is in the middle of its log for sure."""
    state = os.path.join(WORK, 'interrupted')
    words = [ZHILIU, 'replay', PIPELINE, '-', '--format', 'json', '--checkpoint', state]
    for number, upto in ((signal.SIGINT, 7000), (signal.SIGTERM, 13000)):
        p = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(b''.join(lines[:upto]))
        p.stdin.flush()
        time.sleep(1)
        p.send_signal(number)
        out, said = (b.decode() for b in p.communicate())
        check('replay ends with %d' % (128 + number), p.returncode == 128 + number, (p.returncode, said))
        check('says how far it came', 'before line %d: %s holds' % (upto + 1, state) in said, said)
        check('and gives no digest of a part', out == '', out)
    again = subprocess.run(words, stdin=open(events, 'rb'), capture_output=True, text=True)
    check('the same replay again goes on from there', 'continues at line 13001' in again.stderr, again.stderr)
    check('and ends in the same digest', again.returncode == 0 and json.loads(again.stdout)['digest'] == digest, again)
    long = [ZHILIU, 'evaluate', events, '--seeds', '100', '--baseline', 'ials', '--retrain', '50']
    p = subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    out, said = (b.decode() for b in p.communicate())
    check('evaluate ends with 130 and says why it has no figures', p.returncode == 130 and out == '' and 'there are no figures' in said,
          (p.returncode, said))


def main():
    events, items = os.path.join(WORK, 'events.jsonl'), os.path.join(WORK, 'items.jsonl')
    subprocess.run([ZHILIU, 'simulate', '--events', '20000', '--users', '300', '--items', '500', '--seed', '5', '--out', events,
                    '--items-out', items, '--bad', '0.01'], check=True, capture_output=True)
    lines = open(events, 'rb').readlines()
    a, b = replay(events), replay(events)
    check('two replays of a file end in the same digest', a['digest'] == b['digest'])
    check('another seed ends in another', replay(events, '--set', 'model.seed=2')['digest'] != a['digest'])
    check('every message was taken in', a['messages'] == len(lines), (a, len(lines)))

    interrupted(events, lines, a['digest'])
    whole = os.path.join(WORK, 'whole')
    dribble(lines, whole)
    check('the same bytes in small pieces through a pipe end in the same digest', digest_of(whole)['digest'] == a['digest'])

    halves, half = os.path.join(WORK, 'halves'), os.path.join(WORK, 'half.jsonl')
    open(half, 'wb').writelines(lines[:9000])
    first = run_from(open(half, 'rb'), halves)
    check('a run over the first part ends well', first.returncode == 0, first.stderr)
    second = run_from(open(events, 'rb'), halves)
    check('a second run goes on from its checkpoint', second.returncode == 0 and 'going on' in second.stderr, second.stderr)
    check('and ends in the same digest', digest_of(halves)['digest'] == a['digest'])
    counted = sum(digest_of(halves)['events'].values())
    check('no event was counted twice', counted == sum(digest_of(whole)['events'].values()), counted)

    changed = os.path.join(WORK, 'changed.jsonl')
    open(changed, 'wb').writelines([lines[0].replace(b'"ts":', b'"ts": ')] + lines[1:] + lines[1:])
    into = [ZHILIU, 'replay', PIPELINE, changed, '--checkpoint', halves, '--set', 'source.kind=file', '--set', 'source.file=-']
    before = digest_of(halves)
    other = subprocess.run(into, capture_output=True, text=True)
    check('another and longer log is refused', other.returncode == 78 and 'state of another log, -:' in other.stderr and changed in other.stderr,
          (other.returncode, other.stderr))
    check('and nothing of it was learned', digest_of(halves) == before)
    same_length = subprocess.run([ZHILIU, 'run', PIPELINE, '--set', 'source.kind=file', '--set', 'source.file=' + changed, '--set', 'sink.kind=none',
                                  '--set', 'checkpoint.path=' + halves], capture_output=True, text=True)
    check('run refuses it, too', same_length.returncode == 78, (same_length.returncode, same_length.stderr))
    moved = os.path.join(WORK, 'moved.jsonl')
    open(moved, 'wb').writelines(lines + lines[5:10])
    grown = subprocess.run(into[:3] + [moved] + into[4:], capture_output=True, text=True)
    check('the same log, grown and moved, is gone on from', grown.returncode == 0 and 'messages 5 ' in grown.stdout, (grown.returncode, grown.stdout, grown.stderr))
    os.remove(os.path.join(halves, 'log'))
    check('a folder without the file is let pass', subprocess.run(into, capture_output=True, text=True).returncode == 0)

    scored = replay(events, '--score')
    check('testing before learning changes nothing', scored['digest'] == a['digest'])
    check('the learned order beats chance by far (10 of 500 items would be .02)', scored['hr@10'] > 0.04, scored)

    other = subprocess.run([ZHILIU, 'run', PIPELINE, '--set', 'source.kind=file', '--set', 'source.file=' + events, '--set', 'sink.kind=none',
                            '--set', 'checkpoint.path=' + whole, '--set', 'model.k=32'], capture_output=True, text=True)
    check('a checkpoint of another pipeline is refused in words', other.returncode in (65, 78) and 'pipeline' in other.stderr,
          (other.returncode, other.stderr))
    missing = subprocess.run([ZHILIU, 'replay', PIPELINE, os.path.join(WORK, 'nothing')], capture_output=True, text=True)
    check('a missing file is exit 66 and named', missing.returncode == 66 and 'nothing' in missing.stderr, (missing.returncode, missing.stderr))
    print('%d passed, %d failed' % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main())
