import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PodReport } from '../../crds/pod-status.ts';
import { recordingLog } from '../../test/support/kube/test-log.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { followPod } from './pod-feed.ts';

const REPORT: PodReport = {
  ...{ kind: 'all', pod: 'ingest-0', at: '2026-11-01T10:00:00Z', draining: false, spoolPersistent: true },
  ...{ streams: [], gone: [], finishedTombstones: [] },
};

let server: Server;
beforeEach(async () => {
  server = createServer((_, response) => response.write(`${JSON.stringify(REPORT)}\n`));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

/** Asks for this pod where `ingest-0` answers, until it is heard or lost. */
async function asked(pod: string) {
  const stop = new AbortController();
  const { log, lines } = recordingLog();
  const [reports, lost]: [PodReport[], string[]] = [[], []];
  const { port } = server.address() as AddressInfo;
  const options = {
    ...{ relayKey: () => 'key', log },
    onReport: (report: PodReport) => reports.push(report),
    onLost: () => lost.push(pod),
  };
  const following = followPod({ pod, address: '127.0.0.1', port }, options, stop.signal);
  await waitFor('word', () => reports.length + lost.length > 0, { everyMs: 5 });
  stop.abort();
  await following;
  const codes = lines.map(({ fields }) => (fields.err as { readonly code?: string } | undefined)?.code);
  return { reports, codes };
}

describe('who answers at the address of a pod', () => {
  it('is heard as that pod', async () => {
    expect(await asked('ingest-0')).toEqual({ reports: [REPORT], codes: [] });
  });

  it('and is another is not believed', async () => {
    expect(await asked('ingest-1')).toEqual({ reports: [], codes: ['ERR_POD_REPORT'] });
  });
});
