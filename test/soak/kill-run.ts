/**
 * kill -9 of the agent at random moments while it prunes, pulls and starts. After each: the ledger parses and no age in it is larger than
 * what was watched; and once the agent is back, images are whole or absent, with all names or none, and leases and pins are right.
 */

import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentLives, createAgentLives } from '../churn/agent-lives.ts';
import { type Dice, makeDice } from '../churn/dice.ts';
import { buildLayer } from '../harness/images.ts';
import { until } from '../integration/running-agent.ts';
import { pruneAll } from './control.ts';
import { judgeLedger } from './ledger-check.ts';
import { findBroken, lookAt } from './node-look.ts';
import { type Kind, type SoakImage, type SoakNode, startSoakNode, toSoakConfig } from './soak-node.ts';

export interface KillOptions {
  readonly kind: Kind;
  readonly kills: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
  readonly logPath?: string | undefined;
}

export interface KillReport {
  readonly wrong: readonly string[];
  readonly kills: number;
  /** Kills after which the ledger named a removal that had begun. */
  readonly cutRemovals: number;
  /** Of those: images that were gone, and that had their names, once the agent was back. */
  readonly victimsGone: number;
  readonly victimsKept: number;
  /** Images that the agent said it had put back. */
  readonly restored: number;
  /** Kills while a pull ran. */
  readonly cutPulls: number;
}

const settleMs = 40_000;

interface Scene {
  readonly node: SoakNode;
  readonly agent: AgentLives;
  readonly dice: Dice;
  readonly startedAt: number;
  /** Nothing uses them, and nobody asks for them. Each has several tags. */
  readonly victims: readonly SoakImage[];
  /** Image sets ask for some of them. */
  readonly wanted: readonly SoakImage[];
  readonly inUse: SoakImage;
  readonly pinned: SoakImage | undefined;
  desired: readonly SoakImage[];
}

export async function runKills({
  kind,
  kills,
  seed,
  say = () => undefined,
  logPath,
}: KillOptions): Promise<KillReport> {
  const node = await startSoakNode(kind);
  const wrong: string[] = [];
  const report = { kills: 0, cutRemovals: 0, victimsGone: 0, victimsKept: 0, cutPulls: 0 };
  const agent = createAgentLives({
    args: node.options,
    secrets: [],
    logPath: logPath ?? join(node.folder.path, 'agent.log'),
    onDeviation: (what) => wrong.push(what),
  });
  try {
    const scene = await setScene(node, agent, makeDice(seed));
    let openPulls = 0;
    for (; report.kills < kills; report.kills += 1) {
      const seen = await killOnce(scene);
      const found = [...seen.wrong, ...(await settle(scene))];
      report.cutPulls += Number(seen.openPulls > openPulls);
      openPulls = seen.openPulls;
      const cut = scene.victims.find(({ built }) => built.configDigest === seen.cutRemoval);
      if (cut !== undefined) {
        report.cutRemovals += 1;
        const names = (await lookAt(node)).namesOf(cut);
        if (names.length === 0) report.victimsGone += 1;
        else report.victimsKept += 1;
      }
      wrong.push(...found.map((what) => `kill ${report.kills} (${seen.how}): ${what}`));
      say(`kill ${report.kills}, ${seen.how}: ${found.length === 0 ? 'well' : found.join('; ')}`);
    }
    await agent.stop();
    const restored = agent.messages.get('a removal was cut off: the image has its names back') ?? 0;
    return { wrong, ...report, restored };
  } finally {
    await agent.kill();
    await node.remove();
  }
}

async function setScene(node: SoakNode, agent: AgentLives, dice: Dice): Promise<Scene> {
  const base = buildLayer({ seed: 'kill base', sizeBytes: 1e6 });
  const push = (key: string, megabytes: number): Promise<SoakImage> =>
    node.push(key, [base, buildLayer({ seed: `kill ${key}`, sizeBytes: megabytes * 1e6, files: 20 })]);
  const victims: SoakImage[] = [];
  const wanted: SoakImage[] = [];
  for (const index of [0, 1, 2, 3]) victims.push(await push(`victim-${index}`, 1));
  for (const index of [0, 1, 2, 3]) wanted.push(await push(`wanted-${index}`, 2 + index));
  const inUse = await push('in-use', 1);
  const pinned = node.kind === 'containerd' ? await push('pinned', 1) : undefined;
  await node.pull(inUse.tag);
  await node.daemon.run(inUse.tag);
  if (pinned !== undefined && !('docker' in node.daemon)) {
    await node.pull(pinned.tag);
    await node.daemon.ctr('images', 'label', pinned.tag, 'io.cri-containerd.pinned=pinned');
  }
  node.registry.faults.bytesPerSecond = 6e6;
  return { node, agent, dice, startedAt: Date.now(), victims, wanted, inUse, pinned, desired: [] };
}

interface Killed {
  readonly how: string;
  readonly wrong: readonly string[];
  /** Image id. */
  readonly cutRemoval: string | undefined;
  /** Over all lives of the agent: pulls that began and did not end. */
  readonly openPulls: number;
}

async function killOnce(scene: Scene): Promise<Killed> {
  const { node, agent, dice, victims, wanted } = scene;
  const look = await lookAt(node);
  for (const victim of victims) {
    if (look.namesOf(victim).length > 0) continue;
    await node.pull(victim.tag);
    for (const tag of moreTags(victim)) await node.tag(victim.tag, tag);
  }
  scene.desired = dice.some(wanted);
  const when = dice.pick(['start', 'run', 'removal', 'removal', 'removal'] as const);
  const [afterMs, writes] = [dice.below(when === 'removal' ? 150 : 1_000), 1 + dice.below(4)];
  if (when === 'start') await agent.kill();
  await node.files.setConfig(
    toSoakConfig(
      node,
      scene.desired.map(({ tag }) => tag),
      'enabled: true',
    ),
  );
  await agent.start();
  const ended = new AbortController();
  if (when !== 'start') {
    await until('the agent is ready', () => isReady(agent), 30_000);
    const planned = Promise.withResolvers<void>();
    const written = ledgerWrites(node.files.stateDir, writes, ended.signal);
    // The agent dies in the middle of it, or the run is over before that.
    const pruning = pruneAll(node.files.stateDir, () => planned.resolve(), ended.signal).catch(() => undefined);
    await (when === 'run' ? Promise.race([planned.promise, pruning]) : Promise.race([written, pruning]));
  }
  await sleep(afterMs);
  await agent.kill();
  ended.abort();
  const how = `${when}${when === 'removal' ? ` ${writes}` : ''}, after ${afterMs} ms`;
  const ledger = await judgeLedger(node.files.stateDir, scene.startedAt);
  return { how, ...ledger, openPulls: countOpenPulls(agent) };
}

function countOpenPulls({ messages }: AgentLives): number {
  const count = (message: string): number => messages.get(message) ?? 0;
  return count('pull started') - count('pull done') - count('pull failed') - count('pull aborted');
}

async function isReady({ url }: AgentLives): Promise<boolean> {
  if (url === undefined) return false;
  const answer = await fetch(`${url}/readyz`).catch(() => undefined);
  return answer?.status === 200;
}

/** Starts the agent again and looks until all is well. @returns what is still wrong after a while */
async function settle(scene: Scene): Promise<string[]> {
  await scene.agent.start();
  const deadline = Date.now() + settleMs;
  for (;;) {
    const wrong = await findWrong(scene).catch((error: unknown) => [String(error)]);
    if (wrong.length === 0 || Date.now() > deadline) return wrong;
    await sleep(250);
  }
}

async function findWrong({ node, agent, victims, wanted, inUse, pinned, desired }: Scene): Promise<string[]> {
  if (!(await isReady(agent))) return ['the agent is not ready'];
  const look = await lookAt(node);
  const stays = [inUse, ...(pinned === undefined ? [] : [pinned]), ...desired];
  const wrong = await findBroken(node, look, [...stays, ...victims, ...wanted]);
  for (const image of stays) if (!look.namesOf(image).includes(image.tag)) wrong.push(`${image.key} is gone`);
  for (const victim of victims) {
    const names = look.namesOf(victim);
    const whole = [victim.tag, ...moreTags(victim)].every((name) => names.includes(name));
    if (names.length > 0 && !whole) wrong.push(`${victim.key} has only ${names.join(' ')}`);
  }
  for (const lease of look.leases) wrong.push(`lease ${lease}`);
  if (node.kind === 'containerd') {
    const due = desired.map(({ tag }) => tag).toSorted();
    if (look.pinned.toSorted().join(' ') !== due.join(' ')) wrong.push(`pinned: ${look.pinned.join(' ')}`);
    if (look.pinnedByOthers.join(' ') !== pinned?.tag) wrong.push(`by others: ${look.pinnedByOthers.join(' ')}`);
  }
  const left = (await readdir(node.files.stateDir)).filter((name) => /^ledger\.json\../.test(name));
  return [...wrong, ...left.map((name) => `file ${name}`)];
}

/** So many names take a while to remove. */
function moreTags({ tag }: SoakImage): string[] {
  return ['again', 'once-more', 'and-again', 'at-last'].map((name) => tag.replace(/:1$/, `:${name}`));
}

/** Resolves when the ledger has been written so often from now on, which every removal does before it begins; or when the signal fires. */
function ledgerWrites(stateDir: string, count: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const watcher = watch(stateDir, (_event, name) => {
      if (name !== 'ledger.json') return;
      seen += 1;
      if (seen === count) end();
    });
    const end = (): void => {
      watcher.close();
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
