import { expect, test } from 'vitest';
import type { DesiredImage } from '../../../agent/core/desired-images.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { ManifestBook } from '../../../agent/work/manifest-book.ts';
import { FakeRegistry, fakeSummary } from '../../fakes/fake-registry.ts';

const never = new AbortController().signal;
const reference = 'reg.example/a:1';
const image: DesiredImage = {
  reference,
  imageSets: ['s'],
  priority: 0,
  gate: false,
  refreshEveryMs: 60_000,
  windows: undefined,
  credentials: [],
  pullReference: reference,
  resolved: undefined,
  isResolvable: false,
};

test('after a change of the configuration the registry is asked anew, also while it still owes earlier answers', async () => {
  const registry = new FakeRegistry();
  const book = new ManifestBook({
    registry,
    credentialsOf: () => Promise.resolve([]),
    log: silentLogger,
    onAnswer: () => undefined,
  });
  const summary = fakeSummary('a', [{ name: 'base', sizeBytes: 1_000 }]);
  registry.add(reference, summary);
  registry.hold(reference);
  book.readManifests([image], never);
  book.checkDigests([image], never);
  // What comes from now on is answered; what was asked before never is.
  registry.hold(reference)();

  book.forgetAll();
  expect(book.isAsking).toBe(false);
  book.readManifests([image], never);
  book.checkDigests([image], never);
  await book.settled(never);
  expect(book.manifestOf(reference)).toEqual(summary);
  expect(book.remoteDigests.get(reference)?.digest).toBe(summary.digest);
});
