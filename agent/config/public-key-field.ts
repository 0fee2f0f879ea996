import { text } from './fields.ts';

/** A public key in PEM. */
export const publicKey = text((value) =>
  /^\s*-----BEGIN PUBLIC KEY-----[\s\S]+-----END PUBLIC KEY-----\s*$/.test(value)
    ? undefined
    : 'must be a public key in PEM, with the line -----BEGIN PUBLIC KEY-----',
);
