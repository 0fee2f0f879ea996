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
/** Somebody may be about to apply it. */
const whenNotInForceMs = { shortest: 8 * minute, longest: 12 * minute };
const retryMs = { base: 10_000, cap: 30 * minute };

/** Anybody's label but ours. Nothing is stored, whatever the answer is. */
const foreignLabel: NodeStatusPatch = { labels: { 'stevedore.dev/policy-self-test': 'true' }, condition: undefined };

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
  #failures = 0;
  #said: string | undefined;

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
    const { cluster, recorder, log } = this.#parts;
    try {
      await cluster.patchNodeStatus(foreignLabel, signal, { dryRun: true });
      this.#done(false, whenNotInForceMs);
      recorder.admissionPolicyInForce(false);
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      if (isPolicyRefusal(failure)) {
        this.#done(true, whenInForceMs);
        recorder.admissionPolicyInForce(true);
        return;
      }
      recorder.admissionPolicyInForce(undefined);
      const span = Math.min(retryMs.cap, retryMs.base * 2 ** Math.min(this.#failures, 30));
      this.#failures += 1;
      this.#dueAt = Date.now() + span / 2 + (this.#parts.random() * span) / 2;
      this.#say(failure.message, () =>
        log.warn({ error: failure.message }, 'whether the admission policy is in force could not be tested'),
      );
    }
  }

  #done(isInForce: boolean, { shortest, longest }: { readonly shortest: number; readonly longest: number }): void {
    this.#failures = 0;
    this.#dueAt = Date.now() + shortest + this.#parts.random() * (longest - shortest);
    this.#say(String(isInForce), () => {
      if (isInForce) this.#parts.log.info({}, 'the admission policy is in force: a foreign label was refused');
      else
        this.#parts.log.error(
          {},
          'no admission policy is in force for this agent: with its token the labels, annotations and status of every Node can be changed. A cluster administrator has to apply the ValidatingAdmissionPolicy stevedore-own-node and its binding, with the name of the service account that this agent runs as',
        );
    });
  }

  #say(what: string, log: () => void): void {
    if (what === this.#said) return;
    this.#said = what;
    log();
  }
}
