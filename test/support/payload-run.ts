import { readdirSync, readFileSync } from 'node:fs';
import { SrtPayloadToMedia } from '../../ingest/adapt/srt-payload-to-media.ts';
import type { FrameEvent, GapEvent, MediaEvent } from '../../ingest/media/media-event.ts';
import { line } from './adapted.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);

/** Reads `test/fixtures/ts/<name>.mpegts`. */
export const tsFixture = (name: string): Buffer => readFileSync(new URL(`ts/${name}.mpegts`, FIXTURES));

/** Reads `test/fixtures/matroska/<file>`. */
export const matroskaFixture = (file: string): Buffer => readFileSync(new URL(`matroska/${file}`, FIXTURES));

/** Names of all fixtures of a kind, extensions included where they differ. */
export const fixtureNames = (kind: 'ts' | 'matroska'): string[] =>
  readdirSync(new URL(kind, FIXTURES))
    .filter((name) => !name.endsWith('.md'))
    .map((name) => name.replace('.mpegts', ''))
    .sort();

/** A payload, or how many are missing. */
export type Arrival = Buffer | { readonly lost: number };

/** What an adapter makes of payloads that arrive 2 ms apart. */
export class PayloadRun {
  readonly events: MediaEvent[] = [];
  readonly skipped: string[] = [];
  /** The transport stream that was passed on, and the places in it that are marked as starts. */
  readonly parts: Buffer[] = [];
  readonly starts: number[] = [];
  /** Tables that came with the starts. */
  readonly tables: Buffer[] = [];

  constructor(arrivals: readonly Arrival[], { stepMs = 2 } = {}) {
    let passed = 0;
    const media = new SrtPayloadToMedia(
      {
        onEvent: (event) => this.events.push(event),
        onTransport: ({ data, isStart, tables }) => {
          if (isStart) {
            this.starts.push(passed);
            this.tables.push(tables);
          }
          passed += data.length;
          this.parts.push(Buffer.from(data));
        },
      },
      { onSkipped: (code) => this.skipped.push(code) },
    );
    arrivals.forEach((arrival, i) => {
      // Nobody may rely on a payload after the call.
      const payload = Buffer.isBuffer(arrival) ? Buffer.from(arrival) : undefined;
      if (payload === undefined) media.lost((arrival as { lost: number }).lost);
      else {
        media.push(payload, i * stepMs);
        payload.fill(0xa5);
      }
    });
    media.end('unpublish');
  }

  get frames(): FrameEvent[] {
    return this.events.filter((event) => event.kind === 'frame');
  }

  get gaps(): GapEvent[] {
    return this.events.filter((event) => event.kind === 'gap');
  }

  /** The events in one line each, metadata left out. */
  get lines(): string[] {
    return this.events.filter(({ kind }) => kind !== 'metadata').map(line);
  }

  /** All that an event says, in one line each, in which arrival times do not count. */
  get traces(): string[] {
    return this.events.map((event) => {
      const bytes = event.kind === 'frame' ? event.data : event.kind === 'config' ? event.record : undefined;
      const times = event.kind === 'frame' ? ` ${event.dts} ${event.pts}` : '';
      return `${line(event)}${times} ${bytes?.toString('hex') ?? ''}`;
    });
  }
}

/** `bytes` in messages of `size` bytes, as SRT senders cut a stream. */
export function messages(bytes: Buffer, size = 1316): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(bytes.subarray(at, at + size));
  return out;
}
