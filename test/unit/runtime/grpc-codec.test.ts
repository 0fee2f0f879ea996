import { fromJSON } from '@grpc/proto-loader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../../../agent/runtime/grpc/codec.ts';
import {
  field,
  inPackage,
  mergePackages,
  message,
  repeated,
  rpc,
  stringMap,
} from '../../../agent/runtime/grpc/descriptor.ts';

const descriptor = mergePackages([
  inPackage('other.v1', { Leaf: message({ text: field(1), raw: field(2, 'bytes') }) }),
  inPackage('test.v1', {
    Service: { methods: { Get: rpc('All', 'other.v1.Leaf') } },
    Inner: message({ name: field(1), leaf: field(2, 'other.v1.Leaf') }),
    All: message({
      text: field(1),
      yes: field(2, 'bool'),
      small: field(3, 'int32'),
      unsigned: field(4, 'uint32'),
      large: field(5, 'int64'),
      huge: field(6, 'uint64'),
      raw: field(7, 'bytes'),
      words: repeated(8),
      labels: stringMap(9),
      inner: field(200, 'Inner'),
      inners: repeated(536_870_911, 'Inner'),
    }),
    Few: message({ words: repeated(8), missing: field(77) }),
    Clash: message({ text: field(1, 'int64'), yes: field(2) }),
  }),
]);
const codec = createCodec(descriptor);
/** What protobufjs, the library that most of JavaScript uses, makes of the same descriptor. */
const reference = fromJSON(descriptor as Parameters<typeof fromJSON>[0], {
  longs: String,
  defaults: true,
  arrays: true,
  objects: true,
})['test.v1.All'] as unknown as { serialize(value: object): Buffer; deserialize(bytes: Buffer): object };

const text = fc.string({ unit: 'grapheme' });
const raw = fc.uint8Array().map((bytes) => Buffer.from(bytes));
const inner = fc.record({ name: text, leaf: fc.option(fc.record({ text, raw })) });
const all = fc.record({
  text,
  yes: fc.boolean(),
  small: fc.integer(),
  unsigned: fc.nat({ max: 0xffffffff }),
  // Exact as far as a number is: no size that a runtime tells comes near it.
  large: fc.maxSafeInteger().map(String),
  huge: fc.maxSafeNat().map(String),
  raw,
  words: fc.array(text),
  labels: fc.dictionary(fc.stringMatching(/^[a-z./-]{1,20}$/), text, { noNullPrototype: true }),
  inner: fc.option(inner),
  inners: fc.array(inner),
});

describe('protobuf messages', () => {
  it('are read as protobufjs writes them', () => {
    fc.assert(
      fc.property(all, (value) => {
        expect(codec.decode('test.v1.All', reference.serialize(value))).toEqual(value);
      }),
    );
  });

  it('are written as protobufjs reads them', () => {
    fc.assert(
      fc.property(all, (value) => {
        expect(reference.deserialize(codec.encode('test.v1.All', value))).toEqual(value);
      }),
    );
  });

  it('have defaults for what is absent', () => {
    const empty = codec.decode('test.v1.All', Buffer.alloc(0));
    expect(empty).toEqual(reference.deserialize(Buffer.alloc(0)));
    expect(empty).toMatchObject({ text: '', large: '0', inner: null, words: [], labels: {} });
    expect(codec.encode('test.v1.All', {})).toHaveLength(0);
  });

  it('are read without what is not described', () => {
    fc.assert(
      fc.property(all, (value) => {
        const seen = codec.decode('test.v1.Few', reference.serialize(value));
        expect(seen).toEqual({ words: value.words, missing: '' });
      }),
    );
  });

  it('are read without fields of another kind than described', () => {
    const bytes = codec.encode('test.v1.All', { text: 'abc', yes: true });
    expect(codec.decode('test.v1.Clash', bytes)).toEqual({ text: '0', yes: '' });
  });

  it('skip fixed numbers, which nothing of ours has', () => {
    const fixed = Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x42, 1, 0x61]);
    expect(codec.decode('test.v1.Few', fixed)).toEqual({ words: ['a'], missing: '' });
  });

  it.each([
    ['ends in the middle of a field', [0x42, 5, 0x61]],
    ['has a group', [0x0b, 0x0c]],
    ['has a part that is longer than the whole', [0xc2, 0x0c, 2, 0x0a, 9, 0x61, 0x61, 0x61]],
  ])('are refused where the text %s', (_what, bytes) => {
    expect(() => codec.decode('test.v1.All', Buffer.from(bytes))).toThrow();
  });

  it('that are not described are refused', () => {
    expect(() => codec.decode('test.v1.Nothing', Buffer.alloc(0))).toThrow(TypeError);
    expect(codec.has('test.v1.Nothing')).toBe(false);
  });

  it('of methods are named in full', () => {
    expect(codec.method('test.v1.Service', 'Get')).toEqual({ request: 'test.v1.All', response: 'other.v1.Leaf' });
    expect(() => codec.method('test.v1.Service', 'Put')).toThrow('test.v1.Service/Put is not described');
  });
});
