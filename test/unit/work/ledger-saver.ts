/** A process that saves the ledger of the folder in its argument over and over, for a test that kills it. */

import { silentLogger } from '../../../agent/core/logger.ts';
import { createLedgerStore } from '../../../agent/work/ledger-store.ts';

const store = createLedgerStore(process.argv[2] ?? '', silentLogger);
const found = await store.load();
for (let watchMs = (found?.usage.watchMs ?? 0) + 1; ; watchMs += 1) {
  const records = Array.from({ length: 300 }, (_, at) => {
    const record = { lastUsedWatchMs: 0, lastUsedAt: 0, source: 'pulled', knownSinceWatchMs: 0 } as const;
    return [`sha256:${at}`, { ...record, prefetched: true, used: false }] as const;
  });
  await store.save({
    usage: { watchMs, records: new Map(records) },
    seenUntil: undefined,
    trackedSince: 0,
    ageRunAt: undefined,
    removal: undefined,
    leftovers: new Map(),
  });
  if (watchMs === (found?.usage.watchMs ?? 0) + 1) process.stdout.write('saving\n');
}
