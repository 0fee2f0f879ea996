/** What a proxy-cache project answers when its upstream fails or limits it, and when policy comes late. */

import { expect, test } from 'vitest';
import { describeWith, needs } from '../../harness/needs.ts';
import { open } from './client.ts';
import { patientMs, ProxyBench, until } from './proxy-bench.ts';
import { askAs, basic, firstError, manifestTypes, type SubjectMaker } from './subject.ts';

export function describeProxyFailures(name: string, make: SubjectMaker): void {
  describeWith(needs.registry, `failing upstreams of ${name}`, () => {
    const bench = new ProxyBench(make);

    test('with the upstream away the tag has another digest, of the platforms that were pulled; the children stay', {
      timeout: patientMs,
    }, async () => {
      const { index, image, other } = await bench.cache('lib/flip');
      const pulled = [image];
      // Where a platform is missing, a real Harbor waits 400 seconds for it; so it gets both.
      if (bench.subject.checkPeriodMs > 1_000) {
        pulled.push(other);
        await bench.get(`lib/flip/manifests/${other.manifestDigest}`);
        await bench.pullBlobs('lib/flip', other);
      }
      const tag = 'lib/flip/manifests/v1';
      expect((await bench.get(tag, 'HEAD')).headers['docker-content-digest']).toBe(index);
      await until(() => bench.isLocal('lib/flip', 'v1'));
      await bench.subject.setUpstream('down');
      const local = await bench.get(tag);
      expect(local.status).toBe(200);
      expect(local.headers['docker-content-digest']).not.toBe(index);
      // Serialised anew: complete or not, its digest is another.
      expect(local.body.toString()).toMatch(/^\{\n {3}"schemaVersion": 2,/);
      const { manifests } = JSON.parse(local.body.toString()) as { manifests: { digest: string }[] };
      expect(manifests.map(({ digest }) => digest)).toEqual(pulled.map(({ manifestDigest }) => manifestDigest));
      expect((await bench.get(`lib/flip/manifests/${index}`)).status).toBe(404);
      expect((await bench.get(`lib/flip/manifests/${image.manifestDigest}`)).status).toBe(200);
    });

    test('a 404 of the upstream and one of a fallback have different words', async () => {
      const absent = firstError(await bench.get('lib/never/manifests/v1'))?.message;
      expect(absent).toBe(`resource not found: repo ${bench.project}/lib/never, tag v1 not found`);
      for (const state of ['down', 500, 401] as const) {
        await bench.subject.setUpstream(state);
        expect(firstError(await bench.get('lib/never/manifests/v1'))?.message).toBe(
          `repository ${bench.project}/lib/never not found`,
        );
      }
      await bench.subject.setUpstream(429);
      expect(firstError(await bench.get('lib/never/manifests/v1'))?.code).toBe('TOO_MANY_REQUEST');
    });

    test('a hanging upstream holds back the tag of a cached image, and not its child', {
      timeout: patientMs,
    }, async () => {
      const { image } = await bench.cache('lib/hang');
      await bench.subject.setUpstream('hanging');
      const end = new AbortController();
      const waiting = open(bench.subject.url, {
        method: 'HEAD',
        path: `/v2/${bench.project}/lib/hang/manifests/v1`,
        headers: { ...basic(bench.subject.admin), accept: manifestTypes },
        signal: end.signal,
      });
      const state = waiting.then(() => 'answered').catch(() => 'left');
      expect((await bench.get(`lib/hang/manifests/${image.manifestDigest}`)).status).toBe(200);
      await bench.pullBlobs('lib/hang', image);
      expect(await Promise.race([state, Promise.resolve('waiting')])).toBe('waiting');
      end.abort();
      expect(await state).toBe('left');
    });

    test('what the upstream has deleted: 404 by tag, 200 by child; the project can keep it', {
      timeout: patientMs,
    }, async () => {
      const keeping = await bench.subject.project({
        proxy: true,
        metadata: { proxy_cache_local_on_not_found: 'true' },
      });
      for (const [name, status] of [
        [bench.project, 404],
        [keeping.name, 200],
      ] as const) {
        bench.project = name;
        const repository = `lib/deleted-${status}`;
        const single = await bench.cacheSingle(repository);
        await bench.subject.setUpstream(404);
        expect((await bench.get(`${repository}/manifests/v1`)).status).toBe(status);
        expect((await bench.get(`${repository}/manifests/${single}`)).status).toBe(200);
        await bench.subject.setUpstream('healthy');
      }
    });

    test('max_upstream_conn refuses at once, and lets others in when one has left', async () => {
      bench.project = (await bench.subject.project({ proxy: true, metadata: { max_upstream_conn: '1' } })).name;
      const { image } = await bench.upload('lib/limit', 2_000_000);
      bench.subject.upstream.faults.bytesPerSecond = 100_000;
      const path = `/v2/${bench.project}/lib/limit/blobs/${image.layers[0]?.digest}`;
      const end = new AbortController();
      await open(bench.subject.url, {
        method: 'GET',
        path,
        headers: { ...basic(bench.subject.admin) },
        signal: end.signal,
      });
      const refused = await askAs(bench.subject, bench.subject.admin, { method: 'GET', path });
      expect(refused.status).toBe(429);
      expect(firstError(refused)?.code).toBe('TOO_MANY_REQUEST');
      expect(Object.keys(refused.headers)).not.toContain('retry-after');
      end.abort();
      bench.subject.upstream.faults.bytesPerSecond = undefined;
      await until(
        async () => (await askAs(bench.subject, bench.subject.admin, { method: 'GET', path })).status === 200,
      );
    });

    test('policy stops an image only once it is cached', { timeout: patientMs }, async () => {
      bench.project = (
        await bench.subject.project({ proxy: true, metadata: { enable_content_trust_cosign: 'true' } })
      ).name;
      const image = bench.makeImage('amd64', 3_000);
      await bench.subject.upstream.push('lib/unsigned', 'v1', image);
      const path = `lib/unsigned/manifests/${image.manifestDigest}`;
      expect((await bench.get(path)).status).toBe(200);
      await bench.pullBlobs('lib/unsigned', image);
      await until(async () => (await bench.get(path)).status === 412);
      expect(firstError(await bench.get(path))).toEqual({
        code: 'PROJECTPOLICYVIOLATION',
        message: 'The image is not signed by cosign.',
      });
    });
  });
}
