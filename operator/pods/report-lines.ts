import { POD_REPORT, type PodReport, REPORT_LINE_BYTES } from '../../crds/pod-status.ts';
import { Fault } from '../../ingest/runtime/fault.ts';

const NEWLINE = 0x0a;

/** A pod's report, line by line, however the bytes come. */
export class ReportLines {
  #pieces: Buffer[] = [];
  #length = 0;

  /** The reports that `bytes` complete. @throws Fault `ERR_POD_REPORT` for a line that is too long or cannot be read */
  *push(bytes: Uint8Array): Generator<PodReport> {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#take(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const line = Buffer.concat(this.#pieces, this.#length).toString();
      this.#pieces = [];
      this.#length = 0;
      if (line !== '') yield parseReport(line);
    }
    // A copy: what is kept must not pin the buffer that it came in.
    if (rest.length > 0) this.#take(Buffer.from(rest));
  }

  #take(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > REPORT_LINE_BYTES) {
      throw new Fault('ERR_POD_REPORT', `a line of over ${REPORT_LINE_BYTES} bytes`);
    }
    this.#pieces.push(piece);
  }
}

function parseReport(line: string): PodReport {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Fault('ERR_POD_REPORT', 'a line is no JSON', { cause: error });
  }
  const report = POD_REPORT.safeParse(value);
  if (report.success) return report.data;
  const [issue] = report.error.issues;
  throw new Fault('ERR_POD_REPORT', `${issue?.path.join('.')}: ${issue?.message}`);
}
