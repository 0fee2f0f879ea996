import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createControlServer } from '../../../agent/control/control-server.ts';
import type { ControlledAgent } from '../../../agent/control/protocol.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { PruneRoundEvent } from '../../../agent/core/prune-round.ts';
import type { RoundOutcome } from '../../../agent/core/pull-round.ts';
import { openStateFolder } from '../../../agent/work/state-folder.ts';
import { makeStateFolder, runStevedore } from './command-line.ts';

type Pruner = Pick<ControlledAgent, 'pruneRound'>;

const gibi = 2 ** 30;
const id = `sha256:${'a'.repeat(64)}`;
const planned: PruneRoundEvent = {
  kind: 'planned',
  dryRun: false,
  images: 4,
  bytes: 9 * gibi,
  targetBytes: 12 * gibi,
  shortfallBytes: 3 * gibi,
};

function done(outcome: RoundOutcome, more: Partial<Extract<PruneRoundEvent, { kind: 'done' }>> = {}): PruneRoundEvent {
  return {
    kind: 'done',
    outcome,
    dryRun: false,
    removed: 2,
    skipped: 1,
    failed: 1,
    shortfallBytes: 0,
    shortfallInodes: 0,
    reclaimedBytes: 4 * gibi,
    filesystemFreedBytes: 5 * gibi,
    nominalBytes: 7 * gibi,
    ...more,
  };
}

const removed: PruneRoundEvent = {
  kind: 'removed',
  imageId: id,
  names: ['r/a:1', 'r/a:latest', `r/a@${id}`],
  reason: 'space',
  reclaimedBytes: 3 * gibi,
  seconds: 2.54,
};
const events: readonly PruneRoundEvent[] = [
  planned,
  removed,
  { ...removed, names: [`r/b@${id}`], reason: 'critical', reclaimedBytes: gibi },
  { kind: 'skipped', imageId: id, names: ['r/c:1'], reason: 'in_use' },
  { kind: 'failed', imageId: id, names: [], message: 'the runtime hung' },
  { kind: 'leftover', leftover: 'build_cache', name: 'x1', bytes: gibi, outcome: 'removed' },
  { kind: 'leftover', leftover: 'network', name: 'old', bytes: undefined, outcome: 'skipped' },
  done('partial', { shortfallBytes: 3 * gibi }),
];
const dryEvents: readonly PruneRoundEvent[] = [
  { ...planned, dryRun: true, images: 1, targetBytes: 0, shortfallBytes: 0 },
  { kind: 'would_remove', imageId: id, names: ['r/a:1'], reason: 'age', freesBytes: 3 * gibi },
  { kind: 'leftover', leftover: 'volume', name: 'v', bytes: gibi, outcome: 'would_remove' },
  done('noop', { dryRun: true, removed: 0, skipped: 0, failed: 0, reclaimedBytes: 0 }),
];

function round(outcome: RoundOutcome, all: readonly PruneRoundEvent[] = [done(outcome)]): Pruner {
  return {
    pruneRound: (_order, onEvent) => {
      for (const event of all) onEvent(event);
      return Promise.resolve(outcome);
    },
  };
}

let folder: Awaited<ReturnType<typeof makeStateFolder>>;
let stopping: AbortController;
let state: readonly string[];

beforeEach(async () => {
  folder = await makeStateFolder();
  stopping = new AbortController();
  state = ['--state-dir', folder.path];
});
afterEach(async () => {
  stopping.abort();
  await folder.remove();
});

async function runAgent({ pruneRound }: Pruner): Promise<void> {
  const server = createControlServer(folder.path, {
    plan: () => Promise.reject(),
    followRound: () => Promise.reject(),
    pruneRound,
  });
  await server.start(stopping.signal);
}

describe('stevedore prune', () => {
  it.each([
    ['noop', 0],
    ['success', 0],
    ['partial', 3],
    ['error', 1],
  ] as const)(
    'exits after a run with outcome %s with %i, by itself and through an agent',
    async (outcome, exitCode) => {
      expect((await runStevedore(['prune', ...state], { agent: round(outcome) })).exitCode).toBe(exitCode);
      await runAgent(round(outcome));
      expect((await runStevedore(['prune', ...state])).exitCode).toBe(exitCode);
    },
  );

  it('prints a line for each image with why and its bytes, and in the end what each figure means', async () => {
    const { stdout, stderr } = await runStevedore(['prune', ...state], { agent: round('partial', events) });
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      '4 images to remove, which frees 9.0 GiB, 12.0 GiB wanted',
      'nothing more may go: 3.0 GiB will be missing',
      'removed r/a:1, r/a:latest: space, 3.0 GiB reclaimed in 2.5 s',
      `removed r/b@${id}: critical, 1.0 GiB reclaimed in 2.5 s`,
      'skipped r/c:1: now in_use',
      `failed <none> ${id}: the runtime hung`,
      'removed build_cache x1, 1.0 GiB',
      'skipped network old',
      'partly done: 2 removed, 1 skipped, 1 failed',
      '  reclaimed         4.0 GiB  (freed on disk by these removals)',
      '  filesystem gain   5.0 GiB  (more free than before, other writers included)',
      '  nominal size      7.0 GiB  (as the runtime lists the images, shared layers each time)',
      'target not met: 3.0 GiB missing',
      '',
    ]);
  });

  it('says of a dry run first that nothing is removed, and gives no figures of what came back', async () => {
    const { stdout } = await runStevedore(['prune', '--dry-run', ...state], { agent: round('noop', dryEvents) });
    expect(stdout.split('\n')).toEqual([
      'dry run: nothing is removed',
      '1 image to remove, which frees 9.0 GiB',
      'would remove r/a:1: age, frees 3.0 GiB',
      'would remove volume v, 1.0 GiB',
      'done: dry run, nothing removed',
      '',
    ]);
  });

  it('says what made a run a dry run that was not ordered as one', async () => {
    const { stdout } = await runStevedore(['prune', ...state], { agent: round('noop', dryEvents) });
    expect(stdout).toMatch(/^dry run, as prune\.dryRun in the configuration says: nothing is removed\n/);
  });

  it('is short when there is nothing to do', async () => {
    const idle = [
      { ...planned, images: 0, bytes: 0, targetBytes: 0, shortfallBytes: 0 },
      done('noop', { removed: 0, skipped: 0, failed: 0 }),
    ];
    const { stdout } = await runStevedore(['prune', ...state], { agent: round('noop', idle) });
    expect(stdout).toBe('no image to remove\nnothing to do: 0 removed, 0 skipped, 0 failed\n');
  });

  it.each([
    ['partial', 3],
    ['error', 1],
  ] as const)('a run that broke after it told the outcome %s exits with %i and says why', async (outcome, exitCode) => {
    const pruneRound: Pruner['pruneRound'] = (_order, onEvent) => {
      onEvent(done(outcome));
      return Promise.reject(new Failure('runtime', 'nobody answers'));
    };
    const expected = { exitCode, stderr: 'stevedore: nobody answers\n' };
    expect(await runStevedore(['prune', ...state], { agent: { pruneRound } })).toMatchObject(expected);
    await runAgent({ pruneRound });
    expect(await runStevedore(['prune', ...state])).toMatchObject(expected);
  });

  it('prints the events as JSON lines when asked', async () => {
    const { stdout } = await runStevedore(['prune', '--json', ...state], { agent: round('partial', events) });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(events);
  });

  it('holds the state folder while it prunes, and lets it go', async () => {
    const pruneRound: Pruner['pruneRound'] = async () => {
      await expect(openStateFolder(folder.path)).rejects.toMatchObject({ detail: 'state_folder_in_use' });
      return 'success';
    };
    expect(await runStevedore(['prune', ...state], { agent: { pruneRound } })).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    (await openStateFolder(folder.path)).close();
  });

  it('exits 4 when somebody holds the state folder and answers on no socket', async () => {
    const held = await openStateFolder(folder.path);
    const ran = await runStevedore(['prune', ...state], { agent: round('success') });
    held.close();
    expect(ran).toMatchObject({
      exitCode: 4,
      stdout: '',
      stderr: `stevedore: the state folder ${folder.path} is in use by another stevedore process\n`,
    });
  });

  it('lets the agent prune that holds the state folder, and says which options that leaves unused', async () => {
    const held = await openStateFolder(folder.path);
    await runAgent(round('success'));
    const ran = await runStevedore(['prune', ...state, '--config', '/x', '--own-image', 'agent:1']);
    held.close();
    expect(ran.exitCode).toBe(0);
    expect(ran.settings).toBeUndefined();
    expect(ran.stderr).toContain('prunes with its own settings; not used here: --config, --own-image');
  });

  it('says what broke the run, and lets the state folder go', async () => {
    const pruneRound = () => Promise.reject(new Failure('runtime', 'nobody answers on /run/x.sock'));
    expect(await runStevedore(['prune', ...state], { agent: { pruneRound } })).toMatchObject({
      exitCode: 1,
      stderr: 'stevedore: nobody answers on /run/x.sock\n',
    });
    (await openStateFolder(folder.path)).close();
  });

  it.each(['by itself', 'through an agent'])('says when it is interrupted what is done so far, %s', async (how) => {
    const interruption = new AbortController();
    const pruner: Pruner = {
      pruneRound: (_order, onEvent, signal) => {
        onEvent(planned);
        onEvent(removed);
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
        );
      },
    };
    if (how === 'through an agent') await runAgent(pruner);
    const { exitCode, stdout, stderr } = await runStevedore(['prune', ...state], {
      agent: pruner,
      signal: interruption.signal,
      onStdout: (text) => {
        if (text.startsWith('removed')) setImmediate(() => interruption.abort(new Error('stopped by SIGINT')));
      },
    });
    expect(stdout).toMatch(/\ncut short: 1 removed so far, 3\.0 GiB reclaimed\n$/);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      how === 'through an agent' ? 'stevedore: the agent ends the removal that it is at, and stops\n' : '',
    );
  });
});
