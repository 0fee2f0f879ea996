import { type CronSchedule, lastFiring, nextFiring } from './cron-schedule.ts';

/** A recurring time window: open while a firing of `cron` lies within the last `durationMs`. */
export interface Window {
  /** As the user wrote it, for messages. */
  readonly cron: string;
  /** The same, parsed (config/cron.ts). */
  readonly schedule: CronSchedule;
  readonly durationMs: number;
  /** IANA name; undefined: the machine's own. */
  readonly timeZone: string | undefined;
}

export interface WindowState {
  readonly open: boolean;
  /**
   * Epoch ms. Closed: the next opening. Open: the end; a window that firings keep open for very long may be found open
   * still, so look again then. Undefined: it never opens, or does not close within a year.
   */
  readonly changesAt: number | undefined;
}

interface KnownState {
  readonly state: WindowState;
  readonly from: number;
}

const farAheadMs = 366 * 86_400_000;
/** How many firings that each prolong the window are followed to find its end. */
const longestChain = 64;

const knownStates = new WeakMap<Window, KnownState>();

/** Whether the window is open at `now` (epoch ms), from the firing itself until just before `durationMs` after it. */
export function windowState(window: Window, now: number): WindowState {
  // Many images share a window and every look asks again: what was found holds until it changes.
  const known = knownStates.get(window);
  if (known !== undefined && now >= known.from && now < (known.state.changesAt ?? known.from + window.durationMs)) {
    return known.state;
  }
  const state = freshState(window, now);
  knownStates.set(window, { state, from: now });
  return state;
}

function freshState({ schedule, timeZone, durationMs }: Window, now: number): WindowState {
  let firing = lastFiring(schedule, timeZone, now, now - durationMs);
  if (firing === undefined) return { open: false, changesAt: nextFiring(schedule, timeZone, now) };
  for (let links = 0; links < longestChain; links += 1) {
    const end: number = firing + durationMs;
    if (end - now > farAheadMs) return { open: true, changesAt: undefined };
    const later: number | undefined = lastFiring(schedule, timeZone, end, firing);
    if (later === undefined) return { open: true, changesAt: end };
    firing = later;
  }
  return { open: true, changesAt: firing + durationMs };
}
