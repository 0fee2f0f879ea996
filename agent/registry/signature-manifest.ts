/** Referrers and signature manifests as registries send them, read without trust. */

import { contentDigestPattern } from './content-digest.ts';
import { isRecord, parseRecord } from './json-record.ts';

export interface SignatureLayer {
  readonly digest: string;
  /** Base64, of the payload that the layer is; undefined: the layer is a Sigstore bundle. */
  readonly signature: string | undefined;
}

const simpleSigningType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
const bundlePattern = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v\d+(?:\.\d+)*)?\+json\b/;
/** What cosign names its own; Harbor 2.15.2 gives the config's type instead, also for signatures under cosign's tag. */
const signatureTypes: ReadonlySet<string> = new Set([
  'application/vnd.dev.cosign.artifact.sig.v1+json',
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.oci.empty.v1+json',
  simpleSigningType,
  '',
]);

/** Digests of the referrers that may be cosign's signatures; undefined for what is no index. */
export function parseReferrers(bytes: Buffer): string[] | undefined {
  const manifests = parseRecord(bytes)?.['manifests'];
  if (!Array.isArray(manifests)) return undefined;
  return manifests.flatMap((entry: unknown) => {
    if (!isRecord(entry)) return [];
    const { digest, artifactType = '' } = entry;
    if (typeof digest !== 'string' || !contentDigestPattern.test(digest) || typeof artifactType !== 'string') return [];
    return signatureTypes.has(artifactType) || bundlePattern.test(artifactType) ? [digest] : [];
  });
}

/** Layers that are signatures; what else a manifest holds is nothing of ours. */
export function parseSignatureLayers(bytes: Buffer): SignatureLayer[] {
  const layers = parseRecord(bytes)?.['layers'];
  if (!Array.isArray(layers)) return [];
  return layers.flatMap((layer: unknown): SignatureLayer[] => {
    if (!isRecord(layer)) return [];
    const { digest, mediaType, annotations } = layer;
    if (typeof digest !== 'string' || !contentDigestPattern.test(digest) || typeof mediaType !== 'string') return [];
    if (bundlePattern.test(mediaType)) return [{ digest, signature: undefined }];
    const signature = isRecord(annotations) ? annotations[signatureAnnotation] : undefined;
    return mediaType === simpleSigningType && typeof signature === 'string' ? [{ digest, signature }] : [];
  });
}
