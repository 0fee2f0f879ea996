/** Signatures as cosign 2 makes them: simple signing, under the tag `sha256-….sig`. */

import { generateKeyPairSync, sign } from 'node:crypto';
import { mediaTypes } from '../harness/images.ts';
import { digestOf } from './content-push.ts';
import type { BehaviourSubject } from './subject.ts';

export interface Signer {
  /** The public key. */
  readonly pem: string;
  readonly sign: (payload: string) => string;
}

export function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    pem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign: (payload) => sign('sha256', Buffer.from(payload), privateKey).toString('base64'),
  };
}

/** Signs a manifest that is there. @param claimed what the signature is about; default the manifest */
export async function signWith(
  signer: Signer,
  subject: Pick<BehaviourSubject, 'put' | 'host'>,
  repository: string,
  digest: string,
  claimed = digest,
): Promise<void> {
  const identity = { 'docker-reference': `${subject.host}/${repository}` };
  const payload = JSON.stringify({
    critical: {
      identity,
      image: { 'docker-manifest-digest': claimed },
      type: 'cosign container image signature',
    },
    optional: null,
  });
  const config = JSON.stringify({
    architecture: '',
    created: '0001-01-01T00:00:00Z',
    history: [{ created: '0001-01-01T00:00:00Z' }],
    os: '',
    rootfs: { type: 'layers', diff_ids: [digestOf(payload)] },
    config: {},
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, size: Buffer.byteLength(config), digest: digestOf(config) },
    layers: [
      {
        mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
        size: Buffer.byteLength(payload),
        digest: digestOf(payload),
        annotations: { 'dev.cosignproject.cosign/signature': signer.sign(payload) },
      },
    ],
  });
  const tag = `${digest.replace(':', '-')}.sig`;
  await subject.put(repository, { manifest, mediaType: mediaTypes.manifest, tag, blobs: [config, payload] });
}
