// Compiles Solidity for the benchmarks and keeps nothing. Stdin: {"compiler": package, "settings": solc's, "sources":
// {file: text}}; what these import is looked for in them, here and in packages. Stdout: {"file:contract": artifact}.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const { compiler, settings, sources } = JSON.parse(fs.readFileSync(0, "utf8"));
const solc = createRequire(import.meta.url)(compiler);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const places = [root, path.join(root, "node_modules")];
const read = (name) => {
  const full = places.map((p) => path.join(p, name)).find((p) => fs.existsSync(p));
  return full ? { contents: fs.readFileSync(full, "utf8") } : { error: `${name} is not here` };
};
const input = {
  language: "Solidity",
  sources: Object.fromEntries(Object.entries(sources).map(([file, content]) => [file, { content }])),
  settings: { ...settings, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
};
const made = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (made.errors ?? []).filter((e) => e.severity === "error");
for (const e of errors) console.error(e.formattedMessage);
if (errors.length) process.exit(1);
const artifact = ({ abi, evm }) => ({ abi, bytecode: `0x${evm.bytecode.object}` });
const found = Object.keys(sources).flatMap((file) =>
  Object.entries(made.contracts[file] ?? {}).map(([name, one]) => [`${file}:${name}`, artifact(one)]),
);
process.stdout.write(JSON.stringify(Object.fromEntries(found)));
