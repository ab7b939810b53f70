// Compiles contracts/ and demo/contracts/ with the solc of node_modules into checked-in artifacts, so that running the
// oracle needs neither Node nor a compiler. `--check` compiles in memory and compares.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");
const EIP170 = 24_576;
// Not viaIR: it makes pushes 0.8 % cheaper and reads, which every consumer pays, up to 5 % dearer.
const settings = {
  evmVersion: "cancun",
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: false,
};
const outputSelection = {
  "*": {
    "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"],
    "": ["ast"],
  },
};

const sources = (folder) => {
  if (!fs.existsSync(path.join(root, folder))) return [];
  const files = fs.readdirSync(path.join(root, folder), { recursive: true }).map(String);
  return files.filter((f) => f.endsWith(".sol")).sort().map((f) => path.posix.join(folder, f.split(path.sep).join("/")));
};

const read = (file) => fs.readFileSync(path.join(root, file), "utf8");

const ordered = (value) => {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, ordered(value[k])]));
};

function output(files) {
  const content = Object.fromEntries(files.map((f) => [f, { content: read(f) }]));
  const input = { language: "Solidity", sources: content, settings: { ...settings, outputSelection } };
  const compiled = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = (compiled.errors ?? []).filter((e) => e.severity !== "info");
  for (const e of problems) console.error(e.formattedMessage);
  if (problems.length) process.exit(1);
  return compiled;
}

// Names of the immutables by the compiler's AST id. An id changes whenever a file is added, a name does not.
function immutables(compiled) {
  const names = {};
  const walk = (node) => {
    if (node === null || typeof node !== "object") return;
    if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") names[node.id] = node.name;
    Object.values(node).forEach(walk);
  };
  Object.values(compiled.sources).forEach((s) => walk(s.ast));
  return names;
}

// An interface or an abstract contract has an ABI only.
function artifact(name, source, contract, names) {
  const base = { abi: contract.abi, compiler: solc.version(), name, settings, source };
  const runtime = contract.evm.deployedBytecode.object;
  if (!runtime) return base;
  const size = runtime.length / 2;
  if (size > EIP170) throw new Error(`${name}: ${size} bytes are more than the ${EIP170} that EIP-170 allows`);
  console.log(`${name.padEnd(16)} ${size} bytes`);
  const references = Object.entries(contract.evm.deployedBytecode.immutableReferences ?? {});
  const immutableReferences = Object.fromEntries(references.map(([id, places]) => [names[id], places]));
  return { ...base, bytecode: `0x${contract.evm.bytecode.object}`, immutableReferences, runtime: `0x${runtime}` };
}

function compile(folder) {
  const files = sources(folder);
  if (!files.length) return {};
  const compiled = output(files);
  const names = immutables(compiled);
  const artifacts = {};
  for (const file of files) {
    for (const [name, contract] of Object.entries(compiled.contracts[file] ?? {})) {
      if (name in artifacts) {
        throw new Error(`${name} is in ${artifacts[name].source} and in ${file}: contracts need different names`);
      }
      artifacts[name] = artifact(name, file, contract, names);
    }
  }
  return artifacts;
}

const text = (value) => `${JSON.stringify(ordered(value), null, 2)}\n`;

// How the checked-in artifact (undefined: there is none) differs from the compiled one (undefined: there is no source).
function difference(checkedIn, compiled) {
  if (checkedIn === compiled) return null;
  if (checkedIn === undefined) return "is missing";
  if (compiled === undefined) return "has no source";
  const [a, b] = [checkedIn, compiled].map((t) => JSON.parse(t));
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  const different = keys.filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));
  return `differs from its source in ${different.join(", ") || "its layout"}`;
}

// Writes or removes an artifact, or with --check says what is wrong with it; returns how many differences there were.
function update(file, compiled) {
  const full = path.join(root, file);
  const checkedIn = fs.existsSync(full) ? fs.readFileSync(full, "utf8") : undefined;
  const problem = difference(checkedIn, compiled);
  if (problem === null) return 0;
  if (check) console.error(`${file} ${problem}: run make artifacts`);
  else if (compiled === undefined) fs.unlinkSync(full);
  else fs.writeFileSync(full, compiled);
  return 1;
}

let differences = 0;
for (const folder of ["contracts", "demo/contracts"]) {
  const out = path.posix.join(folder.split("/")[0], "artifacts");
  const compiled = compile(folder);
  fs.mkdirSync(path.join(root, out), { recursive: true });
  const checkedIn = fs.readdirSync(path.join(root, out)).filter((f) => f.endsWith(".json")).map((f) => f.slice(0, -5));
  for (const name of [...new Set([...checkedIn, ...Object.keys(compiled)])].sort()) {
    differences += update(path.posix.join(out, `${name}.json`), name in compiled ? text(compiled[name]) : undefined);
  }
}
if (check && differences) process.exit(1);
