import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own under the temporary folder, removed at disposal (kept when HEADWATER_KEEP is set, to look at). */
export class TempDir implements Disposable {
  readonly path: string;

  constructor(name = 'test') {
    this.path = mkdtempSync(join(tmpdir(), `headwater-${name}-`));
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  [Symbol.dispose](): void {
    if (process.env.HEADWATER_KEEP) console.log(`kept ${this.path}`);
    else rmSync(this.path, { recursive: true, force: true });
  }
}
