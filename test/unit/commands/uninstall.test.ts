import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Agent } from '../../../agent/commands/context.ts';
import type { RoundOutcome } from '../../../agent/core/pull-round.ts';
import type { UninstallEvent } from '../../../agent/core/uninstall-round.ts';
import { openStateFolder } from '../../../agent/work/state-folder.ts';
import { makeStateFolder, runStevedore } from './command-line.ts';

let folder: Awaited<ReturnType<typeof makeStateFolder>>;
let state: readonly string[];
beforeEach(async () => {
  folder = await makeStateFolder();
  state = ['--state-dir', folder.path];
});
afterEach(() => folder.remove());

const events: readonly UninstallEvent[] = [
  { kind: 'done_step', step: 'removals', count: 0 },
  { kind: 'done_step', step: 'pins', count: 1 },
  { kind: 'done_step', step: 'leases', count: 2 },
  { kind: 'failed_step', step: 'node', message: 'connection refused' },
  { kind: 'done', outcome: 'partial', count: 3, failed: 1 },
];

function agent(outcome: RoundOutcome, all: readonly UninstallEvent[] = []): Pick<Agent, 'uninstall'> {
  return {
    uninstall: (onEvent) => {
      for (const event of all) onEvent(event);
      return Promise.resolve(outcome);
    },
  };
}

describe('stevedore uninstall', () => {
  it.each([
    ['noop', 0],
    ['success', 0],
    ['partial', 3],
    ['error', 1],
  ] as const)('exits after the outcome %s with %i', async (outcome, exitCode) => {
    expect((await runStevedore(['uninstall', ...state], { agent: agent(outcome) })).exitCode).toBe(exitCode);
  });

  it('prints what it took back and what failed, or every event as JSON', async () => {
    const { stdout } = await runStevedore(['uninstall', ...state], { agent: agent('partial', events) });
    expect(stdout).toBe(
      [
        '1 pin taken back',
        '2 leases of pulls and removals taken back',
        'node: failed: connection refused',
        'partly done: 1 step failed, run it again',
        '',
      ].join('\n'),
    );
    const json = await runStevedore(['uninstall', '--json', ...state], { agent: agent('partial', events) });
    expect(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(events);
  });

  it('refuses while an agent holds the state folder, and touches nothing', async () => {
    const held = await openStateFolder(folder.path);
    const { exitCode, stderr, settings } = await runStevedore(['uninstall', ...state], { agent: agent('success') });
    held.close();
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(/is in use by another stevedore process: stop it first/);
    expect(settings).toBeUndefined();
  });

  it('holds the state folder meanwhile, and makes none where there is none', async () => {
    (await openStateFolder(folder.path)).close();
    const refused: unknown[] = [];
    const trying: Pick<Agent, 'uninstall'> = {
      uninstall: async () => {
        await openStateFolder(folder.path).catch((error: unknown) => refused.push(error));
        return 'success';
      },
    };
    await runStevedore(['uninstall', ...state], { agent: trying });
    expect(refused).toMatchObject([{ detail: 'state_folder_in_use' }]);

    await rm(folder.path, { recursive: true });
    expect((await runStevedore(['uninstall', ...state], { agent: agent('noop') })).exitCode).toBe(0);
    await expect(readdir(folder.path)).rejects.toThrow(/ENOENT/);
    await mkdir(join(folder.path), { recursive: true });
    expect((await runStevedore(['uninstall', ...state], { agent: agent('noop') })).exitCode).toBe(0);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('with --stay waits to be stopped, and exits with 0', async () => {
    const stop = new AbortController();
    const onStdout = (text: string): void => {
      if (text === 'waiting to be stopped\n') setImmediate(() => stop.abort());
    };
    const { exitCode, stdout } = await runStevedore(['uninstall', '--stay', ...state], {
      agent: agent('success', [{ kind: 'done', outcome: 'success', count: 1, failed: 0 }]),
      signal: stop.signal,
      onStdout,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toBe('done: nothing of Stevedore is left on this node\nwaiting to be stopped\n');
  });

  it('with --stay does not stay when something failed, so that it is started again', async () => {
    expect((await runStevedore(['uninstall', '--stay', ...state], { agent: agent('partial') })).exitCode).toBe(3);
  });
});
