/**
 * What cosign left in a registry for a manifest: signatures in its simple signing format (cosign 1 and 2, under the tag `sha256-….sig`, or as a
 * referrer) and Sigstore bundles (cosign 3, as a referrer). Found by the referrers API of the OCI distribution specification 1.1, its
 * fallback tag where the registry does not know that API, and cosign's tag. Nothing is verified here.
 */

import { Failure } from '../core/failure.ts';
import type { StoredSignature } from './image-source.ts';
import { manifestAccept } from './manifest-document.ts';
import { parseNextLink } from './next-link.ts';
import type { RepositoryAccess, RepositoryRequest } from './repository-access.ts';
import { maxManifestBytes, type RawManifest, type RepositoryReader } from './repository-reader.ts';
import { parseReferrers, parseSignatureLayers, type SignatureLayer } from './signature-manifest.ts';

/** More signatures than anybody has; a registry may name as many referrers as it likes. */
const maxSignatureManifests = 32;
const maxPages = 10;
const maxSignatureBytes = 2 * 1024 * 1024;

/** The registry does not know the referrers API. */
const unsupportedStatuses: ReadonlySet<number> = new Set([400, 404, 405, 501]);

export async function readStoredSignatures(
  digest: string,
  access: RepositoryAccess,
  reader: RepositoryReader,
): Promise<readonly StoredSignature[]> {
  const tag = digest.replace(':', '-');
  const referrers = (await listReferrers(digest, access)) ?? (await listFallback(tag, reader));
  const cosign = await ifPresent(() => reader.rawManifest(`${tag}.sig`));
  const manifests = new Map<string, RawManifest>(cosign === undefined ? [] : [[cosign.digest, cosign]]);
  for (const referrer of referrers.slice(0, maxSignatureManifests)) {
    if (manifests.has(referrer)) continue;
    const manifest = await ifPresent(() => reader.rawManifest(referrer));
    if (manifest !== undefined) manifests.set(referrer, manifest);
  }
  const layers = manifests.values().flatMap(({ bytes }) => parseSignatureLayers(bytes));
  const signatures: StoredSignature[] = [];
  for (const layer of layers.take(maxSignatureManifests)) {
    const signature = await readSignature(layer, reader);
    if (signature !== undefined) signatures.push(signature);
  }
  return signatures;
}

async function readSignature(layer: SignatureLayer, reader: RepositoryReader): Promise<StoredSignature | undefined> {
  const bytes = await ifPresent(() => reader.blob(layer.digest, maxSignatureBytes));
  if (bytes === undefined) return undefined;
  return layer.signature === undefined
    ? { kind: 'bundle', bundle: bytes }
    : { kind: 'simple', payload: bytes, signature: layer.signature };
}

/** Digests of manifests that may be signatures; undefined where the registry does not know referrers. */
async function listReferrers(digest: string, access: RepositoryAccess): Promise<string[] | undefined> {
  const subject = `what refers to ${access.subject(digest)}`;
  const found: string[] = [];
  let query: string | undefined = '';
  for (let page = 0; query !== undefined && page < maxPages; page += 1) {
    const request: RepositoryRequest = {
      method: 'GET',
      path: `referrers/${digest}${query}`,
      operation: 'referrers',
      accept: manifestAccept,
      maxBytes: maxManifestBytes,
      isVerified: false,
    };
    const response = await access.send(request);
    if (page === 0 && unsupportedStatuses.has(response.status)) return undefined;
    if (response.status !== 200) throw await access.toFailure(response, subject, request);
    const referrers = parseReferrers(response.body);
    if (referrers === undefined) throw new Failure('upstream', `${response.url.host} answers no index for ${subject}`);
    found.push(...referrers);
    const link = parseNextLink(response.header('link'));
    query =
      link !== undefined && URL.canParse(link, response.url.href) ? new URL(link, response.url).search : undefined;
  }
  return found;
}

/** The specification's referrers tag: an index under `sha256-<hex>`. */
async function listFallback(tag: string, reader: RepositoryReader): Promise<string[]> {
  const index = await ifPresent(() => reader.rawManifest(tag));
  return index === undefined ? [] : (parseReferrers(index.bytes) ?? []);
}

async function ifPresent<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined;
    throw error;
  }
}
