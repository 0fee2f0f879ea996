import type { Cluster } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { NodeStatusPatch } from '../core/node-report.ts';
import type { NodeState } from '../core/node-state.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';
import { Trigger } from './trigger.ts';

export interface PolicyTestParts {
  readonly cluster: Pick<Cluster, 'patchNodeStatus'>;
  readonly recorder: Pick<ClusterRecorder, 'admissionPolicyInForce'>;
  readonly log: Logger;
  /** 0 to 1, as Math.random gives it. */
  readonly random?: () => number;
}

const minute = 60_000;
const whenInForceMs = { shortest: 330 * minute, longest: 390 * minute };
/** Doubling. Somebody may be just about to apply it: the agent can be there before it. */
const whenNotInForceMs = { base: 30_000, cap: 10 * minute };
const whenUnknownMs = { base: 10_000, cap: 30 * minute };

/** Anybody's label but ours. Nothing is stored, whatever the answer is. */
export const foreignLabel: NodeStatusPatch = {
  labels: { 'stevedore.dev/policy-self-test': 'true' },
  condition: undefined,
};

/**
 * Whether a refusal came from an admission policy. Both kinds are 403 with the status reason `Forbidden`; only the words differ (kube-apiserver 1.33
 * and 1.36): `nodes "n1" is forbidden: ValidatingAdmissionPolicy 'stevedore-own-node' with binding 'stevedore-own-node' denied request: …`
 * against RBAC's `nodes "n1" is forbidden: User "…" cannot patch resource "nodes/status" in API group "" at the cluster scope`.
 */
export function isPolicyRefusal({ detail, message }: Failure): boolean {
  return detail === 'forbidden' && /ValidatingAdmissionPolicy '[^']*' with binding '/.test(message);
}

/**
 * Asks, by a dry run, for what the admission policy must refuse: it fails open when its binding is missing or names another account, and nothing
 * else would show that. At the first contact with the API server, every 6 hours, and when the Node was made again.
 */
export class PolicyTest {
  readonly #parts: Required<PolicyTestParts>;
  readonly #trigger = new Trigger();
  #isLive = false;
  #uid: string | undefined;
  #dueAt = 0;
  /** Tests in a row with the same answer, where that is not what it should be. */
  #repeats = 0;
  #answer: string | undefined;

  constructor(parts: PolicyTestParts) {
    this.#parts = { random: Math.random, ...parts };
  }

  /** Whether the API server is in contact. */
  contact(live: boolean): void {
    this.#isLive = live;
    this.#trigger.fire();
  }

  node(node: NodeState | undefined): void {
    if (node === undefined || node.uid === this.#uid) return;
    if (this.#uid !== undefined) this.#dueAt = 0;
    this.#uid = node.uid;
    this.#trigger.fire();
  }

  /** Resolves when the signal fires; never rejects for what the API server does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = Date.now();
      // The clock was set back.
      if (this.#dueAt > now + whenInForceMs.longest) this.#dueAt = now;
      const dueAt = this.#isLive && this.#uid !== undefined ? this.#dueAt : Number.POSITIVE_INFINITY;
      if (dueAt <= now) await this.#test(signal);
      else await this.#trigger.wait(dueAt, signal);
    }
  }

  async #test(signal: AbortSignal): Promise<void> {
    const { cluster, log } = this.#parts;
    try {
      await cluster.patchNodeStatus(foreignLabel, signal, { dryRun: true });
      this.#conclude(false, 'not refused', whenNotInForceMs, () =>
        log.error(
          {},
          'no admission policy is in force for this agent: with its token the labels, annotations and status of every Node can be changed. A cluster administrator has to apply the ValidatingAdmissionPolicy stevedore-own-node and its binding, with the name of the service account that this agent runs as',
        ),
      );
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      if (isPolicyRefusal(failure)) {
        this.#conclude(true, 'refused', undefined, () =>
          log.info({}, 'the admission policy is in force: a foreign label was refused'),
        );
      } else {
        this.#conclude(undefined, failure.message, whenUnknownMs, () =>
          log.warn({ error: failure.message }, 'whether the admission policy is in force could not be tested'),
        );
      }
    }
  }

  /** @param again undefined: it is as it should be */
  #conclude(
    isInForce: boolean | undefined,
    answer: string,
    again: { readonly base: number; readonly cap: number } | undefined,
    say: () => void,
  ): void {
    const { recorder, random } = this.#parts;
    recorder.admissionPolicyInForce(isInForce);
    if (answer !== this.#answer) {
      this.#answer = answer;
      this.#repeats = 0;
      say();
    }
    const { shortest, longest } = again === undefined ? whenInForceMs : toSpan(again, this.#repeats);
    this.#repeats += 1;
    this.#dueAt = Date.now() + shortest + random() * (longest - shortest);
  }
}

function toSpan({ base, cap }: { readonly base: number; readonly cap: number }, repeats: number) {
  const longest = Math.min(cap, base * 2 ** Math.min(repeats, 30));
  return { shortest: longest / 2, longest };
}
