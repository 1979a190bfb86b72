import { setTimeout as delay } from 'node:timers/promises';
import { signRequest } from '../../crds/internal-request.ts';
import { INTERNAL_PATHS, type PodReport, SUMMARY_INTERVAL_MS } from '../../crds/pod-status.ts';
import { Fault } from '../../ingest/runtime/fault.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import { Backoff } from '../../kube/backoff.ts';
import { ReportLines } from './report-lines.ts';

/** Where a pod is asked. */
export interface PodAddress {
  readonly pod: string;
  /** Host, an IPv6 address without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface PodFeedOptions {
  /** Signs the request; undefined: not known yet. */
  readonly relayKey: () => string | undefined;
  readonly onReport: (report: PodReport) => void;
  /** The pod could not be asked, or its answer ended. */
  readonly onLost: () => void;
  readonly log: Log;
}

const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 3_000;
const SILENCE_MS = 3 * SUMMARY_INTERVAL_MS;

/** Reads one pod's report for as long as `signal` lets it, and begins anew whenever it ends. Never throws. */
export async function followPod(where: PodAddress, options: PodFeedOptions, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(RETRY_MIN_MS, RETRY_MAX_MS);
  while (!signal.aborted) {
    try {
      await readReports(where, options, () => backoff.reset(), signal);
    } catch (error) {
      if (!signal.aborted) options.log.info({ pod: where.pod, err: error }, 'pod cannot be asked');
    }
    if (!signal.aborted) options.onLost();
    await delay(backoff.next(), undefined, { signal }).catch(() => {});
  }
}

async function readReports(
  { pod, address, port }: PodAddress,
  { relayKey, onReport }: PodFeedOptions,
  onAlive: () => void,
  parent: AbortSignal,
): Promise<void> {
  const key = relayKey();
  if (key === undefined) throw new Fault('ERR_POD_RELAY_KEY', 'the runtime namespace has no Secret relay-key');
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(new Fault('ERR_POD_SILENT', `silent for ${SILENCE_MS} ms`)), SILENCE_MS);
  const signal = AbortSignal.any([parent, silent.signal]);
  try {
    const host = address.includes(':') ? `[${address}]` : address;
    const authorization = signRequest(key, 'GET', INTERNAL_PATHS.events, Date.now() / 1000);
    const response = await fetch(`http://${host}:${port}${INTERNAL_PATHS.events}`, {
      headers: { authorization },
      signal,
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Fault('ERR_POD_REFUSED', `${response.status} from ${pod}`);
    }
    const lines = new ReportLines();
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh();
      for (const report of lines.push(bytes)) {
        // An address is soon another pod's.
        if (report.pod !== pod) throw new Fault('ERR_POD_REPORT', `${report.pod} answers at the address of ${pod}`);
        onAlive();
        onReport(report);
      }
    }
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}
