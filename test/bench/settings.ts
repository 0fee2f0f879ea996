/** The command line of the bench. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const benchNames = [
  'cold-set',
  'resume',
  'prune',
  'latency',
  'footprint',
  'planning-round',
  'eviction',
  'image-size',
  'swarm',
  'warm',
] as const;
export type BenchName = (typeof benchNames)[number];
export type BenchRuntimeKind = 'containerd' | 'docker';

export interface BenchSettings {
  readonly benches: readonly BenchName[];
  readonly runtimes: readonly BenchRuntimeKind[];
  /** Small figures that show that the bench works; they say nothing about the product, and are not written. */
  readonly quick: boolean;
  /** Of the cold set (in the first every variant runs, in the others those that matter), and of prune. */
  readonly rounds: number;
  readonly idleMs: number;
  /** Agents of the swarm, nodes of warm; undefined: as many as they take by themselves. */
  readonly nodes: number | undefined;
  /** Label changes and configuration changes, each. */
  readonly changes: number;
  readonly starts: number;
  /** Planning rounds of each variant. */
  readonly looks: number;
  readonly nodeImages: number;
  readonly nodeContainers: number;
  /** Of the cold set's sizes. */
  readonly scale: number;
  /** A folder in which the built cold set stays for the next run; undefined: it goes with the run. */
  readonly keptSet: string | undefined;
  /** Of warm's image; undefined: as much as it takes by itself. */
  readonly imageMib: number | undefined;
  /** Of warm, by their names; undefined: all. */
  readonly variants: readonly string[] | undefined;
  /** A real one for warm, `http://host:port`; undefined: the tests' double. */
  readonly harborUrl: string | undefined;
  readonly resultsFolder: string | undefined;
}

export const usage = `usage: npm run bench -- [${benchNames.join('|')}]… [--runtime containerd|docker] [--rounds N]
       [--idle-minutes N] [--nodes N] [--image-mib N] [--variant NAME]… [--harbor URL] [--keep-set DIR] [--results DIR] [--quick]`;

/** @throws TypeError for what is no option; RangeError for a value that cannot be */
export function parseSettings(args: readonly string[]): BenchSettings {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runtime: { type: 'string' },
      rounds: { type: 'string' },
      'idle-minutes': { type: 'string' },
      nodes: { type: 'string' },
      'image-mib': { type: 'string' },
      variant: { type: 'string', multiple: true },
      harbor: { type: 'string' },
      'keep-set': { type: 'string' },
      results: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { quick, runtime } = values;
  const unknown = positionals.filter((name) => !benchNames.some((known) => known === name));
  if (unknown.length > 0) throw new RangeError(`no such bench: ${unknown.join(', ')}`);
  if (runtime !== undefined && runtime !== 'containerd' && runtime !== 'docker')
    throw new RangeError(`no such runtime: ${runtime}`);
  return {
    benches: positionals.length === 0 ? benchNames : benchNames.filter((name) => positionals.includes(name)),
    runtimes: runtime === undefined ? ['containerd', 'docker'] : [runtime],
    quick,
    rounds: toNumber('rounds', values.rounds ?? (quick ? '1' : '4')),
    idleMs: toNumber('idle-minutes', values['idle-minutes'] ?? (quick ? '0.5' : '10')) * 60_000,
    nodes: values.nodes === undefined ? undefined : toNumber('nodes', values.nodes),
    changes: quick ? 10 : 100,
    starts: quick ? 3 : 15,
    looks: quick ? 5 : 40,
    nodeImages: quick ? 40 : 500,
    nodeContainers: quick ? 10 : 200,
    scale: quick ? 0.05 : 1,
    keptSet: values['keep-set'],
    imageMib: values['image-mib'] === undefined ? undefined : toNumber('image-mib', values['image-mib']),
    variants: values.variant,
    harborUrl: values.harbor,
    resultsFolder: quick ? values.results : (values.results ?? fileURLToPath(new URL('results', import.meta.url))),
  };
}

function toNumber(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number above 0, not ${text}`);
  return value;
}
