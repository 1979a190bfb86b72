import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';

/** For the eyes of this user alone: there are keys in it. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** What a JSON file holds; undefined where there is none. @throws the disk's errors, SyntaxError */
export async function readPrivateFile(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file in one step, durably, and makes its folder where that is missing. @throws the disk's errors */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
  const temporary = `${file}.tmp`;
  {
    await using handle = await open(temporary, 'w', FILE_MODE);
    await handle.chmod(FILE_MODE); // `open` leaves the mode of a file that a crash left behind
    await handle.writeFile(text);
    await handle.datasync();
  }
  await rename(temporary, file);
}
