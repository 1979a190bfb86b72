import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from '../../setup/tools.ts';
import { output } from '../process.ts';

/** Files of a key and its certificate, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];

/** A certificate authority of one test run, in a folder. */
export class Pki {
  readonly #dir: string;
  readonly ca: KeyPair;

  private constructor(dir: string) {
    this.#dir = dir;
    this.ca = { cert: join(dir, 'ca.crt'), key: join(dir, 'ca.key') };
  }

  static async make(dir: string): Promise<Pki> {
    const pki = new Pki(dir);
    const { cert, key } = pki.ca;
    const what = ['-subj', '/CN=headwater-test-ca', '-addext', 'keyUsage=critical,keyCertSign,digitalSignature'];
    await output(tool('openssl'), ['req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, ...what]);
    return pki;
  }

  /** A certificate for servers and clients. `subject` as openssl writes it, `names` as in a subjectAltName. */
  async issue(name: string, subject: string, names: readonly string[] = []): Promise<KeyPair> {
    const [cert, key] = [join(this.#dir, `${name}.crt`), join(this.#dir, `${name}.key`)];
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'extendedKeyUsage=serverAuth,clientAuth',
      ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
    ].flatMap((extension) => ['-addext', extension]);
    const signer = ['-CA', this.ca.cert, '-CAkey', this.ca.key];
    const files = ['-keyout', key, '-out', cert];
    await output(tool('openssl'), ['req', '-x509', ...signer, ...NEW_KEY, ...files, '-subj', subject, ...extensions]);
    return { cert, key };
  }

  /** A bare private key, as the one that signs ServiceAccount tokens. */
  signingKey(name: string): string {
    const file = join(this.#dir, `${name}.key`);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(file, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
    return file;
  }
}
