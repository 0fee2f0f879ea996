import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatReference,
  InvalidReferenceError,
  normaliseReference,
  parseReference,
  registryHostRule,
  repositoryName,
  storedName,
} from '../../agent/core/image-reference.ts';

const hex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const digest = `sha256:${hex}`;

test.each([
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/busybox:1', 'docker.io/library/busybox:1'],
  ['index.docker.io/a/b:1', 'docker.io/a/b:1'],
  ['localhost/x', 'localhost/x:latest'],
  ['localhost:5000', 'docker.io/library/localhost:5000'],
  ['localhost:5000/x', 'localhost:5000/x:latest'],
  ['cache.lan:5000/a/b/c:v1', 'cache.lan:5000/a/b/c:v1'],
  ['harbor.example.com/ml/base', 'harbor.example.com/ml/base:latest'],
  ['Harbor.Example.com/ml/base', 'Harbor.Example.com/ml/base:latest'],
  ['harbor/x', 'docker.io/harbor/x:latest'],
  ['[::1]:5000/x', '[::1]:5000/x:latest'],
  ['127.0.0.1:5000/x:T_a.g-1', '127.0.0.1:5000/x:T_a.g-1'],
  ['a.b/c__d/e.f/g---h', 'a.b/c__d/e.f/g---h:latest'],
  [`busybox@${digest}`, `docker.io/library/busybox@${digest}`],
  [`busybox:1@${digest}`, `docker.io/library/busybox:1@${digest}`],
  [`cache.lan:5000/x@${digest}`, `cache.lan:5000/x@${digest}`],
  [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`],
  [`x@sha512:${hex}${hex}`, `docker.io/library/x@sha512:${hex}${hex}`],
  [`a.b/${hex}`, `a.b/${hex}:latest`],
  [`${hex}:1`, `docker.io/library/${hex}:1`],
])('%s is %s', (text, normalised) => {
  expect(normaliseReference(text)).toBe(normalised);
});

test.each([
  ['', 'empty'],
  [' busybox', 'white space'],
  ['busy box', 'white space'],
  ['https://harbor.example.com/x', 'scheme'],
  ['Foo:bar', 'lower case'],
  ['Foo/bar', 'lower case'],
  ['harbor.example.com/Foo', 'lower case'],
  ['harbor.example.com/', 'missing'],
  ['harbor.example.com/:tag', 'missing'],
  ['/x', 'path part'],
  ['a//b', 'path part'],
  ['a/b/', 'path part'],
  ['-a', 'path part'],
  ['a..b', 'path part'],
  ['a___b', 'path part'],
  ['x:y:z', 'path part'],
  ['ünï', 'path part'],
  ['x:', 'a tag has'],
  ['x:.a', 'a tag has'],
  ['x:-a', 'a tag has'],
  [`x:${'t'.repeat(129)}`, 'a tag has'],
  ['x@', 'must be a digest'],
  [`x@${hex}`, 'must be a digest'],
  ['x@sha256:abc', 'must be a digest'],
  [`x@sha256:${hex.toUpperCase()}`, 'must be a digest'],
  [`x@md5:${hex.slice(0, 32)}`, 'must be a digest'],
  [`x@${digest}@${digest}`, 'must be a digest'],
  [`x:${digest}`, 'path part'],
  [`@${digest}`, 'missing'],
  [hex, 'image id'],
  ['-h.io/x', 'host with an optional port'],
  ['h_.io/x', 'host with an optional port'],
  ['h.io:port/x', 'host with an optional port'],
  ['h.io:70000/x', '1 to 65535'],
  ['h.io:0/x', '1 to 65535'],
  [`h.io/${'a'.repeat(256)}`, '255 characters'],
  ['a'.repeat(10_000), '600 characters'],
])('"%s" is refused: %s', (text, rule) => {
  expect(() => parseReference(text)).toThrow(InvalidReferenceError);
  expect(() => parseReference(text)).toThrow(rule);
});

test('the error says the rule with and without the text', () => {
  try {
    parseReference('Foo:bar');
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({
      message: '"Foo:bar" is not an image reference: the repository name must be lower case',
      rule: 'the repository name must be lower case',
    });
  }
});

test('a runtime stores an image by digest where the reference has one', () => {
  expect(storedName(parseReference(`h.io/x:1@${digest}`))).toBe(`h.io/x@${digest}`);
  expect(storedName(parseReference('h.io/x:1'))).toBe('h.io/x:1');
  expect(storedName(parseReference('h.io/x'))).toBe('h.io/x:latest');
  expect(repositoryName(parseReference(`h.io:1/a/b:1@${digest}`))).toBe('h.io:1/a/b');
});

test.each([
  'harbor.example.com',
  'cache.lan:5000',
  'localhost',
  '127.0.0.1:5000',
  '[::1]:5000',
  'docker.io',
  'cache:80',
])('%s can be the host of a reference', (host) => expect(registryHostRule(host)).toBeUndefined());

test.each([
  ['https://h.io', 'scheme'],
  ['h.io/project', 'no path'],
  ['harbor', 'add the port'],
  ['Harbor.example.com', 'lower case'],
  ['h.io:99999', '1 to 65535'],
  ['', 'host with an optional port'],
  ['h.io:', 'host with an optional port'],
])('"%s" cannot be the host of a reference: %s', (host, rule) => {
  expect(registryHostRule(host)).toContain(rule);
});

const letters = (from: string, minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...from), { minLength, maxLength }).map((all) => all.join(''));
const lower = 'abcdefghijklmnopqrstuvwxyz0123456789';
const word = letters(lower, 1, 6);
const part = fc.tuple(word, fc.constantFrom('.', '_', '__', '-', '--'), word).map((all) => all.join(''));
const host = fc.oneof(
  fc.tuple(word, word).map((all) => all.join('.')),
  fc.tuple(word, fc.integer({ min: 1, max: 65_535 })).map((all) => all.join(':')),
  fc.constantFrom('localhost', '[::1]:5000', 'docker.io', 'index.docker.io'),
);
const tag = fc.tuple(letters(`${lower}_A`, 1, 1), letters(`${lower}_.-Z`, 0, 20)).map((all) => all.join(''));
const written = fc
  .record({
    host: fc.option(host, { nil: undefined }),
    parts: fc.array(fc.oneof(word, part), { minLength: 1, maxLength: 4 }),
    tag: fc.option(tag, { nil: undefined }),
    digest: fc.option(letters('0123456789abcdef', 64, 64), { nil: undefined }),
  })
  .map(({ host, parts, tag, digest }) => ({
    text: [
      host === undefined ? '' : `${host}/`,
      parts.join('/'),
      tag === undefined ? '' : `:${tag}`,
      digest === undefined ? '' : `@sha256:${digest}`,
    ].join(''),
    tag,
    digest,
  }));

test('a normalised reference reads back as itself, and keeps what was written', () => {
  fc.assert(
    fc.property(written, ({ text, tag, digest }) => {
      const parsed = parseReference(text);
      expect(parseReference(formatReference(parsed))).toEqual(parsed);
      expect(parsed.digest).toBe(digest === undefined ? undefined : `sha256:${digest}`);
      expect(parsed.tag).toBe(tag ?? (digest === undefined ? 'latest' : undefined));
      expect(normaliseReference(storedName(parsed))).toBe(storedName(parsed));
    }),
  );
});

test('any text is a reference or an InvalidReferenceError, never anything else', () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...'aB0.:/@-_[]% \n'), { maxLength: 30 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        const normalised = normaliseReference(any);
        expect(normaliseReference(normalised)).toBe(normalised);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidReferenceError);
      }
    }),
  );
});
