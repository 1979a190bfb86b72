import { readPrivateFile, writePrivateFile } from './cluster/private-file.ts';
import type { RecordingReports, RecordingTotals } from './recording-reports.ts';
import type { Log } from './runtime/log.ts';

/** What a crash may cost of the numbers: they are for people. */
const SAVE_EVERY_MS = 10_000;

/** Keeps what was recorded of each stream over restarts, so that a number of segments never falls. */
export class RecordingTotalsFile implements AsyncDisposable {
  readonly #file: string;
  readonly #reports: RecordingReports;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #written = '';
  #writing: Promise<void> = Promise.resolve();

  /** Reads the file; numbers begin at nothing where it cannot be read. */
  static async open(file: string, reports: RecordingReports, log: Log): Promise<RecordingTotalsFile> {
    try {
      const found = await readPrivateFile(file);
      if (found !== undefined) reports.restore(found as RecordingTotals);
    } catch (error) {
      log.warn({ file, err: error }, 'numbers of segments begin anew');
    }
    return new RecordingTotalsFile(file, reports, log);
  }

  private constructor(file: string, reports: RecordingReports, log: Log) {
    this.#file = file;
    this.#reports = reports;
    this.#log = log;
    this.#timer = setInterval(() => this.#save(), SAVE_EVERY_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#save();
    await this.#writing;
  }

  #save(): void {
    this.#writing = this.#writing.then(async () => {
      const text = JSON.stringify(this.#reports.totals());
      if (text === this.#written) return;
      try {
        await writePrivateFile(this.#file, text);
        this.#written = text;
      } catch (error) {
        this.#log.debug({ file: this.#file, err: error }, 'numbers of segments not saved');
      }
    });
  }
}
