/** What a proxy-cache project costs its upstream: counted there, not at Harbor. */

import { expect, test } from 'vitest';
import { describeWith, needs } from '../../harness/needs.ts';
import { open } from './client.ts';
import { patientMs, ProxyBench, until } from './proxy-bench.ts';
import { basic, type SubjectMaker } from './subject.ts';

export function describeProxyCosts(name: string, make: SubjectMaker): void {
  describeWith(needs.registry, `what proxy-cache projects of ${name} cost`, () => {
    const bench = new ProxyBench(make);

    test('what a manifest costs: two HEADs by tag when it is not cached, one when it is, none by the digest of a cached child', {
      timeout: patientMs,
    }, async () => {
      const { index, image } = await bench.upload('lib/cost');
      await bench.get('lib/cost/manifests/v1', 'HEAD');
      expect(bench.cost()).toEqual([2, 0, 0]);
      const first = await bench.get('lib/cost/manifests/v1');
      expect(bench.cost()).toEqual([1, 1, 0]);
      expect(first.headers).toMatchObject({ 'docker-content-digest': '', etag: '' });
      await bench.get(`lib/cost/manifests/${index}`);
      expect(bench.cost()).toEqual([1, 0, 0]);
      await bench.get(`lib/cost/manifests/${image.manifestDigest}`);
      expect(bench.cost()).toEqual([1, 1, 0]);
      await bench.pullBlobs('lib/cost', image);
      await until(() => bench.isLocal('lib/cost', image.manifestDigest));
      bench.cost();
      await bench.get(`lib/cost/manifests/${image.manifestDigest}`);
      await bench.get(`lib/cost/manifests/${image.manifestDigest}`, 'HEAD');
      await bench.pullBlobs('lib/cost', image);
      expect(bench.cost()).toEqual([0, 0, 0]);
      await bench.get('lib/cost/manifests/v1', 'HEAD');
      expect(bench.cost()).toEqual([1, 0, 0]);
      await bench.get(`lib/cost/manifests/${index}`);
      expect(bench.cost()).toEqual([1, 0, 0]);
    });

    test('a cold blob is fetched twice and says no digest; a HEAD of one asks nobody; a Range is ignored', async () => {
      const { image } = await bench.upload('lib/cold', 200_000);
      const path = `lib/cold/blobs/${image.layers[0]?.digest}`;
      expect((await bench.get(path, 'HEAD')).status).toBe(404);
      expect(bench.cost()).toEqual([0, 0, 0]);
      const cold = await bench.get(path, 'GET', { range: 'bytes=0-9' });
      expect(cold).toMatchObject({ status: 200, body: image.layers[0]?.blob });
      expect(Object.keys(cold.headers)).not.toContain('docker-content-digest');
      expect(Object.keys(cold.headers)).not.toContain('content-length');
      await until(async () => (await bench.get(path, 'HEAD')).status === 200);
      expect(bench.cost()).toEqual([0, 0, 2]);
      expect(await bench.get(path, 'GET', { range: 'bytes=0-9' })).toMatchObject({ status: 206 });
      expect(bench.cost()).toEqual([0, 0, 0]);
    });

    test('five at once fetch a cold blob ten times', async () => {
      const { image } = await bench.upload('lib/five', 200_000);
      const { faults, requests } = bench.subject.upstream;
      faults.bytesPerSecond = 200_000;
      const path = `lib/five/blobs/${image.layers[0]?.digest}`;
      const pulls = Array.from({ length: 5 }, () => bench.get(path));
      await until(async () => requests.length >= 10);
      faults.bytesPerSecond = undefined;
      const replies = await Promise.all(pulls);
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect(bench.cost()).toEqual([0, 0, 10]);
    });

    test('a client that leaves after the headers does not stop the fill', async () => {
      const { image } = await bench.upload('lib/leave', 4_000_000);
      const digest = image.layers[0]?.digest ?? '';
      // Slower than what lies in the buffers of three connections.
      bench.subject.upstream.faults.bytesPerSecond = 2_000_000;
      const end = new AbortController();
      const path = `/v2/${bench.project}/lib/leave/blobs/${digest}`;
      await open(bench.subject.url, {
        method: 'GET',
        path,
        headers: { ...basic(bench.subject.admin) },
        signal: end.signal,
      });
      end.abort();
      await until(async () => (await bench.get(`lib/leave/blobs/${digest}`, 'HEAD')).status === 200);
      const { requests } = bench.subject.upstream;
      const fetched = requests.filter(({ path: asked }) => asked.endsWith(digest));
      expect(fetched).toHaveLength(2);
      expect(fetched.filter(({ complete }) => complete)).toHaveLength(1);
      expect(bench.subject.upstream.bytesOf(digest) / (image.layers[0]?.blob.length ?? 0)).toBeLessThan(1.9);
    });

    test('an upstream that breaks off: 200, and an error at the end of what came', async () => {
      const { image } = await bench.upload('lib/broken', 400_000);
      bench.subject.upstream.faults.cutBlobAfterBytes = 150_000;
      const { status, body } = await bench.get(`lib/broken/blobs/${image.layers[0]?.digest}`);
      expect(status).toBe(200);
      expect(body.toString('latin1').trimEnd()).toMatch(
        /\{"errors":\[\{"code":"UNKNOWN","message":"internal server error"\}\]\}$/,
      );
      expect(body.length).toBeLessThan(image.layers[0]?.blob.length ?? 0);
    });
  });
}
