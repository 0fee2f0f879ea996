import { expect, vi } from 'vitest';
import type { Cluster, ClusterHandlers, ConfigMapObject, ResolvedConfigMap } from '../../../agent/cluster/cluster.ts';
import { Failure, type FailureCode, type FailureDetail } from '../../../agent/core/failure.ts';
import type { NodeState } from '../../../agent/core/node-state.ts';

/** No call of the suite may take longer. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(30_000);
}

/** For what comes in its own time. */
export function until(check: () => Promise<void> | void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 10 });
}

export async function expectFailure(
  work: Promise<unknown>,
  code: FailureCode,
  detail?: FailureDetail,
): Promise<Failure> {
  const outcome = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof Failure)) throw new Error(`expected a Failure, got ${String(outcome)}`, { cause: outcome });
  expect({ code: outcome.code, detail: outcome.detail }).toEqual({ code, detail });
  return outcome;
}

/** A watch under way, with all that it told. */
export interface Watching {
  readonly nodes: (NodeState | undefined)[];
  readonly configMaps: (readonly ConfigMapObject[])[];
  readonly resolved: (readonly ResolvedConfigMap[])[];
  readonly contacts: { readonly live: boolean; readonly problem: string | undefined }[];
  readonly node: NodeState | undefined;
  /** By name. */
  readonly texts: Readonly<Record<string, string | undefined>>;
  readonly ended: boolean;
  /** Ends it; throws what it threw. */
  stop(): Promise<void>;
}

/** Begins to watch and waits until the first of each has come. */
export async function startWatching(cluster: Cluster): Promise<Watching> {
  const watching = beginWatching(cluster);
  await until(() => {
    expect(watching.nodes.length).toBeGreaterThan(0);
    expect(watching.configMaps.length).toBeGreaterThan(0);
    expect(watching.resolved.length).toBeGreaterThan(0);
    expect(watching.contacts.at(-1)).toEqual({ live: true, problem: undefined });
  });
  return watching;
}

export function beginWatching(cluster: Cluster, handlers: Partial<ClusterHandlers> = {}): Watching {
  const stop = new AbortController();
  const nodes: Watching['nodes'] = [];
  const configMaps: Watching['configMaps'] = [];
  const resolved: Watching['resolved'] = [];
  const contacts: Watching['contacts'] = [];
  const over = cluster.watch(
    {
      onNode: (node) => nodes.push(node),
      onConfigMaps: (all) => configMaps.push(all),
      onResolved: (all) => resolved.push(all),
      onContact: (live, problem) => contacts.push({ live, problem }),
      ...handlers,
    },
    stop.signal,
  );
  let ended = false;
  const note = (): void => {
    ended = true;
  };
  over.then(note, note);
  return {
    nodes,
    configMaps,
    resolved,
    contacts,
    get node() {
      return nodes.at(-1);
    },
    get ended() {
      return ended;
    },
    get texts() {
      return Object.fromEntries((configMaps.at(-1) ?? []).map(({ name, text }) => [name, text]));
    },
    async stop() {
      stop.abort();
      await over;
    },
  };
}
