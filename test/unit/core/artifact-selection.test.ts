import { describe, expect, test } from 'vitest';
import {
  maxMembers,
  type SelectableArtifact,
  selectArtifacts,
  signatureKey,
} from '../../../agent/core/artifact-selection.ts';
import type { RepositoryPattern, TagRule } from '../../../agent/core/repository-pattern.ts';
import { artifact, host, pattern } from './selection-samples.ts';

function select(rule: RepositoryPattern, artifacts: readonly SelectableArtifact[], repository = 'llm') {
  return selectArtifacts(rule, [{ project: 'ml', repository, artifacts }]);
}

const tagsOf = (references: readonly { reference: string }[]) =>
  references.map(({ reference }) => reference.slice(reference.lastIndexOf(':') + 1));

function taken(rule: Partial<TagRule>, tags: readonly string[]): string[] {
  return tagsOf(
    select(
      pattern({ tags: rule }),
      tags.map((tag) => artifact(tag)),
    ).members,
  );
}

describe('tags', () => {
  test('by glob', () => {
    expect(taken({ match: 'v1.*' }, ['v1.0', 'v1.0.1', 'v2.0', 'xv1.0', 'v1'])).toEqual(['v1.0', 'v1.0.1']);
    expect(taken({ match: '{stable,prod-*}' }, ['stable', 'prod-7', 'prod', 'unstable'])).toEqual(['prod-7', 'stable']);
    expect(taken({ match: '!v1' }, ['v1', 'v2'])).toEqual([]);
  });

  test('by expression, on the whole tag', () => {
    expect(taken({ regex: 'v[0-9]+' }, ['v1', 'v12', 'v1-rc', 'xv1'])).toEqual(['v1', 'v12']);
    expect(taken({ regex: 'a|bc' }, ['a', 'bc', 'ac', 'abc'])).toEqual(['a', 'bc']);
  });

  test('by version range; pre-releases only where the range names one', () => {
    const tags = ['1.2.3', 'v1.4', '2.0.0-rc.1', '2', 'latest', '1.5.0-alpine', '2.1.0_build7', '1.02'];
    expect(taken({ semver: '>=1.3 <3' }, tags)).toEqual(['2', '2.1.0_build7', 'v1.4']);
    expect(taken({ semver: '>=1.3.0-0 <3' }, tags)).toEqual([
      '1.5.0-alpine',
      '2',
      '2.0.0-rc.1',
      '2.1.0_build7',
      'v1.4',
    ]);
    expect(taken({ semver: '1.0 - 2.0' }, tags)).toEqual(['1.02', '1.2.3', '2', 'v1.4']);
  });

  test('what is no version is left out, and said to be none', () => {
    const { excluded } = select(pattern({ tags: { semver: '*' } }), [artifact('latest')]);
    expect(excluded).toEqual([
      { reference: `${host}/ml/llm:latest`, reason: 'tag', message: 'its tag is not a version' },
    ]);
    const { excluded: byVersion } = select(pattern({ tags: { newest: 1, newestBy: 'version' } }), [artifact('latest')]);
    expect(byVersion.map(({ reason }) => reason)).toEqual(['tag']);
  });

  test('all rules that are given have to match', () => {
    expect(taken({ match: 'v*', regex: '.*[05]', semver: '>=1' }, ['v1.5', 'v1.4', '1.5', 'v0.5'])).toEqual(['v1.5']);
  });
});

describe('the newest', () => {
  test('by push time of the tag, of each repository', () => {
    const contents = ['a', 'b'].map((repository) => ({
      project: 'ml',
      repository,
      artifacts: [artifact({ one: 1, three: 3 }), artifact({ two: 2 }), artifact({ four: 4 })],
    }));
    const { members, excluded } = selectArtifacts(pattern({ tags: { newest: 2 } }), contents);
    expect(members.map(({ reference }) => reference)).toEqual(
      ['a:four', 'a:three', 'b:four', 'b:three'].map((name) => `${host}/ml/${name}`),
    );
    expect(excluded).toContainEqual({
      reference: `${host}/ml/a:two`,
      reason: 'older',
      message: '2 newer ones are taken',
    });
  });

  test('by version, whatever was pushed last', () => {
    const rule = pattern({ tags: { newest: 2, newestBy: 'version' } });
    const artifacts = [
      artifact({ '1.10.0': 1 }),
      artifact({ '1.9.0': 9 }),
      artifact({ v2: 2 }),
      artifact({ nightly: 99 }),
    ];
    expect(tagsOf(select(rule, artifacts).members)).toEqual(['1.10.0', 'v2']);
  });

  test('pushed at the same time: the higher version, then the later name, in whatever order they come', () => {
    const artifacts = ['blue', 'green', '1.9', '1.10'].map((tag) => artifact({ [tag]: 5 }));
    for (const order of [artifacts, artifacts.toReversed()]) {
      expect(tagsOf(select(pattern({ tags: { newest: 3 } }), order).members)).toEqual(['1.10', '1.9', 'green']);
    }
  });

  test('are counted among those that the other rules let through', () => {
    const rule = pattern({ tags: { newest: 1 }, maxSeverity: 'low' });
    const scan = (severity: string) => ({ scan: { status: 'Success', severity } });
    const { members, excluded } = select(rule, [
      artifact({ old: 1 }, scan('None')),
      artifact({ good: 2 }, scan('Low')),
      artifact({ bad: 3 }, scan('High')),
    ]);
    expect(tagsOf(members)).toEqual(['good']);
    expect(excluded.map(({ reason }) => reason)).toEqual(['severity', 'older']);
  });
});

test('labels, type, severity and signatures: the first that is broken is the reason', () => {
  const rule = pattern({ labels: ['prod', 'edge'], maxSeverity: 'medium', signed: 'cosign' });
  const good = {
    labels: ['edge', 'prod', 'x'],
    scan: { status: 'Success', severity: 'Low' },
    accessories: [{ type: 'signature.cosign' }],
  };
  const { members, excluded } = select(rule, [
    artifact('good', good),
    artifact('chart', { ...good, type: 'CHART' }),
    artifact('unlabelled', { ...good, labels: ['prod'] }),
    artifact('bad', { ...good, scan: { status: 'Success', severity: 'High' } }),
    artifact('unscanned', { ...good, scan: undefined }),
    artifact('unsigned', { ...good, accessories: [{ type: 'signature.notation' }, { type: 'sbom.harbor' }] }),
  ]);
  expect(tagsOf(members)).toEqual(['good']);
  expect(excluded.map(({ reason, message }) => [reason, message])).toEqual([
    ['not_signed', 'Harbor knows no cosign signature of it'],
    ['severity', 'its severity is High, and at most medium is allowed'],
    ['not_scanned', 'it was never scanned'],
    ['label', 'it does not have the label edge'],
    ['not_an_image', 'it is of type CHART'],
  ]);
});

test('any signature does where any is asked for; with keys it is verified elsewhere', () => {
  const notation = artifact('n', { accessories: [{ type: 'signature.notation' }] });
  const plain = artifact('p');
  expect(tagsOf(select(pattern({ signed: 'any' }), [notation, plain]).members)).toEqual(['n']);
  expect(tagsOf(select(pattern({ signed: 'cosign', signedBy: ['PEM'] }), [plain]).members)).toEqual(['p']);
});

test('a verdict on a signature leaves the artifact out, and the next newest moves up', () => {
  const rule = pattern({ tags: { newest: 1 }, signed: 'cosign', signedBy: ['PEM'] });
  const artifacts = [artifact({ old: 1 }), artifact({ new: 2 })];
  const contents = [{ project: 'ml', repository: 'llm', artifacts }];
  expect(tagsOf(selectArtifacts(rule, contents).members)).toEqual(['new']);
  const verdict = { reason: 'signature_invalid', message: 'another key' } as const;
  const after = selectArtifacts(rule, contents, new Map([[signatureKey('ml/llm', 'sha256:new'), verdict]]));
  expect(tagsOf(after.members)).toEqual(['old']);
  expect(after.excluded).toEqual([{ reference: `${host}/ml/llm:new`, ...verdict }]);
});

test('of more than a pattern may take the last pushed are taken', () => {
  const artifacts = Array.from({ length: maxMembers + 3 }, (_, index) => artifact({ [`t${index}`]: index }));
  const { members, excluded } = select(pattern(), artifacts);
  expect(members).toHaveLength(maxMembers);
  expect(tagsOf(excluded)).toEqual(['t0', 't1', 't2']);
  expect(excluded[0]?.reason).toBe('too_many');
});

test('a tag that moved while Harbor was asked belongs to the later artifact', () => {
  const moved = [artifact({ v1: 1 }, { digest: 'sha256:a' }), artifact({ v1: 2 }, { digest: 'sha256:b' })];
  for (const artifacts of [moved, moved.toReversed()]) {
    expect(select(pattern(), artifacts).members.map(({ digest }) => digest)).toEqual(['sha256:b']);
  }
});

test('what Harbor answers beyond the pattern, or with broken names, is never taken', () => {
  const contents = ['other', 'ml'].flatMap((project) =>
    ['llm', 'a/b', 'Bad Name'].map((repository) => ({
      project,
      repository,
      artifacts: [artifact('v1'), artifact('-x')],
    })),
  );
  const { members, excluded } = selectArtifacts(pattern({ repository: '*' }), contents);
  expect(members.map(({ reference }) => reference)).toEqual([`${host}/ml/llm:v1`]);
  expect(excluded.filter(({ reference }) => !reference.startsWith(`${host}/ml/`) || reference.includes('a/b'))).toEqual(
    [],
  );
});
