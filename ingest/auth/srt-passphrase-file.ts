import { readFile } from 'node:fs/promises';
import { parsePassphrase, parseSrtPath } from '../config/srt-settings.ts';
import { ValueProblem } from '../config/units.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import type { SrtPassphrase } from './srt-policies.ts';

/** How often the file is looked at. Reading it is cheaper than to trust a watcher with the symlink swaps of mounted Secrets. */
const POLL_MS = 1_000;
/** A million bytes hold the passphrases of more paths than one process can serve. */
const MAX_BYTES = 1_000_000;

type PassphrasesByPath = ReadonlyMap<string, readonly SrtPassphrase[]>;

/** The file of `--srt-passphrase-file`: path → passphrase or {current, previous, previousExpiresAt}. Read anew when it changes. */
export class SrtPassphraseFile {
  readonly #file: string;
  readonly #log: Log;
  #text = '';
  #byPath: PassphrasesByPath = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  /** Newest first, expired ones too; undefined where the file does not name the path. */
  of(path: string): readonly SrtPassphrase[] | undefined {
    return this.#byPath.get(path);
  }

  /**
   * Reads the file. Returns whether it is another than before.
   * @throws Fault `ERR_SRT_PASSPHRASE_FILE` where it cannot be read or is not right: what was in force stays so
   */
  async load(): Promise<boolean> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (cause) {
      throw new Fault('ERR_SRT_PASSPHRASE_FILE', `${this.#file}: ${(cause as Error).message}`, { cause });
    }
    if (text === this.#text) return false;
    try {
      this.#byPath = parsePassphrases(text);
    } catch (error) {
      if (!(error instanceof ValueProblem)) throw error;
      throw new Fault('ERR_SRT_PASSPHRASE_FILE', `${this.#file}: ${error.message}`);
    }
    this.#text = text;
    return true;
  }

  /** Reads it anew until `signal` aborts. What is wrong with it is said once, not at each look. */
  watch(signal: AbortSignal, pollMs = POLL_MS): void {
    let complaint = '';
    const poll = async (): Promise<void> => {
      try {
        if (await this.load()) this.#log.info({ paths: this.#byPath.size }, 'SRT passphrases reloaded');
        complaint = '';
      } catch (error) {
        const reason = (error as Error).message;
        const code = 'ERR_SRT_PASSPHRASE_FILE';
        if (reason !== complaint && !signal.aborted) this.#log.warn({ code, reason }, 'SRT passphrases not reloaded');
        complaint = reason;
      }
      if (!signal.aborted) this.#timer = setTimeout(poll, pollMs).unref();
    };
    this.#timer = setTimeout(poll, pollMs).unref();
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }
}

/** @throws ValueProblem without any part of a passphrase in its message */
function parsePassphrases(text: string): PassphrasesByPath {
  if (text.length > MAX_BYTES) throw new ValueProblem(`it is longer than ${MAX_BYTES} bytes`);
  const value = parseJson(text);
  if (!isRecord(value)) throw new ValueProblem('it must be a JSON object: path → passphrase');
  return new Map(Object.entries(value).map(([path, entry]) => [named(path), passphrasesIn(path, entry)]));
}

/** The parser's own words would quote the text around the mistake, secrets and all. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    const line = position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length;
    throw new ValueProblem(`it is no JSON${line === undefined ? '' : ` (line ${line})`}`);
  }
}

function named(path: string): string {
  try {
    return parseSrtPath(path);
  } catch (error) {
    throw new ValueProblem(`${JSON.stringify(path)} ${(error as Error).message}`);
  }
}

function passphrasesIn(path: string, entry: unknown): readonly SrtPassphrase[] {
  if (typeof entry === 'string') return [{ passphrase: checked(`${path}: the passphrase`, entry) }];
  if (!isRecord(entry))
    throw new ValueProblem(`${path}: must be a passphrase or {current, previous, previousExpiresAt}`);
  const { current, previous, previousExpiresAt, ...unknown } = entry;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) {
    throw new ValueProblem(`${path}: unknown key ${stray}; there are current, previous, previousExpiresAt`);
  }
  const newest = { passphrase: checked(`${path}: current`, current) };
  if (previous === undefined || previous === null) return [newest];
  const before = { passphrase: checked(`${path}: previous`, previous) };
  if (previousExpiresAt === undefined || previousExpiresAt === null) return [newest, before];
  const expiresAt = typeof previousExpiresAt === 'string' ? Date.parse(previousExpiresAt) : Number.NaN;
  if (Number.isNaN(expiresAt)) {
    throw new ValueProblem(`${path}: previousExpiresAt must be a time like 2026-04-19T13:00:00Z`);
  }
  return [newest, { ...before, expiresAt }];
}

function checked(what: string, value: unknown): string {
  if (typeof value !== 'string') throw new ValueProblem(`${what} must be a text`);
  try {
    return parsePassphrase(value);
  } catch (error) {
    throw new ValueProblem(`${what} ${(error as Error).message}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
