/** Manifests, blobs and tags of what Harbor's own registry holds: ordinary projects, and the cached part of proxy projects. */

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, notFound, toError } from './answers.ts';
import type { Call } from './call.ts';
import { isDigest, type Project } from './model.ts';
import { planRefusal } from './policy.ts';
import type { HarborSystem } from './system.ts';

const passedOn = [
  'Accept-Ranges',
  'Cache-Control',
  'Content-Length',
  'Content-Range',
  'Content-Type',
  'Docker-Content-Digest',
  'Docker-Distribution-Api-Version',
  'Docker-Upload-Uuid',
  'Etag',
  'Location',
  'Range',
  'X-Content-Type-Options',
] as const;

/** What the registry answers, with the headers that Harbor passes on. */
export function toPassedOn(answer: IncomingMessage): Answer {
  const headers = Object.fromEntries(
    passedOn.flatMap((name) => {
      const value = answer.headers[name.toLowerCase()];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  return {
    status: answer.statusCode ?? 500,
    headers,
    write: (outgoing, signal) => passOn(answer, outgoing, signal),
  };
}

/** What came before the registry broke off is sent: it promises a whole blob with its 416. */
async function passOn(answer: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  const leave = (): void => void answer.destroy();
  signal.addEventListener('abort', leave, { once: true });
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      if (!outgoing.write(part)) await once(outgoing, 'drain', { signal });
    }
    outgoing.end();
  } catch {
    outgoing.socket?.destroySoon();
  } finally {
    signal.removeEventListener('abort', leave);
    answer.destroy();
  }
}

export async function answerLocalManifest(
  system: HarborSystem,
  { method, headers, signal }: Call,
  project: Project,
  repository: string,
  reference: string,
): Promise<Answer> {
  const { catalogue, installation, storage } = system;
  const artifact = catalogue.find(repository, reference);
  if (artifact === undefined) return notFound(catalogue.absence(repository, reference));
  const refusal = planRefusal(project, artifact, catalogue, installation.hasScanner);
  if (refusal !== undefined) return refusal;
  const { digest } = artifact;
  const known = headers['if-none-match'];
  if (known === digest || known === `"${digest}"`) return { status: 304, headers: {} };
  const path = `/v2/${repository}/manifests/${digest}`;
  const answer = await storage.open({ method, path, headers: { accept: headers.accept }, signal });
  if (method === 'HEAD') answer.resume();
  else if (answer.statusCode === 200) catalogue.notePull(artifact, reference);
  return toPassedOn(answer);
}

export async function answerLocalBlob(
  system: HarborSystem,
  { method, headers, signal }: Call,
  repository: string,
  digest: string,
): Promise<Answer> {
  const { storage, installation, storageHost, catalogue } = system;
  const path = `/v2/${repository}/blobs/${digest}`;
  if (installation.redirectsBlobs && (await storage.hasBlob(repository, digest))) {
    return {
      status: 307,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Docker-Distribution-Api-Version': 'registry/2.0',
        Location: storageHost.locate(repository, digest),
        ...(method === 'HEAD' ? {} : { 'Content-Length': '0' }),
      },
    };
  }
  const { range, 'if-none-match': etag } = headers;
  const answer = await storage.open({ method, path, headers: { range, 'if-none-match': etag }, signal });
  if (method !== 'HEAD') return toPassedOn(answer);
  if (!isDigest(digest)) return notFound(`blob ${digest} not found`);
  answer.resume();
  // Harbor itself answers for a blob that no project has.
  if (answer.statusCode === 404 && !catalogue.knowsBlob(digest)) return notFound(`blob ${digest} not found`);
  return toPassedOn(answer);
}

export function answerLocalTags(system: HarborSystem, call: Call, repository: string): Answer {
  const known = system.catalogue.repositories.get(repository);
  if (known === undefined) return notFound(`repository ${repository} not found`);
  return toTagList(call, repository, [...known.tags.keys()]);
}

/** Harbor's Link is relative, and its order the one of the names. */
export function toTagList({ query }: Call, repository: string, names: readonly string[]): Answer {
  const most = query.get('n');
  if (most !== null && !/^\d+$/.test(most)) return toError(400, 'BAD_REQUEST', 'the N must be a positive int type');
  const sorted = [...new Set(names)].sort();
  const last = query.get('last');
  const rest = last === null ? sorted : sorted.filter((name) => name > last);
  const page = most === null ? rest : rest.slice(0, Number(most));
  const end = page.at(-1);
  const hasMore = page.length < rest.length && end !== undefined;
  const link = `</v2/${repository}/tags/list?last=${encodeURIComponent(end ?? '')}&n=${most}>; rel="next"`;
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...(hasMore ? { Link: link } : {}) },
    body: `${JSON.stringify({ name: repository, tags: page })}\n`,
  };
}

/** From what Harbor knows as accessories, by tag or by subject. */
export function answerReferrers(
  { catalogue }: HarborSystem,
  { query }: Call,
  repository: string,
  digest: string,
): Answer {
  if (!isDigest(digest))
    return toError(400, 'BAD_REQUEST', `unsupported digest ${digest}: invalid checksum digest format`);
  const all = catalogue.accessoriesOf({ repository, digest });
  const wanted = query.get('artifactType');
  const manifests = all
    .map(({ mediaType, digest: own, manifestBytes, annotations, artifactType }) => ({
      mediaType,
      digest: own,
      size: manifestBytes,
      ...(annotations === undefined ? {} : { annotations }),
      artifactType,
    }))
    .filter(({ artifactType }) => wanted === null || artifactType === wanted);
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return {
    status: 200,
    headers: {
      'Content-Type': mediaType,
      'X-Total-Count': String(all.length),
      ...(wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
    },
    body: `${JSON.stringify({ schemaVersion: 2, mediaType, manifests })}\n`,
  };
}
