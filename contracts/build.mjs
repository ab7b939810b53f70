// Compiles contracts/ and demo/contracts/ with the solc of node_modules into artifacts that are checked in, so that
// nobody who only runs the oracle needs Node or a compiler. `--check` compiles and compares.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");
const EIP170 = 24576;
const settings = {
  optimizer: { enabled: true, runs: 1_000_000 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

const sources = (folder) =>
  fs.readdirSync(path.join(root, folder), { recursive: true }).map(String).filter((f) => f.endsWith(".sol")).sort()
    .map((f) => path.posix.join(folder, f.split(path.sep).join("/")));

// Keys sorted, numbers and addresses never in it: the same source gives the same bytes on any machine.
const ordered = (value) =>
  Array.isArray(value) ? value.map(ordered)
    : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((k) => [k, ordered(value[k])]))
    : value;

function compile(folder) {
  const files = sources(folder);
  if (!files.length) return {};
  const content = Object.fromEntries(files.map((f) => [f, { content: fs.readFileSync(path.join(root, f), "utf8") }]));
  const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources: content, settings })));
  const trouble = (output.errors ?? []).filter((e) => e.severity !== "info");
  for (const e of trouble) console.error(e.formattedMessage);
  if (trouble.length) process.exit(1);
  const found = {};
  for (const file of files) {
    for (const [name, made] of Object.entries(output.contracts[file] ?? {})) {
      const runtime = made.evm.deployedBytecode.object;
      if (!runtime) continue;
      if (runtime.length / 2 > EIP170) throw new Error(`${name}: ${runtime.length / 2} bytes are more than a chain takes`);
      const artifact = {
        name, source: file, compiler: solc.version(), abi: made.abi,
        bytecode: "0x" + made.evm.bytecode.object, runtime: "0x" + runtime,
      };
      found[name] = JSON.stringify(ordered(artifact), null, 2) + "\n";
      console.log(`${name.padEnd(16)} ${runtime.length / 2} bytes`);
    }
  }
  return found;
}

let differs = false;
for (const folder of ["contracts", "demo/contracts"]) {
  const out = path.join(root, folder === "contracts" ? "contracts/artifacts" : "demo/artifacts");
  const made = compile(folder);
  fs.mkdirSync(out, { recursive: true });
  const there = fs.readdirSync(out).filter((f) => f.endsWith(".json"));
  for (const [name, text] of Object.entries(made)) {
    const file = path.join(out, `${name}.json`);
    const old = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
    if (old === text) continue;
    differs = true;
    if (check) console.error(`${path.relative(root, file)} is not what its source compiles to: run make artifacts`);
    else fs.writeFileSync(file, text);
  }
  for (const file of there.filter((f) => !(f.slice(0, -5) in made))) {
    differs = true;
    if (check) console.error(`${path.join(folder, "artifacts", file)} has no source: run make artifacts`);
    else fs.unlinkSync(path.join(out, file));
  }
}
if (check && differs) process.exit(1);
