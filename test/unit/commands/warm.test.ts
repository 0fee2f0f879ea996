import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Agent } from '../../../agent/commands/context.ts';
import type { HandWarmEvent } from '../../../agent/coordinator/hand-warming-events.ts';
import type { RoundOutcome } from '../../../agent/core/pull-round.ts';
import type { WarmRequest } from '../../../agent/node-agent.ts';
import { type RunOptions, runStevedore } from './command-line.ts';

const mebi = 2 ** 20;
const image = 'h.example/hub/app:1';

function done(outcome: RoundOutcome, changes: Partial<Extract<HandWarmEvent, { kind: 'done' }>> = {}): HandWarmEvent {
  const counts = { warm: 1, cold: 0, unknown: 0, missingBytes: 0, unneeded: 1, failed: 1 };
  return { kind: 'done', outcome, dryRun: false, ...counts, ...changes };
}

const read = {
  kind: 'image_read',
  reference: image,
  blobs: 3,
  bytes: 10 * mebi,
  localBlobs: 1,
  localBytes: 2 * mebi,
} as const;
const blob = (digest: string, bytes: number): HandWarmEvent => ({
  kind: 'blob_warm',
  reference: image,
  digest,
  bytes,
  seconds: 1,
  how: 'touched',
});

const events: readonly HandWarmEvent[] = [
  { kind: 'unneeded', reference: 'docker.io/library/a:1', message: 'docker.io is no Harbor' },
  read,
  { kind: 'blob_begun', reference: image, digest: 'sha256:1', bytes: 3 * mebi },
  blob('sha256:1', 3 * mebi),
  { kind: 'fallback', reference: image, message: 'sha256:2 is read through' },
  { kind: 'blob_read', reference: image, digest: 'sha256:2', bytes: mebi },
  { kind: 'retry', reference: image, message: 'connection refused', waitMs: 4_200 },
  read,
  blob('sha256:1', 3 * mebi),
  blob('sha256:2', 5 * mebi),
  { kind: 'child_warm', reference: image, platform: 'linux/amd64', digest: 'sha256:c', certain: false },
  { kind: 'image_warm', reference: image, bytes: 8 * mebi, seconds: 21.34 },
  { kind: 'missing_platform', reference: image, platform: 'linux/s390x' },
  { kind: 'failed', reference: 'h.example/hub/b:1', code: 'not_found', message: 'it is not there' },
  done('partial'),
];

async function run(
  argv: readonly string[],
  {
    outcome = 'success',
    told = [done(outcome)],
    ...options
  }: RunOptions & { outcome?: RoundOutcome; told?: readonly HandWarmEvent[] } = {},
) {
  let asked: WarmRequest | undefined;
  const agent: Pick<Agent, 'warm'> = {
    warm: (request, onEvent) => {
      asked = request;
      told.forEach(onEvent);
      return Promise.resolve(outcome);
    },
  };
  return { ...(await runStevedore(['warm', ...argv], { agent, ...options })), asked };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('stevedore warm', () => {
  test.each([
    ['noop', 0],
    ['success', 0],
    ['partial', 3],
    ['error', 1],
  ] as const)('exits after %s with %i', async (outcome, exitCode) => {
    expect((await run([image], { outcome })).exitCode).toBe(exitCode);
    expect((await run([image, '--json'], { outcome })).exitCode).toBe(exitCode);
  });

  test('hands on what was asked for, in normal form and without doubles', async () => {
    expect((await run(['busybox', 'docker.io/library/busybox:latest', image])).asked).toEqual({
      images: ['docker.io/library/busybox:latest', image],
      platforms: undefined,
      dryRun: 'off',
    });
    const platforms = ['--platform', 'linux/aarch64', '--platform', 'linux/arm64/v8', '--platform', 'linux/arm/v7'];
    expect((await run([...platforms, '--dry-run', image])).asked).toMatchObject({
      platforms: ['linux/arm64', 'linux/arm/v7'],
      dryRun: 'look',
    });
    expect((await run([image, '--dry-run', '--sizes'])).asked).toMatchObject({ dryRun: 'sizes' });
  });

  test('a mistake on the command line is a usage error that names the rule, and nothing is begun', async () => {
    for (const [argv, words] of [
      [['https://h.example/a'], 'IMAGE "https://h.example/a": a reference has no scheme such as https://'],
      [[image, 'h.example/A'], 'IMAGE "h.example/A": the repository name must be lower case'],
      [[image, '--platform', 'amd64'], '--platform "amd64": must be OS/ARCHITECTURE'],
      [[image, '--platform', 'linux//v7'], '--platform "linux//v7": must be OS/ARCHITECTURE'],
      [[image, '--sizes'], '--sizes has an effect only with --dry-run'],
      [[], "missing required argument 'image'"],
    ] as const) {
      const { exitCode, stderr, asked } = await run(argv);
      expect([words, exitCode, asked]).toEqual([words, 2, undefined]);
      expect(stderr).toContain(words);
    }
  });

  test('without a terminal it writes lines', async () => {
    const { stdout, stderr } = await run([image], { told: events, outcome: 'partial' });
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      'not needed docker.io/library/a:1: docker.io is no Harbor',
      `warming ${image} (8.0 MiB missing of 10.0 MiB)`,
      `warming ${image}: sha256:2 is read through`,
      `warming ${image}: tried again in 5 s: connection refused`,
      `warming ${image} (8.0 MiB missing of 10.0 MiB)`,
      `warming ${image}: Harbor had the time that it takes to store the manifest for linux/amd64; the login may not ask whether it did (artifact:read)`,
      `warm ${image} in 21.3 s (8.0 MiB fetched)`,
      `missing ${image}: it has no image for linux/s390x`,
      'failed h.example/hub/b:1: not_found: it is not there',
      'partly done: 1 warm, 1 not needed, 1 failed',
      '',
    ]);
  });

  test('every ten seconds it says how far an image is, also while nothing is heard of it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const agent: Pick<Agent, 'warm'> = {
      warm: (_request, onEvent) => {
        onEvent(read);
        vi.advanceTimersByTime(21_000);
        onEvent({ kind: 'blob_read', reference: image, digest: 'sha256:1', bytes: mebi });
        onEvent({ kind: 'blob_read', reference: image, digest: 'sha256:1', bytes: mebi });
        vi.advanceTimersByTime(10_000);
        onEvent(blob('sha256:1', 3 * mebi));
        onEvent(blob('sha256:2', 5 * mebi));
        vi.advanceTimersByTime(10_000);
        onEvent({ kind: 'image_warm', reference: image, bytes: 8 * mebi, seconds: 41 });
        vi.advanceTimersByTime(60_000);
        return Promise.resolve('success');
      },
    };
    const { stdout } = await runStevedore(['warm', image], { agent });
    expect(stdout.split('\n')).toEqual([
      `warming ${image} (8.0 MiB missing of 10.0 MiB)`,
      `warming ${image}: 2.0 MiB of 10.0 MiB`,
      `warming ${image}: 2.0 MiB of 10.0 MiB`,
      `warming ${image}: 4.0 MiB of 10.0 MiB`,
      `warming ${image}: waiting for manifest`,
      `warm ${image} in 41.0 s (8.0 MiB fetched)`,
      '',
    ]);
  });

  test('a dry run says what is cold, and what is not known', async () => {
    const at = { kind: 'platform', reference: image, digest: 'sha256:c', message: undefined } as const;
    const { stdout } = await run(['--dry-run', image], {
      outcome: 'noop',
      told: [
        { ...at, platform: 'linux/amd64', state: 'warm', missingBytes: 0 },
        { ...at, platform: 'linux/arm64', state: 'cold', missingBytes: 3 * mebi },
        { ...at, platform: 'linux/arm/v7', state: 'cold', missingBytes: 4 * mebi, message: 'at most' },
        { ...at, platform: 'linux/386', state: 'cold', missingBytes: 0 },
        { ...at, platform: 'linux/s390x', state: 'cold', missingBytes: undefined, message: 'not asked' },
        { ...at, platform: 'linux/riscv64', state: 'unknown', missingBytes: undefined, message: 'no right' },
        done('noop', { dryRun: true, warm: 0, cold: 1, missingBytes: undefined, unneeded: 0, failed: 0 }),
        done('noop', { dryRun: true, cold: 2, unknown: 3, missingBytes: 7 * mebi, failed: 0 }),
        done('error', { dryRun: true }),
      ],
    });
    expect(stdout.split('\n')).toEqual([
      `warm ${image} linux/amd64`,
      `cold ${image} linux/arm64: 3.0 MiB missing`,
      `cold ${image} linux/arm/v7: 4.0 MiB missing: at most`,
      `cold ${image} linux/386: only its manifest is missing`,
      `cold ${image} linux/s390x: size not known: not asked`,
      `unknown ${image} linux/riscv64: no right`,
      'dry run: 0 warm, 1 cold (size not known), 0 not needed, 0 failed',
      'dry run: 1 warm, 2 cold (7.0 MiB missing), 3 not known, 1 not needed, 0 failed',
      'failed: 1 warm, 0 cold, 1 not needed, 1 failed',
      '',
    ]);
  });

  test('as JSON one object a line, without the pieces of a blob that is read', async () => {
    const { stdout } = await run([image, '--json'], { told: events, columns: 80 });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual(events.filter(({ kind }) => kind !== 'blob_read'));
  });

  test('on a terminal it draws bars, and leaves it with its cursor and the results', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const agent: Pick<Agent, 'warm'> = {
      warm: (_request, onEvent) => {
        for (const event of events) {
          onEvent(event);
          vi.advanceTimersByTime(200);
        }
        return Promise.resolve('partial');
      },
    };
    const { stdout } = await runStevedore(['warm', image], { agent, columns: 80 });
    expect(stdout).toMatch(/h\.example\/hub\/app:1 +█{4}░{16} 2\.0 MiB of 10\.0 MiB/);
    expect(stdout).toMatch(/h\.example\/hub\/app:1 +█{10}░{10} 5\.0 MiB of 10\.0 MiB/);
    expect(stdout).toMatch(/h\.example\/hub\/app:1 +█{12}░{8} 6\.0 MiB of 10\.0 MiB/);
    expect(stdout).toMatch(/h\.example\/hub\/app:1 +█{20} waiting for manifest/);
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
    for (const line of [
      'not needed docker.io',
      `warm ${image} in 21.3 s`,
      'failed h.example/hub/b:1',
      'partly done: 1 warm',
    ]) {
      expect(stdout).toContain(line);
    }
  });

  test('interrupted, it gives the cursor back and has failed', async () => {
    const stopping = new AbortController();
    const agent: Pick<Agent, 'warm'> = {
      warm: async (_request, onEvent, signal) => {
        onEvent(read);
        stopping.abort(new Error('stopped by SIGINT'));
        signal.throwIfAborted();
        return await Promise.resolve('success');
      },
    };
    const { exitCode, stdout, stderr } = await runStevedore(['warm', image], {
      agent,
      columns: 80,
      signal: stopping.signal,
    });
    expect([exitCode, stderr]).toEqual([1, '']);
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
  });
});
