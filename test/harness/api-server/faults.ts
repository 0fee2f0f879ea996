/** What a test can break, and the answers that break. */

import type { RequestTarget } from './resources.ts';

/** Change its fields at any time; they hold for what comes from then on. */
export interface ApiServerFaults {
  /** Connections are accepted, but nobody shakes hands: a hung server for a client that has no connection yet. */
  hangConnections: boolean;
  /** Requests are read and never answered. */
  hang: boolean;
  /** New watches are opened and say nothing at all for ever: no events, no bookmarks, no end. */
  silent: boolean;
  /** Before each answer begins. */
  delayMs: number;
  /** Of each answer, watches included; `undefined`: as fast as it goes. */
  bytesPerSecond: number | undefined;
  /** First match wins; one is taken off the list when it has been used up. */
  readonly answers: PlannedAnswer[];
}

export interface PlannedAnswer {
  /** 429, 500, 503…: its Status body; `cut`: the connection is reset; `hang`: no answer. */
  readonly answer: number | 'cut' | 'hang';
  /** How many requests pass before it holds; default 0. */
  after?: number;
  /** How many requests get it; default 1. */
  times?: number;
  /** `watch`, `patch`, … */
  readonly verb?: string;
  /** `nodes`, `nodes/status`, … */
  readonly resource?: string;
  readonly user?: string;
}

export function makeFaults(): ApiServerFaults {
  return { hangConnections: false, hang: false, silent: false, delayMs: 0, bytesPerSecond: undefined, answers: [] };
}

/** The planned answer for this request; counts it. */
export function takeAnswer(
  faults: ApiServerFaults,
  target: RequestTarget,
  user: string | undefined,
): PlannedAnswer['answer'] | undefined {
  const { verb, plural, subresource } = target;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  for (const planned of faults.answers) {
    const isMeant =
      (planned.verb ?? verb) === verb && (planned.resource ?? resource) === resource && (planned.user ?? user) === user;
    if (!isMeant) continue;
    if ((planned.after ?? 0) > 0) {
      planned.after = (planned.after ?? 0) - 1;
      continue;
    }
    planned.times = (planned.times ?? 1) - 1;
    if (planned.times <= 0) faults.answers.splice(faults.answers.indexOf(planned), 1);
    return planned.answer;
  }
  return undefined;
}
