/** Bearer tokens in the form of a ServiceAccount's, and who stands behind them. */

import { randomBytes } from 'node:crypto';

export interface TokenOptions {
  /** `system:serviceaccount:stevedore:stevedore`, or any name. */
  readonly user: string;
  /** The Node of the Pod that the token is bound to: arrives as the claim that admission looks at. */
  readonly node?: string;
  /** Bound to the Node itself: dead with the Node of that uid. Without, to a Pod on it. */
  readonly nodeUid?: string;
  /** Milliseconds since 1970; default an hour from now. */
  readonly expiresAt?: number;
  /** Beside `system:authenticated` and a ServiceAccount's own; `system:masters` may do everything. */
  readonly groups?: readonly string[];
}

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

interface Issued {
  readonly user: User;
  readonly nodeUid: string | undefined;
  readonly node: string | undefined;
  expiresAt: number;
}

export const nodeClaim = 'authentication.kubernetes.io/node-name';
const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} };

export class Tokens {
  readonly #issued = new Map<string, Issued>();

  issue(options: TokenOptions): string {
    const { user, node, nodeUid, groups = [], expiresAt = Date.now() + 3_600_000 } = options;
    const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
    const own = namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
    const claims = {
      sub: user,
      exp: Math.floor(expiresAt / 1_000),
      'kubernetes.io': {
        namespace,
        serviceaccount: { name: account },
        ...(node === undefined ? {} : { node: { name: node } }),
      },
    };
    const token = [{ alg: 'RS256' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .concat(randomBytes(32).toString('base64url'))
      .join('.');
    const extra = node === undefined ? {} : { [nodeClaim]: [node] };
    const whole = { name: user, groups: [...own, ...groups, 'system:authenticated'], extra };
    this.#issued.set(token, { user: whole, node, nodeUid, expiresAt });
    return token;
  }

  /** New requests with it are 401; what is open stays open. */
  expire(token: string): void {
    const issued = this.#issued.get(token);
    if (issued !== undefined) issued.expiresAt = Number.NEGATIVE_INFINITY;
  }

  /** @returns `undefined`: 401 */
  authenticate(authorization: string | undefined, uidOfNode: (name: string) => string | undefined): User | undefined {
    if (authorization === undefined) return anonymous;
    const issued = this.#issued.get(/^Bearer\s+(\S+)$/i.exec(authorization)?.[1] ?? '');
    if (issued === undefined || issued.expiresAt <= Date.now()) return undefined;
    const { nodeUid, node } = issued;
    return nodeUid === undefined || uidOfNode(node ?? '') === nodeUid ? issued.user : undefined;
  }
}
