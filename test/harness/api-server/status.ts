/** The Status bodies of a real API server, word for word where clients show them to people. */

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: object;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
  readonly code?: number;
}

/** What a handler throws when the answer is a Status. */
export class ApiError extends Error {
  readonly code: number;
  readonly status: Status;

  constructor(code: number, reason: string | undefined, message: string, details?: Status['details']) {
    super(message);
    this.code = code;
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === undefined ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
  }
}

/** What messages need to know of a resource. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export interface FieldMistake {
  readonly reason:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueTooLong'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotSupported';
  readonly field: string;
  readonly message: string;
}

export function invalidValue(field: string, value: unknown, rule: string): FieldMistake {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${rule}`, field };
}

export function requiredValue(field: string, rule = ''): FieldMistake {
  return { reason: 'FieldValueRequired', message: `Required value${rule === '' ? '' : `: ${rule}`}`, field };
}

const qualified = (name: string, group: string): string => (group === '' ? name : `${name}.${group}`);
const groupDetail = (group: string): { group?: string } => (group === '' ? {} : { group });

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

export function forbidden(resource: Named, name: string | undefined, why: string, causes?: StatusCause[]): ApiError {
  const target = name === undefined ? '' : ` "${name}"`;
  const message = `${qualified(resource.plural, resource.group)}${target} is forbidden: ${why}`;
  return new ApiError(403, 'Forbidden', message, {
    ...(name === undefined ? {} : { name }),
    ...groupDetail(resource.group),
    kind: resource.plural,
    ...(causes === undefined ? {} : { causes }),
  });
}

export function notFound(resource: Named, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(resource.plural, resource.group)} "${name}" not found`, {
    name,
    ...groupDetail(resource.group),
    kind: resource.plural,
  });
}

export function noSuchResource(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function alreadyExists(resource: Named, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(resource.plural, resource.group)} "${name}" already exists`, {
    name,
    ...groupDetail(resource.group),
    kind: resource.plural,
  });
}

export function conflict(resource: Named, name: string): ApiError {
  const reason = 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualified(resource.plural, resource.group)} "${name}": ${reason}`;
  return new ApiError(409, 'Conflict', message, { name, ...groupDetail(resource.group), kind: resource.plural });
}

/** @param what `UID` or `ResourceVersion` */
export function failedPrecondition(
  { group, kind }: Named,
  name: string,
  what: string,
  asked: string,
  found: string,
): ApiError {
  const why =
    what === 'UID' ? 'The object might have been deleted and then recreated' : 'The object might have been modified';
  const message = `Operation cannot be fulfilled on ${qualified(kind, group)} "${name}": the ${what} in the precondition (${asked}) does not match the ${what} in record (${found}). ${why}`;
  return new ApiError(409, 'Conflict', message, { name, ...groupDetail(group), kind });
}

export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function tooLarge(limitBytes: number): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`);
}

export function unsupportedMediaType(): ApiError {
  return new ApiError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
}

/** What the server did not expect; the reason is left out. */
export function internalError(message: string): ApiError {
  return new ApiError(500, undefined, message);
}

export function invalid(resource: Pick<Named, 'group' | 'kind'>, name: string, mistakes: FieldMistake[]): ApiError {
  const texts = mistakes.map(({ field, message }) => `${field}: ${message}`);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${qualified(resource.kind, resource.group)} "${name}" is invalid: ${list}`, {
    ...(name === '' ? {} : { name }),
    ...groupDetail(resource.group),
    ...(resource.kind === '' ? {} : { kind: resource.kind }),
    causes: mistakes,
  });
}

/** A JSON patch that cannot be applied to the object as it is. */
export function patchRejected(): ApiError {
  return new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

export function resourceVersionTooLarge(asked: number, current: number): ApiError {
  return new ApiError(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** What an API server in trouble says: the body depends on the code only. */
export function trouble(code: number): ApiError {
  if (code === 429) {
    const message = 'too many requests, please try again later';
    return new ApiError(429, 'TooManyRequests', message, { retryAfterSeconds: 1 });
  }
  if (code === 503) {
    return new ApiError(503, 'ServiceUnavailable', 'the server is currently unable to handle the request');
  }
  return new ApiError(code, 'InternalError', 'Internal error occurred: etcdserver: request timed out', {
    causes: [{ message: 'etcdserver: request timed out' }],
  });
}
