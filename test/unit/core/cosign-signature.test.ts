import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type CosignSignature, publicKeyRule, verifyCosign } from '../../../agent/core/cosign-signature.ts';

const digest = `sha256:${'a1'.repeat(32)}`;
const otherDigest = `sha256:${'b2'.repeat(32)}`;

interface Pair {
  readonly pem: string;
  readonly sign: (bytes: Buffer) => Buffer;
}

const toPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string;

function ecdsa(namedCurve: string, hash: string): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { pem: toPem(publicKey), sign: (bytes) => sign(hash, bytes, privateKey) };
}

function rsa(padding: number, hash = 'sha256', modulusLength = 2048): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return { pem: toPem(publicKey), sign: (bytes) => sign(hash, bytes, { key: privateKey, padding }) };
}

function ed25519(): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { pem: toPem(publicKey), sign: (bytes) => sign(null, bytes, privateKey) };
}

function payloadOf(signed: string, type = 'cosign container image signature'): Buffer {
  const critical = { identity: { 'docker-reference': 'h/ml/llm' }, image: { 'docker-manifest-digest': signed }, type };
  return Buffer.from(JSON.stringify({ critical, optional: null }));
}

function simple(pair: Pair, payload = payloadOf(digest)): CosignSignature {
  return { kind: 'simple', payload, signature: pair.sign(payload).toString('base64') };
}

interface BundleParts {
  readonly mediaType?: string;
  readonly predicateType?: string;
  readonly subject?: unknown;
  readonly payloadType?: string;
  readonly material?: object;
  readonly tamper?: (payload: Buffer) => Buffer;
}

function bundle(pair: Pair, parts: BundleParts = {}): CosignSignature {
  const payloadType = parts.payloadType ?? 'application/vnd.in-toto+json';
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: parts.subject ?? [{ digest: { sha256: digest.slice('sha256:'.length) } }],
      predicateType: parts.predicateType ?? 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    }),
  );
  const signed = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} ${payload.toString()}`);
  const document = {
    mediaType: parts.mediaType ?? 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: parts.material ?? { publicKey: { hint: 'x' } },
    dsseEnvelope: {
      payload: (parts.tamper ?? ((bytes) => bytes))(payload).toString('base64'),
      payloadType,
      signatures: [{ sig: pair.sign(signed).toString('base64'), keyid: '' }],
    },
  };
  return { kind: 'bundle', bundle: Buffer.from(JSON.stringify(document)) };
}

const p256 = ecdsa('prime256v1', 'sha256');
const stranger = ecdsa('prime256v1', 'sha256');

const pairs: readonly (readonly [string, Pair])[] = [
  ['ECDSA P-256', p256],
  ['ECDSA P-384 with SHA-384', ecdsa('secp384r1', 'sha384')],
  ['ECDSA P-384 with SHA-256', ecdsa('secp384r1', 'sha256')],
  ['ECDSA P-521 with SHA-512', ecdsa('secp521r1', 'sha512')],
  ['Ed25519', ed25519()],
  ['RSA PKCS#1 1.5', rsa(constants.RSA_PKCS1_PADDING)],
  ['RSA PSS', rsa(constants.RSA_PKCS1_PSS_PADDING)],
];

describe.each(pairs)('%s', (_name, pair) => {
  test('its key has no fault', () => {
    expect(publicKeyRule(pair.pem)).toBeUndefined();
  });

  test.each([
    ['simple signing', simple(pair)],
    ['a bundle', bundle(pair)],
  ])('%s is valid with its own key, and with no other', (_kind, signature) => {
    expect(verifyCosign([signature], digest, [stranger.pem, pair.pem])).toEqual({ ok: true, keyIndex: 1 });
    expect(verifyCosign([signature], digest, [stranger.pem])).toEqual({
      ok: false,
      message: 'none of its cosign signatures (1) is valid for the given keys: they are of other keys',
    });
    expect(verifyCosign([signature], digest, []).ok).toBe(false);
  });

  test('a valid signature over another digest is none over this one', () => {
    for (const signature of [simple(pair, payloadOf(otherDigest)), bundle(pair)]) {
      const asked = signature.kind === 'simple' ? digest : otherDigest;
      const verdict = verifyCosign([signature], asked, [pair.pem]);
      expect(verdict).toMatchObject({ ok: false });
      expect(JSON.stringify(verdict)).toContain('what is signed is another digest');
    }
  });

  test('a payload that was changed afterwards is not what was signed', () => {
    const valid = simple(pair, payloadOf(otherDigest));
    const moved: CosignSignature = {
      kind: 'simple',
      payload: payloadOf(digest),
      signature: 'signature' in valid ? valid.signature : '',
    };
    expect(verifyCosign([moved], digest, [pair.pem]).ok).toBe(false);
    const rewritten = bundle(pair, {
      subject: [{ digest: { sha256: otherDigest.slice(7) } }],
      tamper: (bytes) => Buffer.from(bytes.toString().replace(otherDigest.slice(7), digest.slice(7))),
    });
    expect(verifyCosign([rewritten], digest, [pair.pem]).ok).toBe(false);
  });
});

test('the hash has to be one that goes with the key', () => {
  const wrong = ecdsa('prime256v1', 'sha1');
  expect(verifyCosign([simple(wrong)], digest, [wrong.pem]).ok).toBe(false);
  const swapped = ecdsa('prime256v1', 'sha512');
  expect(verifyCosign([simple(swapped)], digest, [swapped.pem]).ok).toBe(false);
});

test('one valid signature among bad ones is enough, and garbage is only garbage', () => {
  const garbage: CosignSignature[] = [
    { kind: 'simple', payload: Buffer.from('<html>'), signature: '' },
    { kind: 'simple', payload: payloadOf(digest), signature: '!' },
    { kind: 'bundle', bundle: Buffer.from('{}') },
    { kind: 'bundle', bundle: Buffer.from('[1') },
  ];
  expect(verifyCosign([...garbage, simple(stranger), simple(p256)], digest, [p256.pem])).toEqual({
    ok: true,
    keyIndex: 0,
  });
  expect(verifyCosign(garbage, digest, [p256.pem]).ok).toBe(false);
  expect(verifyCosign([], digest, [p256.pem])).toEqual({ ok: false, message: 'it has no cosign signature' });
});

test('the payload has to be a signature of cosign', () => {
  const foreign = simple(p256, payloadOf(digest, 'atomic container signature'));
  expect(verifyCosign([foreign], digest, [p256.pem])).toMatchObject({
    ok: false,
    message: expect.stringContaining('no image signature of cosign') as string,
  });
});

test('an attestation with the right key and digest is no signature', () => {
  const scan = bundle(p256, { predicateType: 'https://cosign.sigstore.dev/attestation/vuln/v1' });
  expect(verifyCosign([scan], digest, [p256.pem])).toMatchObject({
    ok: false,
    message: expect.stringContaining('an attestation and no image signature') as string,
  });
});

test.each([
  'application/vnd.dev.sigstore.bundle+json;version=0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2',
  'application/vnd.dev.sigstore.bundle.v0.3+json',
])('bundles of type %s are read', (mediaType) => {
  expect(verifyCosign([bundle(p256, { mediaType })], digest, [p256.pem]).ok).toBe(true);
});

test.each<[string, BundleParts]>([
  ['an unknown version', { mediaType: 'application/vnd.dev.sigstore.bundle.v9+json' }],
  ['another payload type', { payloadType: 'text/plain' }],
  ['no subject', { subject: [] }],
  ['a subject that is no object', { subject: ['x', null, { digest: digest }] }],
])('a bundle with %s is not valid', (_what, parts) => {
  expect(verifyCosign([bundle(p256, parts)], digest, [p256.pem]).ok).toBe(false);
});

test('a keyless signature is said to be one', () => {
  const keyless = bundle(stranger, { material: { certificate: { rawBytes: '' } } });
  expect(verifyCosign([keyless], digest, [p256.pem])).toMatchObject({
    message: expect.stringContaining('signed without a key') as string,
  });
});

test('what is no public key for signatures is refused, with the reason', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey;
  const x25519 = generateKeyPairSync('x25519').publicKey;
  expect(publicKeyRule(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)).toContain('private key');
  expect(publicKeyRule('-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----')).toContain('certificate');
  expect(publicKeyRule(p256.pem + stranger.pem)).toContain('one public key');
  expect(publicKeyRule('AAAA')).toContain('-----BEGIN PUBLIC KEY-----');
  expect(publicKeyRule('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----')).toContain('not a readable');
  expect(publicKeyRule(toPem(curve))).toContain('curve');
  expect(publicKeyRule(toPem(x25519))).toContain('neither');
  const small = rsa(constants.RSA_PKCS1_PADDING, 'sha256', 1024);
  expect(publicKeyRule(small.pem)).toContain('2048');
  expect(verifyCosign([simple(small)], digest, [small.pem]).ok).toBe(false);
  expect(publicKeyRule(`\n${p256.pem}\n`)).toBeUndefined();
});
