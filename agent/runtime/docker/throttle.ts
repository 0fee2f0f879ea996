export interface Throttle {
  /** Asks for a call: made at once, or at the end of the running interval. */
  request(): void;
  /** Makes the call that is still due. */
  flush(): void;
  /** Forgets it. */
  stop(): void;
}

/** Calls `run` at most once an interval and, when asked within one, once more at its end: the last request is never lost. */
export function createThrottle(intervalMs: number, run: () => void): Throttle {
  let timer: NodeJS.Timeout | undefined;
  let due = false;

  const start = (): void => {
    due = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (due) {
        start();
        run();
      }
    }, intervalMs);
  };
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    due = false;
  };

  return {
    request() {
      if (timer !== undefined) {
        due = true;
        return;
      }
      start();
      run();
    },
    flush() {
      const wasDue = due;
      stop();
      if (wasDue) run();
    },
    stop,
  };
}
