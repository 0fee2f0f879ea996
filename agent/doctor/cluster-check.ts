/** What the API server lets the agent do, and whether the node policy keeps it from more. */

import type { AccessQuestion, Cluster } from '../cluster/cluster.ts';
import type { Permission } from '../cluster/permissions.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { foreignLabel, isPolicyRefusal } from '../work/policy-test.ts';

export interface NamedQuestion extends AccessQuestion {
  /** What does not work without it. */
  readonly neededFor: string;
}

/** One for each verb and name of the table; for the gate only where the agent has one. Pure. */
export function toAccessQuestions(
  permissions: readonly Permission[],
  { namespace, hasGate }: { readonly namespace: string; readonly hasGate: boolean },
): readonly NamedQuestion[] {
  return permissions
    .filter(({ part }) => part === 'base' || (part === 'gate' && hasGate))
    .flatMap((permission) => {
      const { group, resource, subresource, verbs, scope, names = [undefined] } = permission;
      const neededFor = toPurpose(permission);
      return verbs.flatMap((verb) =>
        names.map((name) => ({
          group,
          resource,
          ...(subresource === undefined ? {} : { subresource }),
          verb,
          ...(scope === 'cluster' ? {} : { namespace: scope === 'default' ? 'default' : namespace }),
          ...(name === undefined ? {} : { name }),
          neededFor,
        })),
      );
    });
}

export async function checkAccess(
  cluster: Pick<Cluster, 'reviewAccess'>,
  questions: readonly NamedQuestion[],
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const check = 'api_permissions' as const;
  const denied: NamedQuestion[] = [];
  for (const question of questions) {
    const { allowed } = await cluster.reviewAccess(question, signal);
    if (!allowed) denied.push(question);
  }
  // Eight ConfigMaps that all lack one right are one mistake.
  for (const [words, [first, ...more]] of Map.groupBy(denied, toWords)) {
    const names = [first, ...more].flatMap((one) => one?.name ?? []);
    tell({
      check,
      level: 'failure',
      subject: names.length === 0 ? words : `${words}: ${toSpan(names)}`,
      message: `is not allowed: no ${first?.neededFor}`,
      advice: 'apply the RBAC of the manifests again, for the service account that this agent runs as',
    });
  }
  const allowed = questions.length - denied.length;
  if (allowed > 0) tell({ check, level: 'ok', message: `${allowed} of ${questions.length} that it needs` });
}

/** Asks by a dry run for what the policy must refuse. */
export async function checkPolicy(
  cluster: Pick<Cluster, 'patchNodeStatus'>,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const check = 'node_policy' as const;
  try {
    await cluster.patchNodeStatus(foreignLabel, signal, { dryRun: true });
    const message = "a label that is not Stevedore's could be changed: no admission policy is in force for this agent";
    const advice =
      'apply the ValidatingAdmissionPolicy stevedore-own-node and its binding, with the name of the service account';
    tell({ check, level: 'failure', message, advice });
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (isPolicyRefusal(failure)) tell({ check, level: 'ok', message: 'is in force: a foreign label was refused' });
    else tell({ check, level: 'not_checked', message: failure.message });
  }
}

function toWords({ verb, resource, subresource, namespace }: AccessQuestion): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`;
}

function toSpan(names: readonly string[]): string {
  const [first = ''] = names;
  return names.length > 2 ? `${first} … ${names.at(-1)}` : names.join(', ');
}

function toPurpose({ resource, subresource, part, names }: Permission): string {
  if (part === 'gate') return 'removal of the startup taint';
  if (subresource === 'status') return 'labels and condition on the Node';
  if (names !== undefined) return 'publishing of what the coordinator resolves';
  switch (resource) {
    case 'nodes':
      return "labels of the node, so none of its image sets, and no platforms of the other nodes'";
    case 'configmaps':
      return 'configuration';
    case 'leases':
      return 'sharing of pull slots, and no coordinator';
    case 'events':
      return 'Events on the Node';
    default:
      return `use of ${resource}`;
  }
}
