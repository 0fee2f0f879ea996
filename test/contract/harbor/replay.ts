/** Sends what was recorded to a double in the same state, and compares. */

import { expect } from 'vitest';
import { toBasic } from '../../harness/harbor/harbor.ts';
import { ask, type Asked } from './client.ts';
import { toRecorded, toReplayed } from './comparison.ts';
import { loadRecording, type Recording } from './recording.ts';
import type { User, World } from './recorded-world.ts';

export interface Replay {
  readonly name: string;
  /** Who asked, where an Authorization header was sent. */
  readonly as?: User | 'anonymous' | 'garbage' | 'expired';
  /** Repositories whose token it is; default the one of the path. */
  readonly scopes?: readonly string[];
  /** What was different before. */
  readonly before?: (world: World) => unknown;
  readonly after?: (world: World) => unknown;
  /** Headers that depend on what else the recorded Harbor held. */
  readonly lax?: readonly string[];
}

/** @throws AssertionError where the double answers otherwise */
export async function replay(world: World, { name, as, scopes, before, after, lax = [] }: Replay): Promise<void> {
  const recording = loadRecording(name);
  await before?.(world);
  try {
    const asked = await toRequest(world, recording, as, scopes);
    const reply = await ask(world.harbor.url, asked);
    expect(toReplayed(reply, world, lax)).toEqual(toRecorded(recording, world, lax));
  } finally {
    await after?.(world);
  }
}

/** Digests and credentials are the double's. */
export async function toRequest(
  world: World,
  { name, request }: Recording,
  as: Replay['as'] = 'system',
  scopes?: readonly string[],
): Promise<Asked> {
  const translate = (text: string): string =>
    text.replaceAll(/sha256:[0-9a-f]{64}/g, (digest) => world.digests.get(digest) ?? digest);
  const { Authorization: authorization, Host: _, 'Content-Length': __, ...headers } = request.headers;
  const body = typeof request.body === 'string' && request.body !== '' ? { body: request.body } : {};
  const path = translate(request.path);
  const own = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, translate(String(value))]));
  if (authorization === undefined) return { method: request.method, path, headers: own, ...body };
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1];
  const wanted = scopes ?? (repository === undefined ? [] : [repository]);
  const isToken = authorization === 'Bearer REDACTED';
  if (as === 'garbage') return { method: request.method, path, headers: { ...own, authorization: 'Bearer garbage' } };
  if (as === 'anonymous' || as === 'expired') {
    const token = await world.token(as === 'anonymous' ? undefined : 'system', ...wanted);
    if (as === 'expired') world.harbor.expireTokens();
    return { method: request.method, path, headers: { ...own, authorization: token } };
  }
  if (!isToken && authorization !== 'Basic REDACTED') throw new Error(`${name}: another kind of authorization`);
  const given = isToken ? await world.token(as, ...wanted) : toBasic(world.login(as));
  return { method: request.method, path, headers: { ...own, authorization: given } };
}
