/** Pushes built images straight to the registry behind the proxy (OCI distribution specification 1.1, monolithic uploads). */

import { type BuiltImage, type BuiltIndex, mediaTypes } from './images.ts';

export interface PushTarget {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly authorization: string | undefined;
}

/** @returns the digest that the tag now has */
export async function pushImage(
  target: PushTarget,
  repository: string,
  tag: string,
  image: BuiltImage | BuiltIndex,
): Promise<string> {
  if ('index' in image) {
    for (const part of image.images) await pushImage(target, repository, part.manifestDigest, part);
    await sendManifest(target, repository, tag, image.index, mediaTypes.index);
    return image.indexDigest;
  }
  await pushBlob(target, repository, image.configDigest, image.config);
  for (const layer of image.layers) await pushBlob(target, repository, layer.digest, layer.blob);
  await sendManifest(target, repository, tag, image.manifest, mediaTypes.manifest);
  return image.manifestDigest;
}

/** Gives a manifest that the repository holds another tag. */
export async function putManifest(target: PushTarget, repository: string, tag: string, digest: string): Promise<void> {
  const accept = `${mediaTypes.manifest}, ${mediaTypes.index}`;
  const answer = await request(target, 'GET', `/v2/${repository}/manifests/${digest}`, { accept });
  const type = answer.headers.get('content-type') ?? mediaTypes.manifest;
  await sendManifest(target, repository, tag, Buffer.from(await answer.arrayBuffer()), type);
}

async function pushBlob(target: PushTarget, repository: string, digest: string, content: Buffer): Promise<void> {
  const known = await request(target, 'HEAD', `/v2/${repository}/blobs/${digest}`, {}, undefined, [404]);
  if (known.ok) return;
  const begun = await request(target, 'POST', `/v2/${repository}/blobs/uploads/`);
  const location = new URL(begun.headers.get('location') ?? '', target.origin);
  location.searchParams.set('digest', digest);
  await request(
    target,
    'PUT',
    `${location.pathname}${location.search}`,
    { 'content-type': 'application/octet-stream' },
    content,
  );
}

async function sendManifest(
  target: PushTarget,
  repository: string,
  reference: string,
  content: Buffer,
  type: string,
): Promise<void> {
  await request(target, 'PUT', `/v2/${repository}/manifests/${reference}`, { 'content-type': type }, content);
}

async function request(
  { origin, authorization }: PushTarget,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Buffer,
  tolerated: readonly number[] = [],
): Promise<Response> {
  const answer = await fetch(`${origin}${path}`, {
    method,
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    ...(body === undefined ? {} : { body: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length) }),
    signal: AbortSignal.timeout(120_000),
  });
  if (!answer.ok && !tolerated.includes(answer.status)) {
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
  if (method !== 'GET') await answer.arrayBuffer();
  return answer;
}
