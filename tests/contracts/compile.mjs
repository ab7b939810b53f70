// Compiles one Solidity file, of the tests or of a package, and everything that it imports, and prints what came of it:
// node compile.mjs SOLC FILE. Nothing is kept: other people's code is not checked in. Settings only change speed.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const [compiler, file] = process.argv.slice(2);
const solc = createRequire(import.meta.url)(compiler);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const places = [root, path.join(root, "node_modules")];
const find = (name) => places.map((p) => path.join(p, name)).find((p) => fs.existsSync(p));
const read = (name) => {
  const full = find(name);
  return full ? { contents: fs.readFileSync(full, "utf8") } : { error: `${name} is not here` };
};
const input = {
  language: "Solidity",
  sources: { [file]: { content: read(file).contents } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const made = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (made.errors ?? []).filter((e) => e.severity === "error");
for (const e of errors) console.error(e.formattedMessage);
if (errors.length) process.exit(1);
const found = Object.values(made.contracts).flatMap((unit) => Object.entries(unit));
const artifact = ([name, one]) => [name, { abi: one.abi, bytecode: `0x${one.evm.bytecode.object}` }];
process.stdout.write(JSON.stringify(Object.fromEntries(found.map(artifact))));
