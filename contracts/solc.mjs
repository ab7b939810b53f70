#!/usr/bin/env node
// The solc of node_modules behind the command line that slither calls: `--version`, and `FILE --combined-json WHAT`.
import fs from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");
const read = (name) => {
  const full = [name, `node_modules/${name}`].find((p) => fs.existsSync(p));
  return full ? { contents: fs.readFileSync(full, "utf8") } : { error: `${name} is not here` };
};

function combined(file) {
  const settings = {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1_000_000 },
    outputSelection: { "*": { "*": ["*"], "": ["ast"] } },
  };
  const input = { language: "Solidity", sources: { [file]: { content: read(file).contents } }, settings };
  const made = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
  for (const e of made.errors ?? []) console.error(e.formattedMessage);
  const contracts = Object.entries(made.contracts).flatMap(([unit, found]) =>
    Object.entries(found).map(([name, { abi, evm, userdoc, devdoc }]) => [
      `${unit}:${name}`,
      {
        abi, devdoc, userdoc,
        bin: evm.bytecode.object, "bin-runtime": evm.deployedBytecode.object, hashes: evm.methodIdentifiers,
        srcmap: evm.bytecode.sourceMap, "srcmap-runtime": evm.deployedBytecode.sourceMap,
      },
    ]),
  );
  const units = Object.entries(made.sources).sort((a, b) => a[1].id - b[1].id);
  return {
    contracts: Object.fromEntries(contracts),
    sourceList: units.map(([name]) => name),
    sources: Object.fromEntries(units.map(([name, one]) => [name, { AST: one.ast }])),
    version: solc.version(),
  };
}

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else {
  process.stdout.write(JSON.stringify(combined(process.argv.find((a) => a.endsWith(".sol")))));
}
