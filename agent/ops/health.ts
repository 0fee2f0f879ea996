/** What `/livez` and `/readyz` answer from. */

export const readinessChecks = ['configuration', 'runtime', 'first_look'] as const;
export type ReadinessCheck = (typeof readinessChecks)[number];

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why not; empty when ok. */
  readonly message: string;
}

export interface Health {
  /** States a check's result: `undefined` is good, a text says what is missing. All start as missing. */
  report(check: ReadinessCheck, problem: string | undefined): void;
  /** The main loop has come around. */
  advance(): void;
  live(): readonly CheckResult[];
  ready(): readonly CheckResult[];
}

const initialProblems: Readonly<Record<ReadinessCheck, string>> = {
  configuration: 'no configuration has been accepted yet',
  runtime: 'the container runtime has not answered yet',
  first_look: 'the node has not been looked at yet',
};

/**
 * @param stallAfterMs The loop counts as stuck when it has not come around for this long. Measured on the monotonic clock, so
 *   that a clock that jumps kills nobody.
 */
export function createHealth(stallAfterMs: number): Health {
  const problems = new Map<ReadinessCheck, string | undefined>(
    readinessChecks.map((check) => [check, initialProblems[check]]),
  );
  let advancedAt = performance.now();
  return {
    report: (check, problem) => void problems.set(check, problem),
    advance: () => {
      advancedAt = performance.now();
    },
    live: () => {
      const silentMs = performance.now() - advancedAt;
      const stuck = silentMs > stallAfterMs;
      return [{ name: 'loop', ok: !stuck, message: stuck ? `no round for ${Math.round(silentMs / 1000)} s` : '' }];
    },
    ready: () =>
      readinessChecks.map((name) => {
        const problem = problems.get(name);
        return { name, ok: problem === undefined, message: problem ?? '' };
      }),
  };
}
