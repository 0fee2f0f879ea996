/**
 * The one error class of the agent, with the closed list of failure codes that plans, metrics, Events and JSON use.
 * Branch on `code` (and on `detail` where a finer difference matters), never on message text.
 */

export const failureCodes = [
  'auth',
  'not_found',
  'rate_limited',
  'network',
  'tls',
  'timeout',
  'no_space',
  'policy',
  'no_platform',
  'upstream',
  'quota',
  'runtime',
  'other',
] as const;

export type FailureCode = (typeof failureCodes)[number];

/**
 * Finer names inside a code. `unavailable` (code `runtime`): nobody answers on the runtime's socket; `dead_socket` (code
 * `runtime`): its mounted socket file has no links left and nobody ever will; `state_folder_in_use` (code `other`): another
 * agent or `stevedore pull` holds the state folder; `token_realm` (code `auth`): the registry names a token service to which no
 * credential may go. Of the API server: `forbidden` (code `auth`): RBAC or an admission policy refused;
 * `conflict` (code `other`): somebody else changed the object, or made it first; `invalid` (code `other`): it refused what was sent.
 */
export const failureDetails = [
  'unavailable',
  'dead_socket',
  'state_folder_in_use',
  'auth_failed',
  'token_realm',
  'project_missing',
  'not_found_proxy',
  'policy_blocked',
  'image_too_large',
  'not_allowed',
  'upstream_unhealthy',
  'tls_ca',
  'dns',
  'disk_full',
  'stalled',
  'digest_mismatch',
  'forbidden',
  'conflict',
  'invalid',
] as const;
export type FailureDetail = (typeof failureDetails)[number];

export interface FailureOptions {
  readonly detail?: FailureDetail | undefined;
  readonly cause?: unknown;
  /** What the server asked for (`Retry-After`), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** Codes where trying again soon cannot help: they wait for a change or a long interval. */
const permanentCodes: ReadonlySet<FailureCode> = new Set([
  'auth',
  'not_found',
  'tls',
  'policy',
  'no_platform',
  'quota',
]);

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly detail: FailureDetail | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** False where only a change (of credentials, tag, policy, …) can help; `not_found_proxy` is Harbor's false 404. */
  get retryable(): boolean {
    return this.detail === 'not_found_proxy' || !permanentCodes.has(this.code);
  }

  /** Anything thrown, as a Failure; a Failure comes back as it is. */
  static from(error: unknown, code: FailureCode = 'other'): Failure {
    if (error instanceof Failure) return error;
    return new Failure(code, errorMessage(error), { cause: error });
  }
}

/** The runtime's socket is not answering: the caller waits, reconnects and looks again. */
export function isRuntimeUnavailable(error: unknown): boolean {
  return error instanceof Failure && error.code === 'runtime' && error.detail === 'unavailable';
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Nobody answers on the runtime's socket. */
export function runtimeUnavailable(): Failure {
  return new Failure('runtime', 'the container runtime does not answer', { detail: 'unavailable' });
}
