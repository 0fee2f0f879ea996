import { describe, expect, test } from 'vitest';
import { parseTeamConfiguration } from '../../../agent/config/team-configuration.ts';
import { formatMistakes } from '../../../agent/core/mistake.ts';
import { mergeTeams, type TeamImageSets } from '../../../agent/core/team-image-sets.ts';
import { accepted, oneSet } from './texts.ts';

const source = 'configmap stevedore/team-a';

function mistakesOf(text: string): readonly string[] {
  const parsed = parseTeamConfiguration(text, source);
  return parsed.ok ? [] : formatMistakes(parsed.mistakes, source).split('\n');
}

/** A team's ConfigMap with sets of these names, the first on line 2. */
function team(name: string, createdAt: number, ...setNames: readonly string[]): TeamImageSets {
  const text = `imageSets:\n${setNames.map((set) => `- { name: ${set}, images: [x.io/${name}] }`).join('\n')}`;
  const parsed = parseTeamConfiguration(text, `configmap stevedore/${name}`);
  if (!parsed.ok) throw new Error(formatMistakes(parsed.mistakes, name));
  return { name, createdAt, parsed };
}

function merge(mainText: string, ...teams: readonly TeamImageSets[]) {
  const main = accepted(mainText);
  const { configuration, refused } = mergeTeams(
    { source: 'configmap stevedore/stevedore', configuration: main },
    teams,
  );
  return {
    main,
    configuration,
    sets: configuration.imageSets.map(({ name, images }) => `${name} ${images.join()}`),
    refused: refused.map((one) => formatMistakes(one.mistakes, one.source)),
  };
}

describe("a team's text", () => {
  test('says of a set what the main one may say', () => {
    const text = oneSet(
      'nodeSelector: { matchLabels: { zone: a } }',
      'priority: 5',
      'gate: true',
      'pullPolicy: Always',
      'refreshEvery: 1h',
      'window: { cron: "0 20 * * *", duration: 10h }',
    );
    const parsed = parseTeamConfiguration(text, source);
    expect(parsed).toMatchObject({ ok: true, source, imageSets: accepted(text).imageSets, nameLines: [2] });
  });

  test.each(['', '# nothing\n', 'imageSets:\n', 'registries:\n'])('may say nothing: %j', (text) => {
    expect(parseTeamConfiguration(text, source)).toMatchObject({ ok: true, imageSets: [] });
  });

  test.each(['registries: []', 'credentials: [/a]', 'prefetch: {}', 'gate: {}', 'prune: { dryRun: true }'])(
    'has nothing beside its sets: %s',
    (text) => {
      const [key] = text.split(':');
      expect(mistakesOf(text)).toEqual([
        `${source}:1: ${key}: must stand in the main ConfigMap: a team's has imageSets alone`,
      ]);
    },
  );

  test('has no credentials, and their value is not repeated', () => {
    const [mistake, ...others] = mistakesOf(oneSet('credentials: [/etc/stevedore/credentials/secret]'));
    expect(mistake).toMatch(/^configmap stevedore\/team-a:4: imageSets\[0\]\.credentials: must not stand in a team's/);
    expect(mistake).not.toContain('secret');
    expect(others).toEqual([]);
  });

  test('has the mistakes of the main one', () => {
    expect(mistakesOf('imageSets: [{ name: a, images: [X] }, { name: a, images: [] }]\nharbor: {}')).toEqual([
      `${source}:1: imageSets[0].images[0]: "X": the repository name must be lower case`,
      `${source}:1: imageSets[1].name: "a": entry 0 has the same name`,
      `${source}:2: harbor: unknown key`,
    ]);
    expect(mistakesOf('a: [')[0]).toMatch(/^configmap stevedore\/team-a:1: /);
  });
});

describe("teams' sets", () => {
  test('come behind those of the main configuration, the older ConfigMap first, and nothing else changes', () => {
    const { main, configuration, sets, refused } = merge(oneSet(), team('b', 1, 'b'), team('z', 0, 'z1', 'z2'));
    expect(sets).toEqual(['a x.io/y:latest', 'z1 x.io/z:latest', 'z2 x.io/z:latest', 'b x.io/b:latest']);
    expect(configuration).toEqual({ ...main, imageSets: configuration.imageSets });
    expect(configuration.imageSets.map(({ source }) => source)).toEqual([
      'configmap stevedore/stevedore',
      'configmap stevedore/z',
      'configmap stevedore/z',
      'configmap stevedore/b',
    ]);
    expect(refused).toEqual([]);
  });

  test('give way to the main configuration, and the refused one is named with both places', () => {
    const { sets, refused } = merge(oneSet(), team('b', 1, 'b', 'a', 'c'));
    expect(sets).toEqual(['a x.io/y:latest', 'b x.io/b:latest', 'c x.io/b:latest']);
    expect(refused).toEqual([
      'configmap stevedore/b:3: imageSets[1].name: "a": configmap stevedore/stevedore (imageSets[0]) has a set of this name',
    ]);
  });

  test('give way to the older ConfigMap, of two equally old ones to the first by name', () => {
    const { sets, refused } = merge('', team('b', 7, 's', 'b'), team('c', 7, 's'), team('a', 8, 's', 'a'));
    expect(sets).toEqual(['s x.io/b:latest', 'b x.io/b:latest', 'a x.io/a:latest']);
    const rule = 'imageSets[0].name: "s": configmap stevedore/b (imageSets[0]) has a set of this name';
    expect(refused).toEqual([`configmap stevedore/c:2: ${rule}`, `configmap stevedore/a:2: ${rule}`]);
  });
});

describe("repositories in a team's text", () => {
  const text = `imageSets:
- { name: good, images: [{ repository: "harbor.example/ml/*", tags: { newest: 2 } }] }
- name: bad
  images:
  - x.io/y
  - repository: other.example/ml/x
`;
  const parsed = parseTeamConfiguration(text, 'configmap stevedore/models');

  test('need a registry of the main one that is a Harbor; the other sets of the same team stay', () => {
    if (!parsed.ok) throw new Error('refused');
    const models = { name: 'models', createdAt: 1, parsed };
    const harbor = 'registries: [{ host: harbor.example, harbor: true }, { host: other.example }]';
    const merged = merge(harbor, models);
    expect(merged.configuration.imageSets).toMatchObject([{ name: 'good', patterns: [{ tags: { newest: 2 } }] }]);
    expect(merged.refused).toEqual([
      'configmap stevedore/models:6: imageSets[1].images[1].repository: "other.example/ml/x": a repository needs an entry in registries with host: other.example and harbor: true',
    ]);
    expect(merge('', models).configuration.imageSets).toEqual([]);
  });

  test('of a set that is refused leave its name to others', () => {
    if (!parsed.ok) throw new Error('refused');
    const merged = merge('', { name: 'models', createdAt: 1, parsed }, team('late', 2, 'bad'));
    expect(merged.sets).toEqual(['bad x.io/late:latest']);
  });

  test('are told with their own mistakes where they stand', () => {
    expect(mistakesOf('imageSets: [{ name: a, images: [{ repository: x }] }]')).toEqual([
      `${source}:1: imageSets[0].images[0].repository: "x": must have a host, a project and a repository, as in harbor.example.com/ml/*`,
    ]);
  });
});
