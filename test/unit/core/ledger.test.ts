import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ledger, leftoverKey, type ParsedLedger, parseLedger, toLedgerText } from '../../../agent/core/ledger.ts';
import { type UsageRecord, usageSources } from '../../../agent/core/usage.ts';

const moment = fc.integer({ min: 0, max: Date.parse('2200-01-01T00:00:00Z') });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
/** Also what no runtime should ever say. */
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('__proto__', 'constructor', '7'));

const record = (watchMs: number): fc.Arbitrary<UsageRecord> =>
  fc
    .record({
      knownSinceWatchMs: fc.integer({ min: 0, max: watchMs }),
      unusedForMs: fc.integer({ min: 0, max: watchMs }),
      lastUsedAt: moment,
      source: fc.constantFrom(...usageSources),
      prefetched: fc.boolean(),
      used: fc.boolean(),
    })
    .map(({ unusedForMs, ...rest }) => ({
      ...rest,
      lastUsedWatchMs: Math.max(rest.knownSinceWatchMs, watchMs - unusedForMs),
    }));

const ledgers: fc.Arbitrary<Ledger> = fc.integer({ min: 0, max: 10 ** 12 }).chain((watchMs) =>
  fc.record({
    usage: fc.record({
      watchMs: fc.constant(watchMs),
      records: fc.array(fc.tuple(text, record(watchMs)), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    }),
    seenUntil: optional(moment),
    trackedSince: moment,
    ageRunAt: optional(moment),
    removal: optional(fc.record({ imageId: text, names: fc.array(text, { maxLength: 3 }) })),
    leftovers: fc
      .array(fc.tuple(text, fc.integer({ min: 0, max: watchMs })), { maxLength: 3 })
      .map((pairs) => new Map(pairs)),
  }),
);

const id = `sha256:${'1'.repeat(64)}`;
const sample: Ledger = {
  usage: {
    watchMs: 900_000,
    records: new Map([
      [
        id,
        {
          lastUsedWatchMs: 600_000,
          lastUsedAt: Date.parse('2026-03-02T12:00:00Z'),
          source: 'container_exit',
          knownSinceWatchMs: 1_000,
          prefetched: true,
          used: true,
        },
      ],
    ]),
  },
  seenUntil: Date.parse('2026-03-02T12:05:00Z'),
  trackedSince: Date.parse('2026-03-01T00:00:00Z'),
  ageRunAt: Date.parse('2026-03-02T02:00:00Z'),
  removal: { imageId: id, names: ['reg.example/a:1'] },
  leftovers: new Map([[leftoverKey('network', 'n1'), 5_000]]),
};
const written = toLedgerText(sample);

function read(value: string): Ledger {
  const parsed = parseLedger(value);
  if (!parsed.ok) throw new Error(parsed.why);
  return parsed.ledger;
}

function whyRefused(parsed: ParsedLedger): string {
  if (parsed.ok) throw new Error('it was read');
  return parsed.why;
}

/** Written by somebody who keeps the format but not its bounds. */
function withValues(change: (ledger: Ledger) => Ledger): ParsedLedger {
  return parseLedger(toLedgerText(change(sample)));
}

function withRecord(change: Partial<UsageRecord>): ParsedLedger {
  return withValues(({ usage, ...rest }) => ({
    ...rest,
    usage: { ...usage, records: new Map([...usage.records].map(([key, one]) => [key, { ...one, ...change }])) },
  }));
}

test('what is written is read again', () => {
  expect(read(written)).toEqual(sample);
  fc.assert(
    fc.property(ledgers, (ledger) => {
      expect(read(toLedgerText(ledger))).toEqual(ledger);
    }),
    { numRuns: 300 },
  );
});

describe('a damaged file', () => {
  const isWhole = (value: string): boolean => {
    const parsed = parseLedger(value);
    if (parsed.ok) expect(parsed.ledger).toEqual(sample);
    return parsed.ok;
  };

  test('is refused wherever it is cut off; only the last line break can be done without', () => {
    const whole = [...Array(written.length + 1).keys()].filter((length) => isWhole(written.slice(0, length)));
    expect(whole).toEqual([written.length - 1, written.length]);
  });

  test('is refused, or means the same, whichever of its bits is flipped', () => {
    const bytes = Buffer.from(written);
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      refused += Number(!isWhole(damaged.toString()));
    }
    expect(refused).toBeGreaterThan(bytes.length * 0.9);
  });

  test('is refused, or means the same, whatever bytes stand anywhere in it', () => {
    const damage = fc.array(fc.tuple(fc.nat(written.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Buffer.from(written);
        for (const [at, byte] of changes) bytes[at] = byte;
        isWhole(bytes.toString());
      }),
      { numRuns: 2_000 },
    );
  });

  test('is refused when a digit of a number is another one', () => {
    expect(whyRefused(parseLedger(written.replace('900000', '990000')))).toBe('its checksum does not fit its content');
  });

  test('never throws, whatever text it is', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (value) => !parseLedger(value).ok));
    for (const value of ['', 'null', '[]', '{}', '0', '"x"', '['.repeat(100_000)]) {
      expect(parseLedger(value).ok).toBe(false);
    }
  });
});

describe('versions', () => {
  test('a newer minor version is read, with keys and sources that are not known here', () => {
    const newer = written.replace('"version": "1.0"', '"version": "1.7"');
    expect(read(newer)).toEqual(sample);
    const [imageId, record1] = [...sample.usage.records][0] ?? [];
    const unknown = { ...record1, source: 'attested', confidence: 3 } as unknown as UsageRecord;
    const parsed = withValues((ledger) => ({
      ...ledger,
      usage: { ...ledger.usage, records: new Map([[imageId ?? '', unknown]]) },
    }));
    expect(parsed.ok && parsed.ledger.usage.records.get(id)).toEqual({ ...record1, source: 'first_seen' });
  });

  test.each(['2.0', '0.9', '1', '1.x', '10.0', ''])('version %j is refused and named', (version) => {
    const parsed = parseLedger(written.replace('"version": "1.0"', `"version": "${version}"`));
    expect(whyRefused(parsed)).toBe(`its version ${version} is not 1.x`);
  });

  test('a file of something else is refused', () => {
    expect(whyRefused(parseLedger('{"images":{}}'))).toBe('it is not a usage ledger of Stevedore');
  });
});

describe('values out of range', () => {
  test('a last use ahead of the watch clock, or before the image was known, is brought to its bound', () => {
    const ahead = withRecord({ lastUsedWatchMs: 9_000_000, knownSinceWatchMs: 8_000_000 });
    expect(ahead.ok && ahead.ledger.usage.records.get(id)).toMatchObject({
      lastUsedWatchMs: 900_000,
      knownSinceWatchMs: 900_000,
    });
    const early = withRecord({ lastUsedWatchMs: 0, knownSinceWatchMs: 800_000 });
    expect(early.ok && early.ledger.usage.records.get(id)?.lastUsedWatchMs).toBe(800_000);
  });

  test('a leftover seen ahead of the watch clock is seen now', () => {
    const parsed = withValues((ledger) => ({ ...ledger, leftovers: new Map([['network/n1', 9_000_000]]) }));
    expect(parsed.ok && parsed.ledger.leftovers.get('network/n1')).toBe(900_000);
  });

  test.each([-1, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY])('a watch clock of %d is refused', (watchMs) => {
    const parsed = withValues((ledger) => ({ ...ledger, usage: { ...ledger.usage, watchMs } }));
    expect(whyRefused(parsed)).toBe('watchMs is not a number');
  });
});
