import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './source-files.ts';

const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/@][^/]*)\//;

/**
 * The licence texts of Node and of every package of which a file is in the bundle.
 * @param inputs paths of the bundle's sources, relative to the checkout
 */
export function thirdPartyLicences(inputs: readonly string[]): string {
  const bundled = inputs.map((file) => PACKAGE.exec(file)?.[1]).filter((folder) => folder !== undefined);
  const folders = new Set([`node_modules/node-linux-${process.arch}`, ...bundled.sort()]);
  return [...folders].map(licenceOf).join('\n');
}

function licenceOf(folder: string): string {
  const dir = path.join(ROOT, folder);
  const manifest = path.join(dir, 'package.json');
  if (!existsSync(manifest)) return '';
  const { name, version, license = 'see its repository' } = JSON.parse(readFileSync(manifest, 'utf8'));
  const file = readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : readFileSync(path.join(dir, file), 'utf8');
  return `${'='.repeat(80)}\n${name} ${version} (${license})\n${'='.repeat(80)}\n${text}`;
}
