/** What `npm run demo` shows: the real agent, a real runtime and a real registry, without Kubernetes. */

import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../harness/folder.ts';
import { type BuiltLayer, buildImage, buildLayer } from '../harness/images.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { startNode } from './node.ts';
import { playSecondAct, pushOlderSamples, toPruneSection } from './second-act.ts';
import { say, showMetrics, startAgent, stevedore, stop } from './stage.ts';

const kind = process.argv[2] === 'docker' ? 'docker' : 'containerd';
const keep = process.argv.includes('--keep');
/** Slow enough to see bytes move, fast enough not to bore. */
const bytesPerSecond = 40e6;
const megabyte = 1e6;

for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

await using cleanup = new AsyncDisposableStack();
try {
  await main();
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
}

async function main(): Promise<void> {
  say(`Starting a private ${kind} on a small filesystem of its own, and a private registry`);
  const folder = await makeFolder('stv-demo');
  cleanup.defer(() => folder.remove());
  const registry = await startRegistry();
  cleanup.defer(() => registry.remove());
  const node = await startNode(kind);
  cleanup.defer(() => node.remove());
  console.log(`${kind} ${node.version} at ${node.endpoint}, registry at ${registry.host}`);
  if (node.noDisk !== undefined) {
    console.log(`No small filesystem here (${node.noDisk}): the watermarks will be set around what is free now.`);
  }

  say('Building and pushing sample images that share layers');
  const bases = await pushSamples(registry);
  await pushOlderSamples(registry, bases);
  registry.faults.bytesPerSecond = bytesPerSecond;

  const configFile = join(folder.path, 'config.yaml');
  const labelsFile = join(folder.path, 'labels');
  const stateDir = join(folder.path, 'state');
  const setPrune = (section: string): Promise<void> => writeFile(configFile, toConfig(registry.host) + section);
  const nothingIsFull = '  watermarks: { low: 3Mi, high: 2Mi, critical: 1Mi }\n';
  await setPrune(toPruneSection(true, node.noDisk === undefined ? '' : nothingIsFull));
  await writeFile(labelsFile, 'zone=eu-1\n');
  say('The configuration');
  console.log(await readFile(configFile, 'utf8'));
  say("The node's labels");
  console.log(await readFile(labelsFile, 'utf8'));

  const options = ['--config', configFile, '--labels-file', labelsFile];
  const target = ['--runtime', kind, '--endpoint', node.endpoint, '--state-dir', stateDir];
  say('stevedore plan: one set is selected, the other is not');
  await stevedore('plan', ...options, ...target);

  say('stevedore run: the agent starts, and `stevedore pull` follows what it does');
  const agent = await startAgent(join(folder.path, 'agent.log'), [...options, ...target]);
  cleanup.defer(() => agent.stop());
  await stevedore('pull', '--state-dir', stateDir);

  say('The node gets the label accelerator=nvidia, and with it the second set');
  await appendFile(labelsFile, 'accelerator=nvidia\n');
  await sleep(200, undefined, { signal: stop.signal });
  await stevedore('pull', '--state-dir', stateDir);

  say(`What the node holds, as ${kind} lists it`);
  console.log(await node.listImages());

  say('The metrics that tell the story');
  await showMetrics(agent, [
    'image_set_images_desired',
    'image_set_images_present',
    'image_pulls_total',
    'image_pull_failures_total',
    'image_pull_bytes_total',
    'image_pull_duration_seconds_sum',
    'runtime_up',
  ]);

  registry.faults.bytesPerSecond = undefined;
  await playSecondAct({ node, registry, agent, stateDir, setPrune });

  if (keep) {
    say('Everything keeps running until Ctrl-C');
    console.log(`metrics   ${agent.url}/metrics\nplan      npx stevedore plan --state-dir ${stateDir}`);
    console.log(`labels    edit ${labelsFile}\nconfig    edit ${configFile}\nlog       tail -f ${agent.logFile}`);
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
  }
  say('Cleaning up');
}

/** @returns the layers that the GPU images stand on */
async function pushSamples(registry: TestRegistry): Promise<readonly BuiltLayer[]> {
  const layer = (seed: string, megabytes: number) => buildLayer({ seed, sizeBytes: megabytes * megabyte });
  const base = layer('base', 30);
  const cuda = layer('cuda', 60);
  await registry.push('platform/base', '1.4', buildImage({ layers: [base] }));
  await registry.push('platform/tools', '2.0', buildImage({ layers: [base, layer('tools', 40)] }));
  await registry.push('ml/pytorch', '2.9-cuda13', buildImage({ layers: [base, cuda, layer('torch', 70)] }));
  await registry.push('ml/llm-server', 'v0.8', buildImage({ layers: [base, cuda, layer('llm', 30)] }));
  return [base, cuda];
}

function toConfig(host: string): string {
  return `registries:
  - host: ${host}
    plainHTTP: true
imageSets:
  - name: platform
    images:
      - ${host}/platform/base:1.4
      - ${host}/platform/tools:2.0
  - name: gpu-training
    nodeSelector:
      matchLabels: { accelerator: nvidia }
    images:
      - ${host}/ml/pytorch:2.9-cuda13
      - ${host}/ml/llm-server:v0.8
    priority: 100
`;
}
