/** What `npm run demo` shows: the real agent, a real runtime and a real registry, without Kubernetes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { startContainerd } from '../harness/containerd.ts';
import { startDockerd } from '../harness/dockerd.ts';
import { makeFolder } from '../harness/folder.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';

const kind = process.argv[2] === 'docker' ? 'docker' : 'containerd';
const keep = process.argv.includes('--keep');
/** Slow enough to see bytes move, fast enough not to bore. */
const bytesPerSecond = 40e6;
const megabyte = 1e6;

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

await using cleanup = new AsyncDisposableStack();
try {
  await main();
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
}

async function main(): Promise<void> {
  say(`Starting a private ${kind} and a private registry`);
  const folder = await makeFolder('stv-demo');
  cleanup.defer(() => folder.remove());
  const registry = await startRegistry();
  cleanup.defer(() => registry.remove());
  const daemon = kind === 'docker' ? await startDockerd() : await startContainerd();
  cleanup.defer(() => daemon.remove());
  console.log(`${kind} ${daemon.version} at ${daemon.endpoint}, registry at ${registry.host}`);

  say('Building and pushing four sample images that share layers');
  await pushSamples(registry);
  registry.faults.bytesPerSecond = bytesPerSecond;

  const configFile = join(folder.path, 'config.yaml');
  const labelsFile = join(folder.path, 'labels');
  const stateDir = join(folder.path, 'state');
  await writeFile(configFile, toConfig(registry.host));
  await writeFile(labelsFile, 'zone=eu-1\n');
  say('The configuration');
  console.log(await readFile(configFile, 'utf8'));
  say("The node's labels");
  console.log(await readFile(labelsFile, 'utf8'));

  const options = ['--config', configFile, '--labels-file', labelsFile, '--node-name', 'gpu-node-1'];
  const target = ['--runtime', kind, '--endpoint', daemon.endpoint, '--state-dir', stateDir];
  say('stevedore plan: one set is selected, the other is not');
  await stevedore('plan', ...options, ...target);

  say('stevedore run: the agent starts, and `stevedore pull` follows what it does');
  const agent = await startAgent(join(folder.path, 'agent.log'), [...options, ...target]);
  await stevedore('pull', '--state-dir', stateDir);

  say('The node gets the label accelerator=nvidia, and with it the second set');
  await appendFile(labelsFile, 'accelerator=nvidia\n');
  await sleep(200, undefined, { signal: stop.signal });
  await stevedore('pull', '--state-dir', stateDir);

  say(`What the node holds, as ${kind} lists it`);
  if ('docker' in daemon) console.log(await daemon.docker('images'));
  else console.log((await daemon.ctr('images', 'ls', '-q')).replaceAll(/^sha256:.*\n/gm, ''));

  say('The metrics that tell the story');
  await showMetrics(agent.url);

  if (keep) {
    say('Everything keeps running until Ctrl-C');
    console.log(`metrics   ${agent.url}/metrics\nplan      npx stevedore plan --state-dir ${stateDir}`);
    console.log(`labels    edit ${labelsFile}\nconfig    edit ${configFile}\nlog       tail -f ${agent.log}`);
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
  }
  say('Cleaning up');
}

async function pushSamples(registry: TestRegistry): Promise<void> {
  const layer = (seed: string, megabytes: number) => buildLayer({ seed, sizeBytes: megabytes * megabyte });
  const base = layer('base', 30);
  const cuda = layer('cuda', 60);
  await registry.push('platform/base', '1.4', buildImage({ layers: [base] }));
  await registry.push('platform/tools', '2.0', buildImage({ layers: [base, layer('tools', 40)] }));
  await registry.push('ml/pytorch', '2.9-cuda13', buildImage({ layers: [base, cuda, layer('torch', 70)] }));
  await registry.push('ml/llm-server', 'v0.8', buildImage({ layers: [base, cuda, layer('llm', 30)] }));
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

/** Runs the command line with its output shown. */
async function stevedore(...args: readonly string[]): Promise<void> {
  stop.signal.throwIfAborted();
  const child = spawn('node', ['agent/main.ts', ...args], { stdio: 'inherit', signal: stop.signal });
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`stevedore ${args[0]} ended with exit code ${code}`);
}

async function startAgent(log: string, args: readonly string[]): Promise<{ url: string; log: string }> {
  const child = spawn('node', ['agent/main.ts', 'run', '--listen', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = exitOf(child);
  cleanup.defer(async () => {
    child.kill('SIGTERM');
    console.log(`the agent ended with exit code ${await exited}`);
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  void exited.then((code) => reject(new Error(`the agent ended with exit code ${code}, see ${log}`)));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    void appendFile(log, chunk).catch(() => undefined);
    const listening = /"host":"([^"]+)","port":(\d+)[^\n]*"message":"listening"/.exec(text);
    if (listening !== null) resolve(`http://${listening[1]}:${listening[2]}`);
  });
  return { url: await promise, log };
}

async function showMetrics(url: string): Promise<void> {
  const response = await fetch(`${url}/metrics`, { signal: stop.signal });
  const told = [
    'image_set_images_desired',
    'image_set_images_present',
    'image_pulls_total',
    'image_pull_failures_total',
    'image_pull_bytes_total',
    'image_pull_duration_seconds_sum',
    'runtime_up',
  ];
  const lines = (await response.text()).split('\n');
  const isTold = (line: string) =>
    told.some((name) => new RegExp(`^stevedore_${name}[{ ]`).test(line)) && !line.endsWith(' 0');
  console.log(lines.filter(isTold).join('\n'));
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

function say(text: string): void {
  stop.signal.throwIfAborted();
  console.log(`\n${styleText(['bold', 'cyan'], `== ${text}`)}`);
}
