import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Agent, CommandContext, CreateAgent, Diagnose, Output } from '../../../agent/commands/context.ts';
import { runCommandLine } from '../../../agent/commands/program.ts';
import type { PlanInput } from '../../../agent/core/plan-document.ts';
import type { Settings } from '../../../agent/settings.ts';
import { defaultPrefetch } from '../../fakes/default-prefetch.ts';
import { unplannedPrune } from '../prune-plan-sample.ts';

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the agent was made with; undefined when none was. */
  readonly settings: Settings | undefined;
}

export interface RunOptions {
  readonly agent?: Partial<Agent>;
  readonly diagnose?: Diagnose;
  readonly environment?: Record<string, string>;
  readonly stdin?: string;
  readonly signal?: AbortSignal;
  /** Makes standard output a terminal of that width. */
  readonly columns?: number;
  readonly onStdout?: (text: string) => void;
}

/** Runs a command line in this process, with an agent made for the test. */
export async function runStevedore(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const stdout = collect(options.columns, options.onStdout);
  const stderr = collect();
  let settings: Settings | undefined;
  const createAgent: CreateAgent = (given) => {
    settings = given;
    const missing = (): never => {
      throw new Error('not asked for in this test');
    };
    return {
      run: missing,
      plan: missing,
      pullRound: missing,
      pruneRound: missing,
      warm: missing,
      uninstall: missing,
      ...options.agent,
    };
  };
  const context: CommandContext = {
    environment: options.environment ?? {},
    stdin: new PassThrough().end(options.stdin ?? ''),
    stdout: stdout.output,
    stderr: stderr.output,
    signal: options.signal ?? new AbortController().signal,
    loadAgent: () => Promise.resolve(createAgent),
    loadDoctor: () =>
      Promise.resolve(options.diagnose ?? (() => Promise.reject(new Error('not asked for in this test')))),
  };
  const exitCode = await runCommandLine(argv, context);
  return { exitCode, stdout: stdout.text(), stderr: stderr.text(), settings };
}

function collect(columns?: number, onText?: (text: string) => void): { output: Output; text: () => string } {
  let text = '';
  const stream = new PassThrough();
  const write = (chunk: string | Uint8Array): boolean => {
    text += chunk.toString();
    onText?.(chunk.toString());
    return true;
  };
  return {
    output: Object.assign(stream, { write, ...(columns === undefined ? {} : { columns, isTTY: true }) }),
    text: () => text,
  };
}

export async function makeStateFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'stevedore-command-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

const long = 'harbor.example.com/machine-learning/pytorch-training:2.9-cuda13-py312-ubuntu2404';

/** A plan with something in every list, one reference of it too long for a narrow terminal. */
export const samplePlan: PlanInput = {
  node: { name: 'gpu-1', labels: { accelerator: 'nvidia' } },
  runtime: { kind: 'docker', name: 'docker', version: '20.10.24', imageStore: 'graphdriver', snapshotter: 'overlay2' },
  configuration: {
    prefetch: defaultPrefetch,
    imageSets: ['gpu', 'edge'].map((name) => ({
      name,
      nodeSelector: { matchLabels: {}, matchExpressions: [] },
      images: [],
      patterns: [],
      credentials: [],
      priority: 0,
      gate: false,
      pullPolicy: 'IfNotPresent',
      refreshEveryMs: 1_800_000,
      window: undefined,
    })),
  },
  plan: {
    at: Date.UTC(2026, 0, 2),
    pulls: [
      {
        reference: long,
        imageSets: ['gpu'],
        priority: 0,
        gate: false,
        reason: 'absent',
        state: 'next',
        digest: undefined,
        downloadBytes: 4.2 * 2 ** 30,
        unpackedBytes: undefined,
      },
    ],
    waiting: [
      {
        reference: 'docker.io/library/busybox:1',
        imageSets: ['gpu'],
        reason: 'backoff',
        message: 'connection refused',
        until: Date.UTC(2026, 0, 2, 1),
        failure: 'network',
      },
    ],
    present: [
      { reference: 'docker.io/library/alpine:3', imageSets: ['gpu'], imageId: 'sha256:1', sizeBytes: 7_654_321 },
    ],
    refused: [
      {
        reference: 'evil.example.com/miner:1',
        imageSets: ['gpu'],
        code: 'policy',
        detail: 'not_allowed',
        message: 'prefetch.allow does not match it',
      },
    ],
    unselected: [{ imageSet: 'edge', message: 'zone=edge: the node has no label zone' }],
  },
  prune: unplannedPrune,
};

export const longReference = long;
