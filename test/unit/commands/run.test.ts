import { describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { DetectionError } from '../../../agent/runtime/endpoint.ts';
import { runStevedore } from './command-line.ts';

describe('stevedore run', () => {
  it('runs the agent until the signal fires, logs to standard output and exits 0', async () => {
    const stopping = new AbortController();
    const agent = {
      run: (signal: AbortSignal) => {
        stopping.abort();
        return signal.aborted ? Promise.resolve() : Promise.reject(new Error('not the same signal'));
      },
    };
    const { exitCode, stdout, stderr } = await runStevedore(['run'], { agent, signal: stopping.signal });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const messages = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { message: string }).message);
    expect(messages).toEqual(['starting', 'stopped']);
  });

  it('exits 0 also when the signal comes while the agent still starts', async () => {
    const stopping = new AbortController();
    const agent = {
      run: (signal: AbortSignal): Promise<void> => {
        stopping.abort(new Error('stopped by SIGTERM'));
        return Promise.reject(signal.reason as Error);
      },
    };
    const ran = await runStevedore(['run'], { agent, signal: stopping.signal });
    expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ran.stdout).toContain('"stopped"');
  });

  it.each([
    [new Failure('other', 'the state folder is in use', { detail: 'state_folder_in_use' }), 4],
    [new Failure('runtime', 'the socket has no links left', { detail: 'dead_socket' }), 75],
    [new DetectionError('two runtimes answer: name one with --runtime'), 2],
    [new Failure('other', 'cannot listen on 127.0.0.1:9746: another process listens there'), 1],
  ])('exits after %s with %i', async (error, exitCode) => {
    const ran = await runStevedore(['run'], { agent: { run: () => Promise.reject(error) } });
    expect(ran.exitCode).toBe(exitCode);
    expect(ran.stderr).toBe(`stevedore: ${error.message}\n`);
  });

  it('shows the stack of a surprise only to who asks for it', async () => {
    const agent = { run: () => Promise.reject(new TypeError('x is not a function')) };
    expect((await runStevedore(['run'], { agent })).stderr).toBe('stevedore: x is not a function\n');
    const environment = { STEVEDORE_LOG_LEVEL: 'debug' };
    expect((await runStevedore(['run'], { agent, environment })).stderr).toMatch(/^\s+at /m);
    expect((await runStevedore(['run', '--log-level', 'debug'], { agent })).stderr).toMatch(/^\s+at /m);
  });
});
