import type { MediaEvent } from '../../ingest/media/media-event.ts';
import { hold } from './target.ts';

/** What media-event.ts promises of every publication. */
export function checkEvents(events: readonly MediaEvent[]): void {
  const last = new Map<number, number>();
  for (const event of events) {
    if (event.kind === 'frame') {
      hold(Number.isSafeInteger(event.dts) && Number.isSafeInteger(event.pts), `times ${event.dts} ${event.pts}`);
      hold(event.dts >= (last.get(event.track) ?? Number.NEGATIVE_INFINITY), `dts of track ${event.track} goes back`);
      last.set(event.track, event.dts);
    } else if (event.kind === 'gap') {
      hold(event.to > event.from, `a gap from ${event.from} to ${event.to}`);
    }
  }
  hold(events.at(-1)?.kind === 'end', 'the last event is end');
}
