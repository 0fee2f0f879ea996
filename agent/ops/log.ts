import { pino, stdSerializers } from 'pino';
import type { Logger } from '../core/logger.ts';
import { Failure } from '../core/failure.ts';
import type { LogLevel } from '../settings.ts';

/** Anything that text can be written to, synchronously if it must survive the end of the process. */
export interface LogDestination {
  write(text: string): unknown;
}

/**
 * JSON lines with `time` (RFC 3339, UTC), `level` as a word and `message`. `run` logs to standard output; one-shot commands,
 * whose results go there, to standard error. Nothing is redacted here: a Credential writes itself without its secret.
 */
export function createLogger(level: LogLevel, destination: LogDestination): Logger {
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: toLoggedError },
    },
    destination,
  );
}

/** A Failure is an outcome: its code and message say all. Any other error is a surprise and keeps its stack. */
function toLoggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (!(error instanceof Failure)) return stdSerializers.err(error);
  const { code, detail, message } = error;
  return { code, detail, message };
}
