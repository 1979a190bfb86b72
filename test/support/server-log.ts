import { waitFor } from './wait-for.ts';

/** One line of the server's JSON log. */
export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Fields that a record must have, equal by value. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the server has logged so far. */
export class ServerLog {
  readonly records: LogRecord[] = [];
  /** Lines that are not JSON: a crash's stack, a warning of Node's. */
  readonly stray: string[] = [];
  #rest = '';

  push(data: Buffer): void {
    const lines = (this.#rest + data.toString()).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      try {
        this.records.push(JSON.parse(line));
      } catch {
        this.stray.push(line);
      }
    }
  }

  /** All records with these words and fields. */
  all(msg: string, fields: LogFields = {}): LogRecord[] {
    const wanted = Object.entries(fields);
    return this.records.filter((each) => each.msg === msg && wanted.every(([key, value]) => each[key] === value));
  }

  /** The first such record, now or within the time. `after`: only records from that index on. */
  waitForLog(
    msg: string,
    fields: LogFields = {},
    { timeoutMs = 15_000, after = 0 }: { readonly timeoutMs?: number; readonly after?: number } = {},
  ): Promise<LogRecord> {
    return waitFor(
      `log "${msg}" ${JSON.stringify(fields)}`,
      () => this.all(msg, fields).find((each) => this.records.indexOf(each) >= after),
      { timeoutMs, everyMs: 20 },
    ).catch((error: Error) => {
      throw new Error(`${error.message}; the log ends:\n${this.tail()}`);
    });
  }

  /** Its last lines, for messages of failed tests. */
  tail(lines = 25): string {
    return [...this.records.slice(-lines).map((each) => JSON.stringify(each)), ...this.stray.slice(-lines)].join('\n');
  }
}
