/** What the API server lets the agent do, and whether the node policy keeps it from more. */

import type { AccessQuestion, Cluster } from '../cluster/cluster.ts';
import type { Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';
import { foreignLabel, isPolicyRefusal } from '../work/policy-test.ts';

export interface NamedQuestion extends AccessQuestion {
  /** What does not work without it. */
  readonly neededFor: string;
  /** Only with an optional part of the manifests. */
  readonly isOptional: boolean;
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
  for (const question of denied) {
    tell({
      check,
      level: question.isOptional ? 'warning' : 'failure',
      subject: toWords(question),
      message: `is not allowed: ${question.neededFor} does not work`,
      advice: "apply the manifests' Roles and bindings again, for the service account that this agent runs as",
    });
  }
  const missing = denied.length;
  if (missing < questions.length) {
    tell({ check, level: 'ok', message: `${questions.length - missing} of ${questions.length} permissions are there` });
  }
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
    tell({
      check,
      level: 'failure',
      message: "a label that is not Stevedore's could be changed: no admission policy is in force for this agent",
      advice:
        'apply the ValidatingAdmissionPolicy stevedore-own-node and its binding, with the name of the service account',
    });
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (isPolicyRefusal(failure)) {
      tell({ check, level: 'ok', message: 'the admission policy refuses a foreign label' });
    } else tell({ check, level: 'not_checked', message: failure.message });
  }
}

function toWords({ verb, resource, subresource, namespace, name }: AccessQuestion): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  return `${verb} ${what}${name === undefined ? '' : ` ${name}`}${namespace === undefined ? '' : ` in ${namespace}`}`;
}
