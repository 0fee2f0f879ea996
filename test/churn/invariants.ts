/** What must hold once every fault has ended. */

import { setTimeout as sleep } from 'node:timers/promises';
import { toChainIds } from '../../agent/core/layers.ts';
import type { PlanDocument } from '../../agent/core/plan-document.ts';
import { stevedore } from '../integration/running-agent.ts';
import type { AgentLives } from './agent-lives.ts';
import { followsTags, type Node, type TrackedImage } from './node.ts';

/** Empty where all is well; else what is not. */
export async function findWrong(node: Node, agent: AgentLives): Promise<string[]> {
  const wrong = [
    ...(await findWrongImages(node)),
    ...(await findLeftovers(node)),
    ...(await findWrongMetrics(node, agent)),
  ];
  const ready = agent.url === undefined ? undefined : await fetch(`${agent.url}/readyz`).catch(() => undefined);
  if (ready?.status !== 200) wrong.push(`readyz: ${ready?.status} ${await ready?.text()}`);
  if (wrong.length > 0) return wrong;
  const { code, stdout, stderr } = await stevedore(['plan', '--json', '--state-dir', node.stateDir]);
  if (code !== 0) return [`plan: ${code} ${stderr}`];
  const { pulls, waiting, refused } = JSON.parse(stdout) as PlanDocument;
  return [...pulls, ...waiting, ...refused].map(({ reference }) => `planned: ${reference}`);
}

/** Looks until all is well. @returns what is still wrong after the limit */
export async function settle(node: Node, agent: AgentLives, limitMs: number): Promise<string[]> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const wrong = await findWrong(node, agent).catch((error: unknown) => [String(error)]);
    if (wrong.length === 0 || Date.now() > deadline) return wrong;
    await sleep(300);
  }
}

async function findWrongImages(node: Node): Promise<string[]> {
  const wrong: string[] = [];
  const held = node.kind === 'docker' ? await dockerView(node) : await containerdView(node);
  for (const [set, images] of node.desired()) {
    for (const image of images) {
      const version = held(image);
      if (typeof version === 'string') wrong.push(`${image.reference}: ${version}`);
      else if (followsTags(set) && version.digest !== image.digest) {
        wrong.push(`${image.reference} is ${version.digest}, not ${image.digest}`);
      }
    }
  }
  return wrong;
}

/** The version that is there, or what is wrong with it. */
type View = (image: TrackedImage) => { readonly digest: string } | string;

async function containerdView({ daemon }: Node): Promise<View> {
  if ('docker' in daemon) throw new Error('not containerd');
  const rows = (await daemon.ctr('images', 'ls')).split('\n').map((row) => row.split(/\s+/));
  const digests = new Map(rows.map(([name, , digest]) => [name, digest ?? '']));
  const blobs = new Set((await daemon.ctr('content', 'ls', '-q')).split('\n'));
  const snapshots = new Set((await daemon.ctr('snapshots', 'ls')).split('\n').map((row) => row.split(/\s+/)[0]));
  return ({ reference, built }) => {
    const digest = digests.get(reference);
    if (digest === undefined) return 'absent';
    const version = built.get(digest);
    if (version === undefined) return `of no known digest: ${digest}`;
    const lacking = [version.manifestDigest, version.configDigest].filter((blob) => !blobs.has(blob));
    const chain = toChainIds(version.layers.map(({ diffId }) => diffId)).filter((id) => !snapshots.has(id));
    return lacking.length + chain.length > 0 ? `broken, lacks ${[...lacking, ...chain].join(' ')}` : { digest };
  };
}

async function dockerView({ daemon }: Node): Promise<View> {
  if (!('docker' in daemon)) throw new Error('not docker');
  const format = '{{.Repository}}:{{.Tag}} {{.ID}}';
  const rows = (await daemon.docker('images', '--no-trunc', '--format', format))
    .split('\n')
    .map((row) => row.split(' '));
  const ids = new Map(rows.map(([name, id]) => [name, id ?? '']));
  return ({ reference, built }) => {
    const id = ids.get(reference);
    if (id === undefined) return 'absent';
    const found = [...built].find(([, { configDigest }]) => configDigest === id);
    return found === undefined ? `of no known image: ${id}` : { digest: found[0] };
  };
}

async function findLeftovers({ daemon }: Node): Promise<string[]> {
  if ('docker' in daemon) return [];
  const leases = (await daemon.ctr('leases', 'ls', '-q')).split('\n').filter((lease) => lease.startsWith('stevedore-'));
  const ingests = (await daemon.ctr('content', 'active'))
    .split('\n')
    .slice(1)
    .filter((row) => row.trim() !== '');
  return [...leases.map((lease) => `lease ${lease}`), ...ingests.map((row) => `ingest ${row}`)];
}

async function findWrongMetrics(node: Node, agent: AgentLives): Promise<string[]> {
  const metrics = await agent.readMetrics();
  if (metrics === undefined) return ['no metrics'];
  const expected = new Map<string, number>([
    ['image_pulls_in_progress', 0],
    ['image_pulls_queued', 0],
    ['runtime_up', 1],
    ['config_last_reload_successful', 1],
    ['dry_run', 0],
  ]);
  for (const [set, images] of node.desired()) {
    for (const name of ['desired', 'present'])
      expected.set(`image_set_images_${name}{image_set="${set}"}`, images.length);
  }
  const shown = [...metrics].filter(([series]) =>
    /^stevedore_image_pulls_waiting|^stevedore_image_set_images/.test(series),
  );
  for (const [series] of shown) {
    const name = series.replace('stevedore_', '');
    if (!expected.has(name)) expected.set(name, 0);
  }
  return [...expected].flatMap(([name, value]) => {
    const is = metrics.get(`stevedore_${name}`);
    return is === value ? [] : [`${name} is ${is}, not ${value}`];
  });
}
