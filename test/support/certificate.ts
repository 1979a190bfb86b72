import { once } from 'node:events';
import { connect } from 'node:tls';
import { tool } from '../setup/tools.ts';
import { output } from './process.ts';
import type { TempDir } from './temp-dir.ts';

/** Files of a key and its self-signed certificate, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for 127.0.0.1 and localhost in the folder. `name` is its file name and its common name. */
export async function selfSigned(dir: TempDir, name = 'localhost'): Promise<Certificate> {
  const [cert, key] = [dir.join(`${name}.crt`), dir.join(`${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await output(tool('openssl'), ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', ...subject]);
  return { cert, key };
}

/** The common name in the certificate that a server on 127.0.0.1 shows now. */
export async function servedCommonName(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return String(socket.getPeerCertificate().subject.CN);
  } finally {
    socket.destroy();
  }
}
