import { destination, type Logger, type LoggerOptions, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Config } from '../config/schema.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

/** Fields that never reach a log, however they got into a line; a last line of defence, not a licence to log them. */
const SECRET_FIELDS = [
  'authorization',
  'passphrase',
  'password',
  'secret',
  'secretAccessKey',
  'sessionToken',
  'streamSecret',
  'token',
];

/** Bytes of lines that wait for a reader of standard output who does not read; what exceeds them is dropped, so that nobody waits. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Where finished lines go. */
export interface LogOutput {
  write(line: string): void;
  /** Returns when everything written has left the process. */
  flushSync(): void;
}

/** A log and the way to empty it before the process ends. */
export interface OpenedLog {
  readonly log: Log;
  flush(): void;
}

/** Standard output, written to off the event loop. */
export function standardOutput(): LogOutput {
  return destination({ fd: 1, sync: false, maxLength: MAX_WAITING_BYTES });
}

/** Lines of JSON (`level` in upper case, `time` ISO 8601), or lines for people. */
export function openLog(settings: Config['log'], output: LogOutput, colour = false): OpenedLog {
  const options: LoggerOptions = {
    level: settings.level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    serializers: { err: shownError },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
  };
  const log: Logger =
    settings.format === 'pretty' ? pino(options, { write: prettyLines(output, colour) }) : pino(options, output);
  return {
    log,
    flush: () => {
      try {
        output.flushSync();
      } catch {
        // Standard output is gone; so is everyone who could be told.
      }
    },
  };
}

/** A foreseen fault is a sentence; anything else comes with its stack. */
function shownError(error: unknown): unknown {
  if (!(error instanceof Fault)) return error instanceof Error ? stdSerializers.err(error) : error;
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return cause === undefined || error.message.includes(cause) ? error.message : `${error.message} (${cause})`;
}

/** pino-pretty in this thread, on lines: no worker whose last lines an exit would lose. */
function prettyLines(output: LogOutput, colorize: boolean): (line: string) => void {
  const format = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
  return (line) => output.write(format(line));
}
