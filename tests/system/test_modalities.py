#!/usr/bin/env python3
"""What vectors of items are worth, on a platform where nothing else tells of them and whose truth is known: those that tell of the topic find
new items, those that are noise alone do no harm. Needs no service."""
import json
import os
import subprocess
import sys
import tempfile

ZHILIU = os.environ.get('ZHILIU', 'build/release/zhiliu')
WORK = os.environ.get('ZHILIU_WORK') or tempfile.mkdtemp()
EVENTS, ITEMS = os.path.join(WORK, 'events.jsonl'), os.path.join(WORK, 'items.jsonl')
PLATFORM = ['--events', '60000', '--users', '1200', '--items', '600', '--topics', '12', '--new-items', '10', '--bare', '--seed', '3']
results = []


def check(sentence, holds, words=''):
    results.append(bool(holds))
    print('%s %s%s' % ('ok    ' if holds else 'FAILED', sentence, '' if holds else ': %s' % (words,)))


def simulate(features):
    subprocess.run([ZHILIU, 'simulate', *PLATFORM, '--features', features, '--out', EVENTS, '--items-out', ITEMS], check=True,
                   stderr=subprocess.DEVNULL)


def evaluate(*modalities):
    dimensions = ['--set=catalog.features.%s=16' % m for m in modalities]
    out = subprocess.run([ZHILIU, 'evaluate', EVENTS, '--items', ITEMS, '--every', '2', '--format', 'json', *dimensions], check=True,
                         capture_output=True, text=True)
    return json.loads(out.stdout)


def main():
    simulate('video=16,audio=16:inf,text=16:1:0.5')
    without, video, random, half = evaluate(), evaluate('video'), evaluate('audio'), evaluate('text')
    both = evaluate('video', 'audio')
    auc = {name: r['cold']['auc'] for name, r in (('without', without), ('video', video), ('random', random), ('half', half), ('both', both))}
    hits = {name: r['overall']['hr@10'] for name, r in (('without', without), ('video', video), ('random', random), ('both', both))}
    print('cold AUC', auc, 'HR@10', hits)
    check('enough cold items were tested', without['cold']['n'] > 500, without['cold'])
    check('vectors that tell of the topic raise the cold AUC', auc['video'] > auc['without'] + 0.012, auc)
    check('also when half of the items have none', auc['half'] > auc['without'] + 0.003, auc)
    check('vectors of noise cost no cold items', auc['random'] > auc['without'] - 0.01, auc)
    check('nor beside good ones', auc['both'] > auc['video'] - 0.01, auc)
    check('nor hits', hits['random'] > 0.97 * hits['without'] and hits['both'] > 0.97 * hits['video'], hits)
    failed = results.count(False)
    print('%d passed, %d failed' % (len(results) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
