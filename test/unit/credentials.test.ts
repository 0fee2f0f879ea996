import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Credential, type CredentialEntry, matchCredentials } from '../../agent/core/credentials.ts';
import { parseReference } from '../../agent/core/image-reference.ts';

/** Entries whose user name is their location, so that a match tells which it was. */
const entries = (...locations: string[]): CredentialEntry[] =>
  locations.map((location) => ({ location, login: new Credential('', location, 'secret') }));
const matched = (image: string, ...locations: string[]): string[] =>
  matchCredentials(entries(...locations), parseReference(image)).map(({ username }) => username);

describe('which credentials belong to an image', () => {
  test.each<[string, string, string[]]>([
    ['the host', 'harbor.example.com/app/web:v1', ['harbor.example.com']],
    ['a digest', `harbor.example.com/app/web@sha256:${'a'.repeat(64)}`, ['harbor.example.com']],
    ['with a scheme', 'harbor.example.com/app/web', ['https://harbor.example.com', 'http://harbor.example.com']],
    ['with a slash', 'harbor.example.com/app/web', ['harbor.example.com/', 'https://harbor.example.com/']],
    ['an old API address', 'harbor.example.com/app/web', ['https://harbor.example.com/v1/', 'harbor.example.com/v2/']],
    ['an old API address with a path', 'harbor.example.com/app/web', ['harbor.example.com/v2/app']],
    ['the port', 'cache.lan:5000/web', ['cache.lan:5000']],
    ['a path', 'harbor.example.com/app/web', ['harbor.example.com/app', 'harbor.example.com/app/web']],
    ['a path as a plain prefix', 'harbor.example.com/project-x/web', ['harbor.example.com/proj']],
    ['a star for a label', 'harbor.example.com/web', ['*.example.com', 'harbor.*.com', '*.*.*', 'har*.example.com']],
    ['a star with a port', 'harbor.example.com:443/web', ['*.example.com:443']],
    ['a question mark', 'harbor1.example.com/web', ['harbor?.example.com']],
    ['a set of letters', 'harbor1.example.com/web', ['harbor[0-9].example.com', 'harbor[^a-z].example.com']],
    ['Docker Hub by its name', 'busybox', ['docker.io', 'docker.io/library', 'https://docker.io']],
    ['Docker Hub as docker login writes it', 'busybox', ['https://index.docker.io/v1/']],
    ['Docker Hub as it once was', 'bitnami/redis:7', ['index.docker.io']],
    ['an IPv6 address', '[::1]:5000/web', ['[::1]:5000', 'https://[::1]:5000/v2/']],
  ])('%s', (_, image, locations) => {
    for (const location of locations) expect(matched(image, location), location).toEqual([location]);
  });

  test.each<[string, string, string[]]>([
    ['another host', 'harbor.example.com/web', ['harbor.example.org', 'example.com', 'com']],
    ['a port that is missing or too much', 'harbor.example.com/web', ['harbor.example.com:443', '*.example.com:5000']],
    ['another port', 'cache.lan:5000/web', ['cache.lan', 'cache.lan:5001']],
    ['a star across dots', 'a.b.io/web', ['*.io', '*']],
    ['a star for too many labels', 'example.com/web', ['*.example.com']],
    ['another path', 'harbor.example.com/app/web', ['harbor.example.com/other', 'harbor.example.com/app/webs']],
    ['a star in the path', 'harbor.example.com/app/web', ['harbor.example.com/*']],
    ["Docker Hub's credentials elsewhere", 'harbor.example.com/busybox', ['https://index.docker.io/v1/', 'docker.io']],
    ['Docker Hub with a path that does not fit', 'busybox', ['index.docker.io/library']],
    [
      'a letter that the set leaves out',
      'harborx.example.com/web',
      ['harbor[0-9].example.com', 'harbor[^x].example.com'],
    ],
    [
      'braces and negation, which the kubelet does not know',
      'a.example.com/web',
      ['{a,b}.example.com', '!b.example.com', '@(a|b).example.com'],
    ],
    ['an empty location', 'harbor.example.com/web', ['', 'https://', '/']],
  ])('not: %s', (_, image, locations) => {
    for (const location of locations) expect(matched(image, location), location).toEqual([]);
  });

  test('all that match, in reverse lexical order: a longer path before a shorter one, stars last', () => {
    const locations = [
      '*.example.com',
      'harbor.example.com',
      'harbor.example.com/app/web',
      'other.example.com',
      'harbor.example.com/app',
    ];
    expect(matched('harbor.example.com/app/web', ...locations)).toEqual([
      'harbor.example.com/app/web',
      'harbor.example.com/app',
      'harbor.example.com',
      '*.example.com',
    ]);
  });

  test('two for one location keep their order', () => {
    expect(matched('h.io/web', 'h.io', 'https://h.io/v2/', 'h.io/')).toEqual(['h.io', 'https://h.io/v2/', 'h.io/']);
  });

  test("index.docker.io serves Docker Hub's images only where nothing else matches", () => {
    expect(matched('busybox', 'index.docker.io', 'docker.io')).toEqual(['docker.io']);
    expect(matched('busybox', 'index.docker.io', 'docker.io/bitnami')).toEqual(['index.docker.io']);
  });

  test("each is made out to the image's own registry, wherever a pattern came from", () => {
    const [one] = matchCredentials(entries('*.example.com'), parseReference('harbor.example.com/web'));
    expect([one?.host, one?.reveal()]).toEqual(['harbor.example.com', 'secret']);
    expect(matchCredentials(entries('https://index.docker.io/v1/'), parseReference('busybox'))[0]?.host).toBe(
      'docker.io',
    );
  });

  const label = fc.stringMatching(/^[a-z0-9]{1,6}$/);
  // The kubelet takes /v1/ and /v2/ at the start of a location for an old API address, not for a path.
  const path = fc
    .array(label, { minLength: 1, maxLength: 3 })
    .filter(([first]) => first !== 'v1' && first !== 'v2')
    .map((parts) => parts.join('/'));
  const host = fc.array(label, { minLength: 2, maxLength: 4 });

  test('a host, any of its labels starred, and any prefix of the path match; another number of labels never does', () => {
    fc.assert(
      fc.property(host, path, fc.nat(), fc.nat(), (labels, repository, star, cut) => {
        const image = `${labels.join('.')}/${repository}`;
        const starred = labels.map((one, index) => (index === star % labels.length ? '*' : one)).join('.');
        const prefix = repository.slice(0, cut % (repository.length + 1));
        expect(matched(image, labels.join('.'))).toHaveLength(1);
        expect(matched(image, `https://${starred}/${prefix}`)).toHaveLength(1);
        expect(matched(image, `*.${starred}`)).toEqual([]);
        expect(matched(image, `${labels.join('.')}/${repository}x`)).toEqual([]);
      }),
    );
  });

  test('no location makes it throw', () => {
    expect(matched('harbor.example.com/app/web', 'harbor..com')).toEqual([]);
    expect(matched('harbor.example.com/app/web', '..')).toEqual([]);
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (location) => void matched('harbor.example.com/app/web', location)),
    );
  });
});

describe('a credential', () => {
  test('shows its password nowhere but on request', () => {
    const credential = new Credential('h.io', 'robot', 'p4ss');
    const shown = [
      String(credential),
      JSON.stringify({ credential }),
      inspect({ credential }, { showHidden: true }),
      JSON.stringify(Object.entries(credential)),
    ];
    for (const text of shown) expect(text).not.toContain('p4ss');
    expect(credential.reveal()).toBe('p4ss');
  });
});
