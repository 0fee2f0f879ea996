import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Agent } from '../../../agent/commands/context.ts';
import { createControlServer } from '../../../agent/control/control-server.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { PullRoundEvent, RoundOutcome } from '../../../agent/core/pull-round.ts';
import { openStateFolder } from '../../../agent/work/state-folder.ts';
import { makeStateFolder, runStevedore } from './command-line.ts';

const mebi = 2 ** 20;

function done(outcome: RoundOutcome): PullRoundEvent {
  return { kind: 'done', outcome, pulled: 1, failed: 1, waiting: 1, present: 4 };
}

const events: readonly PullRoundEvent[] = [
  { kind: 'started', reference: 'r/a:1', totalBytes: 10 * mebi },
  { kind: 'progress', reference: 'r/a:1', downloadedBytes: 3 * mebi, totalBytes: 10 * mebi },
  { kind: 'pulled', reference: 'r/a:1', seconds: 2.5, bytes: 10 * mebi },
  { kind: 'failed', reference: 'r/b:1', code: 'auth', message: 'wrong password' },
  { kind: 'waiting', reference: 'r/b:1', reason: 'backoff', message: 'wrong password' },
  { kind: 'waiting', reference: 'r/c:1', reason: 'window', message: 'the window is closed' },
  done('partial'),
];

function round(outcome: RoundOutcome, all: readonly PullRoundEvent[] = [done(outcome)]): Pick<Agent, 'pullRound'> {
  return {
    pullRound: (onEvent) => {
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
  vi.useRealTimers();
  stopping.abort();
  await folder.remove();
});

async function runAgent(outcome: RoundOutcome): Promise<void> {
  const server = createControlServer(folder.path, {
    plan: () => Promise.reject(),
    followRound: round(outcome).pullRound,
    pruneRound: () => Promise.reject(),
  });
  await server.start(stopping.signal);
}

describe('stevedore pull', () => {
  it.each([
    ['noop', 0],
    ['success', 0],
    ['partial', 3],
    ['error', 1],
  ] as const)(
    'exits after a round with outcome %s with %i, by itself and through an agent',
    async (outcome, exitCode) => {
      expect((await runStevedore(['pull', ...state], { agent: round(outcome) })).exitCode).toBe(exitCode);
      await runAgent(outcome);
      expect((await runStevedore(['pull', ...state])).exitCode).toBe(exitCode);
    },
  );

  it('prints a line for each event where there is no terminal', async () => {
    const { stdout, stderr } = await runStevedore(['pull', ...state], { agent: round('partial', events) });
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      'pulling r/a:1 (10.0 MiB)',
      'pulled r/a:1 in 2.5 s (10.0 MiB fetched)',
      'failed r/b:1: auth: wrong password',
      'missing r/c:1: window: the window is closed',
      'partly done: 1 pulled, 1 failed, 1 missing, 4 present',
      '',
    ]);
  });

  it('says every ten seconds how far a long pull is', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const agent: Pick<Agent, 'pullRound'> = {
      pullRound: (onEvent) => {
        onEvent({ kind: 'started', reference: 'r/a:1', totalBytes: undefined });
        for (let second = 1; second <= 25; second += 1) {
          vi.advanceTimersByTime(1000);
          onEvent({ kind: 'progress', reference: 'r/a:1', downloadedBytes: second * mebi, totalBytes: 100 * mebi });
        }
        return Promise.resolve('success');
      },
    };
    const { stdout } = await runStevedore(['pull', ...state], { agent });
    expect(stdout.split('\n')).toEqual([
      'pulling r/a:1',
      'pulling r/a:1: 10.0 MiB of 100 MiB',
      'pulling r/a:1: 20.0 MiB of 100 MiB',
      '',
    ]);
  });

  it('prints the events as JSON lines when asked', async () => {
    const { stdout } = await runStevedore(['pull', '--json', ...state], {
      agent: round('partial', events),
      columns: 80,
    });
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(events);
  });

  it('draws bars on a terminal, and leaves it with its cursor and the results', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const agent: Pick<Agent, 'pullRound'> = {
      pullRound: (onEvent) => {
        for (const event of events) {
          onEvent(event);
          vi.advanceTimersByTime(200);
        }
        return Promise.resolve('partial');
      },
    };
    const { stdout } = await runStevedore(['pull', ...state], { agent, columns: 80 });
    expect(stdout).toMatch(/r\/a:1 +█{6}░{14} 3\.0 MiB of 10\.0 MiB/);
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
    for (const line of [
      'pulled r/a:1 in 2.5 s',
      'failed r/b:1: auth',
      'missing r/c:1: window',
      'partly done: 1 pulled',
    ]) {
      expect(stdout).toContain(line);
    }
  });

  it('holds the state folder while it pulls, and lets it go', async () => {
    const agent: Pick<Agent, 'pullRound'> = {
      pullRound: async () => {
        await expect(openStateFolder(folder.path)).rejects.toMatchObject({ detail: 'state_folder_in_use' });
        return 'success';
      },
    };
    expect(await runStevedore(['pull', ...state], { agent })).toMatchObject({ exitCode: 0, stderr: '' });
    (await openStateFolder(folder.path)).close();
  });

  it('exits 4 when somebody holds the state folder and answers on no socket', async () => {
    const held = await openStateFolder(folder.path);
    const ran = await runStevedore(['pull', ...state], { agent: round('success') });
    held.close();
    expect(ran).toMatchObject({
      exitCode: 4,
      stdout: '',
      stderr: `stevedore: the state folder ${folder.path} is in use by another stevedore process\n`,
    });
  });

  it('lets the agent pull that holds the state folder, and says which options that leaves unused', async () => {
    const held = await openStateFolder(folder.path);
    await runAgent('success');
    const ran = await runStevedore(['pull', ...state, '--config', '/x', '--label', 'a=b']);
    held.close();
    expect(ran.exitCode).toBe(0);
    expect(ran.settings).toBeUndefined();
    expect(ran.stderr).toContain('pulls with its own settings; not used here: --config, --label');
  });

  it('says what broke the round, and lets the state folder go', async () => {
    const pullRound = () => Promise.reject(new Failure('runtime', 'nobody answers on /run/x.sock'));
    expect(await runStevedore(['pull', ...state], { agent: { pullRound } })).toMatchObject({
      exitCode: 1,
      stderr: 'stevedore: nobody answers on /run/x.sock\n',
    });
    (await openStateFolder(folder.path)).close();
  });
});
