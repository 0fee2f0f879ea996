/** Pushes what is no sample image, by `/v2/` as cosign and others do. */

import { createHash } from 'node:crypto';
import { ask, type Asked } from '../contract/harbor/client.ts';
import { basic } from '../contract/harbor/subject.ts';
import type { Login, OtherContent } from './subject.ts';

/** @throws Error where Harbor does not take it */
export async function putContent(
  url: string,
  login: Login,
  repository: string,
  { manifest, mediaType, tag, blobs }: OtherContent,
): Promise<void> {
  const send = async (asked: Asked, status: number) => {
    const length = { 'content-length': String(Buffer.byteLength(asked.body ?? '')) };
    const reply = await ask(url, { ...asked, headers: { ...basic(login), ...length, ...asked.headers } });
    if (reply.status !== status)
      throw new Error(`${asked.method} ${asked.path}: ${reply.status} ${String(reply.body)}`);
    return reply;
  };
  for (const body of blobs) {
    const begun = await send({ method: 'POST', path: `/v2/${repository}/blobs/uploads/` }, 202);
    const location = new URL(begun.headers['location'] ?? '', url);
    location.searchParams.set('digest', digestOf(body));
    const path = `${location.pathname}${location.search}`;
    await send({ method: 'PUT', path, body, headers: { 'content-type': 'application/octet-stream' } }, 201);
  }
  const path = `/v2/${repository}/manifests/${tag}`;
  await send({ method: 'PUT', path, body: manifest, headers: { 'content-type': mediaType } }, 201);
}

export function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
