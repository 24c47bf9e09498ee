#!/usr/bin/env python3
"""evaluate, the whole verb: one object, the same figures again, tests that change nothing, baselines that learn what the engine learns, two
configurations held against each other, items that enter at their time. Needs no service."""
import json
import os
import random
import subprocess
import sys
import tempfile

ZHILIU = os.environ.get('ZHILIU', 'build/release/zhiliu')
WORK = os.environ.get('ZHILIU_WORK') or tempfile.mkdtemp()
EVENTS, ITEMS = os.path.join(WORK, 'events.jsonl'), os.path.join(WORK, 'items.jsonl')
results = []


def check(sentence, holds, words=''):
    results.append(bool(holds))
    print('%s %s%s' % ('ok    ' if holds else 'FAILED', sentence, '' if holds else ': %s' % (words,)))


def run(*more, events=EVENTS, items=ITEMS):
    return subprocess.run([ZHILIU, 'evaluate', events, '--items', items, *more], capture_output=True, text=True)


def evaluate(*more, **files):
    out = run('--format', 'json', *more, **files)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def without_time(result):
    result = json.loads(json.dumps(result))
    for one in [result] + result['seeds']:
        one.pop('us_per_event')
    return result


def shape(result):
    wanted = {'stream', 'events', 'overall', 'warm', 'first', 'cold', 'by_history', 'parts', 'windows', 'baselines', 'seeds', 'spread',
              'us_per_event', 'digest'}
    check('the object has the blocks of the page', wanted <= set(result), set(result))
    check('overall is hr@10, ndcg@10, mrr', {'hr@10', 'ndcg@10', 'mrr'} <= set(result['overall']))
    check('cold is auc, hr@10', {'auc', 'hr@10'} <= set(result['cold']))
    lengths = result['by_history']
    check('every scored event has one length of history', sum(q['n'] for q in lengths.values()) == result['overall']['n'], lengths)
    check('who has no history is a first', lengths['0'] == result['first'])
    by_length = [(lengths[l]['n'], parts['core']) for l, parts in result['parts_by_history'].items()]
    hits = sum(n * hr for n, hr in by_length)
    check('hits of a part by length add up to its hits', abs(hits / result['overall']['n'] - result['parts']['core']['hr@10']) < 1e-4, by_length)


def every(whole):
    few = evaluate('--every', '7')
    check('--every 7 tests a seventh', abs(few['overall']['n'] - whole['overall']['n'] / 7) <= 1, few['overall'])
    check('what is not tested is learned all the same', few['digest'] == whole['digest'])


def top(whole):
    ten, one, hundred = (evaluate('--top', str(n)) for n in (10, 1, 100))
    check('--top 10 is the default', without_time(ten) == without_time(whole))
    check('--top 1 names HR@1 and nothing @10', 'hr@1' in one['overall'] and '@10' not in json.dumps(one), one)
    check('more places hold more', one['overall']['hr@1'] < whole['overall']['hr@10'] < hundred['overall']['hr@100'], hundred['overall'])
    check('and more items', one['coverage'] < whole['coverage'] < hundred['coverage'], (one['coverage'], hundred['coverage']))
    check('the place itself does not change', one['overall']['mrr'] == hundred['overall']['mrr'] and one['digest'] == hundred['digest'])
    said = run('--top', '60', '--against', 'pipelines/feed.yaml', '--baseline', 'popularity')
    check('the table says HR@60 throughout', 'HR@60' in said.stdout and '@10' not in said.stdout, said.stdout)
    check('and that lists are shorter than that', 'rank.n is 50' in said.stderr, said.stderr)
    near, far = (json.loads(run('--similar', '--format', 'json', '--top', str(n)).stdout)['similar'] for n in (5, 15))
    check('--similar too', near['hr@5'] < far['hr@15'], (near, far))
    for wrong in ('0', '101'):
        check('--top %s is exit 64' % wrong, run('--top', wrong).returncode == 64)


def repeats(whole):
    """Likes of what was just watched, put behind every tenth watch: they ask nothing of a list."""
    again = os.path.join(WORK, 'again.jsonl')
    with open(EVENTS) as f, open(again, 'w') as g:
        for i, line in enumerate(f):
            g.write(line)
            event = json.loads(line)
            if i % 10 == 0 and event['type'] == 'watch':
                g.write(json.dumps(dict(event, type='like', event_id='again-%d' % i)) + '\n')
    more = evaluate('--skip', '0', events=again)
    plain = evaluate('--skip', '0')
    check('an event on an item that the user has met is not scored', abs(more['overall']['n'] - plain['overall']['n']) < 0.01 * plain['overall']['n'],
          (more['overall'], plain['overall']))
    check('but is there', more['events'] > 1.01 * plain['events'], (more['events'], plain['events']))


def seeds(whole):
    three = evaluate('--seeds', '3')
    hits = [s['hr@10'] for s in three['seeds']]
    check('--seeds 3 is one object with three seeds', [s['seed'] for s in three['seeds']] == [1, 2, 3])
    check('overall is their mean', abs(three['overall']['hr@10'] - sum(hits) / 3) < 1e-5, (three['overall'], hits))
    check('the first of them is the run of that seed', three['seeds'][0]['digest'] == whole['digest'])
    check('another seed learns something else', three['seeds'][1]['digest'] != whole['digest'])


def baselines(whole):
    both = evaluate('--baseline', 'popularity,decayed-popularity')
    alone = evaluate('--baseline', 'popularity')
    check('a baseline does not depend on who stands beside it', both['baselines']['popularity'] == alone['baselines']['popularity'])
    check('baselines leave the engine alone', both['overall'] == whole['overall'] and both['digest'] == whole['digest'])
    theirs, gain = both['baselines']['popularity']['hr@10'], both['baselines']['popularity']['gain']
    check('the gain is hits over hits', abs(gain - (whole['overall']['hr@10'] / theirs - 1)) < 1e-3, (gain, theirs))
    held = evaluate('--protocol', 'holdout', '--baseline', 'popularity')
    check('in a holdout a baseline has learned the events before the test', held['baselines']['popularity']['hr@10'] > theirs / 2,
          held['baselines'])
    out = run('--baseline', 'popularity,svd')
    check('an unknown baseline is exit 64 and the known ones are named', out.returncode == 64 and 'ials+popularity' in out.stderr, out.stderr)


def against():
    short = os.path.join(WORK, 'short.yaml')
    with open('pipelines/feed.yaml') as f, open(short, 'w') as g:
        g.write(f.read().replace('history: 50', 'history: 2'))
    same = evaluate('--pipeline', 'pipelines/feed.yaml', '--against', 'pipelines/feed.yaml', '--seeds', '2')
    c = same['comparison']
    check('a configuration against itself differs in nothing', c['difference'] == {'hr@10': 0, 'low': 0, 'high': 0}, c)
    check('both have the same seeds', [s['digest'] for s in same['seeds']] == [s['digest'] for s in same['against']['seeds']])
    other = evaluate('--pipeline', 'pipelines/feed.yaml', '--against', short, '--protocol', 'holdout')
    c, difference = other['comparison'], other['overall']['hr@10'] - other['against']['overall']['hr@10']
    check('the difference is that of all events scored, in a holdout too', abs(c['difference']['hr@10'] - difference) < 2e-5, (c, difference))
    check('it lies in its interval', c['difference']['low'] <= c['difference']['hr@10'] <= c['difference']['high'], c)


def entering():
    """Nine items, so that all served ones are in the first ten; w is one that nobody chooses."""
    events, items = os.path.join(WORK, 'few.jsonl'), os.path.join(WORK, 'few-items.jsonl')
    with open(events, 'w') as f:
        for i in range(400):
            f.write(json.dumps({'event_id': 'e%d' % i, 'type': 'like', 'user_id': 'u%d' % (i // 4), 'item_id': 'v%d' % (i * 7 % 8),
                                'ts': 1700000000000 + i * 1000}) + '\n')

    def coverage(**published):
        with open(items, 'w') as f:
            for i in range(8):
                f.write(json.dumps({'item_id': 'v%d' % i}) + '\n')
            f.write(json.dumps({'item_id': 'w', **published}) + '\n')
        return evaluate('--skip', '0', events=events, items=items)['coverage']

    check('an item without published_at is served from its first event on', abs(coverage() - 8 / 9) < 1e-3)
    check('one with it from that time on', coverage(published_at=1700000200000) == 1)
    check('and not before', abs(coverage(published_at=1700000500000) - 8 / 9) < 1e-3)


def always_new():
    """Every event is the first of its item: whoever has a hit has been told the answer."""
    events, items = os.path.join(WORK, 'new.jsonl'), os.path.join(WORK, 'new-items.jsonl')
    with open(events, 'w') as f, open(items, 'w') as g:
        for i in range(1500):
            f.write(json.dumps({'event_id': 'e%d' % i, 'type': 'like', 'user_id': 'u%d' % (i % 40), 'item_id': 'v%d' % i,
                                'ts': 1700000000000 + i * 1000}) + '\n')
            g.write(json.dumps({'item_id': 'v%d' % i}) + '\n')
    result = evaluate('--baseline', 'ials+popularity,popularity', '--skip', '0', events=events, items=items)
    hits = [result['overall']['hr@10']] + [b['hr@10'] for b in result['baselines'].values()]
    check('an item that enters with the tested event is a miss for everyone', hits == [0, 0, 0], hits)


def subjects():
    """Everybody wants one of four tags and chooses at random within it, once for each of 20 items: 5 of them are left for the last choice."""
    def parts(**described):
        events, items = os.path.join(WORK, 'tags.jsonl'), os.path.join(WORK, 'tags-items.jsonl')
        rng = random.Random(3)
        with open(items, 'w') as f:
            for i in range(80):
                f.write(json.dumps({'item_id': 'v%d' % i, **{key: value(i) for key, value in described.items()}}) + '\n')
        with open(events, 'w') as f:
            wanted = [(u, i) for u in range(60) for i in rng.sample(range(u % 4, 80, 4), 15)]
            rng.shuffle(wanted)
            for n, (u, i) in enumerate(wanted):
                f.write(json.dumps({'event_id': 'e%d' % n, 'type': 'like', 'user_id': 'u%d' % u, 'item_id': 'v%d' % i, 'ts': 1700000000000 + n * 1000}) + '\n')
        return evaluate(events=events, items=items)

    tagged, bare = parts(tags=lambda i: ['t%d' % (i % 4)]), parts()
    check('the part by subjects knows what the tags say', tagged['parts']['subjects']['hr@10'] > 0.6, tagged['parts'])
    check('and without tags nothing', bare['parts']['subjects']['hr@10'] < 0.25, bare['parts'])
    check('it is there by length of history', all('subjects' in p for p in tagged['parts_by_history'].values()))
    check('who has no history has no subjects', tagged['parts_by_history']['0']['subjects'] < 0.3, tagged['parts_by_history'])
    best = max(p['hr@10'] for p in tagged['parts'].values())
    check('it counts for the gain over the best part', best == tagged['parts']['subjects']['hr@10'] and
          abs(tagged['gain_over_best_part'] - (tagged['overall']['hr@10'] / best - 1)) < 1e-3, tagged['parts'])
    check('text has a row of it', '\n  subjects ' in run('--every', '20').stdout)


def idle_policy(whole):
    """Figures are of the score alone, and who sets a policy is told so."""
    said = 'policy.mmr, policy.category.most have no effect on these figures'
    out = run('--format', 'json', '--set', 'policy.mmr=5', '--set', 'policy.category.most=1')
    check('a policy changes no figure', json.loads(out.stdout)['overall'] == whole['overall'])
    check('and that is said in one line', out.stderr.count('\n') == 1 and said in out.stderr, out.stderr)
    other = os.path.join(WORK, 'policy.yaml')
    with open('pipelines/feed.yaml') as f, open(other, 'w') as g:
        g.write(f.read() + '\npolicy: {mmr: 5}\n')
    out = run('--pipeline', 'pipelines/feed.yaml', '--against', other, '--every', '9')
    check('of the second configuration too, by its name', out.stderr.count('\n') == 1 and other + ': policy.mmr has no effect' in out.stderr, out.stderr)


def frozen():
    one = evaluate('--freeze-items', '1')
    check('rows copied at each positive are the live ones', one['frozen']['hr@10'] == one['parts']['core']['hr@10'], one['frozen'])
    late = evaluate('--freeze-items', '1000000')
    check('rows of before the first event know nothing', late['frozen']['hr@10'] < one['frozen']['hr@10'] / 2, late['frozen'])
    check('freezing changes no row', late['digest'] == one['digest'])


def plot(whole):
    with open(os.path.join(WORK, 'result.json'), 'w') as f:
        json.dump(whole, f)
    out = subprocess.run(['scripts/plot-quality', f.name, '--title', 'a <made-up> platform'], capture_output=True, text=True)
    check('plot-quality draws one line', out.stdout.count('<polyline') == 1 and 'a &lt;made-up&gt; platform' in out.stdout, out.stderr)


def off_policy():
    """Estimates from a log that the replay does not fit are not given without a word."""
    log, items, cut = (os.path.join(WORK, name) for name in ('loop.jsonl', 'loop-items.jsonl', 'cut.jsonl'))
    subprocess.run([ZHILIU, 'simulate', '--closed-loop', '--in-process', '--events', '20000', '--users', '200', '--items', '500', '--rate', '2',
                    '--open-events', '5000', '--out', log, '--items-out', items], check=True, capture_output=True)
    with open(log) as f, open(cut, 'w') as g:
        g.writelines(f.readlines()[1000:])

    def ips(*more, events=log):
        out = run('--ips', '--snips', '--format', 'json', *more, events=events, items=items)
        return json.loads(out.stdout) if out.returncode == 0 else {}, out

    whole, out = ips()
    check('the whole log is trusted and nothing is said', whole['trusted'] is True and whole['doubts'] == [] and out.stderr == '', out)
    wider, out = ips('--policy', 'uniform')
    check('another policy on it too, if its draws suffice', wider['trusted'] == (wider['effective'] >= 30), wider)
    for sentence, answer in (('another seed than the log has', ips('--set', 'model.seed=99')), ('a log without its head', ips(events=cut))):
        result, out = answer
        check('%s is not trusted' % sentence, (out.returncode == 65 or result['trusted'] is False) and out.stderr, (result, out.stderr))
        check('and the words name what to give', out.returncode == 65 or 'model.seed' in out.stderr and '--items' in result['doubts'][0], out.stderr)
    _, out = ips('--set', 'policy.explore.slots=0')
    check('a policy that draws nothing is exit 65', out.returncode == 65 and 'policy.explore.slots' in out.stderr and not out.stdout, out)
    _, out = ips('--set', 'policy.explore.per=1000')
    check('as is one that has no place of chance on such a list', out.returncode == 65 and 'drawn none' in out.stderr, out)


def refused():
    """What cannot be answered is refused, not answered with something else."""
    with open(EVENTS) as f:
        out = subprocess.run([ZHILIU, 'evaluate', '-'], stdin=f, capture_output=True, text=True)
    check('standard input, which cannot be read twice, is exit 64', out.returncode == 64 and 'pipe' in out.stderr, out.stderr)
    for asked, idle in (('--ips', '--similar'), ('--snips', '--baseline=bpr'), ('--similar', '--against=none.yaml'),
                        ('--similar', '--protocol=kfold'), ('--ips', '--seeds=2')):
        out = run(asked, idle)
        check('%s and %s together are exit 64' % (asked, idle), out.returncode == 64 and 'do not go together' in out.stderr, out.stderr)
    for sentence, more in (('--retrain without ials', ['--retrain', '500', '--baseline', 'bpr']), ('--retrain-window without ials', ['--retrain-window', '9']),
                           ('--policy without --ips', ['--policy', 'uniform']), ('--outcome without --ips', ['--outcome', 'like']),
                           ('--outcome-window without --ips', ['--outcome-window', '5m']), ('--skip in a holdout', ['--protocol', 'holdout', '--skip', '0.3']),
                           ('--skip in k-fold', ['--protocol', 'kfold', '--skip', '0']), ('--score of nothing', ['--score', ''])):
        out = run(*more)
        check('%s is exit 64 and named' % sentence, out.returncode == 64 and more[0 if more[0] != '--protocol' else 2] in out.stderr and not out.stdout, out)
    for more in (['--every', '5'], ['--skip', '0']):
        out = subprocess.run([ZHILIU, 'replay', EVENTS, *more], capture_output=True, text=True)
        check('replay %s without --score is exit 64' % more[0], out.returncode == 64 and more[0] in out.stderr and '--score' in out.stderr, out)
    check('--retrain with ials is taken', run('--retrain', '5000', '--baseline', 'ials', '--every', '9').returncode == 0)
    bad, empty = os.path.join(WORK, 'bad.jsonl'), os.path.join(WORK, 'empty.jsonl')
    with open(bad, 'w') as f:
        f.write('{bad\n' * 10)
    open(empty, 'w').close()
    for sentence, out in (('a file of junk', run(events=bad)), ('an empty file', run(events=empty)), ('--skip 1', run('--skip', '1')),
                          ('--similar of junk', run('--similar', events=bad))):
        check('%s is exit 65 and no table' % sentence, out.returncode == 65 and ' was tested' in out.stderr and not out.stdout, out)
    for name in ('cut.gz', 'cut.zst'):
        cut = os.path.join(WORK, name)
        open(cut, 'w').close()
        out = run(events=cut)
        check('an empty %s is exit 65, as its own tool has it' % name, out.returncode == 65 and 'ends in the middle' in out.stderr, out)


def junk(whole):
    """What is refused is counted and said, in every question that a file can be asked."""
    mixed = os.path.join(WORK, 'mixed.jsonl')
    with open(EVENTS) as f, open(mixed, 'w') as g:
        g.write(f.read() + '{bad\n' * 2500 + '[1]\n')
    counts, words = {'bad_json': 2500, 'not_object': 1}, '2501 records of %s refused: bad_json 2500, not_object 1' % mixed
    check('nothing refused is an empty object', whole['refused'] == {}, whole['refused'])
    for more in ([], ['--similar'], ['--protocol', 'holdout', '--every', '9']):
        out = run('--format', 'json', *more, events=mixed)
        check('evaluate %s counts the refused by reason' % ' '.join(more), json.loads(out.stdout)['refused'] == counts, out.stdout)
        check('and says so', out.stderr.count(words) == 1, out.stderr)
    out = subprocess.run([ZHILIU, 'replay', mixed, '--items', ITEMS, '--format', 'json'], capture_output=True, text=True)
    check('replay too', json.loads(out.stdout)['refused'] == counts and words in out.stderr, out)
    check('junk changes no figure', evaluate(events=mixed)['overall'] == whole['overall'])


def main():
    subprocess.run([ZHILIU, 'simulate', '--events', '12000', '--users', '300', '--items', '400', '--seed', '5', '--out', EVENTS,
                    '--items-out', ITEMS], check=True, capture_output=True)
    whole = evaluate()
    shape(whole)
    check('the same log and seed give the same figures and digest', without_time(evaluate()) == without_time(whole))
    every(whole)
    top(whole)
    repeats(whole)
    seeds(whole)
    baselines(whole)
    against()
    entering()
    always_new()
    subjects()
    idle_policy(whole)
    frozen()
    plot(whole)
    out = run('--score', 'likes')
    check('--score with no event type is exit 64', out.returncode == 64, out.stderr)
    off_policy()
    junk(whole)
    refused()
    failed = results.count(False)
    print('%d passed, %d failed' % (len(results) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
