/** A recurring time window: open while a firing of `cron` lies within the last `durationMs`. */
export interface Window {
  readonly cron: string;
  readonly durationMs: number;
  /** IANA name; undefined: the machine's own. */
  readonly timeZone: string | undefined;
}
