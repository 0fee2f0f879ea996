/** Registry credentials, and which of them belong to an image: the kubelet's matching. */

import { inspect } from 'node:util';

/** A user name and password that show in no log, error, JSON or inspection: only `reveal()` gives the secret. */
export class Credential {
  readonly #password: string;
  readonly username: string;
  /** The host that it may be given to, with its port: `harbor.example.com`, `cache.lan:5000`. */
  readonly host: string;

  constructor(host: string, username: string, password: string) {
    this.host = host;
    this.username = username;
    this.#password = password;
  }

  reveal(): string {
    return this.#password;
  }

  toString(): string {
    return `credential of ${this.username} for ${this.host}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
