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

type OnUnread = (failure: Failure) => void;

/** The registry does not know the referrers API. */
const unsupportedStatuses: ReadonlySet<number> = new Set([400, 404, 405, 501]);

export async function readStoredSignatures(
  digest: string,
  access: RepositoryAccess,
  reader: RepositoryReader,
  onUnread: OnUnread = () => undefined,
): Promise<readonly StoredSignature[]> {
  const tag = digest.replace(':', '-');
  const ifTagged = (name: string) =>
    ifPresent(
      () => reader.rawManifest(name),
      (failure) => {
        if (failure.detail === 'not_found_proxy') onUnread(failure);
      },
    );
  const referrers = (await listReferrers(digest, access)) ?? parseFallback(await ifTagged(tag));
  const cosign = await ifTagged(`${tag}.sig`);
  const manifests = new Map<string, RawManifest>(cosign === undefined ? [] : [[cosign.digest, cosign]]);
  for (const referrer of referrers.slice(0, maxSignatureManifests)) {
    if (manifests.has(referrer)) continue;
    const manifest = await ifPresent(() => reader.rawManifest(referrer), onUnread);
    if (manifest !== undefined) manifests.set(referrer, manifest);
  }
  const layers = manifests.values().flatMap(({ bytes }) => parseSignatureLayers(bytes));
  const signatures: StoredSignature[] = [];
  for (const layer of layers.take(maxSignatureManifests)) {
    const signature = await readSignature(layer, reader, onUnread);
    if (signature !== undefined) signatures.push(signature);
  }
  return signatures;
}

async function readSignature(
  layer: SignatureLayer,
  reader: RepositoryReader,
  onUnread: OnUnread,
): Promise<StoredSignature | undefined> {
  const bytes = await ifPresent(() => reader.blob(layer.digest, maxSignatureBytes), onUnread);
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
function parseFallback(index: RawManifest | undefined): string[] {
  return index === undefined ? [] : (parseReferrers(index.bytes) ?? []);
}

async function ifPresent<Result>(read: () => Promise<Result>, onAbsent: OnUnread): Promise<Result | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'not_found') throw error;
    onAbsent(error);
    return undefined;
  }
}
