/** The image source's contract on Debian's docker-registry (Distribution 2.8), which knows no referrers. */

import { parseReference } from '../../agent/core/image-reference.ts';
import type { SourceImage, StoredSignature } from '../../agent/registry/image-source.ts';
import { createOciRegistry } from '../../agent/registry/oci-registry.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { startRegistry } from '../harness/registry.ts';
import { describeImageSource } from '../unit/registry/image-source-contract.ts';
import { ociIndex, type Stored, store } from '../unit/registry/images.ts';
import {
  type BuiltSource,
  buildSourceIndex,
  buildSourceSingle,
  toSignatureManifest,
} from '../unit/registry/source-images.ts';

const login = { username: 'robot$app+pull', password: 'S3cret' };

for (const [kind, token] of [
  ['tokens', true],
  ['basic authentication', false],
] as const) {
  describeWith(needs.registry, `docker-registry with ${kind}`, () => {
    describeImageSource(`docker-registry with ${kind}`, async () => {
      const open = await startRegistry();
      const guarded = await startRegistry({ user: login.username, password: login.password, token });
      const settings = { plainHTTP: true, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
      const source = createOciRegistry({
        registries: () => [
          { ...settings, host: open.host },
          { ...settings, host: guarded.host },
        ],
        platform: { os: 'linux', architecture: 'amd64' },
      });
      const push = async (reference: string, image: BuiltSource): Promise<SourceImage> => {
        const { registry, repository, tag = '' } = parseReference(reference);
        await (registry === open.host ? open : guarded).push(repository, tag, image.built);
        return image.source;
      };
      return {
        source,
        openHost: open.host,
        privateHost: guarded.host,
        login,
        pushIndex: (reference, seed, platforms) => push(reference, buildSourceIndex(seed, platforms)),
        pushSingle: (reference, seed) => push(reference, buildSourceSingle(seed)),
        sign,
        requests: () => open.requests.length + guarded.requests.length,
        hold: () => {
          open.faults.hang = true;
          return () => {
            open.faults.hang = false;
          };
        },
        close: async () => {
          await open.remove();
          await guarded.remove();
        },
      };
    });
  });
}

/** As cosign does where the registry knows no referrers: its own tag, or the specification's fallback tag. */
async function sign(name: string, digest: string, signature: StoredSignature): Promise<void> {
  const [host = '', ...path] = name.split('/');
  const base = `http://${host}/v2/${path.join('/')}`;
  const { blob, manifest } = toSignatureManifest(digest, signature);
  await putBlob(base, blob);
  await putBlob(base, store('', '{}'));
  const tag = digest.replace(':', '-');
  if (signature.kind === 'simple') return putManifest(base, `${tag}.sig`, manifest);
  await putManifest(base, manifest.digest, manifest);
  const entry = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
  await putManifest(base, tag, store(ociIndex, { schemaVersion: 2, mediaType: ociIndex, manifests: [entry] }));
}

async function putBlob(base: string, { digest, bytes }: Stored): Promise<void> {
  const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  await expectStatus(201, location, 'PUT', 'application/octet-stream', bytes);
}

function putManifest(base: string, name: string, { bytes, mediaType }: Stored): Promise<void> {
  return expectStatus(201, new URL(`${base}/manifests/${name}`), 'PUT', mediaType, bytes);
}

async function expectStatus(status: number, url: URL, method: string, type: string, bytes: Buffer): Promise<void> {
  const answer = await fetch(url, { method, headers: { 'content-type': type }, body: new Uint8Array(bytes) });
  if (answer.status !== status) throw new Error(`${method} ${url.href}: ${answer.status} ${await answer.text()}`);
}
