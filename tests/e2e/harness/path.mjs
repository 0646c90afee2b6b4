// @ts-check
/** Programs on the path. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program that the variable names, else the first of these names on the path. @param {string} variable @param {string[]} names */
export function onPath(variable, names) {
  const named = process.env[variable];
  const candidates = named ? [named] : (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error(`no ${names[0]}: run tests/e2e/install.sh or set ${variable}`);
  return found;
}
