/** Runs the image as the manifests will: root without capabilities, read-only, without a network. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const confined =
  '--network none --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /var/lib/stevedore'.split(' ');

/** @returns {Promise<string[]>} what was seen, a line each */
export async function tryImage(dockerd, image, { version }) {
  const run = (args, options = []) => dockerd.docker('run', '--rm', ...confined, ...options, image, ...args);
  const mount = (file) => ['--volume', `${file}:/etc/stevedore/config.yaml:ro`];

  assert.equal(await run(['--version']), version);

  const good = join(dockerd.folder, 'good.yaml');
  await writeFile(good, 'imageSets:\n  - name: base\n    images: [harbor.example.com/a/b:1]\n');
  assert.match(await run(['check'], mount(good)), /: ok, 1 image set/);

  const bad = join(dockerd.folder, 'bad.yaml');
  await writeFile(bad, 'imageSetz: []\n');
  await assert.rejects(run(['check'], mount(bad)), (error) => error.cause.code === 1);

  const stoppedMs = await stopAgent(dockerd, image, mount(good));
  return [
    `--version ${version}; check of a good configuration 0, of a bad one 1`,
    `run as process 1, SIGTERM: exit code 0 after ${stoppedMs.toFixed(0)} ms`,
  ];
}

/** Process 1 gets no signal that it does not handle: `docker stop` would wait ten seconds and kill. */
async function stopAgent(dockerd, image, options) {
  const id = await dockerd.docker('run', '--detach', ...confined, ...options, image);
  try {
    await untilListening(dockerd, id);
    const startedAt = performance.now();
    await dockerd.docker('stop', '--time', '10', id);
    const tookMs = performance.now() - startedAt;
    assert.equal(await dockerd.docker('inspect', '--format', '{{.State.ExitCode}}', id), '0');
    assert.ok(tookMs < 5_000, `stopping took ${tookMs} ms`);
    return tookMs;
  } finally {
    await dockerd.removeContainer(id);
  }
}

async function untilListening(dockerd, id) {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const log = await dockerd.docker('logs', id);
    if (log.includes('"listening"')) return;
    if (performance.now() > deadline) throw new Error(`the agent does not listen: ${log}`);
    await wait(100);
  }
}
