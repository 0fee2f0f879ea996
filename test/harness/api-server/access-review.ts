/** SelfSubjectAccessReview: who asks hears what the rules would say to a request. */

import { authorize, type Rule } from './authorization.ts';
import { parseJson } from './bodies.ts';
import type { Reply } from './call.ts';
import { isRecord } from './fields.ts';
import type { RequestTarget } from './resources.ts';
import { invalid, invalidValue, unsupportedMediaType } from './status.ts';
import type { User } from './tokens.ts';

const group = 'authorization.k8s.io';
const attributes = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'];

export function reviewAccess(
  call: { readonly contentType: string; readonly body: Buffer },
  user: User,
  rules: readonly Rule[],
): Reply {
  if (call.contentType !== '' && call.contentType !== 'application/json') throw unsupportedMediaType();
  const body = parseJson(call.body, "couldn't get version/kind; json parse error: ");
  const spec = isRecord(body) && isRecord(body['spec']) ? body['spec'] : {};
  const { resourceAttributes: asked, nonResourceAttributes: other } = spec;
  if (!isRecord(asked) && !isRecord(other)) {
    const rule = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    throw invalid({ group, kind: '' }, '', [invalidValue('spec.resourceAttributes', null, rule)]);
  }
  if (isRecord(asked) && isRecord(other)) {
    const rule = 'cannot be specified in combination with resourceAttributes';
    throw invalid({ group, kind: '' }, '', [invalidValue('spec.nonResourceAttributes', other, rule)]);
  }
  const refusal = isRecord(asked)
    ? authorize(user, toTarget(asked), '', rules)
    : authorize(user, { ...toTarget(other), plural: undefined }, readText(other, 'path') ?? '', rules);
  const isMaster = user.groups.includes('system:masters');
  return {
    code: 201,
    body: {
      kind: 'SelfSubjectAccessReview',
      apiVersion: `${group}/v1`,
      metadata: {},
      spec: isRecord(asked) ? { resourceAttributes: toKnown(asked) } : { nonResourceAttributes: other },
      status: {
        allowed: refusal === undefined,
        ...(refusal === undefined && !isMaster && { reason: 'RBAC: allowed' }),
      },
    },
  };
}

function toTarget(asked: unknown): RequestTarget {
  return {
    verb: readText(asked, 'verb') ?? '',
    group: readText(asked, 'group') ?? '',
    plural: readText(asked, 'resource') ?? '',
    resource: undefined,
    subresource: readText(asked, 'subresource'),
    namespace: readText(asked, 'namespace'),
    name: readText(asked, 'name'),
  };
}

/** Empty is not there. */
function readText(asked: unknown, key: string): string | undefined {
  const value = isRecord(asked) ? asked[key] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function toKnown(asked: Record<string, unknown>): object {
  const known: Record<string, unknown> = {};
  for (const key of attributes) if (readText(asked, key) !== undefined) known[key] = asked[key];
  return known;
}
