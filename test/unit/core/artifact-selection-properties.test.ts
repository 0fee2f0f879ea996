import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesPattern, selectArtifacts } from '../../../agent/core/artifact-selection.ts';
import { artifact, host, pattern } from './selection-samples.ts';

const someTag = fc.oneof(
  fc.constantFrom('latest', 'v1', 'v2', '1.0', '1.0.0', '2.0.0-rc1', '-bad', 'edge'),
  fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,6}$/),
);
const someArtifact = fc.record({
  digest: fc.stringMatching(/^sha256:[0-9a-f]{4}$/),
  type: fc.constantFrom('IMAGE', 'IMAGE', 'CHART'),
  tags: fc.uniqueArray(fc.record({ name: someTag, pushedAt: fc.integer({ min: 0, max: 5 }) }), {
    maxLength: 4,
    selector: ({ name }) => name,
  }),
  labels: fc.subarray(['prod', 'edge']),
  accessories: fc.constant([]),
  scan: fc.option(fc.record({ status: fc.constant('Success'), severity: fc.constantFrom('None', 'High', '?') }), {
    nil: undefined,
  }),
});
const somePattern = fc
  .record({
    newest: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    newestBy: fc.constantFrom('push_time' as const, 'version' as const),
    match: fc.constantFrom(undefined, 'v*', '*'),
    maxSeverity: fc.constantFrom(undefined, 'low' as const),
    labels: fc.subarray(['prod']),
  })
  .map(({ maxSeverity, labels, ...tags }) => pattern({ maxSeverity, labels, tags }));
const someContents = fc.uniqueArray(
  fc.record({
    project: fc.constant('ml'),
    repository: fc.constantFrom('a', 'b/c'),
    artifacts: fc.uniqueArray(someArtifact, { maxLength: 8, selector: ({ digest }) => digest }),
  }),
  { maxLength: 2, selector: ({ repository }) => repository },
);

test('every tag ends in exactly one list, and the order of what Harbor says does not matter', () => {
  fc.assert(
    fc.property(somePattern, someContents, fc.integer(), (rule, contents, seed) => {
      const one = selectArtifacts(rule, contents);
      const all = [...one.members, ...one.excluded].map(({ reference }) => reference).toSorted();
      const wanted = contents.flatMap(({ repository, artifacts }) =>
        artifacts.flatMap(({ tags }) => tags.map(({ name }) => `${host}/ml/${repository}:${name}`)),
      );
      expect(all).toEqual([...new Set(wanted)].toSorted());

      const shuffled = contents
        .map((content) => ({ ...content, artifacts: rotate(content.artifacts, seed) }))
        .toReversed();
      expect(selectArtifacts(rule, shuffled)).toEqual(one);
      for (const { reference } of one.members) expect(matchesPattern(rule, reference)).toBe(true);
    }),
  );
});

test('never more than the newest, and an older tag that is added changes nothing', () => {
  fc.assert(
    fc.property(somePattern, someContents, (rule, contents) => {
      const { newest } = rule.tags;
      const before = selectArtifacts(rule, contents).members.map(({ reference }) => reference);
      const counts = Map.groupBy(before, (reference) => reference.slice(0, reference.lastIndexOf(':')));
      for (const references of counts.values()) expect(references.length).toBeLessThanOrEqual(newest ?? Infinity);
      if (newest === undefined || [...counts.values()].some(({ length }) => length < newest) || counts.size < 2) return;
      const older = artifact({ '0.0.0-0': -1 }, { labels: ['prod'], scan: { status: 'Success', severity: 'None' } });
      const after = selectArtifacts(
        rule,
        contents.map((content) => ({ ...content, artifacts: [...content.artifacts, older] })),
      );
      expect(after.members.map(({ reference }) => reference)).toEqual(before);
    }),
  );
});

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const at = items.length === 0 ? 0 : Math.abs(by) % items.length;
  return [...items.slice(at), ...items.slice(0, at)].toReversed();
}
